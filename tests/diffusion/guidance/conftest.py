"""A mixture whose denoiser, classifier and guided predictions are all exact."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.schedules import CosineSchedule, NoiseLevel, NoiseSchedule

F64 = torch.float64


@dataclass(frozen=True)
class Mixture:
    """Three components in two classes, six noisy examples of it, and a weight for each."""

    model: GaussianMixtureDenoiser
    schedule: NoiseSchedule
    z: Tensor
    t: Tensor
    label: Tensor
    w: Tensor

    @property
    def arguments(self) -> tuple[GaussianMixtureDenoiser, Tensor, Tensor, Tensor, Tensor]:
        """Of a guidance's call."""
        return self.model, self.z, self.t, self.label, self.w

    def logits(self, z: Tensor, level: NoiseLevel) -> Tensor:
        """log p(z | y) + log p(y) of each class, up to a constant: the exact classifier."""
        t = self.schedule.time(level.log_snr.reshape(-1))
        both = [self.model.log_prob(z, t, torch.full_like(self.label, y)) for y in (0, 1)]
        shares = self.model.log_weights[-1].exp()
        prior = torch.stack([shares[:1].sum(), shares[1:].sum()])
        return torch.stack(both, dim=1) + prior.log()


@pytest.fixture(name="mixture")
def _mixture() -> Mixture:
    schedule = CosineSchedule()
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3], [0.2, -0.7]], dtype=F64)
    stds = torch.tensor([0.3, 0.2, 0.4], dtype=F64)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=F64)
    model = GaussianMixtureDenoiser(schedule, means, stds, weights, torch.tensor([0, 1, 1]))
    return Mixture(
        model,
        schedule,
        torch.randn(6, 2, dtype=F64, generator=torch.Generator().manual_seed(0)),
        torch.linspace(0.05, 0.95, 6, dtype=F64),
        torch.tensor([0, 1, 0, 1, 1, 0]),
        torch.linspace(0, 5, 6, dtype=F64),
    )
