"""Transitions: what was seen, done and received.

Termination (the task is over, nothing follows) and truncation (only the record ends) are never
joined in what is stored. Bootstrapping uses ``1 - terminated``; whatever runs along a trajectory
(advantages, memories, n-step sums) is cut by ``done = terminated | truncated``. ``next_obs`` is
always the real last observation, never the first one of the next episode.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Transitions:
    """Transitions with any leading shape: (batch,) or (time, env).

    Args:
        obs: observations, (..., obs_size), float32.
        action: as the policy gave it, before clipping: (..., action_size) float32, or (...) int64.
        reward: (...), float32; of the environment, or of a learned reward.
        next_obs: observations after the action, (..., obs_size).
        terminated: (...), bool; no value follows.
        truncated: (...), bool; the record ends, the value of ``next_obs`` follows.
        start: (...), bool; ``obs`` is the first one of its episode.
        memory: the policy's memory before ``obs``, (..., memory_size); size 0 where it has none.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor
    truncated: Tensor
    start: Tensor
    memory: Tensor

    @property
    def done(self) -> Tensor:
        """Whether the episode's record ends here, for either reason."""
        return self.terminated | self.truncated

    @property
    def shape(self) -> torch.Size:
        """The leading shape."""
        return self.reward.shape

    def __len__(self) -> int:
        return self.reward.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Transitions":
        """The same function on every field."""
        fields = dataclasses.fields(self)
        return Transitions(**{f.name: function(getattr(self, f.name)) for f in fields})

    def __getitem__(self, index: Tensor | slice | int) -> "Transitions":
        return self.map(lambda field: field[index])

    def flatten(self) -> "Transitions":
        """(time, env) as one batch, time first."""
        return self.map(lambda field: field.flatten(0, 1))

    def to(self, device: torch.device | str) -> "Transitions":
        """On a device."""
        return self.map(lambda field: field.to(device, non_blocking=True))

    @staticmethod
    def cat(parts: "Iterable[Transitions]") -> "Transitions":
        """Joined along the first dimension."""
        items = list(parts)
        return Transitions(
            *(
                torch.cat([getattr(item, field.name) for item in items])
                for field in dataclasses.fields(Transitions)
            )
        )


def simple_transitions(
    obs: Tensor,
    action: Tensor,
    next_obs: Tensor,
    *,
    reward: Tensor | None = None,
    terminated: Tensor | None = None,
    truncated: Tensor | None = None,
) -> Transitions:
    """Transitions of a batch whose other fields are zero, for demonstrations and tests."""
    none = torch.zeros(obs.shape[:-1], dtype=torch.bool, device=obs.device)
    return Transitions(
        obs,
        action,
        torch.zeros_like(none, dtype=obs.dtype) if reward is None else reward,
        next_obs,
        none if terminated is None else terminated,
        none if truncated is None else truncated,
        none,
        obs.new_zeros(*obs.shape[:-1], 0),
    )
