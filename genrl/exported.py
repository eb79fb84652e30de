"""A trained denoiser as a model of diffusers, for the folders that ``genrl export`` writes.

Any network, schedule and parameterization, asked in diffusers' terms: at the steps 0, 1, ... of a
table of β, for the velocity of a variance-preserving process,

    v = ᾱ^½ ε - (1 - ᾱ)^½ x   at   ᾱ^½ x + (1 - ᾱ)^½ ε,   ᾱ = sigmoid(λ)

A schedule of another family is the same process times √(α² + σ²), which is multiplied on here.
diffusers imports no module because a folder names it, so whoever loads the folder imports this one:

    import genrl.exported
    pipe = DiffusionPipeline.from_pretrained(FOLDER)
"""

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from genrl.diffusion.building import build_denoiser
from genrl.plugins import load_components
from genrl.typing import Data, DataSpec

load_components()


class ExportedModel(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Maps noisy images, a step and classes to v, as the pipelines of diffusers ask.

    Args:
        in_channels: of the images.
        sample_size: height and width.
        num_class_embeds: number of classes, None for data without labels.
        parts: ``network``, ``schedule`` and ``parameterization``, each with name and parameters.
        times: t of the steps 0, 1, ..., rising.
        is_guided: whether the network takes the guidance weight w.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        *,
        in_channels: int,
        sample_size: int | tuple[int, int],
        num_class_embeds: int | None,
        parts: dict[str, Any],
        times: list[float],
        is_guided: bool,
    ) -> None:
        super().__init__()
        size = (sample_size, sample_size) if isinstance(sample_size, int) else tuple(sample_size)
        spec = DataSpec((in_channels, *size), num_class_embeds or 0)
        self.denoiser = build_denoiser(spec, **parts)
        self._times = torch.tensor(times, dtype=torch.float64)
        self._is_guided = is_guided

    @torch.no_grad()
    def forward(
        self,
        sample: Data,
        timestep: Tensor | float,
        class_labels: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """v of the images.

        Args:
            sample: noisy images.
            timestep: one for all or one for each; between two steps t is interpolated.
            class_labels: of each image; None is the null class. For a network that takes w, rows of
                class and w, in floating point; without w it is 0, the conditional model.
            return_dict: whether to wrap the result as an object with the attribute ``sample``.

        Raises:
            ValueError: if rows of class and w are whole numbers, or given to a network without w.
        """
        t = self._time(timestep).to(sample.device, torch.float32).expand(len(sample))
        label, w = self._condition(class_labels, t)
        level = self.denoiser.schedule.level_like(t, sample)
        norm = (level.alpha.square() + level.sigma.square()).sqrt()
        prediction = self.denoiser(sample * norm, t, label, w)
        v = (level.alpha * prediction.eps - level.sigma * prediction.x) / norm
        return SimpleNamespace(sample=v) if return_dict else (v,)

    def _time(self, timestep: Tensor | float) -> Tensor:
        last = len(self._times) - 1
        step = torch.as_tensor(timestep).to("cpu", torch.float64).clamp(0, last)
        before = step.floor().long()
        after = (before + 1).clamp(max=last)
        return torch.lerp(self._times[before], self._times[after], step - before)

    def _condition(
        self, class_labels: Tensor | None, t: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Class and w of each image."""
        w = torch.zeros_like(t) if self._is_guided else None
        if class_labels is None:
            return None, w
        if class_labels.ndim == 2:
            if not self._is_guided:
                raise ValueError("this model takes no w: class_labels is one class for each image")
            if not class_labels.is_floating_point():
                raise ValueError(
                    "class_labels holds class and w of each image: give a tensor of floats, "
                    "because diffusers makes whole numbers of lists"
                )
            class_labels, weights = class_labels.unbind(dim=1)
            w = weights.to(t.dtype)
        return class_labels.long(), w
