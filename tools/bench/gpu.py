"""Training on a GPU: images/s and MFU of the CIFAR-10 and ImageNet-64 networks, bf16, compiled.

An update is what ``genrl train +experiment=cfg_distill_cifar10`` (or ``_imagenet64``) does in its
teacher stage: the denoising objective with its config, backward, clipping and the optimizer's step.
The images are noise and lie on the device already. MFU is the model's operations in a second over
what the device does in matrix products of 8192 x 8192 in bf16, measured beside it:

    MFU = images/s · 3 · forward FLOP of an image / (2 · 8192³ / seconds of a product)

Forward operations are counted by torch's FlopCounterMode: products and convolutions, once;
backward is twice as much. `unet` lays out its weights and images channels last.

    python tools/bench/gpu.py
    python tools/bench/gpu.py imagenet64 --json FILE

Goal: an MFU of 0.4.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from figures import Figure, main
from ladder import PLAIN, Setting, training_update
from torch.utils.flop_counter import FlopCounterMode

from genrl.config import compose
from genrl.data import ExampleBatch
from genrl.networks.base import networks
from genrl.tasks.build import build_module, build_stages
from genrl.typing import DataSpec

GOAL = ">= 0.4"
UPDATES = 10  # in a round
WARMUP = 3  # updates before that; the first one compiles


def throughput(
    name: str,
    overrides: Sequence[str],
    spec: DataSpec,
    batch_size: int,
    rounds: int,
    *,
    device: str = "cuda",
    matmul_size: int = 8192,
) -> Figure:
    """Images/s of an experiment's teacher stage; the ratio is its MFU.

    Args:
        name: of the benchmark.
        overrides: as after ``genrl train``.
        spec: of the images.
        batch_size: images in an update.
        rounds: of `UPDATES` updates each; the median counts.
        device: torch's name.
        matmul_size: rows and columns of the matrices that tell what the device can do.
    """
    config = compose([*overrides, "distill=none"])
    module = build_module(config, spec, build_stages(config, has_teacher=False)).to(device)
    generator = torch.Generator(device).manual_seed(0)
    batch = ExampleBatch(
        2 * torch.rand(batch_size, *spec.shape, generator=generator, device=device) - 1,
        torch.arange(batch_size, device=device) % spec.num_classes,
    )
    is_mixed = str(config["trainer"]["precision"]).startswith("bf16")
    update = training_update(Setting(module, batch, is_mixed, has_average=False), PLAIN)
    for _ in range(WARMUP):
        update()
    seconds = _seconds(lambda: [update() for _ in range(UPDATES)], rounds, device) / UPDATES
    peak = matmul_rate(device, matmul_size, rounds)
    flop = forward_flop(config["network"], spec, module.denoiser.network.num_outputs)
    rate = batch_size / seconds
    note = (
        f"batches of {batch_size}, {1e3 * seconds:.0f} ms an update, {flop / 1e9:.3g} GFLOP "
        f"forward, {peak / 1e12:.3g} TFLOP/s in products"
    )
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**30
        note += f", {memory:.1f} GiB, {torch.cuda.get_device_name()}"
    return Figure(name, "images/s; ratio is MFU", rate, None, mfu(rate, flop, peak), GOAL, note)


def mfu(rate: float, flop: float, peak: float) -> float:
    """The part of the device's products that the model's would take.

    Args:
        rate: images trained on in a second.
        flop: of the forward pass of an image.
        peak: operations of the device in a second.
    """
    return 3 * flop * rate / peak


def forward_flop(network: dict[str, object], spec: DataSpec, num_outputs: int) -> float:
    """Operations of one image, two for each multiply-add; on the meta device, so at no cost."""
    with torch.device("meta"):
        model = networks.build(network, spec, num_outputs)
        z, log_snr, label = torch.zeros(1, *spec.shape), torch.zeros(1), torch.zeros(1).long()
        with FlopCounterMode(display=False) as counter:
            model(z, log_snr, label)
    return float(counter.get_total_flops())


def matmul_rate(device: str, size: int, rounds: int) -> float:
    """Operations in a second of products of square matrices in bf16."""
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    products = 10
    _seconds(lambda: a @ a, 1, device)
    seconds = _seconds(lambda: [a @ a for _ in range(products)], rounds, device) / products
    return 2 * size**3 / seconds


def _seconds(work: Callable[[], object], rounds: int, device: str) -> float:
    # Wall clock until the device has done all of it; the median of the rounds.
    found = []
    for _ in range(rounds):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


BENCHMARKS = {
    "cifar10": partial(
        throughput, "cifar10", ["+experiment=cfg_distill_cifar10"], DataSpec((3, 32, 32), 10), 128
    ),
    "imagenet64": partial(
        throughput,
        "imagenet64",
        ["+experiment=cfg_distill_imagenet64", "data.root=none"],
        DataSpec((3, 64, 64), 1000),
        64,
    ),
}

if __name__ == "__main__":
    if not torch.cuda.is_available():
        print("gpu: there is no CUDA device here, and nothing else to measure", file=sys.stderr)
        sys.exit(2)
    main(__doc__, BENCHMARKS)
