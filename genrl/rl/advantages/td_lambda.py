"""λ-returns: the mixture of all n-step returns with weights (1 - λ) λⁿ⁻¹.

G_t = r_t + γ (1 - terminated_t) ((1 - λ) V(s_{t+1}) + λ G_{t+1}),  A_t = G_t - V(s_t)

At a truncation and at the end of the rollout the value takes the place of G_{t+1}. The same number
as GAE(λ) by another route, which sums rewards and not differences of values.
Sutton & Barto 2018, Reinforcement Learning, section 12.1.
"""

import torch
from torch import Tensor

from genrl.rl.advantages.base import AdvantageEstimator, advantages
from genrl.rl.advantages.scan import backward_scan


@advantages.register("td_lambda")
class TDLambda(AdvantageEstimator):
    """λ-return minus V.

    Args:
        lam: λ in [0, 1]; 0 for one step, 1 for Monte Carlo.

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
        weight = torch.full_like(values, self.lam).masked_fill_(terminated | truncated, 0.0)
        weight[-1] = 0.0
        following = next_values.masked_fill(terminated, 0.0)
        returns = backward_scan(rewards + gamma * (1 - weight) * following, gamma * weight)
        return returns - values, returns
