"""The contract of a replay buffer."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genrl.registry import Registry
from genrl.rl.transitions import Transitions

buffers: Registry["Buffer"] = Registry("buffer")

Relabel = Callable[[Transitions], Tensor]


@dataclass(frozen=True)
class Sample:
    """A batch drawn from a buffer.

    Args:
        steps: the transitions, (batch,), or (time, batch) where ``sequence_length`` > 1. With
            n-step returns, ``reward`` is the discounted sum and ``next_obs`` lies n steps later.
        discount: on what follows ``next_obs``: γⁿ, and 0 where the task terminated. Shape of
            ``steps``.
        weight: importance of each example, (batch,); 1 for uniform sampling.
        index: where the examples lie, (batch,), int64.
    """

    steps: Transitions
    discount: Tensor
    weight: Tensor
    index: Tensor


class Buffer(abc.ABC):
    """Keeps the last transitions of every environment."""

    @property
    @abc.abstractmethod
    def capacity(self) -> int:
        """Transitions that it keeps, over all environments."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Transitions that it holds."""

    @abc.abstractmethod
    def add(self, steps: Transitions, valid: Tensor) -> None:
        """Append steps of shape (time, env); those whose ``valid`` is False are left out.

        The number of environments must stay the same.
        """

    @abc.abstractmethod
    def sample(
        self,
        batch_size: int,
        gamma: float,
        generator: torch.Generator,
        relabel: Relabel | None = None,
        sequence_length: int = 1,
    ) -> Sample:
        """Draw a batch.

        Args:
            batch_size: examples.
            gamma: discount in [0, 1].
            generator: on the CPU, of every random number.
            relabel: rewards of transitions in place of the stored ones, called before n-step sums.
            sequence_length: consecutive steps of one environment in an example; sequences may
                cross the start of an episode, which ``steps.start`` marks.

        Raises:
            ValueError: if fewer than ``sequence_length`` steps are there.
        """

    def update_priorities(self, index: Tensor, error: Tensor) -> None:  # noqa: B027
        """Tell the absolute TD errors of drawn examples; uniform buffers do not care."""

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values that restore contents and position exactly."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
