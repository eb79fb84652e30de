"""Points of the plane from a ring of Gaussians: labelled data whose exact denoiser is known.

Component k of K has the mean r (cos 2πk/K, sin 2πk/K), standard deviation s and class k mod C, so
that each class has K / C components spread around the ring.
"""

import math

import torch
from torch import Tensor

from genrl.data.base import DataSource, data_sources
from genrl.data.tensor_set import TensorSet
from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.noise import generators_for
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.typing import DataSpec


@data_sources.register("gaussian_mixture")
class GaussianMixtureSource(DataSource):
    """2-D points from equally likely Gaussians on a ring, in classes; its exact denoiser.

    Args:
        num_components: K, number of Gaussians.
        num_classes: C, a divisor of K.
        radius: r, of the ring.
        std: s, of each Gaussian in each direction.
        num_examples: of training; a fifth as many are held out, at least one.
        seed: of the examples.

    Raises:
        ValueError: if a number is out of range.
    """

    value_range = None

    def __init__(
        self,
        *,
        num_components: int = 8,
        num_classes: int = 4,
        radius: float = 0.75,
        std: float = 0.12,
        num_examples: int = 20_000,
        seed: int = 0,
    ) -> None:
        if num_classes < 1 or num_components < 1 or num_components % num_classes:
            raise ValueError(
                f"num_components must be a multiple of num_classes: {num_components}, {num_classes}"
            )
        if std <= 0 or num_examples < 1:
            raise ValueError(f"std and num_examples must be positive, not {std} and {num_examples}")
        angles = torch.arange(num_components, dtype=torch.float64) * (2 * math.pi / num_components)
        self.means = radius * torch.stack([angles.cos(), angles.sin()], dim=1)
        self.std = std
        self.component_labels = torch.arange(num_components) % num_classes
        self.spec = DataSpec((2,), num_classes)
        self.class_names = tuple(f"class {label}" for label in range(num_classes))
        generators = generators_for(seed, range(2))
        self._train = self._sample(num_examples, generators[0])
        self._held_out = self._sample(max(1, num_examples // 5), generators[1])

    def train(self) -> TensorSet:
        return self._train

    def held_out(self) -> TensorSet:
        return self._held_out

    def denoiser(self, schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
        """The exact E[x | z, label]; label None or ``num_classes`` gives the unconditional one."""
        stds = torch.full((len(self.means),), self.std, dtype=torch.float64)
        return GaussianMixtureDenoiser(schedule, self.means, stds, labels=self.component_labels)

    def _sample(self, number: int, generator: torch.Generator) -> TensorSet:
        component = torch.randint(len(self.means), (number,), generator=generator)
        noise: Tensor = torch.randn(number, 2, generator=generator, dtype=torch.float64)
        points = self.means[component] + self.std * noise
        return TensorSet(points.float(), self.component_labels[component])
