"""The sampling loop against diffusers' schedulers: what a step costs beyond the network.

Both sides drive the same network, which here does nothing but hand back a tensor: ours through a
`Denoiser` of ε and `Sampler.sample`, theirs as a pipeline does, with ``scale_model_input`` and
``step``. Conversions between ε and x, schedules and coefficients are all counted; ``set_timesteps``
and our plan too, as both happen once in a run. NAME_loop leaves out our denoiser, whose levels and
conversions any user of it pays, and counts the sampler by itself. One process, turns, CPU seconds;
what counts is the ratio of the medians.

    python tools/bench/sampling.py                 all of them
    python tools/bench/sampling.py ddim unipc      some
    python tools/bench/sampling.py --json FILE     also write the figures

Goals: at most 1/3 of diffusers' time per step, and at most 3 % of the total of 64 DDIM steps with
the digits network in batches of 250.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
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
PAIRS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ddim": ("ddim", "DDIMScheduler", {"clip_sample": False}),
    "euler": ("euler", "EulerDiscreteScheduler", KARRAS),
    "heun": ("heun", "HeunDiscreteScheduler", KARRAS),
    "dpm_solver_pp_2m": ("dpm_solver_pp_2m", "DPMSolverMultistepScheduler", KARRAS),
    "unipc": ({"name": "unipc", "order": 2}, "UniPCMultistepScheduler", KARRAS),
    "deis": ({"name": "deis", "order": 2}, "DEISMultistepScheduler", KARRAS),
    "lms": ({"name": "lms", "order": 4}, "LMSDiscreteScheduler", KARRAS),
}


@dataclass(frozen=True)
class Figure:
    """A comparison.

    Args:
        name: of the benchmark.
        unit: of the two times.
        ours: median CPU time.
        peer: the same of diffusers; None where there is none.
        ratio: ours / peer, or what ``unit`` says.
        goal: for the ratio.
    """

    name: str
    unit: str
    ours: float
    peer: float | None
    ratio: float
    goal: str


class Nothing(torch.nn.Module):
    """A network that costs nothing: its output is always the same tensor."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, z: Tensor, *_: Any) -> Tensor:
        return self.output


def per_step(pair: str, rounds: int) -> list[Figure]:
    """Microseconds of CPU for each evaluation: with our denoiser, and the sampler by itself."""
    config, peer_name, options = PAIRS[pair]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    network = Nothing(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)))
    schedule = CosineSchedule()
    denoiser = Denoiser(network, schedule, EpsParameterization())  # type: ignore[arg-type]
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
    unit = "us beyond the network per evaluation"
    return [
        Figure(pair, unit, whole, theirs, whole / theirs, "<= 0.333"),
        Figure(f"{pair}_loop", unit, alone, theirs, alone / theirs, "<= 0.333"),
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
    return Figure(
        "digits", "s; ratio is the loop's share", statistics.median(wholes), None, share, "<= 0.03"
    )


def main() -> None:
    """Run the benchmarks named on the command line."""
    names = [*PAIRS, "digits"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in names]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(names)}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    warnings.simplefilter("ignore")
    figures = []
    for name in arguments.names or names:
        rounds = arguments.rounds
        for figure in [digits(rounds)] if name == "digits" else per_step(name, rounds):
            peer = 12 * " " if figure.peer is None else f"{figure.peer:12.1f}"
            print(
                f"{figure.name:22}{figure.ours:12.1f}{peer}   ratio {figure.ratio:7.4f}  "
                f"goal {figure.goal:8} {figure.unit}",
                flush=True,
            )
            figures.append(asdict(figure))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(0)


if __name__ == "__main__":
    main()
