"""Flat arrays of steps as whole episodes.

Step i of an episode is (s_i, a_i, r_i) and leads to s_{i+1}. Files disagree about the last one:

    what is known of s_T          a termination                a time limit, or a cut record
    recorded                      kept                         kept
    not recorded                  kept, with s_T := s_{T-1}    the last step is left out

After a termination nothing is bootstrapped, so that only the state's repetition enters. After a
time limit the value of s_T follows, and no other state may stand in for it: the row below holds
the first state of the *next* episode.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genrl.imitation.demonstrations.base import Demonstration, Demonstrations
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

Array = NDArray[Any]


def to_demonstration(
    spec: EnvSpec, obs: Array, action: Array, reward: Array, terminated: bool
) -> Demonstration:
    """One episode from arrays of steps + 1, steps and steps rows; actions are clipped."""
    actions = _actions(action)
    if actions.is_floating_point() and actions.shape[1:] == spec.action_shape:
        actions = spec.clip(actions)
    return Demonstration(
        _floats(obs.reshape(len(obs), -1)), actions, _floats(reward.reshape(-1)), terminated
    )


def split_episodes(
    spec: EnvSpec,
    *,
    obs: Array,
    action: Array,
    reward: Array,
    terminated: Array,
    truncated: Array,
    next_obs: Array | None = None,
    use_cut: bool = False,
) -> list[Demonstration]:
    """Episodes of a flat record, all arrays of the same number of rows.

    Args:
        spec: of the environment.
        obs: observation before each step.
        action: of each step.
        reward: of each step.
        terminated: bool, whether the task ended with the step.
        truncated: bool, whether its record did.
        next_obs: observation after each step, where recorded.
        use_cut: whether steps after the last end are an episode, too.
    """
    ends = [int(end) + 1 for end in np.flatnonzero(terminated | truncated)]
    if use_cut and (not ends or ends[-1] < len(action)):
        ends.append(len(action))
    episodes = []
    for first, end in pairwise([0, *ends]):
        is_terminated = bool(terminated[end - 1])
        if next_obs is not None:
            seen = np.concatenate([obs[first:end], next_obs[end - 1 : end]])
        elif is_terminated:
            seen = np.concatenate([obs[first:end], obs[end - 1 : end]])
        else:
            seen, end = obs[first:end], end - 1
        if first < end:
            steps = slice(first, end)
            episodes.append(
                to_demonstration(spec, seen, action[steps], reward[steps], is_terminated)
            )
    return episodes


def checked(
    spec: EnvSpec, episodes: Sequence[Demonstration], source: str, num_episodes: int | None
) -> Demonstrations:
    """The first episodes, checked against an environment.

    Raises:
        ConfigurationError: if there are none or too few, or they do not fit.
    """
    if not episodes:
        raise ConfigurationError(
            f"{source} holds no whole episode: none ends with a termination or a truncation; "
            "record to the end of an episode, or take cut ones with demonstrations.use_cut=true"
        )
    if num_episodes is not None and len(episodes) < num_episodes:
        raise ConfigurationError(
            f"{source} holds {len(episodes)} whole episodes, fewer than "
            f"demonstrations.episodes={num_episodes}"
        )
    demonstrations = Demonstrations(episodes[:num_episodes], source)
    demonstrations.check(spec)
    return demonstrations


def require_positive(num_episodes: int | None) -> None:
    """Check a number of episodes to read.

    Raises:
        ConfigurationError: if it is below 1.
    """
    if num_episodes is not None and num_episodes < 1:
        raise ConfigurationError(f"episodes must be at least 1, not {num_episodes}; null reads all")


def require_rows(source: str, rows: int, **arrays: Array | None) -> None:
    """Check that arrays are numbers of one length.

    Raises:
        ConfigurationError: if one is not, or all are empty.
    """
    if rows == 0:
        raise ConfigurationError(f"{source} is empty: it holds no step")
    for key, array in arrays.items():
        if array is None:
            continue
        if array.dtype.kind not in "biuf":
            raise ConfigurationError(f"{source}: '{key}' holds no numbers ({array.dtype})")
        if len(array) != rows:
            raise ConfigurationError(
                f"{source}: '{key}' has {len(array)} rows, but there are {rows} steps"
            )


def require_one_each(source: str, rows: int, **arrays: Array) -> None:
    """Check that arrays hold one number for each step.

    Raises:
        ConfigurationError: if one holds several.
    """
    for key, array in arrays.items():
        if array.size != rows:
            raise ConfigurationError(
                f"{source}: '{key}' has shape {array.shape}, but needs one number for each of "
                f"{rows} steps"
            )


def require_same_shape(source: str, **arrays: Array | None) -> None:
    """Check that arrays, where they are there, have the shape of the first one.

    Raises:
        ConfigurationError: if one has another.
    """
    first, *others = [(key, array.shape) for key, array in arrays.items() if array is not None]
    for key, shape in others:
        if shape != first[1]:
            raise ConfigurationError(f"{source}: '{key}' is {shape}, '{first[0]}' {first[1]}")


def _floats(values: Array) -> Tensor:
    with np.errstate(over="ignore"):  # an overflow is found as infinite
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _actions(values: Array) -> Tensor:
    if values.dtype.kind == "f":
        return _floats(values.reshape(len(values), -1))
    integers = torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))
    return integers.squeeze(1) if integers.shape[1:] == (1,) else integers
