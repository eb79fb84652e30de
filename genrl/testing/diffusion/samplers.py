"""Proof of a sampler against the exact probability flow and, with noise, the exact marginal."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genrl.diffusion.parameterizations.base import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Denoise, Sampler
from genrl.testing.diffusion.figures import Figures, rate, require, require_small
from genrl.testing.diffusion.marginals import marginal_errors
from genrl.testing.diffusion.oracle import STD, Oracle
from genrl.typing import Batch, Data

EVALUATIONS = (5, 10, 20, 40, 80, 160)
# Where the last pair is not good enough yet, steps are doubled so often.
FURTHER = 3
ENTRIES = 64  # at least, of an example of a stochastic sampler, which may need its norm
CONVERTED = 20  # evaluations of the run through each parameterization
BIAS = 0.02  # of a stochastic sampler in the limit, in standard deviations of the data
EXACT = 1e-9  # the same of a sampler of consistency models, with any number of steps
SLACK = {1: 0.2, 2: 0.3}  # of a measured order; 0.5 above


@torch.no_grad()
def check_sampler(
    sampler: Sampler,
    parameterizations: Sequence[Parameterization] = (),
    *,
    evaluations: Sequence[int] = EVALUATIONS,
    oracle: Oracle | None = None,
) -> Figures:
    """It converges to what it should, as fast as it says, with as many evaluations as it says.

    Without noise: to the exact solution of the probability-flow ODE of Gaussian and mixture data,
    at the order that it declares. With noise (`Sampler.is_stochastic`): mean and standard deviation
    of its samples to those of Gaussian data, up to a bias of 2 %; with consistency models, which
    need no limit, exactly.

    The measured order is that of the steps: against the exact prediction at t = 0 or, where the
    jump from the last evaluation to the data costs more than the steps do, at the last evaluation.
    It may need more steps to show, so that steps are doubled further before it is called low.

    All of this with exact predictions; a network that is perfect in terms of a parameterization
    must lead to the same samples. The same noise from the generator must, too.

    Args:
        sampler: on its schedule and time grid.
        parameterizations: of the networks.
        evaluations: of the network, at most, rising; the last two measure the order.
        oracle: of the sampler's schedule and the parameterizations, where one is kept.

    Returns:
        ``error@N`` for N evaluations: the largest error of the end point, or for a stochastic
        sampler the larger one of mean and standard deviation in units of the latter. Then
        ``order`` and ``nominal_order``; or ``mean_error`` and ``std_error`` of the last run and
        ``limit_error``, what extrapolation to infinitely many steps leaves of them. With
        parameterizations, ``conversion_error``: how far theirs are from exact predictions' samples.

    Raises:
        CheckError: naming the first promise that is broken.
    """
    oracle = oracle or Oracle(sampler.schedule, parameterizations)
    run = _Marginal(sampler) if sampler.is_stochastic else _Flow(sampler, oracle)
    figures: Figures = {}
    counts = [_steps_for(sampler, number) for number in evaluations]
    further = [counts[-1] * 2**k for k in range(1, FURTHER + 1)]
    last: tuple[int, tuple[float, ...]] | None = None
    for index, steps in enumerate([*counts, *further]):
        if index >= len(counts) and run.complaint(figures) is None:
            break
        errors = run.errors(steps, figures)
        if index < len(counts):
            figures[f"error@{evaluations[index]}"] = run.size(errors)
        require(all(map(math.isfinite, errors)), f"{steps} steps do not end at a number", figures)
        if last is not None and steps > last[0]:
            run.compare(last[1], errors, steps / last[0], figures)
        last = steps, errors
    complaint = run.complaint(figures)
    require(complaint is None, complaint or "", figures)
    if sampler.is_stochastic or oracle.parameterizations:
        _check_conversions(sampler, oracle, _steps_for(sampler, CONVERTED), figures)
    return figures


def _check_conversions(sampler: Sampler, oracle: Oracle, steps: int, figures: Figures) -> None:
    """Blocks of rows with the same noise: exact predictions, then each parameterization's.

    Put together they are given as x. What predicts something else goes through once more by itself.
    """
    size, blocks = len(oracle.noise), 1 + len(oracle.parameterizations)
    entries = ENTRIES if sampler.is_stochastic else 1

    def run(denoise: Denoise, repeats: int) -> Data:
        generator = torch.Generator().manual_seed(0)

        def noise(shape: Sequence[int]) -> Tensor:
            block = torch.randn(size, *shape[1:], generator=generator, dtype=torch.float64)
            return block.repeat(repeats, *(1 for _ in shape[1:]))

        start = oracle.noise.repeat(repeats, entries)
        return sampler.sample(denoise, start, steps=steps, generator=noise)

    exact, *others = torch.split(run(oracle.converted, blocks), size)
    others += [run(oracle.through(one), 1) for one in oracle.predicting_other_than_x()]
    if sampler.is_stochastic:
        # Not bit by bit: vectors of another length are rounded another way.
        again = run(oracle.denoise, 1)
        same = torch.allclose(exact, again, rtol=1e-6, atol=1e-6)
        require(same, "the same noise gives other samples: draw it by state.noise_like", figures)
    if others:
        largest = (torch.stack(others) - exact).abs().max() / exact.abs().max().clamp(min=1)
        figures["conversion_error"] = largest.item()
        require_small(figures, "conversion_error", 1e-6, "a parameterization changes the samples")


def _least(nominal: float) -> float:
    return nominal - SLACK.get(int(nominal), 0.5)


def _steps_for(sampler: Sampler, evaluations: int) -> int:
    """The largest number of steps with at most so many evaluations."""
    allowed = (n for n in range(evaluations, 1, -1) if sampler.evaluations(n) <= evaluations)
    return next(allowed, 1)


@dataclasses.dataclass
class _Flow:
    """Runs on the oracle's rows and compares with the exact solution."""

    sampler: Sampler
    oracle: Oracle
    end_error: float = math.inf
    end_rate: float = 0.0

    def errors(self, steps: int, figures: Figures) -> tuple[float, ...]:
        """Largest error against the exact prediction at the last evaluation and at t = 0."""
        oracle, calls, last = self.oracle, 0, None

        def denoise(z: Data, t: Batch) -> Prediction:
            nonlocal calls, last
            calls, last = calls + 1, t[0]
            return oracle.denoise(z, t)

        x = self.sampler.sample(denoise, oracle.noise, steps=steps)
        _require_calls(self.sampler, steps, calls, figures)
        start = self.sampler.time_grid.times(steps)[0]
        assert isinstance(last, Tensor)
        stops = (last, torch.zeros_like(start))
        return tuple((x - oracle.solution(start, stop)).abs().max().item() for stop in stops)

    def size(self, errors: tuple[float, ...]) -> float:
        """What the table shows: the error against t = 0."""
        return errors[-1]

    def compare(
        self, first: tuple[float, ...], second: tuple[float, ...], finer: float, figures: Figures
    ) -> None:
        """The orders that two runs show, the better of which counts."""
        rates = [rate(a, b, finer) for a, b in zip(first, second, strict=True)]
        figures["order"], figures["nominal_order"] = max(rates), self.sampler.order
        self.end_error, self.end_rate = second[-1], rates[-1]

    def complaint(self, figures: Figures) -> str | None:
        """What is wrong so far."""
        order, nominal = figures.get("order", 0.0), self.sampler.order
        if order < _least(nominal):
            return f"measured order {order:.2f}, nominal {nominal}"
        if self.end_error > 0.1 and self.end_rate < 0.5:
            return f"the end point stays off by {self.end_error:.2g}"
        return None


@dataclasses.dataclass
class _Marginal:
    """Runs with noise whose moments over an example are those of the normal distribution."""

    sampler: Sampler
    largest: float = 0.0

    def errors(self, steps: int, figures: Figures) -> tuple[float, ...]:
        """Errors of mean and standard deviation with their signs, in units of the latter."""
        found = marginal_errors(self.sampler, steps)
        _require_calls(self.sampler, steps, found.calls, figures)
        figures["mean_error"], figures["std_error"] = found.mean / STD, found.std / STD
        errors = found.mean / STD, found.std / STD
        self.largest = max(self.largest, self.size(errors))
        return errors

    def size(self, errors: tuple[float, ...]) -> float:
        """What the table shows: the larger of the two."""
        return max(map(abs, errors))

    def compare(
        self, first: tuple[float, ...], second: tuple[float, ...], finer: float, figures: Figures
    ) -> None:
        """What is left in the limit of many steps, if errors fall like 1/N."""
        pairs = zip(first, second, strict=True)
        figures["limit_error"] = max(abs(finer * b - a) for a, b in pairs) / (finer - 1)

    def complaint(self, figures: Figures) -> str | None:
        """What is wrong so far."""
        if self.sampler.of_consistency and self.largest > EXACT:
            return f"mean or standard deviation is off by {self.largest:.2g}, and should be exact"
        left = figures.get("limit_error", math.inf)
        if left > BIAS:
            return f"mean or standard deviation of the samples stays off by {left:.2g}"
        return None


def _require_calls(sampler: Sampler, steps: int, calls: int, figures: Figures) -> None:
    stated = sampler.evaluations(steps)
    require(
        calls == stated,
        f"{steps} steps evaluate the network {calls} times, but evaluations({steps}) is {stated}",
        figures,
    )
