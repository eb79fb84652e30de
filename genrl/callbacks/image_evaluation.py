"""Evaluates every stage at its end, and draws a preview every so many updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrl.callbacks.base import (
    RunContext,
    StageCallback,
    ToldToEnd,
    are_told_to_end,
    callbacks,
)
from genrl.diffusion import Stage
from genrl.evaluation.ladder import LadderEvaluation, Plan

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import DiffusionModule


@callbacks.register("image_evaluation")
class ImageEvaluationCallback(StageCallback["DiffusionModule"]):
    """Fréchet distance, precision, recall, accuracy and pictures of each stage, on the same seeds.

    Args:
        context: of the run.
        num_samples: for each stage, number of steps and weight.
        w: guidance weights.
        reference_steps: steps of the teacher's own sampler that everything is compared with.
        teacher_steps: fewer steps at which the teacher's own sampler is shown beside the students.
        guided_steps: steps at which the guided student is measured.
        every: updates between two previews; 0 draws none.
        preview_steps: sampling steps of a preview where the stage does not fix them.
        batch_size: samples at a time.
        seed: of the sampling noise.

    Raises:
        ValueError: if there are fewer than 8 samples or no weight.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        num_samples: int = 1000,
        w: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0),
        reference_steps: int = 64,
        teacher_steps: tuple[int, ...] = (16, 8, 4, 2, 1),
        guided_steps: tuple[int, ...] = (32,),
        every: int = 500,
        preview_steps: int = 16,
        batch_size: int = 250,
        seed: int = 0,
    ) -> None:
        if num_samples < 8 or not w:
            raise ValueError("an evaluation needs at least 8 samples and one weight w")
        self.context = context
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.plan = Plan(w, reference_steps, teacher_steps, guided_steps)
        self.every, self.preview_steps = every, preview_steps
        self._evaluation: LadderEvaluation | None = None

    def evaluation(self, trainer: Trainer, module: DiffusionModule) -> LadderEvaluation:
        """Data and feature are prepared at the first use."""
        if self._evaluation is None:
            assert self.context.make_evaluation is not None

            def end_if_told() -> None:
                if are_told_to_end(trainer):
                    raise ToldToEnd

            self._evaluation = self.context.make_evaluation(
                self.plan,
                num_samples=self.num_samples,
                seed=self.seed,
                batch_size=self.batch_size,
                device=module.device,
                rank=trainer.global_rank,
                world_size=trainer.world_size,
                gather=lambda x: (
                    trainer.strategy.all_gather(x.to(module.device)).flatten(0, 1).cpu()
                ),
                before_batch=end_if_told,
            )
        return self._evaluation

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """A preview, with the weights as they are."""
        step = module.position.step
        if self.every and step and step % self.every == 0:
            module.denoiser.eval()
            self.evaluation(trainer, module).preview(
                stage.name,
                module.updates,
                module.denoiser,
                stage.num_steps or self.preview_steps,
                stage.is_guided,
            )

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Measure the finished student."""
        module.denoiser.eval()
        rows = self.evaluation(trainer, module).stage(
            stage.name, module.denoiser, num_steps=stage.num_steps, is_guided=stage.is_guided
        )
        found = {f"frechet/{row.num_steps}_steps_w{row.w:g}": row.frechet for row in rows}
        for logger in trainer.loggers:
            logger.log_metrics(found, step=module.updates)
