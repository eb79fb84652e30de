"""How long each command takes before it does anything: fresh processes, wall clock and CPU.

    python tools/bench/startup.py             help, list, show, train --cfg job, report
    python tools/bench/startup.py list        one of them
    python tools/bench/startup.py --json FILE also write the figures

Goal: ``genrl list`` < 3 s. The least of the rounds counts: others on the machine only add to it.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from figures import Figure, main

COMMANDS = {
    "help": ["--help"],
    "list": ["list"],
    "show": ["show", "sampler.ddim"],
    "config": ["train", "+experiment=cfg_distill", "--cfg", "job"],
}
GOALS = {"list": "<= 3"}
RUN = [
    "train", "data=gaussian_mixture", "network=mlp_small", "training.updates=2", "device=cpu",
    "callback@evaluation=none",
]  # fmt: skip


def start(name: str, words: list[str], rounds: int) -> Figure:
    """Run a command in fresh processes.

    Raises:
        CalledProcessError: if it fails.
    """
    walls, cpus = [], []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        genrl(words)
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    unit, note = "s; the ratio is that too", f"{min(cpus):.2f} CPU-s: genrl {' '.join(words[:2])}"
    return Figure(name, unit, min(walls), None, min(walls), GOALS.get(name, ""), note)


def genrl(words: list[str]) -> None:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "genrl", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def report(rounds: int) -> Figure:
    """The page of a small run."""
    with tempfile.TemporaryDirectory() as folder:
        genrl([*RUN, f"hydra.run.dir={folder}/run"])
        return start("report", ["report", f"{folder}/run", f"out={folder}/page.html"], rounds)


def benchmark(name: str) -> Callable[[int], Figure]:
    """One of `COMMANDS`."""
    return lambda rounds: start(name, COMMANDS[name], rounds)


BENCHMARKS = {**{name: benchmark(name) for name in COMMANDS}, "report": report}

if __name__ == "__main__":
    main(__doc__, BENCHMARKS, rounds=3)
