"""A Gaussian policy over actions without hard bounds."""

from typing import Literal

import torch
from torch import Tensor

from genrl.networks.perceptron import Activation
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import GaussianHead
from genrl.rl.policies.sde import StateDependentExploration
from genrl.rl.spec import EnvSpec


@policies.register("gaussian")
class GaussianPolicy(StochasticPolicy):
    """N(μ(s), σ²), with a free or a state-dependent standard deviation, or smooth exploration.

    Args:
        spec: of the environment.
        features: widths of the hidden layers.
        activation: between them.
        std: ``free``, one number for each of the action's, or ``state``, computed from the state.
        initial_log_std: log σ at the start; with ``sde`` of each weight of the exploration, whose
            noise adds up over the last hidden layer.
        sde: generalized state-dependent exploration: noise is a function of the state.
        sde_period: steps that this function is kept; 0 for a whole episode.

    Raises:
        ConfigurationError: if actions are discrete.
        ValueError: if ``sde`` is asked for with ``std=state``, or its period is negative.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
        std: Literal["free", "state"] = "free",
        initial_log_std: float = 0.0,
        sde: bool = False,
        sde_period: int = 4,
    ) -> None:
        super().__init__(spec)
        self.head: GaussianHead | StateDependentExploration
        if not sde:
            self.head = GaussianHead(
                spec, spec.obs_size, features, activation, std=std, initial_log_std=initial_log_std
            )
            return
        if std != "free":
            raise ValueError("sde makes the noise depend on the state already: give std=free")
        self.head = StateDependentExploration(
            spec, features, activation, initial_log_std=initial_log_std, period=sde_period
        )
        self.memory_size = self.head.memory_size

    @property
    def is_recurrent(self) -> bool:
        """No: the memory holds noise, features do not depend on it."""
        return False

    def forward(self, features: Tensor) -> DiagGaussian:
        """Gaussian."""
        return self.head.forward(features)

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """A sample, of one function of the state for some time with ``sde``, or the mode."""
        if deterministic or isinstance(self.head, GaussianHead):
            return super().act(obs, start, memory, generator=generator, deterministic=deterministic)
        return self.head.act(obs, start, memory, generator)
