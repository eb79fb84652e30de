"""Plain NumPy archives, for demonstrations from anywhere.

    obs          (N, obs_size), or (N + E, obs_size) with the last observation of each of E episodes
    action       (N, action_size), or (N,) integers
    reward       (N,)
    terminated   (N,) bool: the task ended with this step
    and one of
    truncated    (N,) bool: only the record ended with this step
    episode_ends (E,) integers: number of steps up to the end of each episode, the last one N

and, where it is known and not part of ``obs``, next_obs (N, obs_size). With ``episode_ends``,
``terminated`` may be left out: then every episode was truncated.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genrl.foreign import require_unpacked
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
from genrl.imitation.demonstrations.reading import existing_file, readable
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

Array = NDArray[Any]
KEYS = ("obs", "action", "reward", "terminated", "truncated", "episode_ends", "next_obs")


@demonstration_sources.register("npz")
class NpzDemonstrations(DemonstrationSource):
    """A NumPy archive with obs, action, reward, terminated, and truncated or episode_ends.

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
        path = existing_file(self.path, "NumPy archive")
        arrays = _read(path)
        rows = len(arrays["action"])
        obs, next_obs = arrays["obs"], arrays.get("next_obs")
        flags = {key: arrays[key] for key in ("terminated", "truncated") if key in arrays}
        require_rows(str(path), rows, action=arrays["action"], reward=arrays["reward"], **flags)
        require_one_each(str(path), rows, reward=arrays["reward"], **flags)
        none = np.zeros(rows, dtype=bool)
        terminated = flags.get("terminated", none).reshape(rows).astype(bool)
        truncated = flags.get("truncated", none).reshape(rows).astype(bool)
        if "episode_ends" in arrays:
            truncated = truncated | _marks(path, arrays["episode_ends"], rows)
        done = terminated | truncated
        if next_obs is None and done[-1:].any() and len(obs) == rows + done.sum():
            obs, next_obs = _without_last(obs, done)
        require_rows(str(path), rows, obs=obs, next_obs=next_obs)
        require_same_shape(str(path), obs=obs, next_obs=next_obs)
        episodes = split_episodes(
            self.spec,
            obs=obs,
            action=arrays["action"],
            reward=arrays["reward"],
            terminated=terminated,
            truncated=truncated,
            next_obs=next_obs,
            use_cut=self.use_cut,
        )
        return checked(self.spec, episodes, str(path), self.episodes)


def _read(path: Path) -> dict[str, Array]:
    # numpy leaves a file that it opens by name open where the archive is damaged.
    with readable(path), path.open("rb") as stream:
        file = np.load(stream, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ConfigurationError(f"{path} is a single array; save with numpy.savez")
        require_unpacked(file, path)
        arrays = {key: np.atleast_1d(file[key]) for key in KEYS if key in file}
    needed = ["obs", "action", "reward"]
    needed += [] if "episode_ends" in arrays else ["terminated", "truncated"]
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise ConfigurationError(
            f"{path} has no '{missing[0]}'; it needs obs, action, reward and either terminated and "
            f"truncated or episode_ends, and holds: {', '.join(arrays) or 'none of them'}"
        )
    return arrays


def _marks(path: Path, ends: Array, rows: int) -> Array:
    """``episode_ends`` as one flag for each step."""
    numbers = [0, *(ends.reshape(-1).tolist() if ends.dtype.kind in "iu" else [-1])]
    is_rising = all(a < b for a, b in pairwise(numbers))
    if not is_rising or numbers[-1] > rows:
        raise ConfigurationError(
            f"{path}: 'episode_ends' must be rising numbers of steps from 1 to {rows}"
        )
    marks = np.zeros(rows, dtype=bool)
    marks[np.asarray(numbers[1:], dtype=np.int64) - 1] = True
    return marks


def _without_last(obs: Array, done: Array) -> tuple[Array, Array]:
    """Observations before and after each step, of rows that hold the last ones of episodes, too."""
    row = np.arange(len(done)) + np.concatenate([[0], np.cumsum(done)[:-1]])
    return obs[row], obs[row + 1]
