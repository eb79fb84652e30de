"""Tasks so small that a minute is plenty: name the state that is shown, for one point a step."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from genrl.rl.advantages import advantages
from genrl.rl.agent import Agent
from genrl.rl.algorithms import Algorithm, Parts, algorithms
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.policies import policies
from genrl.rl.rewards import RewardSource
from genrl.rl.spec import EnvSpec

Vector = Callable[..., tuple[SyncVectorEnv, EnvSpec]]
LENGTH = 10


class Identity(gymnasium.Env[NDArray[np.float32], Any]):
    """Shows one of three states; worth 1 to name it, or 1 - (a - x)² where actions are numbers."""

    observation_space = spaces.Box(0.0, 1.0, (3,), np.float32)

    def __init__(self, is_discrete: bool) -> None:
        box = spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.action_space = spaces.Discrete(3) if is_discrete else box

    def reset(self, **kwargs: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(**kwargs)
        return self._next(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        if isinstance(self.action_space, spaces.Discrete):
            reward = float(action == self.state)
        else:
            reward = 1.0 - (float(action[0]) - (self.state - 1)) ** 2
        return self._next(), reward, False, False, {}

    def _next(self) -> NDArray[np.float32]:
        self.state = int(self.np_random.integers(3))
        return np.eye(3, dtype=np.float32)[self.state]


@pytest.fixture
def identity_envs(vector: Vector) -> Callable[..., tuple[VectorEnv, EnvSpec]]:
    """A function of the kind of actions and the number of environments."""

    def make(is_discrete: bool, num_envs: int = 8) -> tuple[VectorEnv, EnvSpec]:
        return vector(lambda: Identity(is_discrete), num_envs, length=LENGTH)

    return make


@pytest.fixture
def vector() -> Vector:
    """A function of a constructor, how many, the mode of resets and the time limit."""

    def make(
        make_one: Callable[[], gymnasium.Env[Any, Any]],
        num_envs: int = 1,
        mode: AutoresetMode = AutoresetMode.SAME_STEP,
        length: int | None = None,
    ) -> tuple[SyncVectorEnv, EnvSpec]:
        makers = [(lambda: TimeLimit(make_one(), length)) if length else make_one] * num_envs
        envs = SyncVectorEnv(makers, autoreset_mode=mode)
        space = envs.single_observation_space
        return envs, EnvSpec.of("small", space, envs.single_action_space, length)

    return make


@pytest.fixture
def make_agent() -> Callable[..., Agent]:
    """A function of an algorithm's config, environments and overrides of its parts."""

    def make(
        algorithm: dict[str, Any],
        envs: VectorEnv,
        spec: EnvSpec,
        *,
        gamma: float = 0.9,
        seed: int = 0,
        reward: RewardSource | None = None,
        normalize_observations: bool = False,
        **choices: dict[str, Any],
    ) -> Agent:
        torch.manual_seed(seed)
        chosen = {**algorithms.get(algorithm["name"]).defaults(spec), **choices}
        policy = policies.build(chosen["policy"], spec)
        critic = estimator = buffer = None
        if "critic" in chosen:
            critic = critics.build(chosen["critic"], spec, policy.num_features)
        if "advantage" in chosen:
            estimator = advantages.build(chosen["advantage"])
        if "buffer" in chosen:
            buffer = buffers.build({"capacity": 20_000, **chosen["buffer"]})
        parts = Parts(spec, policy, critic, estimator, buffer, gamma)
        built: Algorithm = algorithms.build(algorithm, parts)
        return Agent(
            built,
            envs,
            spec,
            num_iterations=100,
            seed=seed,
            reward=reward,
            normalize_observations=normalize_observations,
        )

    return make
