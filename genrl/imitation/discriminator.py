"""A network that tells the expert from the learner, and what keeps it smooth.

The inputs x are standardized by the *expert's* mean and standard deviation, the learner's too:
statistics that followed the learner would move the reward without any learning.

Gradient penalty: E (‖∇d(u x_E + (1 - u) x_L)‖ - 1)², u uniform, in standardized units (Gulrajani et
al. 2017). Spectral normalization: every weight matrix divided by its greatest singular value
(Miyato et al. 2018), here computed anew each time, so that a forward pass changes no state.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from genrl.networks.perceptron import perceptron


class Standardizer(nn.Module):
    """(x - mean) / std by the statistics of the expert.

    Args:
        expert: rows of the expert, (steps, size).
        smallest_std: numbers that vary less keep their own units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, expert: Tensor, smallest_std: float = 1e-4) -> None:
        super().__init__()
        std = expert.double().std(0, correction=0)
        self.register_buffer("mean", expert.double().mean(0).to(expert.dtype))
        self.register_buffer("std", std.where(std > smallest_std, 1.0).to(expert.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Standardized rows, (..., size)."""
        return (x - self.mean) / self.std


class _UnitSpectralNorm(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight if weight.shape[0] <= weight.shape[1] else weight.T
        with torch.no_grad():
            # 2^6 power iterations at once; the largest column of the power points to the vector.
            power = matrix @ matrix.T
            for _ in range(6):
                power = power / power.norm()
                power = power @ power
            direction = power[:, power.diagonal().argmax()]
            direction = direction / direction.norm()
        unit: Tensor = weight / (direction @ matrix).norm()
        return unit


class Discriminator(nn.Module):
    """A perceptron that gives a number for each row.

    Args:
        expert: rows of the expert, (steps, size), for the statistics.
        hidden: sizes of the hidden layers.
        activation: of the hidden layers.
        spectral_norm: divide every weight matrix by its greatest singular value.
    """

    def __init__(
        self,
        expert: Tensor,
        hidden: Sequence[int],
        activation: str = "tanh",
        *,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.standardize = Standardizer(expert)
        # A small last layer: at the start nobody is told from anybody.
        self.network = perceptron((expert.shape[1], *hidden, 1), activation, output_gain=0.1)
        if spectral_norm:
            for layer in self.network:
                if isinstance(layer, nn.Linear):
                    parametrize.register_parametrization(layer, "weight", _UnitSpectralNorm())

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) to (...)."""
        output: Tensor = self.network(self.standardize(x)).squeeze(-1)
        return output

    def gradient_penalty(
        self, expert: Tensor, learner: Tensor, generator: torch.Generator
    ) -> Tensor:
        """E (‖∇d‖ - 1)² between pairs of rows, (batch, size) each."""
        share = torch.rand(len(expert), 1, generator=generator, dtype=expert.dtype)
        between = torch.lerp(
            self.standardize(learner), self.standardize(expert), share.to(expert.device)
        )
        between.requires_grad_()
        output = self.network(between).sum()
        (slope,) = torch.autograd.grad(output, between, create_graph=True)
        penalty: Tensor = (slope.norm(dim=-1) - 1).square().mean()
        return penalty
