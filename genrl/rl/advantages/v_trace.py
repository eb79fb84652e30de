"""V-trace: values and advantages of a policy π from what another policy μ did.

v_t = V(s_t) + Σ_k γᵏ (c_t ⋯ c_{t+k-1}) ρ_{t+k} δ_{t+k},
A_t = ρ_t (r_t + γ v_{t+1} - V(s_t)),
ρ = min(ρ̄, π/μ),  c = λ min(c̄, π/μ)

ρ̄ decides which policy's value is found (π's where it is infinite), c̄ only how fast. Both sums end
with an episode, where V of the last observation follows unless the task terminated.
Espeholt et al. 2018, IMPALA, section 4.1 and remark 2.
"""

import torch
from torch import Tensor

from genrl.rl.advantages.base import AdvantageEstimator, advantages
from genrl.rl.advantages.gae import temporal_difference
from genrl.rl.advantages.scan import backward_scan


@advantages.register("v_trace")
class VTrace(AdvantageEstimator):
    """Off-policy corrected advantage ρ_t (r_t + γ v_{t+1} - V(s_t)).

    Args:
        rho_bar: ρ̄ > 0, largest weight of a difference.
        c_bar: c̄ in (0, ρ̄], largest weight of what follows.
        lam: λ in [0, 1]; shortens the sum.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(self, *, rho_bar: float = 1.0, c_bar: float = 1.0, lam: float = 1.0) -> None:
        if not 0 < c_bar <= rho_bar:
            raise ValueError(f"0 < c_bar <= rho_bar must hold, not {c_bar} and {rho_bar}")
        if not 0 <= lam <= 1:
            raise ValueError(f"lam must lie between 0 and 1, not {lam}")
        self.rho_bar, self.c_bar, self.lam = rho_bar, c_bar, lam

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
        """As the contract says."""
        ratio = torch.ones_like(values) if log_ratio is None else log_ratio.exp()
        rho, c = ratio.clamp(max=self.rho_bar), self.lam * ratio.clamp(max=self.c_bar)
        done = terminated | truncated
        delta = rho * temporal_difference(rewards, values, next_values, terminated, gamma)
        targets = values + backward_scan(delta, gamma * c.masked_fill(done, 0.0))
        following = torch.cat([targets[1:], next_values[-1:]])
        following = torch.where(done, next_values, following)
        estimate = rho * temporal_difference(rewards, values, following, terminated, gamma)
        return estimate, targets
