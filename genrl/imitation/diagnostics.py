"""What a learned reward is worth, measured where the true one is known.

- reward_correlation: Pearson's, learned with true reward, over the fresh steps.
- learned_reward: mean over the fresh steps.
- learned_return, control_return: means over the last finished episodes of the sum of learned
  rewards, and of what the constant control pays, 1 for every step.
- length_correlation: of the learned return with the length of the episode. Near 1 and with a true
  return that follows it, the reward may only pay for staying alive (horizon leakage).

A correlation of something that does not vary has no value, and is left out.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from genrl.rl.transitions import Transitions


def correlation(x: Tensor, y: Tensor) -> float | None:
    """Pearson's correlation of two vectors; None where one of them does not vary."""
    if len(x) < 2:
        return None
    x, y = x.double() - x.double().mean(), y.double() - y.double().mean()
    spread = math.sqrt(float(x.square().sum()) * float(y.square().sum()))
    # Rounding of equal fp32 numbers is no variation.
    value = float((x * y).sum()) / spread if spread > 1e-12 else math.nan
    return max(-1.0, min(1.0, value)) if math.isfinite(value) else None


class RewardDiagnostics(nn.Module):
    """Follows learned rewards along episodes, which may last longer than a rollout.

    Args:
        num_episodes: finished ones that the figures of episodes are taken over.
    """

    def __init__(self, num_episodes: int = 100) -> None:
        super().__init__()
        self.num_episodes = num_episodes
        self._running = torch.zeros(2, 0, dtype=torch.float64)  # learned sum and length, (2, env)
        self._known = torch.zeros(0, dtype=torch.bool)  # episodes followed from their first step
        self._finished = torch.zeros(2, 0, dtype=torch.float64)

    @torch.no_grad()
    def forward(self, steps: Transitions, learned: Tensor, valid: Tensor) -> dict[str, float]:
        """Figures after fresh steps.

        Args:
            steps: (time, env), with the environment's rewards.
            learned: rewards of the same steps.
            valid: (time, env), bool; False for dead transitions.
        """
        learned, valid = learned.cpu(), valid.cpu()
        metrics: dict[str, float] = {}
        if bool(valid.any()):
            metrics["learned_reward"] = float(learned[valid].double().mean())
        related = correlation(learned[valid], steps.reward.cpu()[valid])
        if related is not None:
            metrics["reward_correlation"] = related
        self._follow(learned.double(), steps.start.cpu(), steps.done.cpu())
        returns, lengths = self._finished
        if len(returns):
            metrics["learned_return"] = float(returns.mean())
            metrics["control_return"] = float(lengths.mean())
        leaked = correlation(returns, lengths)
        if leaked is not None:
            metrics["length_correlation"] = leaked
        return metrics

    def _follow(self, learned: Tensor, start: Tensor, done: Tensor) -> None:
        """Dead transitions lie between an end and a start, where no episode is followed."""
        num_envs = learned.shape[1]
        if self._running.shape[1] != num_envs:
            self._running = torch.zeros(2, num_envs, dtype=torch.float64)
            self._known = torch.zeros(num_envs, dtype=torch.bool)
        ended = []
        for now, begins, ends in zip(learned, start, done, strict=True):
            self._running[:, begins] = 0.0
            self._known |= begins
            self._running += torch.stack([now, torch.ones_like(now)])
            if bool(ends.any()):
                ended.append(self._running[:, ends & self._known])
                self._known &= ~ends
        if ended:
            self._finished = torch.cat([self._finished, *ended], 1)[:, -self.num_episodes :]

    def get_extra_state(self) -> dict[str, Any]:
        """Where every episode stands, and the last finished ones."""
        return {
            "running": self._running.clone(),
            "known": self._known.clone(),
            "finished": self._finished.clone(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self._running, self._known = state["running"].cpu().clone(), state["known"].cpu().clone()
        self._finished = state["finished"].cpu().clone()
