"""The schedule given as a table: its entries, what lies between, an end without signal."""

import math

import pytest
import torch

from genrl.diffusion.schedules import TableSchedule, schedules
from genrl.networks.timesteps import Timesteps
from genrl.registry import ConfigurationError

TABLE = (7.0, 3.0, -1.0, -6.0, -math.inf)


def test_entries_are_exact_and_between_them_the_angle_is_linear() -> None:
    schedule = TableSchedule(log_snrs=TABLE)
    found = schedule.log_snr(torch.arange(5, dtype=torch.float64) / 4).tolist()
    assert found[:4] == pytest.approx(TABLE[:4], abs=1e-12)
    angle = [math.atan(math.exp(-0.5 * value)) for value in TABLE]
    middle = schedule.log_snr(torch.tensor(0.3, dtype=torch.float64)).item()
    wanted = angle[1] + 0.2 * (angle[2] - angle[1])
    assert math.atan(math.exp(-0.5 * middle)) == pytest.approx(wanted, rel=1e-12)


def test_zero_signal_at_the_end() -> None:
    level = TableSchedule(log_snrs=TABLE).level(torch.ones(1))
    assert level.alpha.item() < 1e-15
    assert level.sigma.item() == 1.0
    assert level.log_snr.isfinite()


def test_a_network_of_the_same_table_is_asked_at_whole_steps() -> None:
    """In float32 too, as everything around the network is."""
    table = tuple(torch.linspace(9.2, -10.1, 1000, dtype=torch.float64).tolist())
    step = Timesteps(table)(TableSchedule(log_snrs=table).log_snr(torch.arange(1000) / 999))
    assert torch.equal(step, torch.arange(1000.0))


def test_low_precision_keeps_the_table() -> None:
    schedule = TableSchedule(log_snrs=TABLE)
    ends = torch.tensor([0.0, 0.7], dtype=torch.float64)
    assert torch.equal(schedule.half().log_snr(ends), TableSchedule(log_snrs=TABLE).log_snr(ends))
    assert schedule.state_dict() == {}


@pytest.mark.parametrize("table", [[1.0], [1.0, 1.0], [0.0, 1.0]])
def test_refuses_what_does_not_fall(table: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="each below the one before"):
        schedules.build({"name": "table", "log_snrs": table})
