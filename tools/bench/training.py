"""A training step of our networks against those of diffusers, per step and per GFLOP.

The same number of layers and channels on both sides: `unet` against UNet2DModel, `dit` against
DiTTransformer2DModel. A step is forward, backward and AdamW as either side's training has it: fused
(conf/optimizer), and with torch's defaults (diffusers' example scripts). What counts is the time
per GFLOP, for the two do not compute exactly the same: operations are counted by torch's
FlopCounterMode, forward and backward. Both take turns in one process; CPU seconds.

    python tools/bench/training.py                          fp32 and bf16, eager
    python tools/bench/training.py unet dit                 fp32 alone
    python tools/bench/training.py unet_compiled            compiled, minutes more

Goal: at most 0.9x the time per GFLOP of diffusers.
"""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import DiTTransformer2DModel, UNet2DModel
from figures import Figure, main, turns
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from genrl.networks import DiT, UNet
from genrl.typing import DataSpec

SPEC = DataSpec((3, 32, 32), 10)
BATCH = 4
GOAL = "<= 0.9"
Forward = Callable[[Tensor, Tensor, Tensor], Tensor]


def unets() -> tuple[nn.Module, Forward, nn.Module, Forward]:
    """64 x (1, 2, 2) channels, 2 blocks each, attention at 16x16."""
    ours = UNet(
        SPEC, channels=64, channel_multipliers=(1, 2, 2), num_blocks=2,
        attention_resolutions=(16,), head_channels=64,
    )  # fmt: skip
    theirs = UNet2DModel(
        32, 3, 3, block_out_channels=(64, 128, 128), layers_per_block=2, attention_head_dim=64,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), num_class_embeds=11,
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    return (
        ours, lambda z, time, label: ours(z, time, label),
        theirs, lambda z, time, label: theirs(z, time, label, return_dict=False)[0],
    )  # fmt: skip


def dits() -> tuple[nn.Module, Forward, nn.Module, Forward]:
    """The shape of DiT-S/2, six of its twelve blocks."""
    ours = DiT(SPEC, width=384, depth=6, num_heads=6)
    theirs = DiTTransformer2DModel(
        num_attention_heads=6, attention_head_dim=64, in_channels=3, out_channels=3, num_layers=6,
        sample_size=32, patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip
    return (
        ours, lambda z, time, label: ours(z, time, label),
        theirs, lambda z, time, label: theirs(z, time.long(), label, return_dict=False)[0],
    )  # fmt: skip


def compare(
    name: str,
    make: Callable[[], tuple[nn.Module, Forward, nn.Module, Forward]],
    rounds: int,
    *,
    is_mixed: bool = False,
    is_compiled: bool = False,
) -> Figure:
    """Time per GFLOP of both."""
    torch.manual_seed(0)
    ours, ours_forward, theirs, theirs_forward = make()
    if is_compiled:
        ours.compile()
        theirs.compile()
    ours_adam = torch.optim.AdamW(ours.parameters(), lr=1e-4, fused=True)
    theirs_adam = torch.optim.AdamW(theirs.parameters(), lr=1e-4)
    ours_step, ours_gflop = training_step(ours, ours_forward, ours_adam, is_mixed)
    theirs_step, theirs_gflop = training_step(theirs, theirs_forward, theirs_adam, is_mixed)
    fast, slow = turns(ours_step, theirs_step, rounds)
    note = (
        f"{1e3 / fast:.0f} against {1e3 / slow:.0f} ms a step, "
        f"{ours_gflop:.1f} against {theirs_gflop:.1f} GFLOP"
    )
    ours_time, theirs_time = 1e3 / (fast * ours_gflop), 1e3 / (slow * theirs_gflop)
    return Figure(name, "ms/GFLOP", ours_time, theirs_time, ours_time / theirs_time, GOAL, note)


def training_step(
    network: nn.Module, forward: Forward, optimizer: torch.optim.Optimizer, is_mixed: bool
) -> tuple[Callable[[], float], float]:
    """One update on a fixed batch, which returns 1, and its GFLOP."""
    network.train()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(BATCH, *SPEC.shape, generator=generator)
    noise_time, label = 500 * torch.rand(BATCH, generator=generator), torch.arange(BATCH)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            loss = (forward(z, noise_time, label) - z).square().mean()
        loss.backward()
        optimizer.step()
        return 1.0

    # The first update opens what starts at zero, whose gradient is computed all the same. The
    # counter does not know the CPU's fused attention, so this one update multiplies matrices.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return step, counter.get_total_flops() / 1e9


BENCHMARKS = {
    "unet": partial(compare, "unet", unets),
    "dit": partial(compare, "dit", dits),
    "unet_bf16": partial(compare, "unet_bf16", unets, is_mixed=True),
    "dit_bf16": partial(compare, "dit_bf16", dits, is_mixed=True),
    "unet_compiled": partial(compare, "unet_compiled", unets, is_compiled=True),
    "dit_compiled": partial(compare, "dit_compiled", dits, is_compiled=True),
}

if __name__ == "__main__":
    main(__doc__, BENCHMARKS)
