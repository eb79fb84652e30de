"""What ``genrl optimize`` finds for a trained run, beside the usual time grids, at 4 to 32 steps.

    python tools/bench/optimized_grids.py OUT RUN              uniform, karras, dp and ggdm
    python tools/bench/optimized_grids.py OUT RUN --steps 4    some numbers of steps
    python tools/bench/optimized_grids.py OUT RUN --table      only the table of what OUT holds

Every row is a line of OUT (JSON) and is not measured again. The bound is in bits per dimension, the
Fréchet distance that of 1,000 samples at w = 0 to the training data. A bound of ggdm is that of its
own chain, in which each step is noised as it learned.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from finished import append, holds, read

from genrl.tasks.optimize import USUAL, Row, Workbench, open_workbench
from genrl.tasks.optimize_options import OptimizeOptions

OPTIONS = {"dp": {"grid": "dp"}, "ggdm": {"sampler": "ggdm"}}
METHODS = (*USUAL, *OPTIONS)


class Study:
    """Measures rows; what they share, a model or a pass over the network, is made once.

    Args:
        run: the trained run's folder.
        options: of ``genrl optimize``, for both searches.
    """

    def __init__(self, run: Path, options: dict[str, Any]) -> None:
        self.run, self.options = run, options
        self._workbenches: dict[str, Workbench] = {}

    def _workbench(self, method: str) -> Workbench:
        if method not in self._workbenches:
            options = OptimizeOptions(**OPTIONS[method], **self.options)
            self._workbenches[method] = open_workbench(self.run, options, print)
        return self._workbenches[method]

    def row(self, method: str, steps: int) -> Row:
        """Of a method at some number of steps."""
        if method in USUAL:
            return self._workbench("dp").usual(method, steps)
        workbench = self._workbench(method)
        found = workbench.search(steps)
        found.write(workbench.folder)
        return workbench.measured(found)


def table(lines: list[dict[str, Any]]) -> str:
    """Training bound, held-out bound and Fréchet distance of every method, a row for each number
    of steps."""
    cells = {(line["steps"], line["method"]): line for line in lines}
    rows = ["steps" + "".join(f"{method:>30}" for method in METHODS)]
    for steps in sorted({line["steps"] for line in lines}):
        row = f"{steps:>5}"
        for method in METHODS:
            line = cells.get((steps, method))
            numbers = [] if line is None else [*line["bits"], line["frechet"]]
            row += f"{' / '.join(f'{number:.4g}' for number in numbers):>30}"
        rows.append(row)
    return "\n".join(rows)


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--updates", type=int, default=OptimizeOptions.updates, help="of ggdm")
    parser.add_argument("--keep", action="store_true", help="ggdm keeps activations: a third less")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = {
        "updates": arguments.updates,
        "steps": arguments.steps,
        "rematerialize": not arguments.keep,
    }
    study = Study(arguments.run, options)
    for method in [] if arguments.table else arguments.methods:
        for steps in arguments.steps:
            if not holds(arguments.out, steps=steps, method=method):
                started = time.process_time()
                row = study.row(method, steps)
                cost = time.process_time() - started
                line = {**dataclasses.asdict(row), "cpu_seconds": cost}
                if method == "ggdm":
                    line["updates"] = arguments.updates
                append(arguments.out, line)
                print(table(read(arguments.out)), flush=True)
    print(table(read(arguments.out)))


if __name__ == "__main__":
    main()
