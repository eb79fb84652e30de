"""The contract of an advantage estimator.

One step is δ_t = r_t + γ (1 - terminated_t) V(s_{t+1}) - V(s_t), where s_{t+1} is the real last
observation at a truncation; whatever sums over steps is cut by terminated | truncated.
"""

import abc

from torch import Tensor

from genrl.registry import Registry

advantages: Registry["AdvantageEstimator"] = Registry("advantage")


class AdvantageEstimator(abc.ABC):
    """Advantages and value targets of a rollout."""

    @abc.abstractmethod
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
        """Advantages and returns (the targets of the value function), both (time, env).

        Args:
            rewards: (time, env), like all others.
            values: V(s_t).
            next_values: V(s_{t+1}), of the real next observation.
            terminated: bool.
            truncated: bool.
            gamma: discount in [0, 1].
            log_ratio: log π(a|s) - log μ(a|s) of the learner π and the policy μ that acted; None
                where they are the same.
        """
