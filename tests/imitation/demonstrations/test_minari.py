"""Round trips between genrl and Minari itself, and every way in which a data set can be wrong."""

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
import pytest
import torch
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from genrl.imitation.demonstrations import (
    Demonstration,
    Demonstrations,
    demonstration_sources,
    write_minari,
)
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

PENDULUM = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 200)
CARTPOLE = EnvSpec("CartPole-v1", 4, 2, True, (), (), 500)
ABOUT = {"algorithm": "sac", "run": "runs/sac", "mean_return": -150.5, "seed": 3}


def episodes_of(spec: EnvSpec, lengths: tuple[int, ...], seed: int = 0) -> list[Demonstration]:
    """Random ones; the odd ones terminate."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number, length in enumerate(lengths):
        obs = torch.randn(length + 1, spec.obs_size, generator=generator)
        reward = torch.randn(length, generator=generator)
        if spec.is_discrete:
            action = torch.randint(spec.action_size, (length,), generator=generator)
        else:
            action = torch.rand(length, spec.action_size, generator=generator) - 0.5
        made.append(Demonstration(obs, action, reward, number % 2 == 1))
    return made


def load(path: Path | str | None, spec: EnvSpec, **options: Any) -> Demonstrations:
    config = {"name": "minari", "path": None if path is None else str(path), **options}
    return demonstration_sources.build(config, spec).load()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari looks for ids; never the user's home."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    return write_minari(
        tmp_path / "pendulum-v0", PENDULUM, episodes_of(PENDULUM, (20, 30)), about=ABOUT
    )


@pytest.mark.parametrize("spec", [PENDULUM, CARTPOLE], ids=lambda spec: spec.env_id)
def test_minari_reads_what_genrl_writes(store: Path, spec: EnvSpec) -> None:
    episodes = episodes_of(spec, (7, 1, 12))
    write_minari(store / "expert-v2", spec, episodes, about=ABOUT, seed=40)
    data = minari.load_dataset("expert-v2")
    assert (data.id, data.total_episodes, data.total_steps) == ("expert-v2", 3, 20)
    assert data.env_spec.id == spec.env_id
    assert data.env_spec.max_episode_steps == spec.max_episode_steps
    metadata = data.storage.metadata
    assert metadata["algorithm_name"] == "sac"
    assert metadata["genrl"] == ABOUT
    assert metadata["author"] == {"genrl"}
    for ours, theirs in zip(episodes, data.iterate_episodes(), strict=True):
        assert data.observation_space.contains(theirs.observations[0])
        assert all(data.action_space.contains(action) for action in theirs.actions)
        np.testing.assert_array_equal(theirs.observations, ours.obs)
        np.testing.assert_array_equal(theirs.actions, ours.action)
        np.testing.assert_array_equal(theirs.rewards, ours.reward)
        last = np.arange(len(ours)) == len(ours) - 1
        np.testing.assert_array_equal(theirs.terminations, last & ours.terminated)
        np.testing.assert_array_equal(theirs.truncations, last & (not ours.terminated))
    seeds = [part["seed"] for part in data.storage.get_episode_metadata(range(3))]
    assert seeds == [40, 41, 42]
    assert "expert-v2" in minari.list_local_datasets()
    env = data.recover_environment()
    assert env.spec.id == spec.env_id
    env.close()
    filtered = data.filter_episodes(lambda episode: bool(episode.terminations[-1]))
    assert filtered.total_steps == 1


def test_minari_can_add_to_it(store: Path) -> None:
    """Further episodes."""
    write_minari(store / "e-v0", PENDULUM, episodes_of(PENDULUM, (7,)), about=ABOUT)
    record = {
        "observations": [np.zeros(3, np.float32)] * 3,
        "actions": [np.zeros(1, np.float32)] * 2,
        "rewards": [0.0, 0.0],
        "terminations": [False, False],
        "truncations": [False, True],
    }
    data = minari.load_dataset("e-v0")
    data.update_dataset_from_buffer([EpisodeBuffer(**record)])
    assert [len(e) for e in load(store / "e-v0", PENDULUM).episodes] == [7, 2]


def test_genrl_reads_what_minari_writes(store: Path) -> None:
    """Recorded with Minari's own writer: a termination, a truncation and a cut record."""
    buffers, lengths = [], (4, 3, 5)
    ends = ((True, False), (False, True), (False, False))
    for length, (terminated, truncated) in zip(lengths, ends, strict=True):
        buffers.append(
            EpisodeBuffer(
                observations=[np.full(3, t, np.float32) for t in range(length + 1)],
                actions=[np.full(1, t / 10, np.float32) for t in range(length)],
                rewards=[float(t) for t in range(length)],
                terminations=[False] * (length - 1) + [terminated],
                truncations=[False] * (length - 1) + [truncated],
                infos={"x": list(range(length + 1))},
            )
        )
    with warnings.catch_warnings(action="ignore"):
        minari.create_dataset_from_buffers("mine/pendulum/test-v0", buffers, env="Pendulum-v1")
    by_id = load("mine/pendulum/test-v0", PENDULUM)
    by_path = load(store / "mine" / "pendulum" / "test-v0", PENDULUM)
    by_data = load(store / "mine" / "pendulum" / "test-v0" / "data", PENDULUM)
    for read in (by_id, by_path, by_data):
        steps = read.transitions()
        assert steps.terminated.tolist() == [False] * 3 + [True] + [False] * 3
        assert steps.truncated.tolist() == [False] * 6 + [True]
        assert steps.obs[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2]
        assert steps.next_obs[:, 0].tolist() == [1, 2, 3, 4, 1, 2, 3]
        assert steps.reward.tolist() == [0, 1, 2, 3, 0, 1, 2]
        torch.testing.assert_close(steps.action[:, 0], steps.reward / 10)
    with_cut = load("mine/pendulum/test-v0", PENDULUM, use_cut=True)
    assert [len(episode) for episode in with_cut.episodes] == [4, 3, 5]
    assert [episode.terminated for episode in with_cut.episodes] == [True, False, False]


def test_observations_that_are_no_vectors(store: Path) -> None:
    """They are flattened as gymnasium's FlattenObservation does it."""
    space = spaces.Dict(
        {
            "z": spaces.Box(-1, 1, (2,), np.float32),
            "a": spaces.Tuple((spaces.Discrete(3), spaces.Box(-1, 1, (1, 2), np.float64))),
        }
    )
    space.seed(0)
    seen = [space.sample() for _ in range(4)]
    record = {
        "z": np.stack([o["z"] for o in seen]),
        "a": (np.stack([o["a"][0] for o in seen]), np.stack([o["a"][1] for o in seen])),
    }
    with warnings.catch_warnings(action="ignore"):
        minari.create_dataset_from_buffers(
            "dict-v0",
            [
                EpisodeBuffer(
                    observations=record,
                    actions=[np.zeros(1, np.float32)] * 3,
                    rewards=[0.0] * 3,
                    terminations=[False] * 3,
                    truncations=[False, False, True],
                )
            ],
            observation_space=space,
            action_space=spaces.Box(-1, 1, (1,)),
        )
    read = load("dict-v0", EnvSpec("Any-v0", 7, 1, False, (-1.0,), (1.0,), 10))
    expected = np.stack([spaces.flatten(space, o) for o in seen]).astype(np.float32)
    np.testing.assert_array_equal(read.episodes[0].obs, expected)


def test_reading_writes_nothing(
    tmp_path: Path, data_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    load(data_set, PENDULUM)
    with pytest.raises(ConfigurationError, match=r"there is no Minari data set mujoco/hopper-v0"):
        load("mujoco/hopper-v0", PENDULUM)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_first_episodes(data_set: Path) -> None:
    (only,) = load(data_set, PENDULUM, episodes=1).episodes
    assert len(only) == 20
    with pytest.raises(ConfigurationError, match="holds 2 whole episodes, fewer than"):
        load(data_set, PENDULUM, episodes=3)


def test_another_environment(data_set: Path) -> None:
    other = EnvSpec("Reacher-v5", 3, 1, False, (-2.0,), (2.0,), 200)
    with pytest.raises(ConfigurationError, match="was recorded in Pendulum-v1, not in Reacher-v5"):
        load(data_set, other)
    assert load(data_set, other, recorded_in="Pendulum-v1").episodes
    assert load(data_set, EnvSpec("Pendulum-v0", 3, 1, False, (-2.0,), (2.0,), 200)).episodes
    small = EnvSpec("Pendulum-v1", 2, 1, False, (-2.0,), (2.0,), 200)
    with pytest.raises(ConfigurationError, match="observations of 3 numbers"):
        load(data_set, small)
    with pytest.raises(ConfigurationError, match="another environment"):
        load(data_set, EnvSpec("Pendulum-v1", 3, 2, True), recorded_in="Pendulum-v1")


def test_actions_within_other_bounds(data_set: Path) -> None:
    """As env.rescale_actions makes them: 0.5 of such an action is 1.0 of the environment's."""
    rescaled = EnvSpec("Pendulum-v1", 3, 1, False, (-1.0,), (1.0,), 200)
    with pytest.raises(ConfigurationError, match=r"between \[-2.0\].*rescale_actions"):
        load(data_set, rescaled)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file(data_set: Path, fraction: float) -> None:
    file = data_set / "data" / "main_data.hdf5"
    content = file.read_bytes()
    file.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(ConfigurationError, match="damaged, cut short") as error:
        load(data_set, PENDULUM)
    assert str(data_set) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bit_flipped_anywhere_in_the_arrays(tmp_path: Path) -> None:
    """Found by each array's own checksum, also where it is too short to be compressed."""
    data_set = write_minari(
        tmp_path / "e-v0", PENDULUM, episodes_of(PENDULUM, (20, 1)), about=ABOUT
    )
    file = data_set / "data" / "main_data.hdf5"
    content = file.read_bytes()
    with h5py.File(file, "r") as opened:
        places: list[tuple[int, int]] = []
        for episode in opened.values():
            for array in episode.values():
                chunks = [array.id.get_chunk_info(i) for i in range(array.id.get_num_chunks())]
                places += [(chunk.byte_offset, chunk.size) for chunk in chunks]
    assert len(places) == 2 * 5
    for offset, size in places:
        damaged = bytearray(content)
        damaged[offset + size // 2] ^= 16
        file.write_bytes(bytes(damaged))
        with pytest.raises(ConfigurationError, match="damaged"):
            load(data_set, PENDULUM)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "damaged"),
        ("", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ({"total_episodes": 3}, "damaged"),
        ({"total_episodes": 0}, "no whole episode"),
        ({"data_format": "tape"}, "damaged"),
        ({"observation_space": "none"}, "damaged"),
        ({"env_spec": "none"}, "damaged"),
    ],
)
def test_damaged_metadata(data_set: Path, metadata: str | dict[str, Any], message: str) -> None:
    file = data_set / "data" / "metadata.json"
    if isinstance(metadata, dict):
        metadata = json.dumps(json.loads(file.read_text()) | metadata)
    file.write_text(metadata)
    with pytest.raises(ConfigurationError, match=message) as error:
        load(data_set, PENDULUM)
    assert "\n" not in str(error.value)


def test_wrong_numbers(tmp_path: Path) -> None:
    def changed(label: str, **fields: Any) -> Path:
        (episode,) = episodes_of(PENDULUM, (5,))
        values = {**vars(episode), **fields}
        return write_minari(tmp_path / label, PENDULUM, [Demonstration(**values)], about={})

    nan = changed("nan", obs=torch.full((6, 3), torch.nan))
    with pytest.raises(ConfigurationError, match="episode 0: obs holds NaN"):
        load(nan, PENDULUM)
    short = changed("short", obs=torch.zeros(5, 3))
    with pytest.raises(ConfigurationError, match="'observations after the first' has 4 rows"):
        load(short, PENDULUM)
    empty = changed("empty")
    with h5py.File(empty / "data" / "main_data.hdf5", "a") as file:
        del file["episode_0/rewards"]
        file["episode_0/rewards"] = np.zeros(0)
    with pytest.raises(ConfigurationError, match="episode 0 is empty"):
        load(empty, PENDULUM)


def test_wrong_paths(tmp_path: Path, data_set: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Did you mean 'pendulum-v0'"):
        load(tmp_path / "pendulum", PENDULUM)
    with pytest.raises(ConfigurationError, match="demonstrations=d4rl"):
        load(data_set / "data" / "main_data.hdf5", PENDULUM)
    with pytest.raises(ConfigurationError, match=r"no data/metadata\.json"):
        load(tmp_path, PENDULUM)
    shutil.rmtree(data_set / "data")
    with pytest.raises(ConfigurationError, match=r"genrl collect"):
        load(data_set, PENDULUM)


def test_nothing_is_overwritten(tmp_path: Path, data_set: Path) -> None:
    before = sorted(data_set.rglob("*"))
    with pytest.raises(ConfigurationError, match=r"exists already: choose another out="):
        write_minari(data_set, PENDULUM, episodes_of(PENDULUM, (3,)), about={})
    assert sorted(data_set.rglob("*")) == before
    with pytest.raises(ConfigurationError, match="no episode"):
        write_minari(tmp_path / "none", PENDULUM, [], about={})
    with pytest.raises(ConfigurationError, match="one without a step"):
        write_minari(tmp_path / "none", PENDULUM, episodes_of(PENDULUM, (3, 0)), about={})
    assert [path.name for path in tmp_path.iterdir()] == ["pendulum-v0"]


def test_a_full_disk(small_disk: Path) -> None:
    episodes = episodes_of(PENDULUM, (20_000,))
    with pytest.raises(ConfigurationError, match=r"could not be written \(No space left") as error:
        write_minari(small_disk / "e-v0", PENDULUM, episodes, about={})
    assert "choose another out" in str(error.value)
    assert list(small_disk.iterdir()) == []


def test_the_registered_environment_stays_as_it_is(tmp_path: Path) -> None:
    """The time limit of a data set is its own, not that of every later environment."""
    spec = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 50)
    write_minari(tmp_path / "p", spec, episodes_of(spec, (5,)), about={}, env_kwargs={"g": 5.0})
    assert gymnasium.spec("Pendulum-v1").max_episode_steps == 200
    assert gymnasium.spec("Pendulum-v1").kwargs == {}
    env = minari.MinariDataset(tmp_path / "p" / "data").recover_environment()
    assert (env.spec.max_episode_steps, env.unwrapped.g) == (50, 5.0)
    metadata = json.loads((tmp_path / "p" / "data" / "metadata.json").read_text())
    assert json.loads(metadata["env_spec"])["max_episode_steps"] == 50
    assert re.fullmatch(r"p-v0", metadata["dataset_id"])


def test_equal_episodes_make_equal_files(tmp_path: Path) -> None:
    files = []
    for label in ("a", "b"):
        path = tmp_path / label / "same-v0"
        path.parent.mkdir()
        write_minari(path, PENDULUM, episodes_of(PENDULUM, (20,)), about=ABOUT)
        files.append([f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()])
    assert files[0] == files[1]
