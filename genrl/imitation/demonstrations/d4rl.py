"""D4RL's HDF5 files: all steps one after another in flat arrays.

``terminals`` marks where the task ended and ``timeouts`` where only the record did. Files without
``timeouts`` get them from the environment's time limit, counted from the last end; where
``next_observations`` are there, also from jumps: a next observation that is not the observation
of the row below. A row of another episode never becomes a successor.

Fu et al. 2020, D4RL: Datasets for Deep Data-Driven Reinforcement Learning.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from genrl.imitation.demonstrations.base import (
    Demonstrations,
    DemonstrationSource,
    demonstration_sources,
)
from genrl.imitation.demonstrations.episodes import (
    checked,
    require_one_each,
    require_positive,
    require_rows,
    require_same_shape,
    split_episodes,
)
from genrl.imitation.demonstrations.hdf5 import require_own_arrays
from genrl.imitation.demonstrations.reading import existing_file, readable
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

Array = NDArray[Any]
REQUIRED = ("observations", "actions", "rewards", "terminals")
OPTIONAL = ("timeouts", "next_observations")


@demonstration_sources.register("d4rl")
class D4RLDemonstrations(DemonstrationSource):
    """An HDF5 file as D4RL writes it: flat arrays, terminals apart from timeouts.

    Args:
        spec: of the environment.
        path: of the file.
        episodes: use only the first so many, at least 1; null: all.
        use_cut: whether an episode without an end is used as one that was truncated.
    """

    def __init__(
        self, spec: EnvSpec, *, path: str, episodes: int | None = None, use_cut: bool = False
    ) -> None:
        super().__init__(spec)
        require_positive(episodes)
        self.path, self.episodes, self.use_cut = path, episodes, use_cut

    def load(self) -> Demonstrations:
        """The episodes, checked."""
        path = existing_file(self.path, "HDF5 file")
        arrays = _read(path)
        rows = len(arrays["actions"])
        require_rows(str(path), rows, **arrays)
        single = {key: arrays[key] for key in ("rewards", "terminals", "timeouts") if key in arrays}
        require_one_each(str(path), rows, **single)
        obs, next_obs = arrays["observations"], arrays.get("next_observations")
        require_same_shape(str(path), observations=obs, next_observations=next_obs)
        terminated = arrays["terminals"].reshape(rows).astype(bool)
        if "timeouts" in arrays:
            truncated = arrays["timeouts"].reshape(rows).astype(bool)
        else:
            truncated = self._limits(path, terminated, next_obs is not None)
        if next_obs is not None:
            truncated = truncated | _jumps(obs, next_obs)
        episodes = split_episodes(
            self.spec,
            obs=obs,
            action=arrays["actions"],
            reward=arrays["rewards"],
            terminated=terminated,
            truncated=truncated,
            next_obs=next_obs,
            use_cut=self.use_cut,
        )
        return checked(self.spec, episodes, str(path), self.episodes)

    def _limits(self, path: Path, terminated: Array, knows_successors: bool) -> Array:
        """Every step that reaches the time limit, counted from the last end."""
        truncated = np.zeros_like(terminated)
        limit = self.spec.max_episode_steps
        if limit is None:
            if not terminated.any() and not knows_successors:
                raise ConfigurationError(
                    f"{path} has no 'timeouts', no step in 'terminals' and no 'next_observations', "
                    f"and {self.spec.env_id} has no time limit: nothing says where its episodes "
                    "end; set env.max_episode_steps"
                )
            return truncated
        first = 0
        for end in [*(np.flatnonzero(terminated) + 1), len(terminated)]:
            truncated[first + limit - 1 : end : limit] = True
            first = end
        return truncated


def _read(path: Path) -> dict[str, Array]:
    require_own_arrays(path)
    with readable(path), h5py.File(path, "r") as file:
        missing = [key for key in REQUIRED if not isinstance(file.get(key), h5py.Dataset)]
        if missing:
            raise ConfigurationError(
                f"{path} has no '{missing[0]}', so it is no D4RL file; it holds: "
                f"{', '.join(file) or 'nothing'}"
            )
        keys = [*REQUIRED, *(key for key in OPTIONAL if key in file)]
        return {key: np.atleast_1d(file[key][...]) for key in keys}


def _jumps(obs: Array, next_obs: Array) -> Array:
    """Steps whose successor is not the observation of the row below."""
    jumps = np.zeros(len(obs), dtype=bool)
    same = np.isclose(next_obs[:-1], obs[1:], rtol=1e-5, atol=1e-6, equal_nan=True)
    jumps[:-1] = ~same.reshape(len(same), -1).all(axis=1)
    return jumps
