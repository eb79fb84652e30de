"""A small expert for tests."""

import torch

from genrl.imitation.demonstrations.base import Demonstration, Demonstrations


def small_demonstrations() -> Demonstrations:
    """Two episodes of 40 steps, one terminated; states around (2, -1, 0) of unequal scale."""
    generator = torch.Generator().manual_seed(7)
    shift, scale = torch.tensor([2.0, -1.0, 0.0]), torch.tensor([0.5, 3.0, 1.0])
    episodes = [
        Demonstration(
            shift + scale * torch.randn(41, 3, generator=generator),
            torch.rand(40, 2, generator=generator) - 0.5,
            torch.ones(40),
            terminated=number == 0,
        )
        for number in range(2)
    ]
    return Demonstrations(episodes, "genrl.testing")
