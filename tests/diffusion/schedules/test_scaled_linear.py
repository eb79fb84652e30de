"""The schedule of Stable Diffusion against diffusers' table and against products by hand."""

import math
import warnings

import pytest
import torch

from genrl.diffusion.schedules import LinearSchedule, ScaledLinearSchedule


@pytest.mark.parametrize(
    ("schedule", "name", "start", "end"),
    [
        (ScaledLinearSchedule(), "scaled_linear", 0.00085, 0.012),
        (LinearSchedule(), "linear", 1e-4, 0.02),
    ],
)
def test_diffusers_has_the_same_table(
    schedule: LinearSchedule | ScaledLinearSchedule, name: str, start: float, end: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        theirs = diffusers.DDPMScheduler(beta_start=start, beta_end=end, beta_schedule=name)
    times = torch.arange(1000, dtype=torch.float64) / 999
    # Theirs is a product of a thousand float32 numbers.
    signal = torch.sigmoid(schedule.log_snr(times))
    torch.testing.assert_close(signal, theirs.alphas_cumprod.double(), rtol=2e-5, atol=1e-9)


def test_ends_by_hand() -> None:
    first, last = math.sqrt(0.00085), math.sqrt(0.012)
    signal = math.prod(1 - (first + (last - first) * i / 999) ** 2 for i in range(1000))
    ends = ScaledLinearSchedule().log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    assert ends[0] == pytest.approx(math.log((1 - 0.00085) / 0.00085), abs=1e-10)
    assert ends[1] == pytest.approx(math.log(signal / (1 - signal)), abs=1e-10)
    assert math.sqrt(signal) == pytest.approx(0.0683, abs=1e-4)


def test_a_wrong_table_is_refused() -> None:
    with pytest.raises(ValueError, match="beta_start <= beta_end"):
        ScaledLinearSchedule(beta_start=0.02, beta_end=0.01)
    with pytest.raises(ValueError, match="num_timesteps"):
        ScaledLinearSchedule(num_timesteps=1)
