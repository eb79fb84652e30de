"""A policy with several modes: a mixture of Gaussians (Bishop 1994, Mixture Density Networks)."""

import torch
from torch import Tensor

from genrl.networks.perceptron import Activation, perceptron
from genrl.rl.distributions.gaussian_mixture import GaussianMixture
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import set_bias
from genrl.rl.policies.requirements import require_continuous
from genrl.rl.spec import EnvSpec


@policies.register("mixture")
class MixturePolicy(StochasticPolicy):
    """Σ_k w_k(s) N(μ_k(s), σ_k(s)²), for demonstrations that do one of several things.

    Args:
        spec: of the environment.
        components: of the mixture, >= 1.
        features: widths of the hidden layers.
        activation: between them.
        initial_log_std: log σ at the start.
        min_log_std: least log σ; without a floor a component shrinks onto one demonstration.
        max_log_std: greatest log σ.

    Raises:
        ConfigurationError: if actions are discrete.
        ValueError: if there is no component or the limits of log σ are not in order.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        components: int = 5,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
        initial_log_std: float = 0.0,
        min_log_std: float = -5.0,
        max_log_std: float = 2.0,
    ) -> None:
        super().__init__(spec)
        require_continuous(spec, "a mixture of Gaussians")
        if components < 1:
            raise ValueError(f"components must be at least 1, not {components}")
        if not min_log_std < max_log_std:
            raise ValueError(
                f"min_log_std must be less than max_log_std, not {min_log_std} and {max_log_std}"
            )
        self.components, self.limits = components, (min_log_std, max_log_std)
        size = components * spec.action_size
        self.network = perceptron((spec.obs_size, *features, components + 2 * size), activation)
        # Components that start alike would stay alike: apart also where the observation is zero.
        apart = torch.empty(size).uniform_(-1, 1)
        set_bias(
            self.network, components, torch.cat([apart, apart.new_full((size,), initial_log_std)])
        )

    def forward(self, features: Tensor) -> GaussianMixture:
        """Mixture."""
        size = self.components * self.spec.action_size
        logits, mean, log_std = self.network(features).split((self.components, size, size), -1)
        shape = (self.components, self.spec.action_size)
        return GaussianMixture(
            logits, mean.unflatten(-1, shape), log_std.clamp(*self.limits).unflatten(-1, shape)
        )
