"""Everything that the next step of an environment depends on, saved and restored bit for bit.

gymnasium has no interface for it. An environment is a chain of wrappers around a task; the plain
attributes of each layer (numbers, arrays, random generators, queues, and what is made of them) are
taken as they are, and a MuJoCo simulation's data besides. That covers classic control, toy text and
MuJoCo. Whether it is enough for an environment is not assumed but tried (`survives`): a copy that
was restored in mid-episode must go on like the original.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv

from genrl import processes
from genrl.envs import mujoco_state
from genrl.envs.base import EnvironmentSource
from genrl.envs.plain_values import NotPlainError, decode, encode, equal
from genrl.envs.sharded import ShardedVectorEnv
from genrl.registry import ConfigurationError

# How an environment is shown and where its files lie is no state of it.
SETTINGS = {"render_mode", "fullpath", "metadata"}
AnyEnv = gymnasium.Env[Any, Any]

_survivors: WeakKeyDictionary[VectorEnv, bool] = WeakKeyDictionary()


def capture(envs: VectorEnv) -> dict[str, Any] | None:
    """The state of a ``sync`` vector environment as plain values and tensors.

    Of environments that several processes share it is the state of all; every process must call.

    Returns:
        None where it cannot be restored: other back-ends, and environments that keep state
        elsewhere. Their episodes have to be begun anew.
    """
    inner = envs.unwrapped
    if isinstance(inner, ShardedVectorEnv):
        parts = processes.gather_objects(capture(inner.local))
        if any(part is None for part in parts):
            return None
        return {"vector": [], "envs": [env for part in parts for env in part["envs"]]}
    if not isinstance(inner, SyncVectorEnv):
        return None
    if envs not in _survivors:
        _survivors[envs] = survives(inner.env_fns[0])
    if not _survivors[envs]:
        return None
    return {
        "vector": [_plain(layer) for layer in _layers(envs)],
        "envs": [capture_one(env) for env in inner.envs],
    }


def restore(envs: VectorEnv, state: dict[str, Any]) -> None:
    """Inverse of `capture`, on environments made alike.

    Raises:
        ConfigurationError: if they were not.
    """
    inner = envs.unwrapped
    if isinstance(inner, ShardedVectorEnv):
        _check_number(state, inner.num_envs)
        restore(inner.local, {"vector": [], "envs": state["envs"][inner.mine]})
        return
    layers = list(_layers(envs))
    # Another division among processes has other arrays; the next step fills them anew.
    if not state["vector"]:
        layers = []
    if not isinstance(inner, SyncVectorEnv) or len(layers) != len(state["vector"]):
        raise ConfigurationError("the saved state is that of environments with other wrappers")
    _check_number(state, len(inner.envs))
    for layer, saved in zip(layers, state["vector"], strict=True):
        _set(layer, saved)
    for env, saved in zip(inner.envs, state["envs"], strict=True):
        restore_one(env, saved)


def _check_number(state: dict[str, Any], num_envs: int) -> None:
    if num_envs != len(state["envs"]):
        raise ConfigurationError(
            f"the saved state is that of {len(state['envs'])} environments, "
            f"but these are {num_envs}: keep env.num_envs"
        )


def capture_one(env: AnyEnv) -> dict[str, Any]:
    """The state of a single environment, complete or not."""
    base = env.unwrapped
    return {
        "layers": [_plain(layer) for layer in _layers(env)],
        "mujoco": mujoco_state.read(base) if mujoco_state.is_mujoco(base) else None,
    }


def restore_one(env: AnyEnv, state: dict[str, Any]) -> None:
    """Inverse of `capture_one`, on an environment made alike.

    Raises:
        ConfigurationError: if it was not.
    """
    layers, base = list(_layers(env)), env.unwrapped
    if len(layers) != len(state["layers"]) or mujoco_state.is_mujoco(base) != bool(state["mujoco"]):
        raise ConfigurationError("the saved state is that of environments with other wrappers")
    if state["mujoco"]:
        mujoco_state.write(base, state["mujoco"])
    for layer, saved in zip(layers, state["layers"], strict=True):
        _set(layer, saved)


def is_restorable(source: EnvironmentSource) -> bool:
    """Whether `capture` and `restore` work for the vector environments of a source."""
    envs = source.make_vector(1)
    try:
        inner = envs.unwrapped
        return isinstance(inner, SyncVectorEnv) and survives(inner.env_fns[0])
    finally:
        envs.close()


def survives(make: Callable[[], AnyEnv], num_steps: int = 20) -> bool:
    """Whether a restored environment goes on like the original, across the end of an episode.

    Args:
        make: of one environment.
        num_steps: how many steps are compared, in the middle of which a new episode begins.
    """
    original, fresh = make(), make()
    try:
        space = copy.deepcopy(original.action_space)
        space.seed(0)
        original.reset(seed=0)
        for _ in range(7):
            _, _, terminated, truncated, _ = original.step(space.sample())
            if terminated or truncated:
                original.reset()
        restore_one(fresh, capture_one(original))
        for step in range(num_steps):
            action = space.sample()
            seen = [_outcome(env, action, step == num_steps // 2) for env in (original, fresh)]
            if not equal(*seen):
                return False
        return equal(capture_one(original), capture_one(fresh))
    except (NotPlainError, ConfigurationError, gymnasium.error.Error):
        return False
    finally:
        original.close()
        fresh.close()


def _outcome(env: AnyEnv, action: Any, is_ended: bool) -> Any:
    obs, reward, terminated, truncated, _ = env.step(copy.deepcopy(action))
    outcome = [obs, np.float64(reward), bool(terminated), bool(truncated)]
    if terminated or truncated or is_ended:
        outcome.append(env.reset()[0])
    return encode(outcome)


def _layers(env: Any) -> Iterator[Any]:
    """The wrappers, outermost first, and what they wrap."""
    while env is not None:
        yield env
        inner = env.__dict__.get("env")
        env = inner if isinstance(inner, gymnasium.Env | VectorEnv) else None


def _plain(layer: Any) -> dict[str, Any]:
    plain = {}
    for key, value in vars(layer).items():
        if key in SETTINGS:
            continue
        try:
            plain[key] = encode(value)
        except NotPlainError:
            continue
    return {"class": type(layer).__name__, "attributes": plain}


def _set(layer: Any, saved: dict[str, Any]) -> None:
    if type(layer).__name__ != saved["class"]:
        raise ConfigurationError(
            f"the saved state is that of {saved['class']}, but here is {type(layer).__name__}: "
            "keep the environment and its wrappers"
        )
    for key, plain in saved["attributes"].items():
        vars(layer)[key] = decode(plain)
