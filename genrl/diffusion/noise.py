"""Standard normal noise from one generator, or from one generator for each example.

A generator for each example ties the noise to the example's index, so that the same sample comes
out whatever the batch size, the rank or the number of devices.
"""

from collections.abc import Callable, Sequence

import torch

from genrl.typing import Data

Generators = torch.Generator | Sequence[torch.Generator] | None
# Or prescribed noise: a function of the shape.
NoiseSource = Generators | Callable[[Sequence[int]], torch.Tensor]


def randn(
    shape: Sequence[int],
    generator: NoiseSource,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Data:
    """Noise of ``shape`` (batch first).

    Args:
        shape: of the result.
        generator: one for all, or a sequence of one for each example; the noise is drawn where the
            generator lives and then moved. Or a function of the shape that gives the noise.
        dtype: of the result.
        device: of the result.

    Raises:
        ValueError: if the number of generators is not the batch size.
    """
    if generator is None or isinstance(generator, torch.Generator):
        source = generator.device if generator is not None else device
        return torch.randn(*shape, generator=generator, dtype=dtype, device=source).to(device)
    if callable(generator):
        return generator(shape).to(device=device, dtype=dtype)
    if len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators were given for {shape[0]} examples")
    rows = [torch.randn(*shape[1:], generator=g, dtype=dtype, device=g.device) for g in generator]
    return torch.stack(rows).to(device)


def generators_for(seed: int, indices: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator for each sample index, a function of the seed and the index alone."""
    return [torch.Generator().manual_seed(mixed_seed(seed, index)) for index in indices]


def mixed_seed(seed: int, index: int) -> int:
    """A 63-bit number that differs for every (seed, index): splitmix64 of both."""
    value = (seed * 0x9E3779B97F4A7C15 + index + 1) & 0xFFFFFFFFFFFFFFFF
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFFFFFFFFFF
    return (value ^ (value >> 31)) >> 1
