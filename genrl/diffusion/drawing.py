"""Draws labelled samples whose noise belongs to the sample's index.

Sample i has the class i mod num_classes and the noise of its own generator: the same picture comes
out at every stage, batch size, rank and number of devices, up to what the model and the sampler do
to it.
"""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genrl.diffusion.conditioning import bind
from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.noise import generators_for, randn
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Denoise, Sampler
from genrl.diffusion.thresholding.base import Thresholding
from genrl.typing import Batch, Data, DataSpec, Labels


class SampleDrawer:
    """Draws samples of one model.

    Args:
        denoiser: the model.
        sampler: how to go from noise to data.
        spec: of the data.
        guidance: for a model that is not guided itself; None for one that takes w as an input.
        thresholding: of x at each evaluation.
        is_guided: whether the model takes w as an input.
    """

    def __init__(
        self,
        denoiser: ConditionalDenoise,
        sampler: Sampler,
        spec: DataSpec,
        *,
        guidance: Guidance | None,
        thresholding: Thresholding | None,
        is_guided: bool,
    ) -> None:
        self.denoiser, self.sampler, self.spec = denoiser, sampler, spec
        self.guidance, self.thresholding = guidance, thresholding
        self.is_guided = is_guided

    def evaluations(self, steps: int, w: float) -> int:
        """Network evaluations for one sample, with those of guidance outside of the model.

        Guidance may cost more at one noise level than at another: the sampler is led along its grid
        on nothing at all, and what each of its evaluations would cost is added up.
        """
        guidance = self._guidance(w)
        if guidance is None:
            return self.sampler.evaluations(steps)
        total = 0

        def denoise(z: Data, t: Batch) -> Prediction:
            nonlocal total
            level = self.sampler.schedule.level_like(t, z)
            total += guidance.evaluations_at(t.item(), level.log_snr.item())
            return Prediction(z, z, level)

        nothing = torch.zeros(1, 1, dtype=torch.float64)
        self.sampler.sample(denoise, nothing, steps=steps, generator=torch.Generator())
        return total

    def _guidance(self, w: float) -> Guidance | None:
        guidance = self.guidance
        if self.is_guided or guidance is None:
            return None
        if guidance.needs_labels and not self.spec.num_classes:
            return None
        # Without w the unconditional branch would be multiplied by zero.
        return None if w == 0 and guidance.is_plain_at_zero else guidance

    def bound(self, label: Labels | None, w: float) -> Denoise:
        """The model of (z, t) alone, guided; bind anew for each run of a sampler.

        Warns where the guidance objects to the weight.

        Args:
            label: class of each example; None for data without labels.
            w: guidance weight.
        """
        guidance = self._guidance(w)
        if guidance is not None and (objection := guidance.objection_to(w)) is not None:
            name = guidances.name_of(type(guidance))
            warnings.warn(f"guidance '{name}': {objection}", stacklevel=2)
        weight = w if self.is_guided or guidance is not None else None
        return bind(self.denoiser, label, weight, guidance, self.thresholding)

    @torch.no_grad()
    def draw(
        self,
        indices: Sequence[int],
        *,
        steps: int,
        w: float,
        seed: int,
        labels: Tensor | None = None,
        batch_size: int = 250,
        device: torch.device | str = "cpu",
        before_batch: Callable[[], None] | None = None,
    ) -> Data:
        """Samples on the CPU, float32.

        Args:
            indices: of the samples.
            steps: of the sampler.
            w: guidance weight.
            seed: of the noise.
            labels: class of each; None takes index mod num_classes.
            batch_size: samples at a time.
            device: of the model.
            before_batch: called before each batch; it may end the drawing by an exception.
        """
        if labels is None:
            labels = class_of(indices, self.spec)
        parts = []
        for start in range(0, len(indices), batch_size):
            if before_batch is not None:
                before_batch()
            chosen = list(indices[start : start + batch_size])
            generators = generators_for(seed, chosen)
            noise = randn((len(chosen), *self.spec.shape), generators, device=device)
            label = None if labels is None else labels[start : start + batch_size].to(device)
            denoise = self.bound(label, w)
            x = self.sampler.sample(denoise, noise, steps=steps, generator=generators)
            parts.append(x.float().cpu())
        return torch.cat(parts)


def class_of(indices: Sequence[int], spec: DataSpec) -> Tensor | None:
    """The class of each sample index, or None for data without labels."""
    return torch.tensor(indices) % spec.num_classes if spec.num_classes else None
