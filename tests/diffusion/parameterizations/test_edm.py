"""EDM's preconditioning against the formulas of Karras et al. 2022, table 1."""

import pytest
import torch

from genrl.diffusion import CosineSchedule, Denoiser, EdmSchedule, FlowSchedule, NoiseSchedule
from genrl.diffusion.parameterizations import EdmParameterization
from genrl.networks.base import Network
from genrl.typing import Batch, Data, DataSpec, Labels


class Recorder(Network):
    """Returns tanh(z + 1) and keeps what it was given."""

    def forward(
        self, z: Data, log_snr: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Data:
        self.z, self.log_snr = z, log_snr
        return (z + 1).tanh()


@pytest.mark.parametrize("schedule", [EdmSchedule(), CosineSchedule(), FlowSchedule()])
def test_denoiser_of_the_paper(schedule: NoiseSchedule) -> None:
    data = 0.6
    times = torch.tensor([0.05, 0.3, 0.6, 0.9], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 3, 2, 2, generator=generator, dtype=torch.float64)
    network = Recorder(DataSpec((3, 2, 2)))
    denoiser = Denoiser(network, schedule, EdmParameterization(sigma_data=data))
    prediction = denoiser(z, times)

    level = schedule.level_like(times, z)
    sigma, y = level.sigma / level.alpha, z / level.alpha
    c_skip = data**2 / (sigma**2 + data**2)
    c_out = sigma * data / (sigma**2 + data**2).sqrt()
    c_in = 1 / (sigma**2 + data**2).sqrt()
    c_noise = sigma.log() / 4
    expected = c_skip * y + c_out * (c_in * y + 1).tanh()
    torch.testing.assert_close(network.z, c_in * y, rtol=1e-12, atol=0)
    torch.testing.assert_close(-network.log_snr / 8, c_noise.reshape(-1), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(prediction.x, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(prediction.eps, (y - expected) / sigma, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", [CosineSchedule(), EdmSchedule(), FlowSchedule()])
def test_input_and_target_have_unit_variance(schedule: NoiseSchedule) -> None:
    """For data of standard deviation sigma_data, at both ends too, in float32."""
    data = 0.5
    times = torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0])
    level = schedule.level_like(times, times)
    parameterization = EdmParameterization(sigma_data=data)
    scale = parameterization.input_scale(level)
    input_variance = scale**2 * (level.alpha**2 * data**2 + level.sigma**2)
    torch.testing.assert_close(input_variance, torch.ones(5), rtol=1e-5, atol=0)
    # The output moves x by c_out, so the target's variance is that of x - c_skip y over c_out².
    one, none = torch.ones(5), torch.zeros(5)
    c_out = parameterization.prediction(one, none, level).x
    c_skip_over_alpha = parameterization.prediction(none, one, level).x
    error = (1 - c_skip_over_alpha * level.alpha) ** 2 * data**2
    error = error + (c_skip_over_alpha * level.sigma) ** 2
    torch.testing.assert_close(
        (error / c_out**2).double(), torch.ones(5).double(), rtol=1e-2, atol=0
    )


def test_the_input_scale_is_finite_where_the_signal_vanishes() -> None:
    level = CosineSchedule().level(torch.tensor([1.0]))
    assert EdmParameterization().input_scale(level).item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("sigma_data", [0.0, -0.5])
def test_impossible_data_is_refused(sigma_data: float) -> None:
    with pytest.raises(ValueError, match="sigma_data must be positive"):
        EdmParameterization(sigma_data=sigma_data)
