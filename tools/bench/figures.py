"""What the benchmarks share: a figure with its goal, turns of two sides, a command line."""

import argparse
import json
import operator
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from genrl.heap import keep_freed_memory

MISSED = 1  # exit code where a figure misses its goal; 2 is a wrong use, as everywhere

_COMPARE = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """A comparison.

    Args:
        name: of the benchmark.
        unit: of the two rates.
        ours: median rate, per CPU second where nothing else is said.
        peer: the same of the peer; None where there is none.
        ratio: ours / peer, or what ``unit`` says.
        goal: for the ratio, such as ``>= 2``; empty where none was set.
        note: what else was measured.
    """

    name: str
    unit: str
    ours: float
    peer: float | None
    ratio: float
    goal: str = ""
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the ratio reaches the goal."""
        if not self.goal:
            return True
        sign, _, value = self.goal.partition(" ")
        return bool(_COMPARE[sign](self.ratio, float(value)))

    def line(self) -> str:
        """For people."""
        peer = f"{'':12}" if self.peer is None else f"{self.peer:12.2f}"
        verdict = f"goal {self.goal:8} {'met' if self.is_met else 'MISSED':7}" if self.goal else ""
        note = f" ({self.note})" if self.note else ""
        return (
            f"{self.name:24}{self.ours:12.2f}{peer}   ratio {self.ratio:6.3f}  "
            f"{verdict}{self.unit}{note}"
        )


Benchmark = Callable[[int], "Figure | list[Figure]"]


def turns(
    ours: Callable[[], float],
    peer: Callable[[], float],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, float]:
    """Median rates of two that take turns, so that a busy machine slows both alike.

    Args:
        ours: one turn; returns what it got done.
        peer: the same of the peer.
        rounds: that are counted; one more warms up.
        clock: in seconds; CPU seconds of this process by default.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for side, work in enumerate((ours, peer)):
            started = clock()
            done = work()
            if number:
                rates[side].append(done / (clock() - started))
    return statistics.median(rates[0]), statistics.median(rates[1])


def main(doc: str, benchmarks: Mapping[str, Benchmark], rounds: int = 5) -> None:
    """The command line of a file of benchmarks; exits with 1 where a goal is missed.

    Args:
        doc: of the file; its first line is the help.
        benchmarks: by name; each takes the number of rounds.
        rounds: unless the command line says another number.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(benchmarks)}")
    parser.add_argument("--rounds", type=int, default=rounds, help="turns of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(benchmarks)}")
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
    keep_freed_memory()
    figures: list[Figure] = []
    for name in arguments.names or benchmarks:
        found = benchmarks[name](arguments.rounds)
        for figure in found if isinstance(found, list) else [found]:
            print(figure.line(), flush=True)
            figures.append(figure)
    write(figures, arguments.json)
    sys.exit(0 if all(figure.is_met for figure in figures) else MISSED)


def write(figures: list[Figure], path: Path | None) -> None:
    """The figures as JSON, each with whether it meets its goal."""
    if path is not None:
        entries = [{**asdict(figure), "is_met": figure.is_met} for figure in figures]
        path.write_text(json.dumps(entries, indent=1) + "\n")
