"""An environment that was restored in another object goes on bit for bit."""

import io
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from genrl.envs import capture, environments, is_restorable, mujoco_state, restore
from genrl.envs.state import capture_one, restore_one, survives
from genrl.registry import ConfigurationError
from genrl.testing import CountingEnv

TASKS = [
    "Pendulum-v1", "CartPole-v1", "InvertedPendulum-v5", "Hopper-v5", "Walker2d-v5",
    "HalfCheetah-v5", "Ant-v5", "Humanoid-v5", "Reacher-v5", "Swimmer-v5",
]  # fmt: skip
OTHERS = ["Acrobot-v1", "MountainCar-v0", "FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "Pusher-v5"]


class HiddenEnv(CountingEnv):
    """Keeps its count where no attribute shows it."""

    def __init__(self) -> None:
        self.hidden: list[set[int]] = [set()]
        super().__init__(50)

    def step(self, action: Any) -> Any:
        self.hidden[0].add(len(self.hidden[0]))
        obs, *rest = super().step(action)
        return obs + len(self.hidden[0]), *rest


def through_a_checkpoint(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def require_same_future(one: VectorEnv, other: VectorEnv, num_steps: int) -> int:
    """Compares bit for bit; returns how many episodes ended."""
    one.action_space.seed(1)
    ends = 0
    for _ in range(num_steps):
        action = one.action_space.sample()
        mine, theirs = one.step(action), other.step(action)
        for left, right in zip(mine[:4], theirs[:4], strict=True):
            assert left.tobytes() == right.tobytes()
        over = np.flatnonzero(mine[2] | mine[3])
        ends += len(over)
        if "final_obs" in mine[4]:
            for i in over:
                assert mine[4]["final_obs"][i].tobytes() == theirs[4]["final_obs"][i].tobytes()
    return ends


def go_on(make: Callable[[], VectorEnv], num_before: int, num_after: int) -> int:
    original = make()
    original.reset(seed=3)
    original.action_space.seed(0)
    for _ in range(num_before):
        original.step(original.action_space.sample())
    state = capture(original)
    assert state is not None
    fresh = make()
    fresh.reset(seed=99)
    fresh.step(fresh.action_space.sample())
    restore(fresh, through_a_checkpoint(state))
    return require_same_future(original, fresh, num_after)


@pytest.mark.parametrize("env_id", TASKS)
def test_vector_environments_go_on_bit_for_bit(env_id: str) -> None:
    source = environments.build(
        {"name": "gymnasium", "id": env_id, "num_envs": 2, "max_episode_steps": 40}
    )
    assert go_on(source.make_vector, 25, 60) >= 2
    assert is_restorable(source)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env_id", OTHERS)
def test_further_tasks(env_id: str) -> None:
    assert is_restorable(environments.build({"name": "gymnasium", "id": env_id}))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Hopper-v5"])
@pytest.mark.parametrize("num_before", [5, 8, 9, 10, 11])
def test_wrappers_keep_their_state(env_id: str, num_before: int) -> None:
    source = environments.build(
        {
            "name": "gymnasium",
            "id": env_id,
            "num_envs": 3,
            "frame_stack": 3,
            "absorbing_states": True,
            "max_episode_steps": 30,
        }
    )
    assert go_on(source.make_vector, num_before, 60) > 3


@pytest.mark.parametrize("num_before", range(1, 6))
def test_a_pending_reset_is_kept(num_before: int) -> None:
    def make() -> VectorEnv:
        return SyncVectorEnv([CountingEnv] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)

    assert go_on(make, num_before, 12) >= 4


def test_the_self_check_restores_into_an_environment_that_was_never_reset() -> None:
    original, fresh = gymnasium.make("Humanoid-v5"), gymnasium.make("Humanoid-v5")
    original.reset(seed=0)
    original.action_space.seed(0)
    for _ in range(9):
        original.step(original.action_space.sample())
    restore_one(fresh, capture_one(original))
    for _ in range(8):
        action = original.action_space.sample()
        left, right = original.step(action), fresh.step(action)
        assert left[0].tobytes() == right[0].tobytes()
        assert left[1] == right[1]


def test_the_physics_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    # Humanoid's reward is the motion of its centre of mass, whose place lags behind qpos.
    assert survives(lambda: gymnasium.make("Humanoid-v5"))
    monkeypatch.setattr(mujoco_state, "_arrays", lambda env: {})
    assert not survives(lambda: gymnasium.make("Humanoid-v5"))


def test_hidden_state_is_found_by_trying() -> None:
    assert not survives(HiddenEnv)
    assert capture(SyncVectorEnv([HiddenEnv])) is None


class LateEnv(gymnasium.Env[Any, Any]):
    """Looks right until the next episode, which depends on a generator that is no attribute."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.holder = {1: np.random.default_rng(seed)}
        value = self.holder[1].random(1) if hasattr(self, "holder") else np.zeros(1)
        return value.astype(np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_an_end_is_part_of_the_self_check() -> None:
    assert not survives(LateEnv)


@pytest.mark.parametrize("backend", ["async", "envpool"])
def test_other_back_ends_begin_anew(backend: str) -> None:
    source = environments.build(
        {"name": "gymnasium", "id": "Pendulum-v1", "num_envs": 2, "backend": backend}
    )
    assert not is_restorable(source)
    envs = source.make_vector()
    envs.reset(seed=0)
    assert capture(envs) is None
    envs.close()


def test_other_environments_are_refused() -> None:
    def make(env_id: str, **parameters: Any) -> VectorEnv:
        envs = environments.build({"name": "gymnasium", "id": env_id, **parameters}).make_vector()
        envs.reset(seed=0)
        return envs

    state = capture(make("Hopper-v5", num_envs=2))
    assert state is not None
    with pytest.raises(ConfigurationError, match=r"2 environments, but these are 3"):
        restore(make("Hopper-v5", num_envs=3), state)
    with pytest.raises(ConfigurationError, match="another MuJoCo model"):
        restore(make("Swimmer-v5", num_envs=2), state)
    with pytest.raises(ConfigurationError, match="other wrappers"):
        restore(make("Hopper-v5", num_envs=2, frame_stack=2), state)
    with pytest.raises(ConfigurationError, match="other wrappers"):
        restore(make("Pendulum-v1", num_envs=2), state)
