"""Imitation of a hopping leg: returns along 200,000 steps, of four losses and three seeds.

    python tools/bench/imitation_hopper.py OUT                       every loss and seed
    python tools/bench/imitation_hopper.py OUT gail dac --seeds 1    some of them
    python tools/bench/imitation_hopper.py OUT --table               only the table

Hopper-v5 from the five demonstrations that ship, under PPO with the settings of
``genrl train +experiment=imitate env=hopper imitation_loss=...``. Every finished run is a line of
OUT (JSON) with all of its evaluations, and is not repeated. A number of the table is the mean of 10
episodes with the policy's mode in fresh environments; below the seeds stand their interquartile
mean and its stratified bootstrap interval. Behavioural cloning takes no steps in environments: its
columns are fifths of its 10,000 updates.

Measured (the expert's episodes: 2450), GAIL and DAC at ec27261, the others at 8857cb7:

    loss     seed        40k      80k     120k     160k     200k
    gail        1        244     1821     3194     3156     3093
    gail        2        245     1121     1710     1726     3208
    gail        3        246     1189     3174     3198     3213
    gail      IQM        245     1377     2692     2693     3171
    dac         1        248     2102     3036     3003     2751
    dac         2       1475     1588     3132     2875     3173
    dac         3        239     1104     1260     3148     3174
    dac       IQM        654     1598     2476     3009     3033
    smiling     1        630     2421     1406     3191     3201
    smiling     2        373     1008     3204     2877     3273
    smiling     3        349      673     1044     1867     3253
    smiling   IQM        451     1367     1885     2645     3242
    bc          1       2780     2516     2611     2350     2288
    bc          2       2388     2029     2228     2762     2611
    bc          3       1486     2617     2280     2309     2185
    bc        IQM       2218     2387     2373     2473     2361
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from finished import Line, append, holds, over_seeds, read

from genrl.config import compose
from genrl.run_folder import RunFolder
from genrl.tasks.agent import train_agent

LOSSES = ("gail", "dac", "smiling", "bc")
STEPS = 200_000
COLUMNS = 5


def run(loss: str, seed: int) -> Line:
    """Train, and give all evaluations."""
    config = compose(
        [
            "+experiment=imitate",
            "env=hopper",
            f"imitation_loss={loss}",
            f"training.env_steps={STEPS}",
            f"seed={seed}",
            "evaluation.videos=false",
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        path = train_agent(config, Path(folder) / "run").path
        cpu = time.process_time() - cpu
        lines = (path / "evaluations.jsonl").read_text().splitlines()
        expert = RunFolder.open(path).read_summary()["expert_return"]
    return {
        "evaluations": [json.loads(line) for line in lines],
        "expert_return": expert,
        "cpu_seconds": cpu,
    }


def columns(line: Line) -> list[list[float]]:
    """The episodes of the first evaluation after each fifth of a run."""
    evaluations = line["evaluations"]
    unit = "env_steps" if evaluations[-1]["env_steps"] else "update"
    total = STEPS if unit == "env_steps" else evaluations[-1]["update"]
    return [
        next(e["returns"] for e in evaluations if e[unit] >= fifth * total / COLUMNS)
        for fifth in range(1, COLUMNS + 1)
    ]


def table(lines: list[Line]) -> str:
    """A row for each run, and one for each loss over its seeds."""
    heads = "".join(f"{STEPS * (i + 1) // COLUMNS // 1000:>9}k" for i in range(COLUMNS))
    rows = [f"loss     seed {heads}  interval at the end   cpu-s"]
    for loss in LOSSES:
        found = sorted((x for x in lines if x["loss"] == loss), key=lambda x: int(x["seed"]))
        for line in found:
            row = "".join(f"{np.mean(returns):10.0f}" for returns in columns(line))
            rows.append(f"{loss:9}{line['seed']:4} {row}  {'':20}{line['cpu_seconds']:7.0f}")
        if len(found) > 1:
            of_seeds = [over_seeds(each) for each in zip(*map(columns, found), strict=True)]
            row = "".join(f"{score:10.0f}" for score, _ in of_seeds)
            rows.append(f"{loss:9} IQM {row}  {of_seeds[-1][1]}")
    return "\n".join(rows)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("losses", nargs="*", metavar="LOSS", help=f"of: {', '.join(LOSSES)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--table", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in arguments.losses:
        if name not in LOSSES:
            parser.error(f"the study has no loss {name}; it has {', '.join(LOSSES)}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for loss in [] if arguments.table else arguments.losses or LOSSES:
        for seed in arguments.seeds:
            if not holds(arguments.out, loss=loss, seed=seed):
                append(arguments.out, {"loss": loss, "seed": seed, **run(loss, seed)})
    print(table(read(arguments.out)))


if __name__ == "__main__":
    main()
