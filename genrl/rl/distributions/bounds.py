"""The affine map from (-1, 1) onto the bounds of an action."""

import torch
from torch import Tensor, nn


class Bounds(nn.Module):
    """a = center + scale · x for x in (-1, 1).

    Args:
        low: smallest action, (action_size,).
        high: greatest.

    Raises:
        ValueError: if an end is infinite or the ends are not in order.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        super().__init__()
        if not bool((low < high).all() and low.isfinite().all() and high.isfinite().all()):
            raise ValueError(f"bounds must be finite and in order, not {low} and {high}")
        # Not persistent: they belong to the environment, not to what was learned.
        self.register_buffer("center", (low + high) / 2, persistent=False)
        self.register_buffer("scale", (high - low) / 2, persistent=False)
        self.log_volume = float(self.scale.double().log().sum())

    def forward(self, x: Tensor) -> Tensor:
        """Actions at x."""
        return torch.addcmul(self.center, x, self.scale)

    def inverse(self, action: Tensor) -> Tensor:
        """x, held strictly inside (-1, 1): by the spacing of numbers below 1."""
        x = (action - self.center) / self.scale
        limit = 1 - torch.finfo(x.dtype).eps / 2
        return x.clamp(-limit, limit)
