"""Random numbers from one generator, from one for each example, or from one for all processes.

A generator for each example ties the noise to the example's index, so that the same sample comes
out whatever the batch size, the rank or the number of devices. In training, which knows the whole
batch, a `SharedGenerator` does it without a generator for each: every process draws the numbers of
the global batch and keeps those of its own examples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.typing import Data


@dataclass(frozen=True)
class SharedGenerator:
    """A generator that is the same in all processes, which each take their part of a batch.

    Args:
        generator: in the same state everywhere.
        rank: of this process.
        world_size: number of processes.
    """

    generator: torch.Generator
    rank: int
    world_size: int

    @property
    def device(self) -> torch.device:
        """Of the generator."""
        return self.generator.device


# What an objective draws from.
BatchGenerator = torch.Generator | SharedGenerator


def draw(
    numbers: Callable[[int, torch.Generator], Tensor], batch: int, generator: BatchGenerator
) -> Tensor:
    """Random numbers of this process' examples.

    Args:
        numbers: of (examples, generator), with the examples first.
        batch: examples of this process.
        generator: to draw from.
    """
    if isinstance(generator, torch.Generator):
        return numbers(batch, generator)
    whole = numbers(batch * generator.world_size, generator.generator)
    return whole[generator.rank * batch : (generator.rank + 1) * batch]


def rand(batch: int, generator: BatchGenerator) -> Tensor:
    """A uniform number in [0, 1) for each example, where the generator lives."""
    return draw(lambda n, g: torch.rand(n, generator=g, device=g.device), batch, generator)


def randint(high: int, batch: int, generator: BatchGenerator) -> Tensor:
    """A number of 0, ..., high - 1 for each example, where the generator lives."""
    return draw(
        lambda n, g: torch.randint(high, (n,), generator=g, device=g.device), batch, generator
    )


Generators = torch.Generator | Sequence[torch.Generator] | None
# Or prescribed noise: a function of the shape.
NoiseSource = Generators | SharedGenerator | Callable[[Sequence[int]], torch.Tensor]


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
            generator lives and then moved. Or a function of the shape that gives the noise, or the
            generator of a global batch, of which this process' part is drawn.
        dtype: of the result.
        device: of the result.

    Raises:
        ValueError: if the number of generators is not the batch size.
    """
    if generator is None or isinstance(generator, torch.Generator):
        source = generator.device if generator is not None else device
        return torch.randn(*shape, generator=generator, dtype=dtype, device=source).to(device)
    if isinstance(generator, SharedGenerator):
        return draw(
            lambda n, g: torch.randn(n, *shape[1:], generator=g, dtype=dtype, device=g.device),
            shape[0],
            generator,
        ).to(device)
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
