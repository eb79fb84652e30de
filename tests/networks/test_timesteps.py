"""Steps of a discrete schedule, between them, and beyond its ends."""

import math

import pytest
import torch

from genrl.networks.timesteps import Timesteps, angle_step


def test_without_a_table_it_is_the_time_of_the_cosine_schedule() -> None:
    """λ = -2 log tan(π t / 2)."""
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    log_snr = -2 * torch.log(torch.tan(math.pi * t / 2))
    torch.testing.assert_close(Timesteps()(log_snr), 1000 * t, rtol=1e-9, atol=0)


@pytest.mark.parametrize("last", [-10.0, -math.inf])
def test_entries_are_their_numbers_and_the_rest_lies_between(last: float) -> None:
    table = [math.inf, 9.0, 3.5, 0.0, -2.0, last]
    steps = Timesteps(table)
    torch.testing.assert_close(steps(torch.tensor(table)), torch.arange(6.0), rtol=0, atol=1e-5)
    fine = torch.linspace(12, -12, 400)
    assert (steps(fine).diff() >= 0).all()
    between = steps(torch.tensor([1.0])).item()
    share = (angle_step(torch.tensor([1.0])) - angle_step(torch.tensor([3.5]))) / (
        500 - angle_step(torch.tensor([3.5]))
    )
    assert between == pytest.approx(2 + share.item(), abs=1e-5)


def test_beyond_the_ends_it_stays_at_them() -> None:
    steps = Timesteps([5.0, 0.0, -5.0])
    assert steps(torch.tensor([20.0, -20.0])).tolist() == [0.0, 2.0]


def test_many_small_steps_are_found_in_float32() -> None:
    table = torch.linspace(10, -10, 1000, dtype=torch.float64)
    found = Timesteps(table.tolist())(table.float())
    torch.testing.assert_close(found, torch.arange(1000.0), rtol=0, atol=2e-4)
