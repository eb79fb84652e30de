"""An agent's run that is killed ends exactly as one that is never killed.

Kills are real (SIGKILL of the process), two iterations after a checkpoint and in the middle of
episodes: policy, optimizers, buffer, normalizers, learned reward, environments and their random
numbers all come from the checkpoint.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import finished, genrl, killed
from torch import Tensor

SHORT = [
    "+callback@callbacks.killer=killer",
    "callback@progress=none",
    "checkpoint.every=3",
    "evaluation.episodes=2",
    "evaluation.every=200",
    "evaluation.videos=false",
]
ON_POLICY = [
    "env.num_envs=3",
    "algorithm.num_steps=70",
    "algorithm.batch_size=32",
    "algorithm.epochs=2",
    "training.env_steps=1800",
    "training.normalize_observations=true",
    "training.normalize_rewards=true",
]
OFF_POLICY = [
    "algorithm.iteration_steps=50",
    "algorithm.learning_starts=60",
    "algorithm.batch_size=16",
    "training.env_steps=450",
    "training.normalize_observations=true",
]
SMALL_MODELS = ["network.features=16", "network.num_layers=1"]
RUNS = {
    "ppo": ["+experiment=ppo", "env=hopper", *ON_POLICY],
    "sac": ["+experiment=sac", "env=hopper", *OFF_POLICY],
    "sac_prioritized": ["+experiment=sac", "env=pendulum", "buffer=prioritized", *OFF_POLICY],
    "td3": ["+experiment=td3", "env=inverted_pendulum", *OFF_POLICY],
    "recurrent_ppo": ["+experiment=ppo", "env=cartpole", "policy=recurrent", *ON_POLICY],
    "recurrent_sac": ["+experiment=sac", "env=pendulum", "policy=recurrent", *OFF_POLICY],
    "gail": ["+experiment=gail", "env=inverted_pendulum", *ON_POLICY],
    "smiling": [
        "+experiment=smiling",
        "env=inverted_pendulum",
        "imitation_loss.expert_updates=20",
        *SMALL_MODELS,
        *ON_POLICY,
    ],
    "dac": ["+experiment=imitate", "imitation_loss=dac", "algorithm=sac", *OFF_POLICY],
}


FAST = ("ppo", "sac", "smiling")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]
)
def test_a_killed_run_ends_like_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    words = [*RUNS[name], *SHORT]
    finished(genrl("train", *words, f"hydra.run.dir={straight}"))
    killed(genrl("train", *words, f"hydra.run.dir={broken}", kill="5:update"))
    assert (broken / "checkpoints" / "last.ckpt").exists()
    finished(genrl("resume", str(broken)))
    mine, other = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
        for run in (straight, broken)
    )
    for part in ("agent", "environments", "genrl"):
        assert equal(mine[part], other[part]) is None, (part, equal(mine[part], other[part]))
    assert mine["agent"]["interaction"]["gradient_steps"] > 0
    assert (straight / "metrics.csv").read_text() == (broken / "metrics.csv").read_text()
    lines = [
        [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]
        for path in (straight / "evaluations.jsonl", broken / "evaluations.jsonl")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) > 2


def equal(left: Any, right: Any, path: str = "") -> str | None:
    """Where two nested states differ, or None."""
    if isinstance(left, Tensor):
        same = isinstance(right, Tensor) and torch.equal(left, right)
        return None if same else path
    if isinstance(left, dict):
        if left.keys() != right.keys():
            return path
        found = (equal(left[key], right[key], f"{path}.{key}") for key in left)
        return next((where for where in found if where is not None), None)
    if isinstance(left, list | tuple):
        if len(left) != len(right):
            return path
        found = (
            equal(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(left, right, strict=True))
        )
        return next((where for where in found if where is not None), None)
    return None if left == right else path
