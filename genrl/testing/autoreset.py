"""Does a vector environment reset its environments as gymnasium says, and does a collector see it?

A library hands over what joins environments; it gets counting ones of different lengths and ends,
and every number that comes back is compared with what the declared mode demands:

    step of the end     NEXT_STEP: (2 -> 3, truncated)      SAME_STEP: (2 -> 100, truncated),
                                                            final_obs = 3
    step after it       NEXT_STEP: (3 -> 100), reward 0,    SAME_STEP: (100 -> 101)
                        no end: a dead transition

https://farama.org/Vector-Autoreset-Mode
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from genrl.rl.rollout import Rollout
from genrl.testing.counting import EPISODE, CountingEnv

Vectorize = Callable[[Sequence[Callable[[], gymnasium.Env[Any, Any]]]], VectorEnv]
ENDS = ((3, False), (2, True), (5, False), (1, True), (4, True))


class ConformanceError(AssertionError):
    """The message says what was found and what the contract demands."""


def counting_makers() -> list[Callable[[], CountingEnv]]:
    """Makers of counting environments: lengths 3, 2, 5, 1, 4; the 2nd, 4th and 5th terminate."""
    return [partial(CountingEnv, length, is_terminated) for length, is_terminated in ENDS]


def check_autoreset(vectorize: Vectorize, num_steps: int = 40) -> None:
    """Compare every step with what the vector environment's own autoreset mode demands.

    Args:
        vectorize: makes a vector environment of environments' makers.
        num_steps: of each environment.

    Raises:
        ConformanceError: at the first difference.
    """
    envs = vectorize(counting_makers())
    try:
        mode = declared_mode(envs)
        seeds: Any = [10 + i for i in range(len(ENDS))]
        obs, _ = envs.reset(seed=seeds)
        expected = [_Expected(*end, seed) for end, seed in zip(ENDS, seeds, strict=True)]
        for i, one in enumerate(expected):
            _require(f"reset, environment {i}: observation", obs[i], one.obs)
        for step in range(num_steps):
            actions = np.zeros(len(ENDS), dtype=np.int64)
            obs, reward, terminated, truncated, info = envs.step(actions)
            for i, one in enumerate(expected):
                where = f"{mode.name}, step {step}, environment {i}: "
                final = one.step(mode)
                _require(where + "observation", obs[i], one.obs)
                _require(where + "reward", reward[i], one.reward)
                _require(where + "terminated", terminated[i], one.terminated)
                _require(where + "truncated", truncated[i], one.truncated)
                given = info.get("final_obs")
                if final is not None:
                    if given is None or given[i] is None:
                        raise ConformanceError(f'{where}info["final_obs"] is missing')
                    _require(where + 'info["final_obs"]', given[i], final)
    finally:
        envs.close()


def check_rollout(rollout: Rollout) -> None:
    """Check that what a collector recorded from `CountingEnv` are real transitions.

    Raises:
        ConformanceError: if a valid transition does not count on by one within its episode, its
            reward is not 1, or its episode's end is not where it should be.
    """
    steps, valid = rollout.steps, rollout.valid
    for i, (length, is_terminated) in enumerate(ENDS[: valid.shape[1]]):
        follows = 0
        for t in np.flatnonzero(valid[:, i].numpy()):
            count, after = int(steps.obs[t, i, 0]), int(steps.next_obs[t, i, 0])
            where = f"step {t}, environment {i}: "
            _require(where + "first count", count, follows)
            _require(f"{where}count after {count}", after, count + 1)
            _require(where + "number drawn", steps.next_obs[t, i, 1], steps.obs[t, i, 1])
            _require(where + "reward", float(steps.reward[t, i]), 1.0)
            is_over = after % EPISODE == length
            _require(where + "terminated", bool(steps.terminated[t, i]), is_over and is_terminated)
            _require(
                where + "truncated", bool(steps.truncated[t, i]), is_over and not is_terminated
            )
            _require(where + "start", bool(steps.start[t, i]), count % EPISODE == 0)
            follows = (after // EPISODE + 1) * EPISODE if is_over else after


def declared_mode(envs: VectorEnv) -> AutoresetMode:
    """The autoreset mode that a vector environment says it has.

    Raises:
        ConformanceError: if it says none, or that it does not reset.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        raise ConformanceError(
            f'metadata["autoreset_mode"] is {mode!r}, not AutoresetMode.NEXT_STEP or SAME_STEP'
        )
    return AutoresetMode(mode)


class _Expected:
    """A counting environment and what its vector environment must show of it."""

    def __init__(self, length: int, is_terminated: bool, seed: int) -> None:
        self.env = CountingEnv(length, is_terminated)
        self.obs, _ = self.env.reset(seed=seed)
        self.reward, self.terminated, self.truncated = 0.0, False, False

    def step(self, mode: AutoresetMode) -> Any:
        """One step in a mode; returns the last observation that must stand in the info, if any."""
        if mode is AutoresetMode.NEXT_STEP and (self.terminated or self.truncated):
            self.obs, _ = self.env.reset()
            self.reward, self.terminated, self.truncated = 0.0, False, False
            return None
        self.obs, self.reward, self.terminated, self.truncated, _ = self.env.step(np.int64(0))
        if mode is AutoresetMode.NEXT_STEP or not (self.terminated or self.truncated):
            return None
        final = self.obs
        self.obs, _ = self.env.reset()
        return final


def _require(what: str, found: Any, expected: Any) -> None:
    if not np.array_equal(np.asarray(found), np.asarray(expected)):
        raise ConformanceError(f"{what} is {found}, not {expected}")
