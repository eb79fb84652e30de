"""Parts of a network that must not run in low precision."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Operations inside run in the precision of their inputs.

    Where nothing is cast, there is nothing to enter: for a small batch that alone costs as much as
    two operations. The meta device, on which sizes and operations are counted, knows no autocast.
    """
    device = x.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)
