"""n-step advantages.

A_t = r_t + γ r_{t+1} + ... + γⁿ⁻¹ r_{t+n-1} + γⁿ V(s_{t+n}) - V(s_t) = Σ_{k<n} γᵏ δ_{t+k}

An episode or a rollout that ends earlier ends the sum, with V of the last observation unless the
task terminated. Sutton & Barto 2018, Reinforcement Learning, section 7.1.
"""

from torch import Tensor

from genrl.rl.advantages.base import AdvantageEstimator, advantages
from genrl.rl.advantages.gae import temporal_difference
from genrl.rl.advantages.scan import backward_scan


@advantages.register("n_step")
class NStep(AdvantageEstimator):
    """Return of n steps and the value after them, minus V: Σ_{k<n} γᵏ δ_{t+k}.

    Args:
        steps: n, at least 1.

    Raises:
        ValueError: if ``steps`` is less than 1.
    """

    def __init__(self, *, steps: int = 5) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.steps = steps

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
        estimate = backward_scan(delta, gamma * goes_on, window=self.steps)
        return estimate, estimate + values
