"""Every component where no tensor may stray to the CPU, and on a GPU: the samples are the CPU's."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion.building import build_denoiser, build_sampler
from genrl.diffusion.drawing import SampleDrawer
from genrl.diffusion.guidance import guidances
from genrl.diffusion.parameterizations import parameterizations
from genrl.diffusion.samplers import samplers
from genrl.diffusion.schedules import schedules
from genrl.diffusion.thresholding.base import thresholdings
from genrl.diffusion.time_grids import time_grids
from genrl.networks.base import networks
from genrl.testing import ELSEWHERE, elsewhere
from genrl.typing import DataSpec

SPEC = DataSpec((1, 8, 8), 3)
SMALL = {
    "mlp": {"features": 16},
    "unet": {"channels": 8, "head_channels": 8, "num_blocks": 1, "attention_resolutions": (4,)},
    "edm2_unet": {"channels": 8, "head_channels": 8, "num_blocks": 1},
    "dit": {"width": 32, "depth": 1},
}
NEED_FILES = ("autoguidance", "classifier", "reconstruction")  # test_guidance_runs has them
DEFAULT = {
    "network": "mlp",
    "schedule": "cosine",
    "parameterization": "v",
    "sampler": "ddim",
    "time_grid": "uniform",
    "guidance": "cfg",
    "thresholding": "none",
}
EACH = [
    (kind, name)
    for kind, registry in {
        "network": networks,
        "schedule": schedules,
        "parameterization": parameterizations,
        "sampler": samplers,
        "time_grid": time_grids,
        "guidance": guidances,
        "thresholding": thresholdings,
    }.items()
    for name in registry.names()
    if name not in NEED_FILES
]


def samples(device: torch.device, chosen: dict[str, Any]) -> Tensor:
    torch.manual_seed(0)
    network = {"name": chosen["network"], **SMALL.get(chosen["network"], {})}
    denoiser = build_denoiser(
        SPEC,
        network=network,
        schedule=chosen["schedule"],
        parameterization=chosen["parameterization"],
    )
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # none stays zero, as that of an output
    denoiser.to(device)
    sampler = build_sampler(chosen["sampler"], denoiser.schedule, chosen["time_grid"])
    drawer = SampleDrawer(
        denoiser,
        sampler,
        SPEC,
        guidance=guidances.build(chosen["guidance"], SPEC.num_classes),
        thresholding=thresholdings.build(chosen["thresholding"]),
        is_guided=False,
    )
    return drawer.draw(range(3), steps=3, w=0.5, seed=0, device=device)


COMPONENTS = pytest.mark.parametrize(
    ("kind", "name"), EACH, ids=[f"{kind}-{name}" for kind, name in EACH]
)
pytestmark = pytest.mark.filterwarnings("ignore:sampler '")  # of grids that suit it better


@COMPONENTS
def test_samples_are_those_of_the_cpu(kind: str, name: str) -> None:
    """Bit for bit; in a network, a device without fused operations composes them."""
    chosen = {**DEFAULT, kind: name}
    expected = samples(torch.device("cpu"), chosen)
    assert expected.isfinite().all()
    assert expected.std() > 0.1
    with elsewhere():
        found = samples(ELSEWHERE, chosen)
    if kind == "network":
        torch.testing.assert_close(found, expected)
    else:
        assert torch.equal(found, expected)


@pytest.mark.gpu
@COMPONENTS
def test_samples_of_a_gpu_are_those_of_the_cpu(kind: str, name: str, cuda: torch.device) -> None:
    chosen = {**DEFAULT, kind: name}
    expected = samples(torch.device("cpu"), chosen)
    torch.testing.assert_close(samples(cuda, chosen), expected, rtol=1e-4, atol=1e-4)
