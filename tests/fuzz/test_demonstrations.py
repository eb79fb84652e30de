"""Demonstrations from anywhere: NumPy archives, D4RL's HDF5, Minari's folders."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from fuzzing import CASES, altered, damaged, explore, refused_or
from hypothesis import strategies as st
from numpy.typing import NDArray

from genrl.imitation.demonstrations import Demonstrations, demonstration_sources
from genrl.imitation.demonstrations.shipped import shipped
from genrl.rl.spec import EnvSpec

Arrays = dict[str, NDArray[Any]]

SPEC = EnvSpec("Place-v0", 2, 1, False, (-1.0,), (1.0,), 4)
CARTPOLE = EnvSpec("CartPole-v1", 4, 2, True, (), (), 500)
ROWS = 10


def arrays() -> Arrays:
    """Three episodes of 3, 4 and 3 steps."""
    rng = np.random.default_rng(0)
    return {
        "obs": rng.normal(size=(ROWS, 2)).astype(np.float32),
        "action": rng.uniform(-1, 1, (ROWS, 1)).astype(np.float32),
        "reward": rng.normal(size=ROWS),
        "terminated": np.arange(ROWS) == 2,
        "truncated": np.isin(np.arange(ROWS), [6, 9]),
    }


def archive(content: Arrays) -> bytes:
    """As ``numpy.savez`` writes it."""
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    return buffer.getvalue()


D4RL_NAMES = {
    "obs": "observations", "action": "actions", "reward": "rewards", "terminated": "terminals",
    "truncated": "timeouts", "next_obs": "next_observations",
}  # fmt: skip


def hdf5(content: Arrays) -> bytes:
    """As D4RL writes it."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for key, values in content.items():
            name = D4RL_NAMES.get(key, key)
            if values.dtype.kind in "OM":
                file.create_group(name)
            elif values.dtype.kind == "U":
                file[name] = [str(value) for value in values.reshape(-1)]
            else:
                file[name] = values
    return buffer.getvalue()


def assert_valid(found: Demonstrations | None, spec: EnvSpec) -> None:
    """What a learner may rely on."""
    if found is None:
        return
    found.check(spec)
    assert found.episodes
    for episode in found.episodes:
        steps = len(episode)
        assert steps > 0
        assert episode.obs.shape == (steps + 1, spec.obs_size)
        assert episode.action.shape == (steps, *spec.action_shape)
        assert episode.obs.dtype == episode.reward.dtype == torch.float32
    assert len(found.transitions()) == sum(map(len, found.episodes))


DTYPES = ["f2", "f4", "f8", "i1", "i8", "u1", "u8", "?", "c8", "U3", "O", "M8[s]", "S2", "V4"]
SHAPES = [(), (0,), (1,), (10,), (9,), (11,), (10, 1), (10, 2), (10, 3), (10, 0), (0, 2), (2, 10)]
VALUES = [0, 1, -1, 0.5, float("nan"), float("inf"), 1e300, 255, 2**40]


@st.composite
def lies(draw: st.DrawFn) -> Arrays:
    """Arrays of other types, shapes and numbers than they should have, or not there at all."""
    content = arrays()
    if draw(st.booleans()):
        content["next_obs"] = content["obs"] + 1
    if draw(st.booleans()):
        content["episode_ends"] = np.array([3, 7, 10])
        del content["truncated"]
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from([*content, "episode_ends", "next_obs"]))
        what = draw(st.sampled_from(["value", "type", "shape", "gone", "rows"]))
        values = content.get(key, np.zeros(ROWS))
        if what == "value" and values.size and values.dtype.kind in "biuf":
            values = values.astype(draw(st.sampled_from(["f8", values.dtype.str])))
            place = draw(st.integers(0, values.size - 1))
            with np.errstate(all="ignore"):
                value = np.asarray(draw(st.sampled_from(VALUES)), dtype=np.float64)
                values.reshape(-1)[place] = value.astype(values.dtype)
        elif what == "type":
            dtype = np.dtype(draw(st.sampled_from(DTYPES)))
            values = np.zeros(values.shape, dtype)
        elif what == "shape":
            values = np.resize(values, draw(st.sampled_from(SHAPES)))
        elif what == "rows":
            values = values[: draw(st.integers(0, ROWS))] if values.ndim else values
        else:
            content.pop(key, None)
            continue
        content[key] = values
    return content


def explore_source(
    name: str, path: Path, strategy: st.SearchStrategy[bytes], cases: int, intact: bytes
) -> None:
    """Every file is refused, or holds valid episodes."""

    def check(data: bytes) -> None:
        path.write_bytes(data)
        for use_cut in (False, True):
            config = {"name": name, "path": str(path), "use_cut": use_cut}
            source = demonstration_sources.build(config, SPEC)
            found = refused_or(source.load)
            assert_valid(found, SPEC)
            assert data != intact or found is not None

    check(intact)
    explore(check, strategy, cases)


FORMATS: dict[str, Callable[[Arrays], bytes]] = {"npz": archive, "d4rl": hdf5}
BOTH = pytest.mark.parametrize("name", FORMATS)


@CASES
@BOTH
@pytest.mark.filterwarnings("ignore")
def test_damaged_files(name: str, cases: int, tmp_path: Path) -> None:
    whole = FORMATS[name](arrays())
    explore_source(name, tmp_path / "a", damaged(whole), cases, whole)


@CASES
@BOTH
@pytest.mark.filterwarnings("ignore")
def test_files_that_lie(name: str, cases: int, tmp_path: Path) -> None:
    write = FORMATS[name]
    explore_source(name, tmp_path / "a", lies().map(write), cases, write(arrays()))


@CASES
@pytest.mark.filterwarnings("ignore")
def test_headers_of_arrays_that_lie(cases: int, tmp_path: Path) -> None:
    """The archive's checksums are right, the array's own header is damaged."""
    whole = archive(arrays())
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        members = {name: file.read(name) for name in file.namelist()}

    def packed(case: tuple[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name, data in members.items():
                file.writestr(name, case[1] if name == case[0] else data)
        return buffer.getvalue()

    one = st.sampled_from(sorted(members)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            damaged(members[name][:128]).map(lambda head, name=name: head + members[name][128:]),
        )
    )
    explore_source("npz", tmp_path / "a", one.map(packed), cases, whole)


@pytest.fixture
def poles(tmp_path: Path) -> Path:
    """A copy of the demonstrations that are shipped for CartPole."""
    return Path(shutil.copytree(shipped("CartPole-v1"), tmp_path / "poles"))


def poles_are_valid(path: Path) -> None:
    """Refused, or valid."""
    for use_cut in (False, True):
        config = {"name": "minari", "path": str(path), "use_cut": use_cut}
        assert_valid(refused_or(demonstration_sources.build(config, CARTPOLE).load), CARTPOLE)


@CASES
@pytest.mark.filterwarnings("ignore")
def test_minari_with_damaged_episodes(cases: int, poles: Path) -> None:
    file = poles / "data" / "main_data.hdf5"
    whole = file.read_bytes()

    def check(data: bytes) -> None:
        file.write_bytes(data)
        poles_are_valid(poles)

    explore(check, damaged(whole), cases)


@CASES
@pytest.mark.filterwarnings("ignore")
def test_minari_with_other_metadata(cases: int, poles: Path) -> None:
    file = poles / "data" / "metadata.json"
    whole = file.read_bytes()
    values = json.loads(whole)
    for key in ("observation_space", "action_space", "env_spec"):
        values[key] = json.loads(values[key])

    def text(changed: Any) -> bytes:
        if isinstance(changed, dict):
            for key in ("observation_space", "action_space", "env_spec"):
                if isinstance(changed.get(key), dict | list):
                    changed[key] = json.dumps(changed[key])
        return json.dumps(changed).encode(errors="replace")

    def check(data: bytes) -> None:
        file.write_bytes(data)
        poles_are_valid(poles)

    explore(check, altered(values).map(text) | damaged(whole), cases)
