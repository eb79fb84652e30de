"""The demonstrations that come with genrl: expert, whole, small, in the wheel, and documented."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
import pytest

from genrl.imitation.demonstrations import demonstration_sources, shipped, shipped_ids
from genrl.imitation.demonstrations.shipped import EXPERTS
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

# Episodes, and what the worst of them must earn.
EXPECTED = {
    "CartPole-v1": (5, 500),
    "Hopper-v5": (5, 1580),
    "InvertedPendulum-v5": (5, 1000),
    "Pendulum-v1": (20, -360),
}
ROOT = Path(__file__).parents[3]


def spec_of(env_id: str) -> EnvSpec:
    env = gymnasium.make(env_id)
    assert env.spec is not None
    limit = env.spec.max_episode_steps
    spec = EnvSpec.of(env_id, env.observation_space, env.action_space, limit)
    env.close()
    return spec


def test_which_there_are() -> None:
    assert shipped_ids() == sorted(EXPECTED)


@pytest.mark.parametrize("env_id", EXPECTED)
def test_what_they_are(env_id: str) -> None:
    demonstrations = demonstration_sources.build("minari", spec_of(env_id)).load()
    count, worst = EXPECTED[env_id]
    assert len(demonstrations.episodes) == count
    assert min(demonstrations.returns) >= worst
    files = [path for path in shipped(env_id).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    data = minari.MinariDataset(shipped(env_id) / "data")
    assert data.env_spec.id == env_id
    about: dict[str, Any] = data.storage.metadata["genrl"]
    assert about["mean_return"] == pytest.approx(np.mean(demonstrations.returns))
    readme = (EXPERTS / "README.md").read_text()
    assert env_id in readme
    for command in about["commands"]:
        assert command in readme


@pytest.mark.parametrize("env_id", EXPECTED)
def test_they_do_not_stand_still(env_id: str) -> None:
    """An expert that has come to rest shows nothing: one state again and again."""
    steps = demonstration_sources.build("minari", spec_of(env_id)).load().transitions()
    scaled = steps.obs / steps.obs.std(dim=0)
    assert len(scaled.mul(10).round().unique(dim=0)) > 0.15 * len(scaled)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_they_can_be_replayed(env_id: str) -> None:
    """Where no physics engine of another version interferes."""
    env = gymnasium.make(env_id)
    demonstrations = demonstration_sources.build("minari", spec_of(env_id)).load()
    for number, episode in enumerate(demonstrations.episodes):
        obs, _ = env.reset(seed=number)
        for t in range(len(episode)):
            np.testing.assert_allclose(episode.obs[t], obs, atol=1e-3)
            obs, *_ = env.step(episode.action[t].numpy())
    env.close()


def test_where_there_are_none() -> None:
    spec = EnvSpec("CartPole-v2", 4, 2, True)
    with pytest.raises(ConfigurationError, match=r"Did you mean 'CartPole-v1'.*Pendulum-v1") as e:
        demonstration_sources.build("minari", spec).load()
    assert "genrl collect RUN" in str(e.value)


def test_the_wheel_holds_them(tmp_path: Path) -> None:
    """Built from a copy, for building writes into the source."""
    for name in ("genrl", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    code = "import setuptools.build_meta as b; b.build_wheel('out')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    base = "genrl/imitation/demonstrations/experts"
    needed = {f"{base}/{i}/data/{f}" for i in EXPECTED for f in ("metadata.json", "main_data.hdf5")}
    assert needed | {f"{base}/README.md"} <= held
    metadata = zipfile.ZipFile(wheel).read(f"{base}/CartPole-v1/data/metadata.json")
    assert json.loads(metadata)["genrl"]["algorithm"] == "ppo"
