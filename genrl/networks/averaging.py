"""An exponential moving average of a module's weights, as a module.

θ̄ ← d θ̄ + (1 - d) θ,  d = min(decay, (1 + n) / (10 + n)) after n updates
"""

import copy

import torch
from torch import Tensor, nn

from genrl.sharding import local


class MovingAverage(nn.Module):
    """A copy of a module that follows its weights; it is never trained itself.

    Args:
        module: to follow; its weights are where the average begins.
        decay: in [0, 1); the horizon is about 1 / (1 - decay) updates, and 0 is the module itself.

    Raises:
        ValueError: if ``decay`` is out of its range.
    """

    count: Tensor

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of an average must be in [0, 1), not {decay}")
        self.decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """One step towards the module's weights."""
        self.count += 1
        count = int(self.count)
        rate = 1 - min(self.decay, (1 + count) / (10 + count))
        own, others = ([local(p) for p in m.parameters()] for m in (self.module, module))
        torch._foreach_lerp_(own, others, rate)

    def restart(self, module: nn.Module) -> None:
        """Begin again at the module's weights."""
        self.module.load_state_dict(module.state_dict())
        self.count.zero_()
