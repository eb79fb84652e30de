"""Dynamic thresholding: x is scaled to its own range, where clipping would saturate it.

s = max(1, quantile of |x| over all numbers of one sample),  x <- clip(x, -s, s) / s

Saharia et al. 2022 (Imagen).
"""

import torch
from torch import Tensor

from genrl.diffusion.thresholding.base import Thresholding, thresholdings
from genrl.typing import Data


@thresholdings.register("dynamic")
class DynamicThresholding(Thresholding):
    """clip(x, -s, s) / s, where s is a quantile of |x| within each sample and at least 1.

    Args:
        quantile: fraction of a sample's numbers that are not clipped, in (0, 1].

    Raises:
        ValueError: if ``quantile`` is outside (0, 1].
    """

    def __init__(self, *, quantile: float = 0.995) -> None:
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile must be in (0, 1], not {quantile}")
        self.quantile = quantile

    def limit(self, x: Data) -> Data:
        s = _quantile(x.abs().flatten(1), self.quantile).clamp(min=1)
        s = s.reshape(-1, *(1,) * (x.ndim - 1))
        return (x.clamp(-s, s) / s).to(x.dtype)


def _quantile(rows: Tensor, fraction: float) -> Tensor:
    """Interpolated quantile of each row in float32 or more; ``torch.quantile`` limits the size."""
    values = rows.to(torch.promote_types(rows.dtype, torch.float32)).sort(dim=1).values
    position = fraction * (rows.shape[1] - 1)
    low = int(position)
    high = min(low + 1, rows.shape[1] - 1)
    return torch.lerp(values[:, low], values[:, high], position - low)
