"""Terminal-SNR rescaling against Lin et al. 2024, as diffusers has it."""

import warnings

import pytest
import torch

from genrl.config import compose
from genrl.diffusion.schedules import (
    EdmSchedule,
    LinearSchedule,
    ScaledLinearSchedule,
    ZeroSnrSchedule,
    schedules,
)
from genrl.registry import ConfigurationError

F64 = torch.float64
TIMES = torch.arange(1000, dtype=F64) / 999


def lin(alpha: torch.Tensor) -> torch.Tensor:
    """Algorithm 1 of the paper, on α."""
    return (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])


@pytest.mark.parametrize(
    ("of", "inner"), [("scaled_linear", ScaledLinearSchedule()), ("linear", LinearSchedule())]
)
def test_the_papers_algorithm_where_the_end_is_far_down(
    of: str, inner: LinearSchedule | ScaledLinearSchedule
) -> None:
    schedule = ZeroSnrSchedule(of=of, log_snr_min=-80.0)
    expected = lin(inner.level(TIMES).alpha)
    alpha = schedule.level(TIMES).alpha
    torch.testing.assert_close(alpha, expected, rtol=1e-11, atol=1e-16)
    assert alpha[-1] < 5e-18


def test_by_default_alpha_differs_by_less_than_five_hundred_thousandths() -> None:
    schedule = ZeroSnrSchedule()
    difference = schedule.level(TIMES).alpha - lin(ScaledLinearSchedule().level(TIMES).alpha)
    assert 0 < difference.abs().max() < 5e-5
    assert schedule.log_snr(TIMES)[-1].item() == pytest.approx(-20, abs=1e-9)


def test_diffusers_rescales_alike() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        theirs = diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            rescale_betas_zero_snr=True,
        ).alphas_cumprod.double()
    alpha = ZeroSnrSchedule(log_snr_min=-60.0).level(TIMES).alpha
    torch.testing.assert_close(alpha, theirs.sqrt(), rtol=0, atol=3e-6)


@pytest.mark.parametrize("of", [n for n in schedules.names() if n not in ("zero_snr", "learned")])
def test_every_schedule_can_be_rescaled(of: str) -> None:
    inner, schedule = schedules.build(of), ZeroSnrSchedule(of=of)
    ends = torch.tensor([0.0, 1.0], dtype=F64)
    with torch.no_grad():
        assert schedule.log_snr(ends).tolist() == pytest.approx(
            [inner.log_snr(ends)[0].item(), -20], abs=1e-6
        )


def test_another_family_stays_that_family() -> None:
    level = ZeroSnrSchedule(of="edm").level(torch.linspace(0, 1, 11, dtype=F64))
    assert torch.equal(level.alpha, torch.ones(11, dtype=F64))
    assert level.sigma[-1].item() == pytest.approx(torch.tensor(10.0).exp().item(), rel=1e-6)
    assert level.sigma[0].item() == pytest.approx(EdmSchedule().level(TIMES[0]).sigma.item())


def test_parameters_of_the_inner_schedule() -> None:
    words = ["schedule=zero_snr", "schedule.of=linear", "+schedule.parameters.beta_end=0.03"]
    config = compose(words)
    schedule = schedules.build(config["schedule"])
    assert isinstance(schedule, ZeroSnrSchedule)
    inner = LinearSchedule(beta_end=0.03)
    torch.testing.assert_close(schedule.inner.log_snr(TIMES), inner.log_snr(TIMES))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"of": "liner"}, "no schedule is called 'liner'. Did you mean 'linear'"),
        ({"of": "zero_snr"}, "rescaled twice"),
        ({"parameters": {"beta": 1}}, "schedule 'scaled_linear' has no parameter 'beta'"),
        ({"log_snr_min": 9.0}, "must be below the data end"),
    ],
)
def test_mistakes(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        schedules.build({"name": "zero_snr", **config})
