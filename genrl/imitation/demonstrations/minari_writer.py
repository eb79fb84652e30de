"""Writing episodes as a Minari data set that is either whole or not there.

The layout is Minari's HDF5 one: a group ``episode_i`` with observations (one more than steps),
actions, rewards, terminations and truncations. It is written here rather than by Minari, which
neither compresses nor checks: arrays are shuffled and deflated, and each chunk has a Fletcher
checksum, so that a damaged file is found on reading.
"""

import copy
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
from gymnasium import spaces
from minari.serialization import serialize_space
from numpy.typing import NDArray

from genrl.imitation.demonstrations.base import Demonstration
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec


def require_free(path: Path) -> None:
    """Check that nothing is at the place of a new data set.

    Raises:
        ConfigurationError: if something is.
    """
    if path.exists():
        raise ConfigurationError(f"{path} exists already: choose another out=... or remove it")


def write_minari(
    path: Path,
    spec: EnvSpec,
    episodes: Sequence[Demonstration],
    *,
    about: Mapping[str, Any],
    seed: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Path:
    """Write a new data set.

    Args:
        path: of the folder; its name becomes the data set's id, with -v0 where it has no version.
        spec: of the environment that the episodes were recorded in.
        episodes: at least one.
        about: how they were made, as plain values; ``algorithm`` becomes Minari's
            ``algorithm_name`` and everything is kept under ``genrl``.
        seed: episode i began with seed + i; None where that is not known.
        env_kwargs: further arguments of the environment, as plain values.

    Raises:
        ConfigurationError: if something is there already, or it cannot be written.
    """
    if not episodes or not all(map(len, episodes)):
        raise ConfigurationError("there is no episode to write, or one without a step")
    require_free(path)
    data = _hdf5(episodes, seed)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        (temporary / "data").mkdir(parents=True)
        metadata = _metadata(path, spec, episodes, about, len(data), env_kwargs or {})
        _write(temporary / "data" / "main_data.hdf5", data)
        _write(temporary / "data" / "metadata.json", json.dumps(metadata, indent=1).encode())
        temporary.rename(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} could not be written ({error.strerror}): make room or choose another out=..."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _hdf5(episodes: Sequence[Demonstration], seed: int | None) -> bytes:
    """In memory, for HDF5 cannot recover from a disk that runs full."""
    buffer = io.BytesIO()
    # The default format takes two kilobytes more for each array.
    with h5py.File(buffer, "w", libver="v110") as file:
        for number, episode in enumerate(episodes):
            group = file.create_group(f"episode_{number}")
            group.attrs.update({"id": number, "total_steps": len(episode)})
            if seed is not None:
                group.attrs["seed"] = seed + number
            last = np.arange(len(episode)) == len(episode) - 1
            for key, values in (
                ("observations", episode.obs.numpy()),
                ("actions", episode.action.numpy()),
                ("rewards", episode.reward.numpy()),
                ("terminations", last & episode.terminated),
                ("truncations", last & (not episode.terminated)),
            ):
                _add(group, key, values)
    return buffer.getvalue()


def _add(group: h5py.Group, key: str, values: NDArray[Any]) -> None:
    group.create_dataset(
        key,
        data=values,
        chunks=values.shape,
        shuffle=True,
        compression="gzip",
        compression_opts=9,
        fletcher32=True,
    )


def _metadata(
    path: Path,
    spec: EnvSpec,
    episodes: Sequence[Demonstration],
    about: Mapping[str, Any],
    size: int,
    env_kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dataset_id": _dataset_id(path.name),
        "minari_version": minari.__version__,
        "data_format": "hdf5",
        "jpeg_encoding": True,
        "total_episodes": len(episodes),
        "total_steps": sum(map(len, episodes)),
        "dataset_size": round(size / 1e6, 1),
        "observation_space": serialize_space(spaces.Box(-np.inf, np.inf, (spec.obs_size,))),
        "action_space": serialize_space(_action_space(spec)),
        "author": ["genrl"],
        "description": f"Recorded by genrl in {spec.env_id}",
        "genrl": dict(about),
    }
    if "algorithm" in about:
        metadata["algorithm_name"] = str(about["algorithm"])
    if spec.env_id in gymnasium.registry or ":" in spec.env_id:
        env_spec = copy.deepcopy(gymnasium.spec(spec.env_id))
        env_spec.max_episode_steps = spec.max_episode_steps
        env_spec.kwargs = {**env_spec.kwargs, **env_kwargs}
        metadata["env_spec"] = env_spec.to_json()
    return metadata


def _action_space(spec: EnvSpec) -> spaces.Space[Any]:
    if spec.is_discrete:
        return spaces.Discrete(spec.action_size)
    low, high = (np.asarray(end, dtype=np.float32) for end in (spec.low, spec.high))
    return spaces.Box(low, high)


def _dataset_id(folder: str) -> str:
    name = re.sub(r"[^-\w]", "_", folder)
    return name if re.search(r".-v\d+$", name) else f"{name}-v0"
