"""What an update of a distillation stage costs beside a plain training update, and what it keeps.

With F for the network's forward pass and 2 F for its backward pass, plain training costs 3 F.
Guided distillation adds the teacher's two branches, progressive distillation the teacher's two
steps: 5 F, which is 5/3 as much. What lies above is overhead; a tenth is allowed, a ratio of 1.84.
The kinds of update take turns in one process, so that whatever else the machine does hits all of
them alike. An update is what a run does, with the experiment's own config: the objective, backward,
clipping and the optimizer's step.

Memory is what lives from update to update: weights, gradients, the optimizer's state, the average,
and of a run with a ladder the teacher. One more copy of the weights on five is a ratio of 1.2.

    python tools/bench/ladder.py
    python tools/bench/ladder.py guided_distillation --rounds 20 --json FILE
    python tools/bench/ladder.py --device cuda +experiment=cfg_distill_cifar10
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from figures import MISSED, Figure, write
from torch import nn

from genrl.config import compose
from genrl.data import ExampleBatch
from genrl.heap import keep_freed_memory
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.tasks.build import build_data, build_module, build_stages
from genrl.tasks.device import best_device

PLAIN = "denoising"
KINDS = ("guided_distillation", "progressive_distillation")
BENCHMARKS = (*KINDS, "memory")
LIMIT, MEMORY_LIMIT = 1.84, 1.21


@dataclass(frozen=True)
class Setting:
    """An experiment that is ready to be updated.

    Args:
        module: student, teacher and objectives.
        batch: of its data.
        is_mixed: whether it trains in bf16.
        has_average: whether its teacher stage keeps a moving average.
    """

    module: DiffusionModule
    batch: ExampleBatch
    is_mixed: bool
    has_average: bool

    @classmethod
    def of(
        cls, overrides: Sequence[str], batch_size: int | None, device: torch.device
    ) -> "Setting":
        """Compose and build."""
        config = compose(overrides)
        data = build_data(config)
        module = build_module(config, data.spec, build_stages(config, has_teacher=False))
        size = batch_size or config["training"]["batch_size"]
        x, label = data.train().batch(torch.arange(size) % len(data.train()))
        return cls(
            module.to(device),
            ExampleBatch(x.to(device), None if label is None else label.to(device)),
            str(config["trainer"]["precision"]).startswith("bf16"),
            config["ema"]["name"] == "ema",
        )

    def about(self) -> str:
        """What was measured, in a line."""
        parameters = sum(p.numel() for p in self.module.denoiser.parameters())
        x = self.batch.x
        device = torch.cuda.get_device_name(x.device) if x.is_cuda else "cpu"
        return (
            f"{parameters / 1e3:.0f}k parameters, batches of {len(x)}, {device}, "
            f"{torch.get_num_threads()} threads, peak memory {_peak(x.device) / 2**20:.0f} MiB"
        )


def update_costs(setting: Setting, kinds: Sequence[str], rounds: int, warmup: int) -> list[Figure]:
    """Milliseconds of an update of each kind beside the plain one's.

    The ratio is the median of each round's own ratio.
    """
    device = setting.batch.x.device
    updates = {kind: training_update(setting, kind) for kind in (PLAIN, *kinds)}
    milliseconds: dict[str, list[float]] = {kind: [] for kind in updates}
    for turn in range(-warmup, rounds):
        for kind, update in updates.items():
            elapsed = _timed(update, device)
            if turn >= 0:
                milliseconds[kind].append(1e3 * elapsed)
    plain = milliseconds[PLAIN]
    return [
        Figure(
            kind,
            "ms of an update, beside a plain one; arithmetic alone gives 1.667",
            statistics.median(milliseconds[kind]),
            statistics.median(plain),
            statistics.median(a / b for a, b in zip(milliseconds[kind], plain, strict=True)),
            f"<= {LIMIT}",
        )
        for kind in kinds
    ]


def memory(setting: Setting) -> Figure:
    """MiB that live from update to update, with and without a ladder."""
    module = setting.module
    optimizer = module.make_optimizer(module.denoiser.parameters())
    for parameter in module.denoiser.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    weights = _bytes(module.denoiser.state_dict().values())
    state = [v for entry in optimizer.state.values() for v in entry.values()]
    average = 4 * sum(p.numel() for p in module.denoiser.parameters()) * setting.has_average
    gradients = _bytes(p.grad for p in module.denoiser.parameters() if p.grad is not None)
    plain = weights + gradients + _bytes(x for x in state if torch.is_tensor(x)) + average
    teacher = 0 if module.teacher is None else _bytes(module.teacher.state_dict().values())
    unit = "MiB between updates, beside a run without ladder"
    ratio = (plain + teacher) / plain
    return Figure(
        "memory", unit, (plain + teacher) / 2**20, plain / 2**20, ratio, f"<= {MEMORY_LIMIT}"
    )


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def training_update(setting: Setting, kind: str) -> Callable[[], None]:
    # The last stage of a kind: the first progressive one may learn from more teacher steps.
    module, batch = setting.module, setting.batch
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
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=setting.is_mixed):
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


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Measure and print; 1 if a ratio is above its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "words", nargs="*", help=f"of: {', '.join(BENCHMARKS)}; and as after genrl train"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--batch-size", type=int, help="images in an update")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each kind of update")
    parser.add_argument("--warmup", type=int, default=5, help="rounds that are not counted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    options = parser.parse_args()
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    overrides = [word for word in options.words if "=" in word]
    names = [word for word in options.words if "=" not in word]
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark is called {name}; there are {', '.join(BENCHMARKS)}")
    if not any(word.startswith("+experiment=") for word in overrides):
        overrides.insert(0, "+experiment=cfg_distill")
    kinds = [kind for kind in KINDS if kind in (names or KINDS)]
    try:
        setting = Setting.of(overrides, options.batch_size, best_device(options.device))
        figures = update_costs(setting, kinds, options.rounds, options.warmup) if kinds else []
        if "memory" in (names or BENCHMARKS):
            figures.append(memory(setting))
    except ConfigurationError as error:
        parser.error(str(error))
    for figure in figures:
        print(figure.line())
    print(f"{' '.join(overrides)}: {setting.about()}")
    write(figures, options.json)
    return 0 if all(figure.is_met for figure in figures) else MISSED


if __name__ == "__main__":
    sys.exit(main())
