"""What every vector environment owes: the check passes gymnasium's and finds mistakes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from genrl.envs import environments
from genrl.testing import ConformanceError, CountingEnv, check_vector_env

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


@pytest.mark.parametrize("backend", ["sync", "async"])
@pytest.mark.parametrize("absorbing", [False, True])
def test_our_back_ends(backend: str, absorbing: bool) -> None:
    source = environments.build(
        {
            "name": "gymnasium",
            "id": "CartPole-v1",
            "backend": backend,
            "absorbing_states": absorbing,
        }
    )
    check_vector_env(source.make_vector, num_steps=100)


@pytest.mark.parametrize("mode", MODES)
def test_gymnasium(mode: AutoresetMode) -> None:
    check_vector_env(lambda n: SyncVectorEnv([CountingEnv] * n, autoreset_mode=mode))


class Shared(CountingEnv):
    """Draws from a generator that all environments share."""

    generator = np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            type(self).generator = np.random.default_rng(seed)
        super().reset(seed=seed)
        self.draw = float(self.generator.random())
        return self._observation(), {}


class Unseeded(CountingEnv):
    """Does not listen to its seed."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.draw = float(np.random.default_rng().random())
        return self._observation(), {}


class Renamed(SyncVectorEnv):
    """Calls the last observation as gymnasium before 1.0 did."""

    def step(self, actions: Any) -> Any:
        *rest, info = super().step(actions)
        if "final_obs" in info:
            info["final_observation"] = info.pop("final_obs")
        return *rest, info


class Integer(SyncVectorEnv):
    """Takes an integer for the seed of every environment."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        seed = [seed] * self.num_envs if isinstance(seed, int) else seed
        return super().reset(seed=seed, options=options)


class Floats(SyncVectorEnv):
    """Ends are numbers."""

    def step(self, actions: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(actions)
        return obs, reward, terminated.astype(np.float32), truncated, info


def vector(kind: Any, env: Any, count: int) -> VectorEnv:
    made: VectorEnv = kind([env] * count, autoreset_mode=AutoresetMode.SAME_STEP)
    return made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(vector, SyncVectorEnv, Shared), "environment 0 alone with its seed 7"),
        (partial(vector, SyncVectorEnv, Unseeded), "twice the same seeds"),
        (partial(vector, Renamed, CountingEnv), 'info has no "final_obs"'),
        (partial(vector, Integer, CountingEnv), "seed 5 and seeds 5, 6, 7"),
        (partial(vector, Floats, CountingEnv), "terminated is float32"),
        (partial(vector, SyncVectorEnv, partial(CountingEnv, 1)), "choose num_steps"),
    ],
)
def test_mistakes_are_found(make: Callable[[int], VectorEnv], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_vector_env(make)
