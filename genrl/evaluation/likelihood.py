"""The likelihood of data under a trained denoiser in bits per dimension, by every estimate.

Choices that are fitted (where the continuous bound ends, how broad the discrete decoder is) are
fitted on training data and applied to held-out data. The error given is the standard error over
examples, whose noise and times are part of it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.likelihood import (
    ContinuousTerms,
    GridTerms,
    continuous_terms,
    flow_nats,
    grid_terms,
)
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.run_folder import RunFolder
from genrl.typing import Data, Labels

CONTINUOUS = "bound, continuous time"


@dataclass(frozen=True)
class LikelihoodRow:
    """One estimate on one split, an entry of ``likelihood`` in ``summary.json``."""

    stage: str
    estimate: str
    split: str
    bits_per_dim: float
    standard_error: float
    num_examples: int

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """Examples of one split with their labels, on the model's device."""

    name: str
    x: Data
    label: Labels | None


class LikelihoodEvaluation:
    """Measures one denoiser.

    Args:
        denoiser: the model; given labels it is asked for p(x | label).
        schedule: of the model.
        splits: what to measure on; what is fitted is fitted on the first.
        num_levels: of the data, or None for real numbers.
        stage: its name in the rows.
        seed: of all noise.
        batch_size: examples at a time.
    """

    def __init__(
        self,
        denoiser: ConditionalDenoise,
        schedule: NoiseSchedule,
        splits: Sequence[Split],
        num_levels: int | None,
        *,
        stage: str,
        seed: int = 0,
        batch_size: int = 250,
    ) -> None:
        self.denoiser, self.schedule, self.splits = denoiser, schedule, list(splits)
        self.num_levels, self.stage = num_levels, stage
        self.seed, self.batch_size = seed, batch_size
        self._continuous: list[ContinuousTerms] | None = None

    def continuous(self) -> Iterator[LikelihoodRow]:
        """The bound in continuous time; x is decoded where it is least on the first split."""
        best = self._terms()[0].best()
        for split, terms in zip(self.splits, self._terms(), strict=True):
            yield self._row(CONTINUOUS, split, terms.nats(best))

    def discrete(self, grid: TimeGrid, steps: int) -> Iterator[LikelihoodRow]:
        """The bound of sampling on a grid."""
        name = f"bound, {steps} step{'s' * (steps > 1)}"
        fitted: GridTerms | None = None
        for split in self.splits:
            terms = grid_terms(
                self.denoiser,
                split.x,
                split.label,
                self.schedule,
                grid.times(steps)[:-1],
                num_levels=self.num_levels,
                seed=self.seed,
                std=None if fitted is None else fitted.std,
                batch_size=self.batch_size,
            )
            fitted = fitted or terms
            yield self._row(name, split, terms.nats())

    def ode(self, dequantization: str, most: int, steps: int) -> Iterator[LikelihoodRow]:
        """The probability-flow ODE on at most so many examples of each split."""
        terms = self._terms()[0]
        log_snr = terms.log_snr[terms.best()].item()
        name = "ODE" if self.num_levels is None else f"ODE, {dequantization} dequantization"
        for split in self.splits:
            nats = [
                flow_nats(
                    self.denoiser,
                    split.x[part],
                    None if split.label is None else split.label[part],
                    self.schedule,
                    num_levels=self.num_levels,
                    dequantization=dequantization,
                    log_snr=log_snr,
                    seed=self.seed + part.start,
                    steps=steps,
                ).cpu()
                for part in _parts(min(most, len(split.x)), self.batch_size)
            ]
            yield self._row(name, split, torch.cat(nats))

    def _terms(self) -> list[ContinuousTerms]:
        if self._continuous is None:
            self._continuous = [
                continuous_terms(
                    self.denoiser,
                    split.x,
                    split.label,
                    self.schedule,
                    num_levels=self.num_levels,
                    seed=self.seed,
                    batch_size=self.batch_size,
                )
                for split in self.splits
            ]
        return self._continuous

    def _row(self, estimate: str, split: Split, nats: Tensor) -> LikelihoodRow:
        bits = nats.double() / math.log(2)
        error = (bits.std() / math.sqrt(len(bits))).item() if len(bits) > 1 else math.nan
        return LikelihoodRow(self.stage, estimate, split.name, bits.mean().item(), error, len(bits))


def likelihood_table(rows: Sequence[LikelihoodRow]) -> str:
    """A line for each estimate, a column for each split."""
    splits = list(dict.fromkeys(row.split for row in rows))
    found = {(row.estimate, row.split): row for row in rows}
    names = list(dict.fromkeys(row.estimate for row in rows))
    width = max(len(name) for name in names)
    lines = [f"{'bits per dimension':<{width}}" + "".join(f"  {split:>16}" for split in splits)]
    for name in names:
        cells = (found.get((name, split)) for split in splits)
        lines.append(f"{name:<{width}}" + "".join(f"  {_cell(row):>16}" for row in cells))
    return "\n".join(lines)


def store(folder: RunFolder, rows: Sequence[LikelihoodRow]) -> None:
    """Renew these rows in the list ``likelihood`` of ``summary.json``."""
    summary = folder.read_summary()
    known = {
        (row["stage"], row["estimate"], row["split"]): row for row in summary.get("likelihood", [])
    }
    known |= {(row.stage, row.estimate, row.split): row.as_dict() for row in rows}
    folder.write_summary({**summary, "likelihood": list(known.values())})


def _cell(row: LikelihoodRow | None) -> str:
    return "–" if row is None else f"{row.bits_per_dim:.4f} ± {row.standard_error:.4f}"


def _parts(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
