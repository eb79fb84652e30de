"""Fourier features of the data itself: fine differences of brightness made coarse.

z -> [z, sin(2^n 2π z), cos(2^n 2π z)],  n one of a few exponents

A network is smooth, and the last bits of a likelihood lie in differences of one grey level: with a
spacing of 2^-m between the levels, n = m turns once from one to the next. Kingma et al. 2021,
section 4.2 and appendix C.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genrl.typing import Data


class FourierFeatures(nn.Module):
    """Appends sines and cosines of the data along its first dimension (channels).

    Args:
        exponents: n of each frequency 2^n; empty leaves the data as it is.
    """

    frequencies: Tensor

    def __init__(self, exponents: Sequence[int]) -> None:
        super().__init__()
        frequencies = torch.tensor([2.0**n * 2 * torch.pi for n in exponents])
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.multiple = 1 + 2 * len(exponents)

    def forward(self, z: Data) -> Data:
        """``multiple`` times the channels."""
        if self.multiple == 1:
            return z
        # Angles of a few hundred radians have no digits left in bfloat16.
        with torch.autocast(z.device.type, enabled=False):
            turns = [z.float() * frequency for frequency in self.frequencies.float()]
            waves = [wave.to(z.dtype) for a in turns for wave in (a.sin(), a.cos())]
        return torch.cat([z, *waves], dim=1)
