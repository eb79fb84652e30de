"""From features to a distribution over actions: what policies with and without a memory share.

Each head is a perceptron and the distribution that its output parametrizes. Acting runs it at every
step of an environment, so it does nothing else.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from genrl.networks.perceptron import Initialization, perceptron
from genrl.rl.distributions.categorical import Categorical
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.distributions.tanh_gaussian import TanhGaussian
from genrl.rl.policies.requirements import bounds_of, require_continuous, require_discrete
from genrl.rl.spec import EnvSpec

# Nearly the same action everywhere at first, so that early data do not depend on random weights
# (Andrychowicz et al. 2021, What Matters In On-Policy RL, section 3.2).
SMALL_GAIN = 0.01


class GaussianHead(nn.Module):
    """N(μ(f), σ²), the standard deviation free of the features or computed from them.

    Args:
        spec: of the environment.
        num_features: that come in.
        hidden: widths of the hidden layers.
        activation: between them.
        std: ``free``, one number for each of the action's, or ``state``, computed from features.
        initial_log_std: log σ at the start.
        limits: of a computed log σ.

    Raises:
        ConfigurationError: if actions are discrete.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        hidden: Sequence[int],
        activation: str,
        *,
        std: Literal["free", "state"],
        initial_log_std: float,
        limits: tuple[float, float] = (-20.0, 2.0),
    ) -> None:
        super().__init__()
        require_continuous(spec, "a Gaussian policy")
        size = spec.action_size
        self.limits = limits
        self.log_std = (
            nn.Parameter(torch.full((size,), float(initial_log_std))) if std == "free" else None
        )
        sizes = (num_features, *hidden, size if std == "free" else 2 * size)
        self.network = perceptron(sizes, activation, output_gain=SMALL_GAIN)
        if std == "state":
            set_bias(self.network, size, initial_log_std)

    def forward(self, features: Tensor) -> DiagGaussian:
        """At features of shape (..., num_features)."""
        output = self.network.forward(features)
        if self.log_std is not None:
            return DiagGaussian(output, self.log_std)
        mean, log_std = output.chunk(2, -1)
        return DiagGaussian(mean, log_std.clamp(*self.limits))


class TanhGaussianHead(nn.Module):
    """A Gaussian squashed onto the bounds, its standard deviation computed from features.

    Args:
        spec: of the environment.
        num_features: that come in.
        hidden: widths of the hidden layers.
        activation: between them.
        initial_log_std: log σ at the start.
        limits: of log σ, before squashing.
        init: of the weights; ``orthogonal`` has a small gain of the output.

    Raises:
        ConfigurationError: if actions are discrete or have no bounds.
        ValueError: if the limits are not in order.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        hidden: Sequence[int],
        activation: str,
        *,
        initial_log_std: float,
        limits: tuple[float, float],
        init: Initialization,
    ) -> None:
        super().__init__()
        if not limits[0] < limits[1]:
            raise ValueError(f"the limits of log σ must be in order, not {limits[0]}, {limits[1]}")
        self.bounds, self.limits = bounds_of(spec, "a tanh-Gaussian policy"), limits
        sizes = (num_features, *hidden, 2 * spec.action_size)
        self.network = perceptron(sizes, activation, output_gain=SMALL_GAIN, init=init)
        set_bias(self.network, spec.action_size, initial_log_std)

    def forward(self, features: Tensor) -> TanhGaussian:
        """At features of shape (..., num_features)."""
        mean, log_std = self.network.forward(features).chunk(2, -1)
        # clamp, whose gradient would be five operations instead of one.
        limited = nn.functional.hardtanh(log_std, *self.limits)
        return TanhGaussian(mean, limited, self.bounds)


class CategoricalHead(nn.Module):
    """softmax of a perceptron.

    Args:
        spec: of the environment.
        num_features: that come in.
        hidden: widths of the hidden layers.
        activation: between them.

    Raises:
        ConfigurationError: if actions are continuous.
    """

    def __init__(
        self, spec: EnvSpec, num_features: int, hidden: Sequence[int], activation: str
    ) -> None:
        super().__init__()
        require_discrete(spec, "a categorical policy")
        sizes = (num_features, *hidden, spec.action_size)
        self.network = perceptron(sizes, activation, output_gain=SMALL_GAIN)

    def forward(self, features: Tensor) -> Categorical:
        """At features of shape (..., num_features)."""
        return Categorical(self.network.forward(features))


def set_bias(network: nn.Sequential, first: int, value: float | Tensor) -> None:
    """Set the biases of the last layer's outputs from the given one on."""
    last = network[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias[first:] = value
