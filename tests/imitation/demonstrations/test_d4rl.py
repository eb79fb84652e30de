"""D4RL files made by hand: exact transitions, and every way in which a file can be wrong."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from genrl.imitation.demonstrations import demonstration_sources
from genrl.imitation.demonstrations.base import Demonstrations
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec


def write(path: Path, flat: Any, *, without: tuple[str, ...] = (), **changed: Any) -> Path:
    arrays = {
        "observations": flat.obs,
        "actions": flat.action,
        "rewards": flat.reward,
        "terminals": flat.terminated,
        "timeouts": flat.truncated,
        "next_observations": flat.next_obs,
        **changed,
    }
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            if key not in without:
                file[key] = value
        file["infos/qpos"] = flat.obs
    return path


def load(path: Path, spec: EnvSpec, **options: Any) -> Demonstrations:
    return demonstration_sources.build({"name": "d4rl", "path": str(path), **options}, spec).load()


def rows(demonstrations: Demonstrations) -> list[tuple[Any, ...]]:
    """(s, a, r, s', terminated, truncated) of every transition."""
    steps = demonstrations.transitions()
    return [
        (
            tuple(steps.obs[i].tolist()),
            round(float(steps.action[i, 0]), 5),
            float(steps.reward[i]),
            tuple(steps.next_obs[i].tolist()),
            bool(steps.terminated[i]),
            bool(steps.truncated[i]),
        )
        for i in range(len(steps))
    ]


TERMINAL = [
    ((0, 0), 0.0, 0, (0, 1), False, False),
    ((0, 1), 0.01, 1, (0, 2), False, False),
    ((0, 2), 0.02, 2, (0, 3), True, False),
]
TIMEOUT = [
    ((1, 0), 0.1, 100, (1, 1), False, False),
    ((1, 1), 0.11, 101, (1, 2), False, False),
    ((1, 2), 0.12, 102, (1, 3), False, False),
    ((1, 3), 0.13, 103, (1, 4), False, True),
]
SHORT = [((2, 0), 0.2, 200, (2, 1), True, False)]
CUT = [((3, 0), 0.3, 300, (3, 1), False, False), ((3, 1), 0.31, 301, (3, 2), False, True)]


def test_transitions_are_exact(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    demonstrations = load(write(tmp_path / "d.hdf5", flat), spec)
    assert rows(demonstrations) == TERMINAL + TIMEOUT + SHORT
    assert demonstrations.returns == [3.0, 406.0, 200.0]
    assert [len(episode.obs) for episode in demonstrations.episodes] == [4, 5, 2]


def test_a_cut_record_is_used_on_demand(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    demonstrations = load(write(tmp_path / "d.hdf5", flat), spec, use_cut=True)
    assert rows(demonstrations) == TERMINAL + TIMEOUT + SHORT + CUT


def test_no_state_of_the_next_episode_stands_in(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    """Without next observations the successor at a timeout is unknown: that step is left out."""
    path = write(tmp_path / "d.hdf5", flat, without=("next_observations",))
    ended = (*TERMINAL[-1][:3], (0, 2), True, False)
    stopped = (*TIMEOUT[2][:5], True)
    short = (*SHORT[0][:3], (2, 0), True, False)
    expected = [*TERMINAL[:2], ended, *TIMEOUT[:2], stopped, short]
    assert rows(load(path, spec)) == expected
    cut = (*CUT[0][:5], True)
    assert rows(load(path, spec, use_cut=True)) == [*expected, cut]


@pytest.mark.parametrize("without", [("timeouts",), ("timeouts", "next_observations")])
def test_timeouts_are_inferred_from_the_time_limit(
    tmp_path: Path, flat: Any, spec: EnvSpec, without: tuple[str, ...]
) -> None:
    inferred = load(write(tmp_path / "a.hdf5", flat, without=without), spec)
    without = tuple(key for key in without if key != "timeouts")
    given = load(write(tmp_path / "b.hdf5", flat, without=without), spec)
    assert rows(inferred)[: len(rows(given))] == rows(given)
    assert len(inferred.episodes) == len(given.episodes)


def test_a_terminal_at_the_time_limit_is_a_terminal(
    tmp_path: Path, flat: Any, spec: EnvSpec
) -> None:
    terminals = flat.terminated | flat.truncated
    path = write(tmp_path / "d.hdf5", flat, without=("timeouts",), terminals=terminals)
    assert [episode.terminated for episode in load(path, spec).episodes] == [True, True, True]


def test_the_limit_counts_anew_after_each_end(tmp_path: Path) -> None:
    """Two timeouts after one another, then a terminal that moves the count, then a timeout."""
    terminals = np.zeros(19, dtype=bool)
    terminals[10] = True  # steps 0-3 and 4-7 reach the limit of 4; 8-10 terminate; 11-14, 15-18
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        file["observations"] = np.arange(19, dtype=np.float32)[:, None]
        file["next_observations"] = np.arange(1, 20, dtype=np.float32)[:, None]
        file["actions"], file["rewards"] = np.zeros((19, 1)), np.zeros(19)
        file["terminals"] = terminals
    spec = EnvSpec("E-v0", 1, 1, False, (-1.0,), (1.0,), 4)
    episodes = load(tmp_path / "d.hdf5", spec).episodes
    assert [len(episode) for episode in episodes] == [4, 4, 3, 4, 4]
    assert [episode.terminated for episode in episodes] == [False, False, True, False, False]


def test_jumps_end_an_episode_where_nothing_else_does(
    tmp_path: Path, flat: Any, spec: EnvSpec
) -> None:
    """No timeouts, no time limit: the row below is another episode's, as its observation shows."""
    unlimited = EnvSpec("Place-v0", 2, 1, False, (-1.0,), (1.0,), None)
    path = write(tmp_path / "d.hdf5", flat, without=("timeouts",))
    assert rows(load(path, unlimited)) == TERMINAL + TIMEOUT + SHORT


def test_where_nothing_says_where_episodes_end(tmp_path: Path, flat: Any) -> None:
    unlimited = EnvSpec("Place-v0", 2, 1, False, (-1.0,), (1.0,), None)
    path = write(
        tmp_path / "d.hdf5",
        flat,
        without=("timeouts", "next_observations"),
        terminals=np.zeros(10, dtype=bool),
    )
    with pytest.raises(ConfigurationError, match=r"nothing says.*set env\.max_episode_steps"):
        load(path, unlimited)


def test_the_first_episodes(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    path = write(tmp_path / "d.hdf5", flat)
    assert rows(load(path, spec, episodes=1)) == TERMINAL
    with pytest.raises(ConfigurationError, match="holds 3 whole episodes, fewer than"):
        load(path, spec, episodes=4)
    with pytest.raises(ConfigurationError, match="at least 1"):
        load(path, spec, episodes=0)


def test_actions_are_the_executed_ones(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    path = write(tmp_path / "d.hdf5", flat, actions=flat.action * 0 + 7)
    assert set(load(path, spec).transitions().action.flatten().tolist()) == {1.0}


def test_types(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    path = write(
        tmp_path / "d.hdf5",
        flat,
        observations=flat.obs.astype(np.float64),
        rewards=flat.reward[:, None],
        terminals=flat.terminated.astype(np.uint8)[:, None],
    )
    demonstrations = load(path, spec)
    assert rows(demonstrations) == TERMINAL + TIMEOUT + SHORT
    assert {e.obs.dtype for e in demonstrations.episodes} == {torch.float32}


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, flat: Any, spec: EnvSpec, fraction: float) -> None:
    path = write(tmp_path / "d.hdf5", flat)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(ConfigurationError, match="damaged, cut short or of another") as error:
        load(path, spec)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_altered_bytes_inside_compressed_data(tmp_path: Path, spec: EnvSpec) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / "d.hdf5"
    with h5py.File(path, "w") as file:
        obs = generator.normal(size=(5000, 2))
        file.create_dataset("observations", data=obs, compression="gzip")
        file["actions"], file["rewards"] = np.zeros((5000, 1)), np.zeros(5000)
        file["terminals"], file["timeouts"] = np.zeros(5000), np.arange(5000) % 4 == 3
    load(path, spec)
    content = bytearray(path.read_bytes())
    content[20_000:22_000] = bytes(2000)
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigurationError, match="damaged"):
        load(path, spec)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": ("terminals",)}, "has no 'terminals', so it is no D4RL file"),
        ({"observations": np.full((10, 2), np.nan)}, "obs holds NaN or infinite"),
        ({"next_observations": np.full((10, 2), np.inf)}, "obs holds NaN or infinite"),
        ({"rewards": np.full(10, np.nan)}, "reward holds NaN"),
        ({"actions": np.full((10, 1), np.nan)}, "action holds NaN"),
        ({"rewards": np.zeros(9)}, "'rewards' has 9 rows, but there are 10 steps"),
        ({"timeouts": np.zeros(3)}, "'timeouts' has 3 rows"),
        ({"observations": np.zeros((10, 5)), "without": ("next_observations",)}, "another env"),
        ({"actions": np.zeros((10, 3))}, "another environment"),
        ({"actions": np.zeros(10, dtype=np.int64)}, "another environment"),
        ({"next_observations": np.zeros((10, 5))}, "'next_observations' is (10, 5)"),
        ({"actions": np.array([b"left"] * 10)}, "'actions' holds no numbers"),
        ({"observations": np.full((10, 2), 1e300)}, "obs holds NaN or infinite"),
    ],
)
def test_wrong_contents(
    tmp_path: Path, flat: Any, spec: EnvSpec, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "d.hdf5", flat, **changes)
    with pytest.raises(ConfigurationError, match=re.escape(message)) as error:
        load(path, spec)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_in_it(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    empty = {"observations": np.zeros((0, 2)), "actions": np.zeros((0, 1))}
    none = {key: np.zeros(0) for key in ("rewards", "terminals", "timeouts")}
    path = write(tmp_path / "a.hdf5", flat, without=("next_observations",), **empty, **none)
    with pytest.raises(ConfigurationError, match="is empty"):
        load(path, spec)
    never = {"terminals": np.zeros(10), "timeouts": np.zeros(10)}
    path = write(tmp_path / "b.hdf5", flat, without=("next_observations",), **never)
    with pytest.raises(ConfigurationError, match=r"no whole episode.*use_cut=true"):
        load(path, spec)


def test_a_wrong_path(tmp_path: Path, flat: Any, spec: EnvSpec) -> None:
    path = write(tmp_path / "hopper.hdf5", flat)
    with pytest.raises(ConfigurationError, match=r"Did you mean '.*hopper\.hdf5'"):
        load(tmp_path / "hoper.hdf5", spec)
    with pytest.raises(ConfigurationError, match="a folder is read as a Minari data set"):
        load(path.parent, spec)
    path.write_text("not HDF5")
    with pytest.raises(ConfigurationError, match="of another format"):
        load(path, spec)
