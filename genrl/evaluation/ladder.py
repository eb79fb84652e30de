"""Evaluates the stages of a run in turn and keeps ``summary.json`` and ``samples/`` up to date."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.drawing import SampleDrawer
from genrl.evaluation.evaluator import Evaluator, Row
from genrl.evaluation.pictures import Pictures
from genrl.files import write_bytes
from genrl.foreign import require_unpacked
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.typing import Data

MakeDrawer = Callable[[ConditionalDenoise, bool], SampleDrawer]


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Args:
        w: guidance weights.
        reference_steps: of the first stage's own sampler; everything is compared with it.
        teacher_steps: fewer steps at which the first stage's own sampler is measured beside the
            students.
        guided_steps: at which a student that takes any number of steps is measured.
    """

    w: tuple[float, ...]
    reference_steps: int
    teacher_steps: tuple[int, ...]
    guided_steps: tuple[int, ...]

    def steps(self, num_steps: int | None, is_guided: bool) -> tuple[int, ...]:
        """The numbers of steps at which a stage is measured."""
        if num_steps is not None:
            return (num_steps,)
        if is_guided:
            return self.guided_steps
        fewer = [s for s in self.teacher_steps if s != self.reference_steps]
        return (self.reference_steps, *fewer)


class LadderEvaluation:
    """Evaluates stages and writes what it finds into the run's folder.

    Args:
        folder: of the run.
        evaluator: with the data and the feature.
        plan: what to evaluate.
        make_drawer: from a denoiser and whether it takes w as an input.
        pictures: draws and indexes the PNGs.
        about: further keys of ``summary.json``.
        is_writer: whether this process writes files.
        say: tells a person what is going on.
    """

    def __init__(
        self,
        folder: RunFolder,
        evaluator: Evaluator,
        plan: Plan,
        make_drawer: MakeDrawer,
        pictures: Pictures,
        about: dict[str, Any],
        *,
        is_writer: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder, self.evaluator, self.plan = folder, evaluator, plan
        self.make_drawer, self.pictures, self.about = make_drawer, pictures, about
        self.is_writer, self.say = is_writer, say
        self._restore_references()

    def stage(
        self, name: str, denoiser: ConditionalDenoise, *, num_steps: int | None, is_guided: bool
    ) -> list[Row]:
        """Measure and draw one stage at all its numbers of steps and all weights.

        Raises:
            ConfigurationError: if a stage that needs the reference comes before it.
        """
        drawer = self.make_drawer(denoiser, is_guided)
        is_reference = num_steps is None and not is_guided
        rows: list[Row] = []
        for steps in self.plan.steps(num_steps, is_guided):
            samples: dict[float, Data] = {}
            at_these_steps: list[Row] = []
            for w in self.plan.w:
                samples[w], seconds = self.evaluator.draw(drawer, steps, w)
                if not samples[w].isfinite().all():
                    raise ConfigurationError(
                        f"the stage '{name}' generates NaN or infinity at {steps} steps and w = {w}"
                    )
                if is_reference and steps == self.plan.reference_steps:
                    self.evaluator.set_reference(w, samples[w])
                row = self.evaluator.measure(name, drawer, steps, w, samples[w], seconds)
                at_these_steps.append(row)
            self.say(_line(name, steps, at_these_steps))
            rows += at_these_steps
            if self.is_writer:
                self.pictures.draw(name, steps, samples, self.evaluator.train)
                self._write(rows)
            if is_reference and steps == self.plan.reference_steps and self.is_writer:
                self._store_references()
        return rows

    def preview(
        self, name: str, update: int, denoiser: ConditionalDenoise, steps: int, is_guided: bool
    ) -> None:
        """Draw a few samples while a stage is training."""
        drawer = self.make_drawer(denoiser, is_guided)
        count = range(max(self.evaluator.spec.num_classes, 8))
        device, seed = self.evaluator.device, self.evaluator.seed
        samples = {
            w: drawer.draw(count, steps=steps, w=w, seed=seed, device=device) for w in self.plan.w
        }
        if self.is_writer:
            self.pictures.draw_preview(name, update, samples)

    def _write(self, rows: Sequence[Row]) -> None:
        summary = self.folder.read_summary()
        known = {_key(row): row for row in summary.get("stages", [])}
        known |= {_key(row.as_dict()): row.as_dict() for row in rows}
        self.folder.write_summary({**summary, **self.about, "stages": list(known.values())})

    @property
    def _reference_file(self) -> Any:
        return self.folder.samples / "reference.npz"

    def _store_references(self) -> None:
        buffer = io.BytesIO()
        arrays = {str(w): x.numpy() for w, x in self.evaluator.references.items()}
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(self._reference_file, buffer.getvalue())

    def _restore_references(self) -> None:
        if not self._reference_file.exists():
            return
        wanted = (self.evaluator.num_samples, *self.evaluator.spec.shape)
        try:
            content = io.BytesIO(self._reference_file.read_bytes())
            with np.load(content, allow_pickle=False) as file:
                require_unpacked(file, self._reference_file)
                arrays = {float(w): file[w] for w in file.files}
        except ConfigurationError:
            raise
        except Exception as error:  # an altered byte shows in a dozen types
            raise ConfigurationError(
                f"{self._reference_file} is damaged ({type(error).__name__}): delete it and "
                "evaluate the first stage again"
            ) from error
        for w, array in arrays.items():
            if array.shape == wanted:
                self.evaluator.set_reference(w, torch.from_numpy(array))


def _key(row: dict[str, Any]) -> tuple[str, int, float]:
    return row["name"], row["num_steps"], row["w"]


def _line(name: str, steps: int, rows: Sequence[Row]) -> str:
    parts = [f"w={row.w:g}: {row.frechet:.2f}" for row in rows]
    count = f"{steps} step{'s' * (steps > 1)}"
    stage = count if name == str(steps) else f"{name}, {count}"
    return f"  {stage}: Fréchet distance {', '.join(parts)}"
