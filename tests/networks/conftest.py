"""Random inputs are the same in every run; counting of what is too large to be made."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from genrl.networks import networks
from genrl.typing import DataSpec


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def size_and_flops() -> Callable[..., tuple[int, int]]:
    """Parameters, and operations of one example: a multiplication and its addition are two."""

    def count(config: dict[str, Any], spec: DataSpec, num_outputs: int = 1) -> tuple[int, int]:
        with torch.device("meta"):
            network = networks.build(config, spec, num_outputs)
            z, log_snr = torch.zeros(1, *spec.shape), torch.zeros(1)
            with FlopCounterMode(display=False) as counter:
                network(z, log_snr)
        return sum(p.numel() for p in network.parameters()), counter.get_total_flops()

    return count
