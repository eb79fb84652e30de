"""Generalized advantage estimation.

A_t = δ_t + γ λ (1 - done_t) A_{t+1},  δ_t = r_t + γ (1 - terminated_t) V(s_{t+1}) - V(s_t)

λ = 0 is the temporal difference, λ = 1 the Monte-Carlo return minus V.
Schulman et al. 2016, High-Dimensional Continuous Control Using Generalized Advantage Estimation,
equations 11 and 16.
"""

from torch import Tensor

from genrl.rl.advantages.base import AdvantageEstimator, advantages
from genrl.rl.advantages.scan import backward_scan


@advantages.register("gae")
class GAE(AdvantageEstimator):
    """Exponentially weighted sum of temporal differences, A_t = Σ (γλ)ᵏ δ_{t+k}.

    Args:
        lam: λ in [0, 1]; small for little variance, 1 for no bias.

    Raises:
        ValueError: if ``lam`` lies outside [0, 1].
    """

    def __init__(self, *, lam: float = 0.95) -> None:
        if not 0 <= lam <= 1:
            raise ValueError(f"lam must lie between 0 and 1, not {lam}")
        self.lam = lam

    def __call__(
        self,
        rewards: Tensor,
        values: Tensor,
        next_values: Tensor,
        terminated: Tensor,
        truncated: Tensor,
        gamma: float,
        log_ratio: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As the contract says; the ratio is not used."""
        delta = temporal_difference(rewards, values, next_values, terminated, gamma)
        goes_on = (~(terminated | truncated)).to(delta.dtype)
        estimate = backward_scan(delta, gamma * self.lam * goes_on)
        return estimate, estimate + values


def temporal_difference(
    rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor, gamma: float
) -> Tensor:
    """δ = r + γ (1 - terminated) V(s') - V(s)."""
    return rewards + gamma * next_values.masked_fill(terminated, 0.0) - values
