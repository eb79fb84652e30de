"""An agent's run from its start to evaluation, and what is refused before it leaves a trace."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer

from genrl.config import compose
from genrl.evaluation.policies import evaluate_policy
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent, load_agent, train_agent
from genrl.tasks.fit import build_trainer
from genrl.tasks.watch_agent import evaluate_agent, film_agent

WORDS = [
    "env=pendulum",
    "env.num_envs=2",
    "env.max_episode_steps=25",
    "callback@evaluation=none",
    "callback@progress=none",
    "training.env_steps=120",
]
PPO = ["algorithm.num_steps=20", "algorithm.batch_size=20", "algorithm.epochs=1"]


def config(*words: str) -> dict[str, Any]:
    """Of a short PPO run."""
    return compose(["+experiment=ppo", *WORDS, *PPO, *words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Three iterations of forty steps."""
    path = tmp_path_factory.mktemp("runs") / "ppo"
    return train_agent(config("training.normalize_observations=true"), path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["device=cuda"], "agents run on the CPU, not on device=cuda.*give device=cpu"),
        (["trainer.devices=9"], "give env.num_envs=9, or fewer trainer.devices"),
        (["training.log_every=0"], "training.log_every must be at least 1"),
        (["training.env_steps=0"], "training.env_steps must be at least 1"),
        (["trainer.accumulate_grad_batches=4"], "accumulate"),
    ],
)
def test_mistakes_are_told_before_there_is_a_run(
    words: list[str], says: str, tmp_path: Path
) -> None:
    words = [f"+{w}" if "accumulate" in w else w for w in words]
    with pytest.raises(ConfigurationError, match=says):
        train_agent(config(*words), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_gpu_of_a_machine_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is chosen that would take one, and without advice to use it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    devices: list[str] = []

    def watched(*arguments: Any, **lengths: int) -> Trainer:
        trainer = build_trainer(*arguments, **lengths)
        devices.append(trainer.strategy.root_device.type)
        return trainer

    monkeypatch.setattr("genrl.tasks.agent.build_trainer", watched)
    train_agent(config("device=auto", "trainer=auto"), tmp_path / "run")
    assert devices == ["cpu"]


def test_a_run_ends_after_exactly_its_iterations(run: RunFolder) -> None:
    with run.metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert max(float(row["env_steps"]) for row in rows if row["env_steps"]) == 120
    assert is_agent(run.config())
    agent = load_agent(run)
    assert agent.spec.env_id == "Pendulum-v1"
    assert float(agent.actor.normalizer.moments.count) == 120
    assert not agent.actor.normalizer.shift.equal(torch.zeros(3))


def test_what_takes_no_steps_is_counted_in_gradient_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["env=inverted_pendulum", "evaluation.videos=false", "evaluation.episodes=2"]
    sizes = ["algorithm.iterations=2", "algorithm.updates_per_iteration=5"]
    train_agent(compose(["+experiment=bc", *words, *sizes]), tmp_path / "run")
    said = capsys.readouterr().err
    assert "evaluation after 0 gradient steps: return" in said
    assert "evaluation after 10 gradient steps: return" in said


def test_evaluation_is_that_of_fresh_episodes(run: RunFolder) -> None:
    text = evaluate_agent(run, 4)
    found = run.read_summary()["evaluation"]
    agent = load_agent(run)
    envs = agent.environment.make_vector(4)
    scores = evaluate_policy(
        agent, envs, agent.spec, episodes=4, seed=500_000_000, memory_size=agent.memory_size
    )
    envs.close()
    assert found["episodes"] == 4
    assert found["mean"] == pytest.approx(float(scores.returns.mean()), rel=1e-9)
    assert found["std"] == pytest.approx(float(np.std(scores.returns, ddof=1)), rel=1e-9)
    assert text.startswith("Pendulum-v1: interquartile mean return")
    assert evaluate_agent(run, 4) == text
    with pytest.raises(ConfigurationError, match="n must be at least 1, not 0"):
        evaluate_agent(run, 0)


def test_a_film_of_a_cut_episode(run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("pygame")
    path = film_agent(run, 3, str(tmp_path / "deep" / "film.gif"))
    assert path == tmp_path / "deep" / "film.mp4"
    assert path.stat().st_size > 1000


def test_other_runs_are_no_agents(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", compose(["+experiment=cfg_distill"]))
    with pytest.raises(ConfigurationError, match=r"is no agent's run: it has no policy"):
        load_agent(folder)
