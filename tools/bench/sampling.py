"""The sampling loop against diffusers' schedulers: what a step costs beyond the network.

Both sides drive the same network, which here does nothing but hand back a tensor: ε, or v where
the name ends in _v. Ours: a `Denoiser` and `Sampler.sample`, that is the time grid, the plan, λ, α
and σ of each evaluation, the step. Theirs, as a pipeline does: ``set_timesteps``,
``scale_model_input`` and ``step``, which looks up α and σ, makes x of the output and steps.
NAME_loop leaves out our denoiser, so levels and conversions, and counts the sampler by itself; it
has no goal. CPU seconds, in turns; what counts is the ratio of the medians.

    python tools/bench/sampling.py                 all of them
    python tools/bench/sampling.py ddim unipc      some
    python tools/bench/sampling.py --json FILE     also write the figures

Goals: at most 1/3 of diffusers' time per evaluation, and at most 3 % of the total of 64 DDIM steps
with the digits network in batches of 250.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import diffusers
import torch
from figures import Figure, main
from torch import Tensor

from genrl.diffusion.denoiser import Denoiser
from genrl.diffusion.parameterizations import EpsParameterization, VParameterization
from genrl.diffusion.samplers import samplers
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import KarrasTimeGrid
from genrl.networks.base import networks
from genrl.typing import DataSpec

STEPS = 64
SHAPE = (1, 3, 32, 32)  # small: the loop itself, not the arithmetic on the data
DIGITS = {  # conf/network/unet_digits.yaml
    "name": "unet",
    "channels": 16,
    "attention_resolutions": (),
    "head_channels": 16,
    "embedding_multiplier": 8,
}
KARRAS = {"use_karras_sigmas": True}
V = {"prediction_type": "v_prediction"}
PAIRS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ddim": ("ddim", "DDIMScheduler", {"clip_sample": False}),
    "euler": ("euler", "EulerDiscreteScheduler", KARRAS),
    "heun": ("heun", "HeunDiscreteScheduler", KARRAS),
    "ddim_v": ("ddim", "DDIMScheduler", {"clip_sample": False, **V}),
    "euler_v": ("euler", "EulerDiscreteScheduler", {**KARRAS, **V}),
    "heun_v": ("heun", "HeunDiscreteScheduler", {**KARRAS, **V}),
    "dpm_solver_pp_2m": ("dpm_solver_pp_2m", "DPMSolverMultistepScheduler", KARRAS),
    "unipc": ({"name": "unipc", "order": 2}, "UniPCMultistepScheduler", KARRAS),
    "deis": ({"name": "deis", "order": 2}, "DEISMultistepScheduler", KARRAS),
    "lms": ({"name": "lms", "order": 4}, "LMSDiscreteScheduler", KARRAS),
}


class Nothing(torch.nn.Module):
    """A network that costs nothing: its output is always the same tensor."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, z: Tensor, *_: Any) -> Tensor:
        return self.output


def per_step(pair: str, rounds: int) -> list[Figure]:
    """Microseconds of CPU for each evaluation: with our denoiser, and the sampler by itself."""
    warnings.simplefilter("ignore")  # diffusers' own deprecations
    config, peer_name, options = PAIRS[pair]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    network = Nothing(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)))
    schedule = CosineSchedule()
    meaning = VParameterization() if "prediction_type" in options else EpsParameterization()
    denoiser = Denoiser(network, schedule, meaning)  # type: ignore[arg-type]
    ready = denoiser(noise, torch.full((len(noise),), 0.5))
    sampler = samplers.build(config, schedule, KarrasTimeGrid(schedule))
    scheduler = getattr(diffusers, peer_name)(**options)

    def ours() -> None:
        sampler.sample(denoiser, noise, steps=STEPS)

    def loop() -> None:
        sampler.sample(lambda z, t: ready, noise, steps=STEPS)

    @torch.no_grad()
    def peer() -> None:
        scheduler.set_timesteps(STEPS)
        sample = noise * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            output = network(scheduler.scale_model_input(sample, t), t)
            sample = scheduler.step(output, t, sample).prev_sample

    times: tuple[list[float], ...] = ([], [], [])
    for number in range(rounds + 1):
        for side, work in enumerate((ours, loop, peer)):
            seconds = _seconds(work, 5)
            if number:  # the first round warms up
                times[side].append(1e6 * seconds / sampler.evaluations(STEPS))
    whole, alone, theirs = (statistics.median(side) for side in times)
    unit = "us per evaluation beyond the network"
    return [
        Figure(pair, unit, whole, theirs, whole / theirs, "<= 0.333"),
        Figure(f"{pair}_loop", unit, alone, theirs, alone / theirs),
    ]


def _seconds(work: Callable[[], None], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats


class Timed(torch.nn.Module):
    """Counts the CPU seconds that a network takes."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.seconds = network, 0.0

    def forward(self, *inputs: Any) -> Tensor:
        started = time.process_time()
        output: Tensor = self.network(*inputs)
        self.seconds += time.process_time() - started
        return output


def digits(rounds: int) -> Figure:
    """The share of the loop in 64 DDIM steps of the digits network, 250 samples at a time."""
    spec = DataSpec((1, 8, 8), 10)
    network = Timed(networks.build(DIGITS, spec, 1))
    schedule = CosineSchedule()
    denoiser = Denoiser(network, schedule, VParameterization())  # type: ignore[arg-type]
    sampler = samplers.build("ddim", schedule, KarrasTimeGrid(schedule))
    noise = torch.randn(250, *spec.shape, generator=torch.Generator().manual_seed(0))
    label = torch.arange(250) % 10
    wholes, shares = [], []

    def ours() -> None:
        sampler.sample(lambda z, t: denoiser(z, t, label), noise, steps=STEPS)

    for number in range(rounds + 1):
        network.seconds = 0.0
        whole = _seconds(ours, 1)
        if number:
            wholes.append(whole)
            shares.append(1 - network.seconds / whole)
    share = statistics.median(shares)
    unit = "s; ratio is the loop's share of it"
    return Figure("digits", unit, statistics.median(wholes), None, share, "<= 0.03")


BENCHMARKS = {
    **{pair: partial(per_step, pair) for pair in PAIRS},
    "digits": digits,
}

if __name__ == "__main__":
    main(__doc__, BENCHMARKS)
