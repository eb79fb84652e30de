"""Exact denoisers of Gaussian and Gaussian-mixture data: the oracle of the whole framework.

For x ~ N(m, s²) and z = α x + σ ε the marginal of z is N(α m, r²) with r² = α² s² + σ², and

    E[x | z] = (σ² m + α s² z) / r²,    E[ε | z] = σ (z - α m) / r²

The probability-flow ODE carries z_t to z_s = α_s m + (r_s / r_t) (z_t - α_t m). A mixture averages
both expectations with the responsibilities of its components. Every formula is written in ratios to
r = hypot(α s, σ), which lie in [0, 1], so nothing cancels or overflows at either end of λ or for a
variance-exploding σ.
Karras et al. 2022, appendix B.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.typing import Batch, Data, Labels

Components = Float[Tensor, "components *shape"]


class GaussianDenoiser:
    """E[x | z] = (σ² m + α s² z) / (α² s² + σ²) for data N(m, s²) with independent entries.

    With classes, each class is a Gaussian of its own, and ``mean`` and ``std`` are what the null
    class predicts: they are chosen freely, since a mixture of the classes would be no Gaussian.

    Args:
        schedule: gives α and σ.
        mean: of the data, broadcastable to an example.
        std: of the data, not negative, broadcastable to an example; 0 is a point mass.
        class_means: of each class, "classes *mean"; None for data without labels.
        class_stds: of each class, "classes *std".

    Raises:
        ValueError: if a std is negative, or only one of the class tables is given, or they differ
            in length.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        mean: Tensor,
        std: Tensor,
        class_means: Tensor | None = None,
        class_stds: Tensor | None = None,
    ) -> None:
        if (class_means is None) != (class_stds is None):
            raise ValueError("class_means and class_stds must be given together")
        self.schedule = schedule
        self.means, self.stds = mean[None], std[None]
        if class_means is not None and class_stds is not None:
            if len(class_means) != len(class_stds):
                raise ValueError(f"{len(class_means)} class_means but {len(class_stds)} class_stds")
            self.means = torch.cat([class_means, mean.expand_as(class_means[0])[None]])
            self.stds = torch.cat([class_stds, std.expand_as(class_stds[0])[None]])
        if (self.stds < 0).any():
            raise ValueError("std must not be negative")
        self.num_classes = len(self.means) - 1

    def __call__(
        self, z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction:
        """The exact x and ε; arguments as for `Denoiser`, ``w`` is ignored."""
        level = self.schedule.level_like(t, z)
        mean, std, scale = self._moments(z, level.alpha, level.sigma, label)
        x = (level.sigma / scale) ** 2 * mean + level.alpha * std / scale * (std * (z / scale))
        eps = level.sigma / scale * ((z - level.alpha * mean) / scale)
        return Prediction(x, eps, level)

    def flow(self, z: Data, t: Batch, s: Batch, label: Labels | None = None) -> Data:
        """Where the probability-flow ODE carries z from time t to s; either may be the larger."""
        start, end = self.schedule.level_like(t, z), self.schedule.level_like(s, z)
        mean, _, scale = self._moments(z, start.alpha, start.sigma, label)
        _, _, end_scale = self._moments(z, end.alpha, end.sigma, label)
        return end.alpha * mean + end_scale * ((z - start.alpha * mean) / scale)

    def log_prob(self, z: Data, t: Batch, label: Labels | None = None) -> Batch:
        """Log density of the noisy data at time t, in nats."""
        level = self.schedule.level_like(t, z)
        mean, _, scale = self._moments(z, level.alpha, level.sigma, label)
        deviation = (z - level.alpha * mean) / scale
        density = -0.5 * (deviation**2 + math.log(2 * math.pi)) - scale.log()
        return density.flatten(1).sum(dim=1)

    def sample(self, batch: int, generator: torch.Generator, label: Labels | None = None) -> Data:
        """Clean data; an example has the shape that ``mean`` and ``std`` broadcast to."""
        index = _indices(label, self.num_classes, batch, self.means.device)
        mean, std = self.means[index], self.stds[index]
        rank = max(mean.ndim, std.ndim)
        mean, std = _aligned(mean, rank), _aligned(std, rank)
        noise = torch.randn(
            (mean + std).shape, generator=generator, dtype=mean.dtype, device=generator.device
        )
        return mean + std * noise.to(mean.device)

    def _moments(
        self, z: Data, alpha: Tensor, sigma: Tensor, label: Labels | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """m, s and r = hypot(α s, σ) in the type of z; r has the shape of z."""
        index = _indices(label, self.num_classes, len(z), z.device)
        mean, std = (_aligned(v.to(z)[index], z.ndim) for v in (self.means, self.stds))
        return mean, std, torch.hypot(alpha * std, sigma).expand_as(z)


class GaussianMixtureDenoiser:
    """E[x | z] = Σ_k ρ_k E_k[x | z], ρ_k ∝ π_k N(z; α μ_k, α² s_k² + σ²), isotropic components.

    A class is the part of the mixture that its components form; the null class is the whole
    mixture, so guidance between them is that of a perfectly trained model.

    Args:
        schedule: gives α and σ.
        means: of the components, "components *shape".
        stds: of the components, "components" or a scalar, not negative; 0 is a point mass.
        weights: of the components, positive, normalised here; None for equal ones.
        labels: class of each component, 0 ... num_classes - 1; None for data without labels.

    Raises:
        ValueError: if a std is negative, a weight is not positive, a table has another length than
            ``means``, or a class has no component.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        means: Components,
        stds: Tensor,
        weights: Float[Tensor, " components"] | None = None,
        labels: Int[Tensor, " components"] | None = None,
    ) -> None:
        weights = torch.ones_like(means.flatten(1)[:, 0]) if weights is None else weights
        for table, what in ((weights, "weights"), (labels, "labels")):
            if table is not None and len(table) != len(means):
                raise ValueError(f"{len(means)} means but {len(table)} {what}")
        if (stds < 0).any() or (weights <= 0).any():
            raise ValueError("stds must not be negative and weights must be positive")
        self.schedule = schedule
        self.means = means
        self.stds = stds.to(means).expand(len(means))
        self.num_classes = 0 if labels is None else int(labels.max()) + 1
        member = torch.ones(self.num_classes + 1, len(means), dtype=torch.bool, device=means.device)
        if labels is not None:
            member[:-1] = labels == torch.arange(self.num_classes, device=means.device)[:, None]
        if not member.any(dim=1).all():
            empty = int((~member.any(dim=1)).nonzero()[0])
            raise ValueError(
                f"class {empty} has no component; number the classes from 0 without gaps"
            )
        masked = torch.where(member, weights.to(means).log(), -math.inf)
        self.log_weights = masked.log_softmax(dim=1)

    def __call__(
        self, z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction:
        """The exact x and ε; arguments as for `Denoiser`, ``w`` is ignored."""
        level = self.schedule.level_like(t, z)
        alpha, sigma = level.alpha.reshape(-1, 1, 1), level.sigma.reshape(-1, 1, 1)
        flat, means, stds, scale, deviation = self._components(z, alpha, sigma)
        share = self._log_joint(deviation, scale, label).softmax(dim=1)[:, :, None]
        x = (sigma / scale) ** 2 * means + alpha * stds / scale * (stds * (flat / scale))
        eps = sigma / scale * deviation
        x, eps = ((share * v).sum(dim=1).reshape(z.shape) for v in (x, eps))
        return Prediction(x, eps, level)

    def log_prob(self, z: Data, t: Batch, label: Labels | None = None) -> Batch:
        """Log density of the noisy data at time t, in nats."""
        level = self.schedule.level_like(t, z)
        alpha, sigma = level.alpha.reshape(-1, 1, 1), level.sigma.reshape(-1, 1, 1)
        _, _, _, scale, deviation = self._components(z, alpha, sigma)
        return self._log_joint(deviation, scale, label).logsumexp(dim=1)

    def sample(self, batch: int, generator: torch.Generator, label: Labels | None = None) -> Data:
        """Clean data."""
        index = _indices(label, self.num_classes, batch, self.means.device)
        probabilities = self.log_weights[index].exp().to(generator.device)
        component = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        mean = self.means[component.to(self.means.device)]
        std = _aligned(self.stds[component.to(self.means.device)], mean.ndim, trailing=True)
        noise = torch.randn(
            mean.shape, generator=generator, dtype=mean.dtype, device=generator.device
        )
        return mean + std * noise.to(mean.device)

    def _components(
        self, z: Data, alpha: Tensor, sigma: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """z, μ, s, r and (z - α μ) / r, broadcastable to "batch components size"."""
        flat = z.flatten(1)[:, None, :]
        means = self.means.to(z).flatten(1)[None]
        stds = self.stds.to(z)[None, :, None]
        scale = torch.hypot(alpha * stds, sigma)
        return flat, means, stds, scale, (flat - alpha * means) / scale

    def _log_joint(
        self, deviation: Tensor, scale: Tensor, label: Labels | None
    ) -> Float[Tensor, "batch components"]:
        """log π_k + log N(z; α μ_k, r_k²)."""
        batch, _, size = deviation.shape
        index = _indices(label, self.num_classes, batch, deviation.device)
        log_normal = -0.5 * deviation.square().sum(dim=2) - size * scale[:, :, 0].log()
        constant = 0.5 * size * math.log(2 * math.pi)
        return self.log_weights.to(deviation)[index] + log_normal - constant


def _indices(label: Labels | None, null: int, batch: int, device: torch.device) -> Labels:
    """Row of each example in a table whose last row is the null class."""
    if label is None:
        return torch.full((batch,), null, device=device)
    return label.to(device)


def _aligned(value: Tensor, rank: int, *, trailing: bool = False) -> Tensor:
    """One row for each example, with unit dimensions behind the batch (or at the end)."""
    ones = (1,) * (rank - value.ndim)
    rows, rest = value.shape[:1], value.shape[1:]
    return value.reshape(*rows, *rest, *ones) if trailing else value.reshape(*rows, *ones, *rest)
