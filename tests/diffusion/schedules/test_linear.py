"""The DDPM schedule against its own recursion and published constants."""

import math

import numpy as np
import pytest
import torch

from genrl.diffusion.schedules import LinearSchedule

ENDS = torch.tensor([0.0, 1.0], dtype=torch.float64)


def test_published_constants() -> None:
    level = LinearSchedule().level(ENDS)
    signal = level.alpha[1].item() ** 2
    assert level.log_snr.tolist() == pytest.approx([9.210, -10.118], abs=5e-4)
    assert signal == pytest.approx(4.0358e-5, rel=1e-5)
    assert level.alpha[1].item() == pytest.approx(6.353e-3, rel=1e-4)
    prior = 0.5 * (signal + level.sigma[1] ** 2 - 2 * level.sigma[1].log() - 1)
    assert prior.item() / math.log(2) == pytest.approx(2.91e-5, rel=1e-3)


def test_entries_are_the_products_of_the_betas() -> None:
    signal, products = 1.0, []
    for beta in np.linspace(0.003, 0.3, 25):
        signal *= 1 - beta
        products.append(signal)
    schedule = LinearSchedule(num_timesteps=25, beta_start=0.003, beta_end=0.3)
    level = schedule.level(torch.arange(25, dtype=torch.float64) / 24)
    assert (level.alpha**2).tolist() == pytest.approx(products, rel=1e-13)
    assert (level.sigma**2).tolist() == pytest.approx([1 - p for p in products], rel=1e-12)


def test_log_snr_is_linear_between_entries() -> None:
    schedule = LinearSchedule(num_timesteps=11)
    third, fourth = schedule.log_snr(torch.tensor([0.3, 0.4], dtype=torch.float64)).tolist()
    between = schedule.log_snr(torch.tensor(0.325, dtype=torch.float64)).item()
    assert between == pytest.approx(0.75 * third + 0.25 * fourth, rel=1e-12)


def test_low_precision_keeps_the_table() -> None:
    schedule = LinearSchedule()
    before = schedule.log_snr(ENDS)
    for cast in (torch.nn.Module.half, torch.nn.Module.float, torch.nn.Module.bfloat16):
        assert torch.equal(cast(schedule).log_snr(ENDS), before)
        assert schedule.table.dtype == torch.float64


def test_the_table_is_no_part_of_a_checkpoint() -> None:
    assert LinearSchedule().state_dict() == {}


@pytest.mark.gpu
def test_the_table_follows_the_module_and_the_argument() -> None:
    schedule = LinearSchedule().cuda()
    assert schedule.table.is_cuda
    assert torch.equal(schedule.log_snr(ENDS), LinearSchedule().log_snr(ENDS))
    assert schedule.log_snr(ENDS.cuda()).is_cuda


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_timesteps": 1}, "at least 2"),
        ({"beta_start": 0.0}, "0 < beta_start"),
        ({"beta_start": 0.03}, "0 < beta_start"),
        ({"beta_end": 1.0}, "beta_end < 1"),
    ],
)
def test_impossible_betas_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearSchedule(**wrong)  # type: ignore[arg-type]
