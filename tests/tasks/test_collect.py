"""``genrl collect``: what is recorded can be replayed step by step in the bare environment."""

import json
from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest
import torch

from genrl.cli import main
from genrl.config import compose
from genrl.imitation.demonstrations import Demonstration, demonstration_sources
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder
from genrl.tasks.agent import load_agent

WORDS = [
    "train",
    "+experiment=ppo",
    "callback@evaluation=none",
    "callback@progress=none",
    "algorithm.num_steps=16",
    "algorithm.batch_size=16",
    "algorithm.epochs=1",
    "env.num_envs=2",
    "training.env_steps=32",
]
PENDULUM = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 200)
INVERTED = EnvSpec("InvertedPendulum-v5", 4, 1, False, (-3.0,), (3.0,), 1000)


def trained(folder: Path, *words: str) -> Path:
    with pytest.raises(SystemExit) as stop:
        main([*WORDS, *words, f"hydra.run.dir={folder}"])
    assert stop.value.code == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a policy that has hardly learned anything."""
    return trained(tmp_path_factory.mktemp("runs") / "pendulum", "env=pendulum")


def collect(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["collect", *words])
    code = stop.value.code
    assert isinstance(code, int)
    return code


def load(path: Path, spec: EnvSpec) -> list[Demonstration]:
    config = {"name": "minari", "path": str(path)}
    return list(demonstration_sources.build(config, spec).load().episodes)


def replay(episodes: list[Demonstration], env_id: str, tolerance: float) -> None:
    env = gymnasium.make(env_id)
    for number, episode in enumerate(episodes):
        obs, _ = env.reset(seed=7 + number)
        terminated, truncated = False, False
        for t in range(len(episode)):
            assert not terminated
            assert not truncated
            np.testing.assert_allclose(episode.obs[t], obs, atol=tolerance)
            obs, reward, terminated, truncated, _ = env.step(episode.action[t].numpy())
            assert float(episode.reward[t]) == pytest.approx(float(reward), abs=10 * tolerance)
        np.testing.assert_allclose(episode.obs[-1], obs, atol=tolerance)
        assert terminated == episode.terminated
        assert terminated or truncated
    env.close()


def test_what_is_recorded(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pendulum-v3"
    assert collect(str(run), "episodes=3", f"out={out}", "seed=7") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["recorded 3 of 3 episodes", str(out)]
    episodes = load(out, PENDULUM)
    assert [len(episode) for episode in episodes] == [200, 200, 200]
    replay(episodes, "Pendulum-v1", 1e-6)
    agent = load_agent(RunFolder.open(run))
    for episode in episodes:
        obs, start = episode.obs[:-1], torch.zeros(200, dtype=torch.bool)
        action, _ = agent.act(obs, start, agent.initial_memory(200), deterministic=True)
        torch.testing.assert_close(episode.action, action.clamp(-2, 2))
    returns = [float(episode.reward.sum()) for episode in episodes]
    about = json.loads((out / "data" / "metadata.json").read_text())["genrl"]
    assert about["mean_return"] == pytest.approx(sum(returns) / 3)
    assert lines[2].startswith(f"mean return {sum(returns) / 3:.1f} (from {min(returns):.1f} to")
    assert (about["algorithm"], about["seed"], about["run"]) == ("ppo", 7, str(run))
    trained_by, collected_by = about["commands"]
    assert trained_by == " ".join(["genrl", *WORDS, "env=pendulum"])
    assert collected_by == f"genrl collect {run} episodes=3 seed=7 deterministic=true"
    assert minari.MinariDataset(out / "data").id == "pendulum-v3"


def test_sampled_actions(run: Path, tmp_path: Path) -> None:
    """They differ from the mode, and are a function of the seed."""
    recorded = []
    for label, words in (("mode", ()), ("a", ("x",)), ("b", ("x",)), ("c", ("x", "seed=8"))):
        more = [w.replace("x", "deterministic=false") for w in words]
        assert collect(str(run), "episodes=1", f"out={tmp_path / label}", "seed=7", *more) == 0
        recorded.append(load(tmp_path / label, PENDULUM)[0])
    mode, a, b, c = recorded
    torch.testing.assert_close(mode.obs[0], a.obs[0], rtol=0, atol=0)
    assert not torch.equal(mode.action, a.action)
    torch.testing.assert_close(a.action, b.action, rtol=0, atol=0)
    assert not torch.equal(a.action, c.action)


def test_wrappers_are_taken_off(tmp_path: Path) -> None:
    """Absorbing states, rescaled actions and stacked frames are the agent's, not the record's."""
    run = trained(
        tmp_path / "run",
        "env=inverted_pendulum",
        "env.absorbing_states=true",
        "env.rescale_actions=true",
        "env.frame_stack=2",
    )
    assert load_agent(RunFolder.open(run)).spec.obs_size == 9
    assert collect(str(run), "episodes=2", "seed=7", "deterministic=false") == 0
    (out,) = (run / "demonstrations").iterdir()
    episodes = load(out, INVERTED)
    assert all(episode.terminated for episode in episodes)
    assert max(float(episode.action.abs().max()) for episode in episodes) > 1.2
    replay(episodes, "InvertedPendulum-v5", 1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["episodes=0"], "episodes must be at least 1, not 0"),
        (["episodes=many"], "could not be converted to an integer"),
        (["episode=3"], "Did you mean 'episodes'?"),
        (["stage=last"], "has no finished stage 'last'"),
        (["out=here"], "here exists already: choose another out=..."),
    ],
)
def test_mistakes(
    run: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert collect(str(run), *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_full_disk(run: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small_disk / "filler").write_bytes(bytes(56_000))
    assert collect(str(run), "episodes=10", f"out={small_disk / 'p-v0'}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_other_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collect(str(tmp_path / "nothing")) == 2
    assert "there is no run folder" in capsys.readouterr().err
    RunFolder.create(tmp_path / "images", compose(["+experiment=cfg_distill"]))
    assert collect(str(tmp_path / "images")) == 2
    assert "no agent's run" in capsys.readouterr().err
