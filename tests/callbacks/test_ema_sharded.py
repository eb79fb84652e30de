"""Averages of weights that FSDP has divided among processes: each keeps that of its part."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from together import together
from torch import Tensor, nn

from genrl.callbacks import EMACallback, RunContext
from genrl.diffusion import Stage

STAGE = Stage("s", {}, 6, 1.0, use_ema=True)


def full(value: Any) -> Any:
    """The whole of a tensor that may be divided."""
    whole: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().numpy()


def averages(rank: int, is_sharded: bool) -> Any:
    """After five updates of a small network on four examples: both averages and the weights."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 5))
    x = torch.randn(4, 3)
    if is_sharded:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2,))
        for module in (network[0], network[2], network):
            fully_shard(module, mesh=mesh)
        x = x[2 * rank : 2 * rank + 2]
        assert network[0].weight.to_local().numel() == 12
    module: Any = SimpleNamespace(
        denoiser=network,
        updates=0,
        stages=[STAGE],
        device=torch.device("cpu"),
        position=SimpleNamespace(step=0),
    )
    callback, trainer = EMACallback(cast(RunContext, None), decays=(0.2, 0.9)), cast(Any, None)
    callback.on_stage_start(trainer, module, STAGE)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(5):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
        module.updates += 1
        callback.on_update_end(trainer, module, STAGE)
    found = [*callback.averages.values(), dict(network.named_parameters())]
    return [{key: full(value) for key, value in weights.items()} for weights in found]


@pytest.mark.slow
def test_averages_of_divided_weights_are_those_of_whole_ones(tmp_path: Path) -> None:
    expected = averages(0, is_sharded=False)
    assert np.abs(expected[0]["0.weight"] - expected[1]["0.weight"]).max() > 1e-3
    for found in together(lambda rank: averages(rank, is_sharded=True), tmp_path):
        for mine, other in zip(expected, found, strict=True):
            for key, value in mine.items():
                np.testing.assert_allclose(other[key], value, rtol=0, atol=1e-6)
