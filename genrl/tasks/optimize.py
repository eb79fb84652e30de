"""``genrl optimize``: few-step sampling of a trained model made better, without training it.

``grid=dp`` finds the time grid of the best variational bound, exactly (Watson et al. 2021).
``sampler=ggdm`` learns all coefficients of the sampler by the gradient of a kernel distance between
samples and data (Watson et al. 2022). Both are printed beside the uniform grid and Karras' grid.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genrl.callbacks.likelihood_evaluation import splits_of
from genrl.diffusion import (
    Denoiser,
    KarrasTimeGrid,
    NoiseSchedule,
    Sampler,
    UniformTimeGrid,
)
from genrl.diffusion.building import build_sampler
from genrl.diffusion.ggdm import GgdmCoefficients
from genrl.diffusion.grid_search import best_grids
from genrl.diffusion.likelihood import GridTerms, grid_terms
from genrl.evaluation.evaluator import Evaluator
from genrl.evaluation.ladder import Plan
from genrl.evaluation.likelihood import Split
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.build import Config, build_data
from genrl.tasks.device import best_device
from genrl.tasks.evaluation import make_evaluation
from genrl.tasks.learned_sampler import learn_coefficients
from genrl.tasks.optimize_options import OptimizeOptions
from genrl.tasks.optimized import Optimized
from genrl.tasks.sample import TrainedStage, load_trained_stage

USUAL: dict[str, type[UniformTimeGrid | KarrasTimeGrid]] = {
    "uniform": UniformTimeGrid,
    "karras": KarrasTimeGrid,
}
"""Grids that every search is compared with."""

_LEAST_STD = 1e-12  # of a step, below which it counts as free of noise


def optimize(path: Path, options: OptimizeOptions, say: Callable[[str], None]) -> list[Path]:
    """Find grids or samplers, compare them, and write them into the run's folder.

    Args:
        path: of the run.
        options: of the command.
        say: tells a person what is going on.

    Raises:
        ConfigurationError: if the run or an option is not fit for it.
    """
    workbench = open_workbench(path, options, say)
    say(workbench.head())
    written = []
    for steps in options.steps:
        found = workbench.search(steps)
        for row in (*(workbench.usual(name, steps) for name in USUAL), workbench.measured(found)):
            say(row.line())
        written.append(found.write(workbench.folder))
    return written


def open_workbench(path: Path, options: OptimizeOptions, say: Callable[[str], None]) -> "Workbench":
    """Load the run's model and data; arguments as for `optimize`.

    Raises:
        ConfigurationError: if the run or an option is not fit for it.
    """
    options.check()
    folder = RunFolder.open(path)
    config = folder.config()
    if is_agent(config):
        raise ConfigurationError(f"{path} is an agent's run: samplers are those of diffusion runs")
    device = best_device(options.device)
    stage = options.stage or next(iter(folder.finished_stages()), None)
    trained = load_trained_stage(folder, stage, device)
    if trained.is_guided or trained.num_steps is not None:
        raise ConfigurationError(
            f"the stage '{trained.name}' is distilled for its own steps: give stage=teacher"
        )
    return Workbench(folder, config, trained, options, device, say)


@dataclass(frozen=True)
class Row:
    """How well a grid or a sampler does.

    Args:
        steps: network evaluations.
        method: name of the grid, or of what was found.
        bits: the bound on each split, bits per dimension.
        frechet: distance of samples to the training data.
    """

    steps: int
    method: str
    bits: list[float]
    frechet: float

    def line(self) -> str:
        """Under `Workbench.head`."""
        cells = "".join(f"  {value:>16.4f}" for value in self.bits)
        return f"{self.steps:>5}  {self.method:<8}{cells}  {self.frechet:>16.3f}"


class Workbench:
    """What the search for each number of steps shares: the model, the data, the bound's terms.

    Args:
        folder: of the run.
        config: of the run.
        trained: the stage.
        options: of the command.
        device: to run on.
        say: tells a person what is going on.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: Config,
        trained: TrainedStage,
        options: OptimizeOptions,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.trained, self.options = folder, trained, options
        self.device, self.say = device, say
        denoiser = trained.drawer.denoiser
        assert isinstance(denoiser, Denoiser)
        self.denoiser = denoiser.requires_grad_(False)
        self.own = trained.drawer.sampler
        self.sampler_config = config["sampler"]
        data = build_data(config)
        self.num_levels = data.spec.num_levels
        self.splits = splits_of(data, options.n, device)
        self._terms: list[GridTerms] | None = None
        plan = Plan((options.w,), 1, (), ())
        self.evaluator: Evaluator = make_evaluation(
            folder,
            config,
            data,
            say,
            plan,
            num_samples=options.num_samples,
            seed=options.seed,
            batch_size=250,
            device=device,
        ).evaluator

    @property
    def schedule(self) -> NoiseSchedule:
        """Of the model."""
        return self.denoiser.schedule

    def terms(self) -> list[GridTerms]:
        """The bound at all times, on each split; the one pass over the network."""
        if self._terms is None:
            count = self.options.times
            self.say(f"evaluating the network at {count} times for {self.options.n} examples each")
            times = torch.arange(count, 0, -1, dtype=torch.float64) / count
            self._terms = []
            for split in self.splits:
                std = self._terms[0].std if self._terms else None
                self._terms.append(self._measure(split, times, std, share_noise=True))
        return self._terms

    def _measure(
        self, split: Split, times: Tensor, std: Tensor | None, *, share_noise: bool
    ) -> GridTerms:
        return grid_terms(
            self.denoiser,
            split.x,
            split.label,
            self.schedule,
            times,
            num_levels=self.num_levels,
            seed=self.options.seed,
            std=std,
            share_noise=share_noise,
        )

    def search(self, steps: int) -> Optimized:
        """What the options ask for."""
        return self.learned_sampler(steps) if self.options.sampler else self.best_grid(steps)

    def best_grid(self, steps: int) -> Optimized:
        """By the dynamic program on training data."""
        terms = self.terms()[0]
        indices, _ = best_grids(terms.step_costs(), terms.decoder.mean(dim=1), [steps])[steps]
        times = [*terms.times[indices].tolist(), 0.0]
        return Optimized("grid", "dp", self.trained.name, steps, {"times": times})

    def learned_sampler(self, steps: int) -> Optimized:
        """By the gradient of the kernel distance through the sampler."""
        found = learn_coefficients(
            self.trained.drawer, self.evaluator, self.options, steps, self.device, self.say
        )
        values = {
            "of_x": found.of_x.tolist(),
            "of_z": found.of_z.tril().tolist(),
            "std": found.std.abs().tolist(),
            "w": self.options.w,
        }
        return Optimized("sampler", "ggdm", self.trained.name, steps, values)

    def head(self) -> str:
        """Over a table of rows."""
        names = "".join(f"  {split.name + ' bound':>16}" for split in self.splits)
        unit = f"bits per dimension; samples at w = {self.options.w:g}"
        return f"{unit}\n{'steps':>5}  {'':<8}{names}  {'Fréchet distance':>16}"

    def usual(self, name: str, steps: int) -> Row:
        """A grid of `USUAL`."""
        times = USUAL[name](self.schedule).times(steps)
        sampler = build_sampler(self.sampler_config, self.schedule, name)
        return self._row(name, steps, self._bits(times[:-1], None), sampler)

    def measured(self, found: Optimized) -> Row:
        """What was found; the bound is NaN where the noise does not fall from step to step."""
        if found.kind == "grid":
            times = torch.tensor(found.values["times"], dtype=torch.float64)
            coefficients = None
        else:
            coefficients = found.coefficients()
            times, _ = coefficients.times(self.schedule)
            times = torch.cat([times, times.new_zeros(1)])
        # A learned sampler may go up in noise on its way: a chain that does has no bound.
        falls = bool((times[:-1].diff() < 0).all())
        bits = self._bits(times[:-1], coefficients) if falls else [math.nan] * len(self.splits)
        sampler = found.sampler(build_sampler(self.sampler_config, self.schedule, "uniform"))
        return self._row(found.method, found.steps, bits, sampler)

    def _bits(self, times: Tensor, coefficients: GgdmCoefficients | None) -> list[float]:
        """The bound on each split in bits per dimension; steps without noise have none."""
        found: list[float] = []
        std: Tensor | None = None
        for split in self.splits:
            terms = self._measure(split, times, std, share_noise=False)
            std = terms.std if std is None else std
            if coefficients is None:
                nats = terms.nats().mean().item()
            else:
                nats = _ggdm_nats(coefficients, terms)
            found.append(nats / math.log(2))
        return found

    def _row(self, name: str, steps: int, bits: list[float], sampler: Sampler) -> Row:
        drawer = self.trained.drawer
        drawer.sampler = sampler
        samples, _ = self.evaluator.draw(drawer, steps, self.options.w)
        drawer.sampler = self.own
        return Row(steps, name, bits, self.evaluator.frechet(samples))


def _ggdm_nats(coefficients: GgdmCoefficients, terms: GridTerms) -> float:
    """prior + Σ ½ (c_i / s_i)² ||x - x̂_i||² + decoder: both sides of a step differ in the mean.

    Infinite where a step has no noise.
    """
    std = coefficients.std.abs().clamp(min=_LEAST_STD)
    weight = 0.5 * (coefficients.of_x / std).square()
    steps = (weight[:, None] * terms.error[:-1]).sum(dim=0)
    return (terms.prior + steps + terms.decoder[-1]).mean().item()
