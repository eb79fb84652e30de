"""How long each command takes before it does anything: fresh processes, wall clock and CPU.

    python tools/bench/startup.py                 help, list, show, train --cfg job
    python tools/bench/startup.py --run RUN       also the report of a finished run, written aside
    python tools/bench/startup.py --json FILE     also write the figures

Goal: ``genrl list`` < 3 s. The least of the rounds counts: others on the machine only add to it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

COMMANDS = {
    "help": ["--help"],
    "list": ["list"],
    "show": ["show", "sampler.ddim"],
    "config": ["train", "+experiment=cfg_distill", "--cfg", "job"],
}
GOALS = {"list": 3.0}


@dataclass(frozen=True)
class StartUp:
    """A command's start.

    Args:
        name: of the benchmark.
        seconds: on the wall, the least of the rounds.
        cpu_seconds: of the process, the least of the rounds.
        goal: most seconds; None where there is none.
    """

    name: str
    seconds: float
    cpu_seconds: float
    goal: float | None


def measure(name: str, words: list[str], rounds: int) -> StartUp:
    """Run a command in fresh processes.

    Raises:
        CalledProcessError: if it fails.
    """
    walls, cpus = [], []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        command = [sys.executable, "-m", "genrl", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return StartUp(name, min(walls), min(cpus), GOALS.get(name))


def main() -> None:
    """Measure every command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", type=Path, help="a finished run, for the report")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    commands = dict(COMMANDS)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.run is not None:
            commands["report"] = ["report", str(arguments.run), f"out={folder}/report.html"]
        for name, words in commands.items():
            start = measure(name, words, arguments.rounds)
            goal = "" if start.goal is None else f"   goal < {start.goal:.0f} s"
            print(
                f"{name:8}{start.seconds:7.2f} s{start.cpu_seconds:7.2f} CPU-s{goal}   "
                f"genrl {' '.join(words)}",
                flush=True,
            )
            found.append(asdict(start))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
