"""Measures the likelihood of data at the end of a stage that can tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genrl.callbacks.base import RunContext, StageCallback, callbacks, followers_of
from genrl.callbacks.progress import ProgressCallback
from genrl.data import DataSource, data_sources
from genrl.diffusion import Stage
from genrl.evaluation.likelihood import LikelihoodEvaluation, LikelihoodRow, Split, store

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import DiffusionModule


@callbacks.register("likelihood_evaluation")
class LikelihoodEvaluationCallback(StageCallback["DiffusionModule"]):
    """Bits per dimension of training and held-out data by the continuous-time bound.

    Args:
        context: of the run.
        num_examples: most examples of each split.
        seed: of noise and times.

    Raises:
        ValueError: if there are fewer than 2 examples.
    """

    def __init__(self, context: RunContext, *, num_examples: int = 2000, seed: int = 0) -> None:
        if num_examples < 2:
            raise ValueError(f"num_examples must be at least 2, not {num_examples}")
        self.context, self.num_examples, self.seed = context, num_examples, seed

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Measure the student, unless it was distilled."""
        if stage.is_guided or stage.num_steps is not None:
            return
        module.denoiser.eval()
        data = data_sources.build(self.context.config["data"])
        evaluation = LikelihoodEvaluation(
            module.denoiser,
            module.denoiser.schedule,
            splits_of(data, self.num_examples, module.device),
            data.spec.num_levels,
            stage=stage.name,
            seed=self.seed,
        )
        rows = list(evaluation.continuous())
        if not trainer.is_global_zero:
            return  # they measured too: of a sharded model, none can do it alone
        store(self.context.folder, rows)
        for callback in followers_of(trainer):
            if isinstance(callback, ProgressCallback):
                callback.say(_line(stage.name, rows))


def splits_of(data: DataSource, most: int, device: torch.device | str) -> list[Split]:
    """Training and held-out examples, evenly chosen where there are more."""
    found = []
    for name, examples in (("training", data.train()), ("held-out", data.held_out())):
        if examples is not None:
            x, label = examples.evenly(most)
            found.append(Split(name, x.to(device), None if label is None else label.to(device)))
    return found


def _line(stage: str, rows: list[LikelihoodRow]) -> str:
    parts = [f"{row.split} {row.bits_per_dim:.4f} ± {row.standard_error:.4f}" for row in rows]
    return f"  {stage}: bits per dimension, bound in continuous time: {', '.join(parts)}"
