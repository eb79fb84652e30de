"""Proof of guidance by its identities, on a mixture of Gaussians with two classes."""

import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.guidance import Guidance, Sources
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.diffusion.schedules.cosine import CosineSchedule
from genrl.testing.diffusion.figures import CheckError, Figures, require, require_small
from genrl.typing import Batch, Data, Labels

F64 = torch.float64
NUM_CLASSES = 2  # of the data that guidance is proved on
SHAPE = (2, 3, 3)


class CountedMixture:
    """Two Gaussians for each of two classes, which counts the examples that it is asked about.

    Args:
        schedule: of the noise.
    """

    def __init__(self, schedule: NoiseSchedule) -> None:
        generator = torch.Generator().manual_seed(0)
        means = 0.5 * torch.randn(4, *SHAPE, generator=generator, dtype=F64)
        stds = torch.tensor([0.3, 0.4, 0.5, 0.6], dtype=F64)
        labels = torch.tensor([0, 0, 1, 1])
        self.schedule = schedule
        self.model = GaussianMixtureDenoiser(schedule, means, stds, labels=labels)
        self.examples = 0

    def __call__(
        self, z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction:
        self.examples += len(z)
        return self.model(z, t, label)


def exact_sources(schedule: NoiseSchedule) -> Sources:
    """What a guidance may ask for, of the data that it is proved on.

    The weaker model is the unconditional one, the classifier is exact, and of an example all but
    one channel is known.
    """
    mixture = CountedMixture(schedule)

    def weaker(
        z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction:
        return mixture(z, t)

    def logits(z: Data, level: NoiseLevel) -> Tensor:
        t = schedule.time(level.log_snr)
        labels = torch.arange(NUM_CLASSES)[:, None].expand(-1, len(z))
        return torch.stack([mixture.model.log_prob(z, t, label) for label in labels], dim=1)

    def array(path: str) -> Tensor:
        if path != "mask":
            return torch.full(SHAPE, 0.5, dtype=F64)
        return torch.ones(SHAPE[0]).cumsum(dim=0)[:, None, None] - 1

    return Sources(lambda path, average: weaker, array, lambda training: logits)


def check_guidance(guidance: Guidance, schedule: NoiseSchedule | None = None) -> Figures:
    """w = 0 is the conditional model; a condition that says nothing changes nothing.

    Both as far as the guidance says so (``is_plain_at_zero``, ``needs_labels``). Also: α x + σ ε is
    z, each example has its own weight and does not depend on its batch, results are finite, and an
    example costs as many evaluations as `Guidance.evaluations` says.

    Args:
        guidance: built for two classes.
        schedule: of the noise; None is ``cosine``.

    Returns:
        ``conditional_error`` (w = 0 against the conditional model), ``null_error`` (the null class
        guided against itself), ``z_error`` (α x + σ ε against z), ``batch_error`` (one example
        alone against the batch).

    Raises:
        CheckError: naming the first promise that is broken.
    """
    model = CountedMixture(schedule or CosineSchedule())
    generator = torch.Generator().manual_seed(1)
    size = 8
    x, noise = torch.randn(2, size, *SHAPE, generator=generator, dtype=F64)
    times = torch.linspace(0.1, 0.9, size, dtype=F64)
    z, label = model.schedule.perturb(0.5 * x, times, noise), torch.arange(size) % NUM_CLASSES
    weights = torch.tensor([0.0, 1.0, 4.0, 0.5, 2.0, -1.0, 8.0, 3.0], dtype=F64)

    exact = model(z, times, label)
    model.examples = 0
    found = guidance(model, z, times, label, torch.zeros_like(weights))
    evaluations = model.examples / size
    figures: Figures = {}
    if guidance.is_plain_at_zero:
        figures["conditional_error"] = _difference(found, exact)
        require_small(figures, "conditional_error", 1e-9, "w = 0 is not the conditional model")
    if evaluations > guidance.evaluations:
        raise CheckError(
            f"an example takes {evaluations:g} evaluations, but evaluations says "
            f"{guidance.evaluations}",
            figures,
        )

    if guidance.needs_labels and guidance.is_plain_at_zero:
        null = torch.full_like(label, NUM_CLASSES)
        found = guidance(model, z, times, null, weights)
        figures["null_error"] = _difference(found, model(z, times, null))
        require_small(figures, "null_error", 1e-9, "the null class guided against itself changes")

    found = guidance(model, z, times, label, weights)
    rebuilt = found.level.alpha * found.x + found.level.sigma * found.eps
    figures["z_error"] = (rebuilt - z).abs().max().item()
    require_small(figures, "z_error", 1e-9, "α x + σ ε is not z")
    require(bool(found.x.isfinite().all() & found.eps.isfinite().all()), "not finite", figures)
    alone = [
        guidance(model, z[i : i + 1], times[i : i + 1], label[i : i + 1], weights[i : i + 1])
        for i in range(size)
    ]
    together = torch.cat([found.x, found.eps], dim=1)
    single = torch.cat([torch.cat([one.x, one.eps], dim=1) for one in alone])
    figures["batch_error"] = (together - single).abs().max().item()
    require_small(figures, "batch_error", 1e-9, "an example depends on its batch")
    return figures


def _difference(found: Prediction, wanted: Prediction) -> float:
    def worst(first: Tensor, second: Tensor) -> float:
        return (first - second).abs().max().item()

    return max(worst(found.x, wanted.x), worst(found.eps, wanted.eps))
