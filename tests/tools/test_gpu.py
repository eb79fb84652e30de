"""What the benchmark of a GPU counts and divides, with a small network on the CPU."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from genrl.config import compose
from genrl.networks.base import networks
from genrl.typing import DataSpec

BENCH = Path(__file__).parents[2] / "tools" / "bench"
SPEC = DataSpec((3, 8, 8), 10)
OVERRIDES = [
    "+experiment=cfg_distill_cifar10",
    "compile=false",
    "network.channels=8",
    "network.num_blocks=1",
    "network.attention_resolutions=[4]",
    "network.head_channels=8",
]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which lies in a folder of scripts."""
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__("gpu")


def test_operations_are_those_of_a_real_pass(gpu: Any) -> None:
    config = compose(OVERRIDES)["network"]
    network = networks.build(config, SPEC, 1)
    # The fused attention of the CPU is not in torch's counter; the plain one is.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 8, 8), torch.zeros(1), torch.zeros(1).long())
    assert gpu.forward_flop(config, SPEC, 1) == counter.get_total_flops() > 1e6


def test_the_network_of_imagenet_64_takes_what_is_published(gpu: Any) -> None:
    """Dhariwal & Nichol's at 64x64: 110 billion multiply-adds (Karras et al. 2024, table 3)."""
    config = compose(["+experiment=cfg_distill_imagenet64", "data.root=none"])["network"]
    spec = DataSpec((3, 64, 64), 1000)
    assert gpu.forward_flop(config, spec, 1) / 2e9 == pytest.approx(110, rel=0.01)


def test_the_figure_is_an_mfu(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "UPDATES", 1)
    monkeypatch.setattr(gpu, "WARMUP", 1)
    monkeypatch.setattr(gpu, "matmul_rate", lambda *_: 1e9)
    figure = gpu.throughput("tiny", OVERRIDES, SPEC, 4, 1, device="cpu")
    flop = gpu.forward_flop(compose(OVERRIDES)["network"], SPEC, 1)
    # An update is worth three forward passes.
    assert figure.ratio == pytest.approx(figure.ours * 3 * flop / 1e9)
    assert (figure.goal, figure.peer) == (">= 0.4", None)
    assert "batches of 4" in figure.note


def test_the_device_is_measured_by_its_products(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(k) for k in range(100))
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(clock))
    # Ten products in a second.
    assert gpu.matmul_rate("cpu", 4, 3) == pytest.approx(10 * 2 * 4**3)


def test_without_a_gpu_it_says_so(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(gpu.__file__, run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "gpu: there is no CUDA device here, and nothing else to measure\n"
    )
