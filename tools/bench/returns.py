"""Returns after a fixed number of steps, over seeds, some of them beside stable-baselines3.

    python tools/bench/returns.py OUT                        every task, 3 seeds
    python tools/bench/returns.py OUT sac_hopper --seeds 1   one task and seed
    python tools/bench/returns.py OUT --table                only the table of what OUT holds

Every finished run is a line of OUT (JSON), and is not repeated. A score is the mean of 20 episodes
with the policy's mode in fresh environments; a row of the table is the interquartile mean over
seeds with its stratified bootstrap interval. The peer has the settings of ours, and is evaluated by
the same function.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finished import append, holds, over_seeds, read
from stable_baselines3 import SAC as PeerSAC
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor

from genrl.config import compose
from genrl.envs import environments
from genrl.evaluation.policies import evaluate_policy
from genrl.run_folder import RunFolder
from genrl.tasks.agent import load_agent, train_agent

EPISODES = 20
EVALUATION_SEED = 900_000


@dataclass(frozen=True)
class Task:
    """Something to learn.

    Args:
        overrides: of ``genrl train``.
        bar: the least interquartile mean that is asked for; None where the peer is the bar.
        has_peer: whether stable-baselines3's SAC runs beside ours.
    """

    overrides: tuple[str, ...]
    bar: float | None
    has_peer: bool = False


TASKS = {
    "ppo_pendulum": Task(("+experiment=ppo", "env=pendulum"), -200),
    "trpo_pendulum": Task(("+experiment=trpo", "env=pendulum"), -200),
    "sac_pendulum": Task(("+experiment=sac", "env=pendulum"), -170),
    "ppo_cartpole": Task(("+experiment=ppo", "env=cartpole"), 475),
    "sac_hopper": Task(
        (
            "+experiment=sac",
            "env=hopper",
            "training.env_steps=100000",
            "algorithm.learning_starts=100",
        ),
        None,
        has_peer=True,
    ),
}


class PeerActor:
    """A policy of stable-baselines3 as `evaluate_policy` calls it."""

    def __init__(self, model: PeerSAC) -> None:
        self.model = model

    def act(self, obs: Tensor, start: Tensor, memory: Tensor, **_: object) -> tuple[Tensor, Tensor]:
        action, _state = self.model.predict(obs.numpy(), deterministic=True)
        return torch.from_numpy(np.asarray(action)), memory


def ours(task: Task, seed: int) -> dict[str, Any]:
    """Train ours and score it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        started, cpu = time.perf_counter(), time.process_time()
        config = compose([*task.overrides, f"seed={seed}", "evaluation.videos=false"])
        train_agent(config, path)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        agent = load_agent(RunFolder.open(path))
        envs = agent.environment.make_vector(10)
        scores = evaluate_policy(agent, envs, agent.spec, episodes=EPISODES, seed=EVALUATION_SEED)
    return {"returns": scores.returns.tolist(), "seconds": seconds, "cpu_seconds": cpu}


def peer(task: Task, seed: int) -> dict[str, Any]:
    """Train stable-baselines3's SAC with the same settings and score it."""
    config = compose(task.overrides)
    source, own = environments.build(config["env"]), config["algorithm"]
    model = PeerSAC(
        "MlpPolicy",
        make_vec_env(source.spec.env_id, 1, seed=seed),
        learning_rate=own["learning_rate"],
        learning_starts=own["learning_starts"],
        batch_size=own["batch_size"],
        tau=own["target_rate"],
        gamma=config["gamma"],
        seed=seed,
        device="cpu",
    )
    started, cpu = time.perf_counter(), time.process_time()
    model.learn(config["training"]["env_steps"])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    scores = evaluate_policy(
        PeerActor(model),
        source.make_vector(10),
        source.spec,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
    )
    return {"returns": scores.returns.tolist(), "seconds": seconds, "cpu_seconds": cpu}


def table(lines: list[dict[str, Any]]) -> str:
    """A row for each task and side."""
    rows = ["task             side   seeds      IQM  interval                 bar  cpu-s/run"]
    for name, task in TASKS.items():
        for side in ("genrl", "sb3"):
            found = [line for line in lines if (line["task"], line["side"]) == (name, side)]
            if not found:
                continue
            score, interval = over_seeds([line["returns"] for line in found])
            bar = "" if task.bar is None or side == "sb3" else f"{task.bar:g}"
            cost = np.mean([line["cpu_seconds"] for line in found])
            rows.append(
                f"{name:17}{side:7}{len(found):5}{score:9.1f}  {interval:20}{bar:>8}{cost:11.0f}"
            )
    return "\n".join(rows)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of: {', '.join(TASKS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sides", nargs="+", choices=["genrl", "sb3"], default=["genrl", "sb3"])
    parser.add_argument("--table", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in arguments.tasks:
        if name not in TASKS:
            parser.error(f"no task is called {name}; there are {', '.join(TASKS)}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for name in [] if arguments.table else arguments.tasks or TASKS:
        for seed in arguments.seeds:
            for side, run in (("genrl", ours), ("sb3", peer)):
                is_wanted = side in arguments.sides and (side == "genrl" or TASKS[name].has_peer)
                identity = {"task": name, "side": side, "seed": seed}
                if is_wanted and not holds(arguments.out, **identity):
                    append(arguments.out, {**identity, **run(TASKS[name], seed)})
    print(table(read(arguments.out)))


if __name__ == "__main__":
    main()
