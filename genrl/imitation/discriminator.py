"""A network that tells the expert from the learner, and what keeps it smooth.

The inputs x are standardized by mean and standard deviation of an even mixture of the expert's
steps and the learner's first ones. The expert's alone would not do: demonstrations of a policy's
mode may hardly move, and whatever the learner does then lies hundreds of deviations away, where the
logit is saturated and its reward tells no step from another. Statistics that went on following the
learner would move the reward without any learning.

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
    """(x - mean) / std of an even mixture of groups of rows.

    Args:
        groups: rows, (steps, size) each; every group counts as much as another.
        smallest_std: numbers that vary less keep their own units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *groups: Tensor, smallest_std: float = 1e-4) -> None:
        super().__init__()
        self.smallest_std = smallest_std
        for name in ("mean", "std"):
            self.register_buffer(name, torch.zeros_like(groups[0][0]))
        self.fit(*groups)

    def fit(self, *groups: Tensor) -> None:
        """Take the statistics of other groups."""
        doubles = [group.double() for group in groups]
        mean = torch.stack([group.mean(0) for group in doubles]).mean(0)
        variances = [(group - mean).square().mean(0) for group in doubles]
        std = torch.stack(variances).mean(0).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(std.where(std > self.smallest_std, 1.0))

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
        expert: rows of the expert, (steps, size), for the statistics until `meet`.
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

    def meet(self, expert: Tensor, learner: Tensor) -> None:
        """Standardize by both, rows of (steps, size), from now on."""
        self.standardize.fit(expert, learner)

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
