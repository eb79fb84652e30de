"""Running statistics of observations, and the scale of rewards (contract C7).

Two batches with counts n, m, means a, b and sums of squared deviations S, T merge into
mean a + (b - a) m / (n + m) and S + T + (b - a)² n m / (n + m) (Chan, Golub & LeVeque 1979).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from genrl.rl.transitions import Transitions


class RunningMoments(nn.Module):
    """Mean and variance of everything seen, in float64.

    Args:
        shape: of one observation; () for numbers.
    """

    mean: Tensor
    deviations: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("deviations", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Merge values of shape (batch, *shape)."""
        values = values.double()
        added = len(values)
        if added == 0:
            return
        mean = values.mean(0)
        total = self.count + added
        shift = mean - self.mean
        self.deviations += (values - mean).square().sum(0) + shift**2 * self.count * added / total
        self.mean += shift * added / total
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """Standard deviation; 1 before two values were seen, and where all were the same."""
        if self.count < 2:
            return torch.ones_like(self.mean)
        std = (self.deviations / self.count).sqrt()
        return torch.where(std > 1e-8, std, torch.ones_like(std))


class ObservationNormalizer(nn.Module):
    """(obs - mean) / std, clipped; the identity where it is switched off.

    Statistics change only between iterations, so that acting and learning see the same numbers.
    They are part of the policy's checkpoint.

    Args:
        obs_size: numbers in an observation.
        is_active: whether it normalizes.
        limit: greatest absolute value of a result.
    """

    def __init__(self, obs_size: int, *, is_active: bool, limit: float = 10.0) -> None:
        super().__init__()
        self.is_active, self.limit = is_active, limit
        self.moments = RunningMoments((obs_size,))
        self.register_buffer("shift", torch.zeros(obs_size), persistent=False)
        self.register_buffer("scale", torch.ones(obs_size), persistent=False)

    shift: Tensor
    scale: Tensor

    def forward(self, obs: Tensor) -> Tensor:
        """The normalized observation."""
        if not self.is_active:
            return obs
        return ((obs - self.shift) * self.scale).clamp(-self.limit, self.limit)

    def update(self, obs: Tensor) -> None:
        """Merge observations of shape (..., obs_size)."""
        if self.is_active:
            self.moments.update(obs.reshape(-1, obs.shape[-1]))
            self.refresh()

    def refresh(self) -> None:
        """Take the statistics in force; after a checkpoint was loaded."""
        self.shift.copy_(self.moments.mean)
        self.scale.copy_(1 / self.moments.std)

    def steps(self, steps: Transitions) -> Transitions:
        """Transitions whose observations are normalized."""
        if not self.is_active:
            return steps
        return replace(steps, obs=self(steps.obs), next_obs=self(steps.next_obs))


class RewardScaler(nn.Module):
    """r / std of the discounted return, not centred: a shift would change what is optimal.

    Args:
        num_envs: environments, each with its own running return G ← γ G (1 - done) + r.
        gamma: discount of the returns.
        is_active: whether it scales.
        limit: greatest absolute value of a result.
    """

    returns: Tensor

    def __init__(
        self, num_envs: int, gamma: float, *, is_active: bool, limit: float = 10.0
    ) -> None:
        super().__init__()
        self.gamma, self.is_active, self.limit = gamma, is_active, limit
        self.moments = RunningMoments()
        self.register_buffer("returns", torch.zeros(num_envs, dtype=torch.float64))

    def update(self, reward: Tensor, done: Tensor, valid: Tensor | None = None) -> None:
        """Follow rewards of shape (time, env).

        Args:
            reward: (time, env).
            done: whether an episode ended.
            valid: False for dead transitions, which do not count; None where there are none.
        """
        if not self.is_active:
            return
        valid = torch.ones_like(done) if valid is None else valid
        seen = []
        for row, ended, is_real in zip(reward.double(), done, valid, strict=True):
            # After its end, an environment's return is zero, and stays so in a dead transition.
            self.returns.mul_(self.gamma).add_(row.masked_fill(~is_real, 0.0))
            seen.append(self.returns.clone())
            self.returns[ended] = 0.0
        self.moments.update(torch.stack(seen)[valid])

    def forward(self, reward: Tensor) -> Tensor:
        """Scaled rewards of any shape."""
        if not self.is_active:
            return reward
        scaled = reward / self.moments.std.to(reward.dtype)
        return scaled.clamp(-self.limit, self.limit)
