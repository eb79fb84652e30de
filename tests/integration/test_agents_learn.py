"""Returns that agents reach with the settings that ship: minutes for each, so all are slow.

Scores are interquartile means over three seeds of the mean of ten episodes with the policy's mode.
Hopper takes hours: ``python tools/bench/returns.py`` and ``tools/bench/imitation_hopper.py``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from genrl.config import compose
from genrl.evaluation.statistics import across_seeds
from genrl.tasks.agent import train_agent

SEEDS = (1, 2, 3)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def score(folder: Path, *overrides: str) -> float:
    """The interquartile mean over the seeds."""
    finals = []
    for seed in SEEDS:
        config = compose([*overrides, f"seed={seed}", "evaluation.videos=false"])
        run = train_agent(config, folder / str(seed))
        lines = (run.path / "evaluations.jsonl").read_text().splitlines()
        finals.append(json.loads(lines[-1])["returns"])
    return across_seeds(finals, rng=np.random.default_rng(0)).score


@pytest.mark.parametrize(
    ("experiment", "env", "bar"),
    [
        ("ppo", "pendulum", -200),
        ("trpo", "pendulum", -200),
        ("sac", "pendulum", -170),
        ("ppo", "cartpole", 475),
        ("ppo", "inverted_pendulum", 950),
    ],
)
def test_reinforcement_learning(experiment: str, env: str, bar: float, tmp_path: Path) -> None:
    assert score(tmp_path, f"+experiment={experiment}", f"env={env}") >= bar


@pytest.mark.parametrize(
    ("loss", "algorithm"),
    [
        ("gail", "ppo"),
        ("airl", "ppo"),
        ("smiling", "ppo"),
        ("gail", "sac"),
        ("smiling", "sac"),
        ("bc", "cloning"),
    ],
)
def test_imitation_of_an_inverted_pendulum(loss: str, algorithm: str, tmp_path: Path) -> None:
    """At least 90 % of the expert's 1000, from the five demonstrations that ship."""
    words = [f"imitation_loss={loss}", f"algorithm={algorithm}", "env=inverted_pendulum"]
    assert score(tmp_path, "+experiment=imitate", *words) >= 900


def test_a_constant_reward_teaches_nothing_where_episodes_have_one_length(tmp_path: Path) -> None:
    """The control of every imitation reward, on Pendulum, which never terminates."""
    control = score(
        tmp_path,
        "+experiment=imitate",
        "imitation_loss=constant",
        "env=pendulum",
        "training.env_steps=20000",
    )
    assert control < -800
