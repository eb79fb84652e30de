"""Random rollouts whose values form a chain that only the end of an episode breaks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

MakeRollout = Callable[..., dict[str, Tensor]]


@pytest.fixture
def make_rollout() -> MakeRollout:
    """A function of seed, time, environments and the share of steps that end, in float64."""

    def make(
        seed: int, time: int = 40, envs: int = 3, ends: float = 0.1
    ) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(time + 1, envs, generator=generator, dtype=torch.float64)
        terminated = torch.rand(time, envs, generator=generator) < ends
        truncated = torch.rand(time, envs, generator=generator) < ends
        last = torch.randn(time, envs, generator=generator, dtype=torch.float64)
        return {
            "rewards": torch.randn(time, envs, generator=generator, dtype=torch.float64),
            "values": values[:-1],
            "next_values": torch.where(terminated | truncated, last, values[1:]),
            "terminated": terminated,
            "truncated": truncated,
        }

    return make
