"""What every vector environment owes a learner, whatever its task.

Results are a function of the seeds: the same seeds and actions give the same numbers, environment i
depends on its own seed and on nothing else, and an integer s stands for s, s + 1, ... The end of an
episode is told as the declared autoreset mode demands.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from genrl.testing.autoreset import ConformanceError, declared_mode

Record = list[tuple[NDArray[Any], ...]]


def check_vector_env(make: Callable[[int], VectorEnv], num_steps: int = 200) -> None:
    """Check a task's vector environments.

    Args:
        make: of a number of environments.
        num_steps: within which some, but not all, steps must end an episode.

    Raises:
        ConformanceError: at the first breach.
    """
    num_envs, seeds = 3, [7, 5, 6]
    envs = make(num_envs)
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(num_steps)]
    record = _record(envs, seeds, actions)
    _require_same("twice the same seeds", record, _record(envs, seeds, actions))
    envs.close()
    for i, seed in enumerate(seeds):
        alone = make(1)
        mine = [tuple(part[i : i + 1] for part in row) for row in record]
        single = _record(alone, [seed], [action[i : i + 1] for action in actions])
        _require_same(f"environment {i} alone with its seed {seed}", mine, single)
        alone.close()
    envs = make(num_envs)
    numbered = _record(envs, 5, actions[:2])
    _require_same("seed 5 and seeds 5, 6, 7", numbered, _record(envs, [5, 6, 7], actions[:2]))
    envs.close()


def _record(envs: VectorEnv, seeds: Any, actions: Sequence[Any]) -> Record:
    mode = declared_mode(envs)
    shape = (envs.num_envs, *(envs.single_observation_space.shape or ()))
    obs, _ = envs.reset(seed=seeds)
    _require(obs.shape == shape, f"observations have the shape {obs.shape}, not {shape}")
    record: Record = [(obs.copy(),)]
    done = np.zeros(envs.num_envs, dtype=np.bool_)
    num_ends = 0
    for step, action in enumerate(actions):
        obs, reward, terminated, truncated, info = envs.step(action)
        where = f"step {step}: "
        for label, flag in (("terminated", terminated), ("truncated", truncated)):
            _require(
                flag.dtype == np.bool_ and flag.shape == (envs.num_envs,),
                f"{where}{label} is {flag.dtype} of shape {flag.shape}, not bool of "
                f"({envs.num_envs},)",
            )
        over = terminated | truncated
        num_ends += int(over.sum())
        final = np.zeros_like(obs)
        if mode is AutoresetMode.NEXT_STEP:
            _require(
                not (done & over).any() and not np.asarray(reward)[done].any(),
                f"{where}after an episode's end comes a step with reward 0 that ends nothing",
            )
        elif over.any():
            _require("final_obs" in info, f'{where}an episode ended, but info has no "final_obs"')
            given, mask = info["final_obs"], info.get("_final_obs")
            _require(
                mask is not None and np.array_equal(mask, over),
                f'{where}info["_final_obs"] is {mask}, but the episodes that ended are {over}',
            )
            for i in np.flatnonzero(over):
                final[i] = given[i]
        record.append((obs.copy(), np.array(reward), terminated.copy(), truncated.copy(), final))
        done = over
    _require(
        len(actions) < 10 or 0 < num_ends < len(actions) * envs.num_envs,
        f"{num_ends} episodes ended within {len(actions)} steps: choose num_steps or the time "
        "limit such that some do, but not in every step",
    )
    return record


def _require_same(what: str, one: Record, other: Record) -> None:
    for step, rows in enumerate(zip(one, other, strict=True)):
        for label, left, right in zip(
            ("observation", "reward", "terminated", "truncated", "final_obs"), *rows, strict=False
        ):
            _require(
                np.array_equal(left, right),
                f"{what}: {label} differs after {step} steps: {left} and {right}",
            )


def _require(is_met: Any, message: str) -> None:
    if not is_met:
        raise ConformanceError(message)
