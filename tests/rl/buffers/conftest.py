"""Steps that can be told apart, and buffers filled with them beside plain lists."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from genrl.rl.buffers import Buffer
from genrl.rl.transitions import Transitions

Step = dict[str, float]


@dataclass
class Played:
    """Random steps of a few environments, and what was added of each.

    Step number k has obs k, next_obs k + ½, a random reward, and ends or begins an episode at
    random, with gaps (dead transitions) where asked for.
    """

    num_envs: int
    seed: int = 0
    gaps: float = 0.0
    count: int = 0
    lists: list[list[Step]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.lists = [[] for _ in range(self.num_envs)]

    def add(self, buffer: Buffer, time: int) -> None:
        """Add steps to a buffer and to the lists."""
        steps, valid = self.steps(time)
        buffer.add(steps, valid)

    def steps(self, time: int) -> tuple[Transitions, torch.Tensor]:
        """Steps that are added to the lists only."""
        shape = (time, self.num_envs)
        number = torch.arange(self.count, self.count + time * self.num_envs).view(shape)
        self.count += time * self.num_envs
        draw = [torch.from_numpy(self.rng.random(shape)) for _ in range(4)]
        reward = torch.from_numpy(self.rng.normal(size=shape)).float()
        valid = draw[3] >= self.gaps
        obs = number[..., None].float().expand(*shape, 3).clone()
        steps = Transitions(
            obs, -obs[..., :2], reward, obs + 0.5, draw[0] < 0.15, draw[1] < 0.15,
            draw[2] < 0.1, 2 * obs[..., :1],
        )  # fmt: skip
        for t, e in np.argwhere(valid.numpy()):
            step = {key: value[t, e].flatten()[0].item() for key, value in vars(steps).items()}
            self.lists[e].append(step)
        return steps, valid


@pytest.fixture
def played() -> Callable[..., Played]:
    """Makes `Played`."""
    return Played


@pytest.fixture(params=["memory", "files"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """A folder for memory-mapped files, or None."""
    return str(tmp_path / "replay") if request.param == "files" else None
