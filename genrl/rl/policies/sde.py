"""Generalized state-dependent exploration: noise that is a function of the state, kept for a while.

a = μ(s) + φ(s)ᵀ E,   E_ij = σ_ij ε_ij,  ε ~ N(0, 1)   so that   a ~ N(μ(s), Σ_i φ_i(s)² σ_ij²)

φ is the last hidden layer. As long as E stays the same, equal states get equal noise, and the
actions of an episode are as smooth as the policy. Raffin, Kober & Stulp 2021, Smooth Exploration
for Robotic Reinforcement Learning, equations 5 to 8.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genrl.networks.perceptron import perceptron
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.distributions.noise import normal_like
from genrl.rl.policies.heads import SMALL_GAIN
from genrl.rl.policies.requirements import require_continuous
from genrl.rl.spec import EnvSpec

# Keeps log σ finite where every φ is zero.
VARIANCE_FLOOR = 1e-8


class StateDependentExploration(nn.Module):
    """Head of a Gaussian policy whose noise is a linear function of the last hidden layer.

    The memory of an environment is the age of its ε and ε itself, in rows of φ. Age 0, which is
    what a new episode starts with, stands for no ε.

    Args:
        spec: of the environment.
        hidden: widths of the hidden layers; φ is the observation where there are none.
        activation: after each of them.
        initial_log_std: log σ_ij at the start.
        period: steps that ε is kept; 0 for a whole episode.

    Raises:
        ConfigurationError: if actions are discrete.
        ValueError: if the period is negative.
    """

    def __init__(
        self,
        spec: EnvSpec,
        hidden: Sequence[int],
        activation: str,
        *,
        initial_log_std: float,
        period: int,
    ) -> None:
        super().__init__()
        require_continuous(spec, "a Gaussian policy")
        if period < 0:
            raise ValueError(f"sde_period must not be negative, not {period}")
        self.period = period
        sizes = (spec.obs_size, *hidden, spec.action_size)
        network = perceptron(sizes, activation, output_gain=SMALL_GAIN)
        self.body, self.last = network[:-1], network[-1]
        self.log_std = nn.Parameter(torch.full(sizes[-2:], float(initial_log_std)))

    @property
    def memory_size(self) -> int:
        """Numbers that are kept for each environment."""
        return 1 + self.log_std.numel()

    def forward(self, features: Tensor) -> DiagGaussian:
        """The distribution of an action when ε is not known.

        φ gets no gradient from the variance: the policy would learn features for their noise.
        """
        phi = self.body(features)
        variance = phi.detach().square() @ (2 * self.log_std).exp()
        return DiagGaussian(self.last(phi), 0.5 * (variance + VARIANCE_FLOOR).log())

    @torch.no_grad()
    def act(
        self, obs: Tensor, start: Tensor, memory: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Actions, and memories after them; a fresh ε where an episode starts or one is too old."""
        age, kept = memory[:, :1], memory[:, 1:]
        fresh = start[:, None] | (age == 0)
        if self.period:
            fresh = fresh | (age >= self.period)
        if fresh.any():
            kept = torch.where(fresh, normal_like(kept, generator), kept)
        age = torch.where(fresh, torch.ones_like(age), age + 1)
        phi = self.body(obs)
        exploration = kept.view(-1, *self.log_std.shape) * self.log_std.exp()
        action = self.last(phi) + (phi.unsqueeze(-2) @ exploration).squeeze(-2)
        return action, torch.cat([age, kept], -1)
