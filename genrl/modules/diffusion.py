"""The LightningModule of a diffusion run: a student, its frozen teacher, and their stages.

Everything random in an update comes from a seed made of (run seed, number of the update), so that
an update is a pure function of the weights, the optimizer's state and its number: a resumed run
repeats an uninterrupted one bit for bit. Several processes draw the numbers of the global batch and
each keeps those of its own examples: they do what one process would do. Dropout is the exception;
its masks are made of the rank as well.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genrl import processes, sharding
from genrl.data import ExampleBatch
from genrl.diffusion import Denoiser, Objective, Stage
from genrl.diffusion.noise import BatchGenerator, SharedGenerator, mixed_seed
from genrl.modules.base import StagedModule
from genrl.networks.averaging import MovingAverage

_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class DiffusionModule(StagedModule):
    """Trains a denoiser through a list of stages.

    Args:
        denoiser: the student; its weights are those of the teacher, where one is given.
        stages: of the run, at least one.
        objectives: one for each stage.
        make_optimizer: from the trainable parameters.
        seed: of the run.
        warmup_updates: over which the learning rate rises at the start of each stage.
        gradient_clip: largest norm of the gradient; 0 does not clip.
        max_skipped: so many updates of the run may be left out because their loss or gradient is
            NaN or infinite; one more, and training has diverged.
        say: where messages go.
    """

    unit = "images"

    def __init__(
        self,
        denoiser: Denoiser,
        stages: Sequence[Stage],
        objectives: Sequence[Objective],
        make_optimizer: OptimizerFactory,
        *,
        seed: int,
        warmup_updates: int = 0,
        gradient_clip: float = 0.0,
        max_skipped: int = 0,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__(stages)
        self.denoiser = denoiser
        # Before anything wraps the module: only what asks for gradients is shared by devices.
        denoiser.schedule.requires_grad_(objectives[0].trains_schedule)
        needs_teacher = any(objective.needs_teacher for objective in objectives)
        self.teacher = copy.deepcopy(denoiser).requires_grad_(False) if needs_teacher else None
        self.average = (
            MovingAverage(denoiser, 0.0) if any(o.average_decay for o in objectives) else None
        )
        self.objectives = list(objectives)
        learned = dict.fromkeys(objective.trainable for objective in objectives)
        self.learned = nn.ModuleList(part for part in learned if part is not None)
        self.make_optimizer = make_optimizer
        self.seed = seed
        self.warmup_updates, self.gradient_clip = warmup_updates, gradient_clip
        self.max_skipped, self.skipped, self.say = max_skipped, 0, say

    @property
    def objective(self) -> Objective:
        """That of the next update."""
        return self.objectives[self.position.index]

    @property
    def model(self) -> Denoiser:
        """The student."""
        return self.denoiser

    def about(self) -> dict[str, Any]:
        """The form of the data."""
        spec = self.denoiser.network.spec
        return {"data": {"shape": list(spec.shape), "num_classes": spec.num_classes}}

    def health(self) -> Tensor:
        """NaN and infinity survive addition; an update that was skipped did no harm."""
        if not self.metrics:
            return torch.zeros((), device=self.device)
        return self.metrics["loss"] + self.metrics["gradient_norm"]

    def units_done(self) -> int:
        """Images seen on all devices."""
        loader: Any = self.trainer.train_dataloader
        return self.updates * int(loader.batch_size) * self.trainer.world_size

    def headline(self) -> str:
        """The loss."""
        return f"loss {self.metrics['loss'].item():.4f}" if self.metrics else "update skipped"

    def learning_rate(self) -> float:
        """Linear warm-up, then linear decay to zero at the end of the stage."""
        stage, step = self.stage, self.position.step
        warmup = min(1.0, (step + 1) / (self.warmup_updates + 1))
        return stage.learning_rate * warmup * (1 - step / stage.updates)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer over the student and what its objectives learn beside it."""
        return self.make_optimizer(sharding.groups(self.trained()))

    def trained(self) -> list[nn.Parameter]:
        """What the optimizer holds, in the order in which a checkpoint numbers it."""
        return [*self.denoiser.parameters(), *self.learned.parameters()]

    def divide(self, mesh: Any) -> None:
        """Each process keeps its part of the networks; schedules and the like stay whole.

        Args:
            mesh: of all processes.
        """
        average = None if self.average is None else self.average.module
        for denoiser in (self.denoiser, self.teacher, average):
            if denoiser is not None:
                assert isinstance(denoiser, Denoiser)
                sharding.divide(denoiser.network, mesh)

    def on_train_batch_start(self, batch: ExampleBatch, batch_idx: int) -> None:
        """Learning rate and random numbers of this update."""
        self._set_modes()
        if self.average is not None and self.position.step == 0:
            self.average.restart(self.denoiser)
        optimizer = self.trainer.optimizers[0]
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate()
        # Lightning would keep the last gradients beside the activations of this forward pass.
        optimizer.zero_grad(set_to_none=True)
        # Dropout draws from the global generators.
        torch.manual_seed(self._update_seed(1, self.global_rank))

    def _set_modes(self) -> None:
        """Teachers are never in training mode, and a student that has one trains without dropout.

        Its target is a function that it is to copy, not a data set that it could learn by heart
        (Salimans & Ho 2022 and Meng et al. 2022 set dropout to zero in students).
        """
        self.denoiser.train()
        self.denoiser.schedule.requires_grad_(self.objective.trains_schedule)
        for teacher in (self.teacher, self.average):
            if teacher is not None:
                teacher.eval()
        if self.objective.needs_teacher or self.objective.average_decay is not None:
            for layer in self.denoiser.modules():
                if isinstance(layer, _DROPOUT):
                    layer.eval()

    def _update_seed(self, stream: int, rank: int = 0) -> int:
        return mixed_seed(mixed_seed(self.seed, rank), 4 * self.updates + stream)

    def _generator(self) -> BatchGenerator:
        generator = torch.Generator(self.device).manual_seed(self._update_seed(0))
        count = processes.world_size()
        return SharedGenerator(generator, processes.rank(), count) if count > 1 else generator

    def training_step(self, batch: ExampleBatch, batch_idx: int) -> Tensor:
        """The loss of the stage's objective."""
        objective = self.objective.at(self.position.step / self.stage.updates, self._average())
        teacher = self.teacher if objective.needs_teacher else None
        result = objective(self.denoiser, teacher, batch.x, batch.label, self._generator())
        own = {"loss": result.loss.detach(), **result.metrics}
        self.metrics = processes.mean_of_each(own)
        return result.loss

    def _average(self) -> Denoiser | None:
        """What teaches beside the teacher; the student itself is the average without memory."""
        if self.objective.average_decay is None:
            return None
        if not self.objective.average_decay or self.average is None:
            return self.denoiser
        average = self.average.module
        assert isinstance(average, Denoiser)
        return average

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step, which the average of the student follows."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None and self.objective.average_decay:
            self.average.decay = self.objective.average_decay
            self.average.follow(self.denoiser)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, whose norm before that is a metric; drop one that is no number."""
        limit = self.gradient_clip or float("inf")
        self.metrics["gradient_norm"] = sharding.clip_gradients(self.denoiser.parameters(), limit)
        if self.skipped < self.max_skipped and not self.health().isfinite():
            # Without gradients the optimizer changes neither weights nor moments.
            optimizer.zero_grad(set_to_none=True)
            self.metrics = {}
            self.skipped += 1
            self.say(
                f"update {self.updates + 1} is skipped: its loss or gradient is NaN or infinite "
                f"({self.skipped} of at most {self.max_skipped}: training.max_skipped)"
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The skipped updates count on after a resume."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["genrl"]["skipped"] = self.skipped

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Inverse."""
        super().on_load_checkpoint(checkpoint)
        self.skipped = int(checkpoint["genrl"]["skipped"])

    def start_next_stage(self) -> None:
        """The student becomes the teacher; the optimizer and the objectives forget."""
        if self.teacher is not None:
            self.teacher.load_state_dict(self.denoiser.state_dict())
        for part in self.learned:
            part.reset_parameters()  # type: ignore[operator]
        for optimizer in self.trainer.optimizers:
            optimizer.state.clear()
