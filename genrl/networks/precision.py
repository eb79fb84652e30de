"""Parts of a network that must not run in low precision."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Operations inside run in the precision of their inputs.

    The meta device, on which sizes and operations are counted, knows no autocast.
    """
    if x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)
