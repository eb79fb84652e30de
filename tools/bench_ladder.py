"""What an update of a distillation stage costs beside a plain training update.

With F for the network's forward pass and 2 F for its backward pass, plain training costs 3 F.
Guided distillation adds the teacher's two branches, progressive distillation the teacher's two
steps: 5 F, which is 5/3 as much. What lies above is overhead; a tenth is allowed, a ratio of 1.84.

The kinds of update take turns in one process, so that whatever else the machine does hits all of
them alike. An update is what a run does, with the experiment's own config: the objective, backward,
clipping and the optimizer's step.

    python tools/bench_ladder.py
    python tools/bench_ladder.py --threads 1 --json
    python tools/bench_ladder.py --device cuda +experiment=cfg_distill_cifar10
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from genrl.config import compose
from genrl.data import ExampleBatch
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.tasks.build import build_data, build_module, build_stages
from genrl.tasks.device import best_device

KINDS = ("denoising", "guided_distillation", "progressive_distillation")
LIMIT = 1.84


@dataclass(frozen=True)
class Result:
    """What was measured.

    Args:
        overrides: that the config was composed from.
        milliseconds: median time of an update of each kind.
        ratios: to the plain training update; the median of each round's own ratio.
        batch_size: images in an update.
        num_parameters: of the network.
        num_rounds: that were measured.
        num_threads: of torch.
        device: that it ran on.
        peak_memory_mib: of the whole process, or of the CUDA device.
    """

    overrides: list[str]
    milliseconds: dict[str, float]
    ratios: dict[str, float]
    batch_size: int
    num_parameters: int
    num_rounds: int
    num_threads: int
    device: str
    peak_memory_mib: float

    @property
    def is_within_limit(self) -> bool:
        """Whether no ratio is larger than the limit."""
        return all(ratio <= LIMIT for ratio in self.ratios.values())

    def table(self) -> str:
        """For people."""
        rows = [
            f"{kind:<26}{self.milliseconds[kind]:>9.2f}{self.ratios[kind]:>8.3f}"
            for kind in self.milliseconds
        ]
        return "\n".join(
            [
                f"{'update':<26}{'ms':>9}{'ratio':>8}",
                *rows,
                f"{'within' if self.is_within_limit else 'ABOVE'} the limit of {LIMIT}; "
                "arithmetic alone gives 1.667",
                f"{' '.join(self.overrides)}: {self.num_parameters / 1e3:.0f}k parameters, "
                f"batches of {self.batch_size}, {self.num_rounds} rounds",
                f"{self.device}, {self.num_threads} threads, "
                f"peak memory {self.peak_memory_mib:.0f} MiB",
            ]
        )


def measure(
    overrides: Sequence[str],
    *,
    num_rounds: int = 60,
    num_warmup: int = 5,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
) -> Result:
    """Time the updates of an experiment.

    Args:
        overrides: as after ``genrl train``.
        num_rounds: in which each kind has one turn.
        num_warmup: rounds before them.
        batch_size: images in an update; None takes the experiment's.
        device: to run on.
    """
    device = torch.device(device)
    config = compose(overrides)
    data = build_data(config)
    module = build_module(config, data.spec, build_stages(config, has_teacher=False)).to(device)
    size = batch_size or config["training"]["batch_size"]
    x, label = data.train().batch(torch.arange(size) % len(data.train()))
    batch = ExampleBatch(x.to(device), None if label is None else label.to(device))
    is_mixed = str(config["trainer"]["precision"]).startswith("bf16")
    updates = {kind: _update(module, kind, batch, is_mixed) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(-num_warmup, num_rounds):
        for kind, update in updates.items():
            elapsed = _timed(update, device)
            if turn >= 0:
                seconds[kind].append(elapsed)
    plain = seconds[KINDS[0]]
    return Result(
        list(overrides),
        {kind: 1e3 * statistics.median(seconds[kind]) for kind in KINDS},
        {
            kind: statistics.median(a / b for a, b in zip(seconds[kind], plain, strict=True))
            for kind in KINDS
        },
        size,
        sum(parameter.numel() for parameter in module.denoiser.parameters()),
        num_rounds,
        torch.get_num_threads(),
        torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        _peak_memory(device) / 2**20,
    )


def _update(
    module: DiffusionModule, kind: str, batch: ExampleBatch, is_mixed: bool
) -> Callable[[], None]:
    # The last stage of a kind: the first progressive one may learn from more teacher steps.
    kinds = [stage.objective["name"] for stage in module.stages]
    index = len(kinds) - 1 - kinds[::-1].index(kind)
    objective = module.objectives[index]
    teacher = module.teacher if objective.needs_teacher else None
    module.denoiser.train()
    if teacher is not None:
        teacher.eval()
    optimizer = module.make_optimizer(module.denoiser.parameters())
    generator = torch.Generator(batch.x.device).manual_seed(0)
    limit = module.gradient_clip or float("inf")

    def update() -> None:
        optimizer.zero_grad()
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=is_mixed):
            loss = objective(module.denoiser, teacher, batch.x, batch.label, generator).loss
        loss.backward()
        nn.utils.clip_grad_norm_(module.denoiser.parameters(), limit)
        optimizer.step()

    return update


def _timed(update: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    update()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Measure and print; 1 if a ratio is above the limit."""
    parser = argparse.ArgumentParser(
        description="cost of a distillation update beside plain training"
    )
    parser.add_argument("overrides", nargs="*", help="as after genrl train")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--batch-size", type=int, help="images in an update")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each kind of update")
    parser.add_argument("--warmup", type=int, default=5, help="rounds that are not counted")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    has_experiment = any(word.startswith("+experiment=") for word in options.overrides)
    overrides = [*([] if has_experiment else ["+experiment=cfg_distill"]), *options.overrides]
    try:
        result = measure(
            overrides,
            num_rounds=options.rounds,
            num_warmup=options.warmup,
            batch_size=options.batch_size,
            device=best_device(options.device),
        )
    except ConfigurationError as error:
        parser.error(str(error))
    print(json.dumps(asdict(result)) if options.json else result.table())
    return 0 if result.is_within_limit else 1


if __name__ == "__main__":
    sys.exit(main())
