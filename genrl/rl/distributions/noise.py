"""Standard normal noise and Gumbel choices, in few operations: acting draws them at every step."""

import torch
from torch import Tensor

from genrl.diffusion.noise import BatchGenerator, SharedGenerator, randn


def normal_like(like: Tensor, generator: BatchGenerator | None) -> Tensor:
    """Standard normal numbers of the shape, type and device of another tensor.

    Drawn where the generator lives, then moved.
    """
    if isinstance(generator, SharedGenerator):
        return randn(like.shape, generator, dtype=like.dtype, device=like.device)
    if generator is None or generator.device == like.device:
        return torch.empty_like(like).normal_(generator=generator)
    source = torch.empty(like.shape, dtype=like.dtype, device=generator.device)
    return source.normal_(generator=generator).to(like.device)


def choose(log_weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """One index of each row with probability ∝ exp(log_weights), int64.

    The race of exponential clocks: argmin E_k / w_k with E_k ~ Exp(1), which needs no
    normalization.
    """
    if generator is None or generator.device == log_weights.device:
        clocks = torch.empty_like(log_weights).exponential_(generator=generator)
    else:
        source = torch.empty(log_weights.shape, dtype=log_weights.dtype, device=generator.device)
        clocks = source.exponential_(generator=generator).to(log_weights.device)
    return (log_weights - clocks.log_()).argmax(-1)
