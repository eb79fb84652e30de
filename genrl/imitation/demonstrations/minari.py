"""Minari's data sets, read with Minari's own reader: the standard for recorded episodes.

A data set is a folder with ``data/metadata.json`` and the episodes beside it. An id, such as
mujoco/hopper/expert-v0, is looked up where Minari keeps what it downloads
(``MINARI_DATASETS_PATH``, or ~/.minari/datasets); nothing is written or downloaded.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from genrl.foreign import require_own_files
from genrl.imitation.demonstrations.base import (
    Demonstration,
    Demonstrations,
    DemonstrationSource,
    demonstration_sources,
)
from genrl.imitation.demonstrations.episodes import (
    checked,
    require_one_each,
    require_positive,
    require_rows,
    to_demonstration,
)
from genrl.imitation.demonstrations.hdf5 import require_own_arrays
from genrl.imitation.demonstrations.reading import readable
from genrl.imitation.demonstrations.shipped import shipped
from genrl.registry import ConfigurationError, suggest
from genrl.rl.spec import EnvSpec

Array = NDArray[Any]


@demonstration_sources.register("minari")
class MinariDemonstrations(DemonstrationSource):
    """A Minari data set: a folder, an id in the local store, or what genrl ships.

    Args:
        spec: of the environment.
        path: of the folder, or an id; null: the demonstrations that genrl ships for the
            environment.
        episodes: use only the first so many, at least 1; null: all.
        use_cut: whether an episode without an end is used as one that was truncated.
        recorded_in: id of the environment that the data set names, where it is another one than
            the run's and yet meant; null: it must be the same up to its version.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        path: str | None = None,
        episodes: int | None = None,
        use_cut: bool = False,
        recorded_in: str | None = None,
    ) -> None:
        super().__init__(spec)
        require_positive(episodes)
        self.path, self.episodes, self.use_cut = path, episodes, use_cut
        self.recorded_in = recorded_in

    def load(self) -> Demonstrations:
        """The episodes, checked."""
        path = shipped(self.spec.env_id) if self.path is None else find_data_set(self.path)
        with readable(path):
            require_own_files(path)
            for file in (path / "data").glob("*.hdf5"):
                require_own_arrays(file)
            _require_spaces(path)
            storage = MinariStorage.read(path / "data")
            self._require_environment(path, storage.metadata.get("env_spec"))
            self._require_bounds(path, storage.action_space)
            episodes: list[Demonstration] = []
            for number, record in enumerate(storage.get_episodes(range(storage.total_episodes))):
                if self.episodes is not None and len(episodes) == self.episodes:
                    break
                episode = self._episode(f"{path}, episode {number}", record, storage)
                episodes += [] if episode is None else [episode]
        return checked(self.spec, episodes, str(path), self.episodes)

    def _episode(
        self, where: str, record: dict[str, Any], storage: MinariStorage
    ) -> Demonstration | None:
        """None where the record was cut and is not wanted."""
        obs = _flat(storage.observation_space, record["observations"])
        action, reward = np.asarray(record["actions"]), np.asarray(record["rewards"])
        terminated, truncated = record["terminations"], record["truncations"]
        rows = len(reward)
        require_rows(where, rows, actions=action, terminations=terminated, truncations=truncated)
        require_rows(where, rows, **{"observations after the first": obs[1:]})
        require_one_each(
            where, rows, rewards=reward, terminations=terminated, truncations=truncated
        )
        is_whole = bool(terminated[-1]) or bool(truncated[-1])
        if not (is_whole or self.use_cut):
            return None
        return to_demonstration(self.spec, obs, action, reward, bool(terminated[-1]))

    def _require_environment(self, path: Path, env_spec: str | None) -> None:
        if env_spec is None:
            return
        recorded = str(json.loads(env_spec)["id"])
        expected = self.recorded_in or self.spec.env_id
        if _without_version(recorded) != _without_version(expected):
            raise ConfigurationError(
                f"{path} was recorded in {recorded}, not in {expected}; give demonstrations of "
                f"this environment, or demonstrations.recorded_in={recorded} if they are meant"
            )

    def _require_bounds(self, path: Path, space: spaces.Space[Any]) -> None:
        """The same numbers would be other actions within other bounds."""
        if not isinstance(space, spaces.Box) or space.shape != self.spec.action_shape:
            return
        bounds = [*self.spec.low, *self.spec.high]
        recorded = [float(bound) for bound in (*space.low, *space.high)]
        if not np.allclose(recorded, bounds):
            raise ConfigurationError(
                f"{path} holds actions between {space.low.tolist()} and {space.high.tolist()}, but "
                f"those of {self.spec.env_id} are between {list(self.spec.low)} and "
                f"{list(self.spec.high)}: record again, or change env.rescale_actions"
            )


def find_data_set(path: str) -> Path:
    """The folder of a data set, by path or by id.

    Raises:
        ConfigurationError: if there is none; it names the nearest sibling.
    """
    folder = Path(path).expanduser()
    if folder.is_file():
        raise ConfigurationError(
            f"{folder} is a file, but a Minari data set is a folder; for an HDF5 file of D4RL: "
            f"demonstrations=d4rl demonstrations.path={folder}"
        )
    if not folder.exists():
        store = os.environ.get("MINARI_DATASETS_PATH", "~/.minari/datasets")
        kept = Path(store).expanduser() / path
        if not kept.exists():
            siblings = folder.parent.iterdir() if folder.parent.is_dir() else ()
            hint = suggest(folder.name, [sibling.name for sibling in siblings])
            raise ConfigurationError(
                f"there is no Minari data set {path}, neither a folder nor an id in {store}.{hint}"
            )
        folder = kept
    if folder.name == "data" and (folder / "metadata.json").exists():
        folder = folder.parent
    if not (folder / "data" / "metadata.json").exists():
        raise ConfigurationError(
            f"{folder} is no Minari data set: it has no data/metadata.json; "
            "record one with: genrl collect RUN out=..."
        )
    return folder


def _require_spaces(path: Path) -> None:
    """Without them Minari would make the environment by whatever function the file names."""
    metadata = MinariStorage.read_raw_metadata(path / "data")
    for key in ("observation_space", "action_space"):
        if key not in metadata:
            raise ConfigurationError(
                f"{path} is refused: its metadata.json has no '{key}', and to find it out would "
                "run code that the file names; record the data set again"
            )


def _without_version(env_id: str) -> str:
    return re.sub(r"-v\d+$", "", env_id.rpartition(":")[2])


def _flat(space: spaces.Space[Any], values: Any) -> Array:
    """Observations as vectors, ordered as by gymnasium's FlattenObservation."""
    if isinstance(space, spaces.Dict):
        parts = [_flat(part, values[key]) for key, part in space.spaces.items()]
        return np.concatenate(parts, axis=1)
    if isinstance(space, spaces.Tuple):
        parts = [_flat(part, value) for part, value in zip(space.spaces, values, strict=True)]
        return np.concatenate(parts, axis=1)
    array = np.asarray(values)
    if isinstance(space, spaces.Discrete):
        one_hot: Array = np.eye(int(space.n), dtype=np.float32)[array.reshape(-1) - space.start]
        return one_hot
    return array.reshape(len(array), -1)
