"""Training metrics: ``metrics.csv`` in the run folder, and whatever loggers the config chose.

A row every so many updates holds means over those updates. The file is a function of the run's
config: it holds no times, and a resumed run cuts off what was written after its checkpoint.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genrl.callbacks.base import StageCallback
from genrl.diffusion import Stage
from genrl.files import write_text

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import StagedModule

Row = dict[str, str | float | int]


class MetricsCallback(StageCallback["StagedModule"]):
    """Writes means of the training metrics.

    Args:
        path: of the CSV file.
        every: updates in a row, >= 1.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.rows: list[Row] | None = None
        self.columns: list[str] = []

    def on_stage_start(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Forget rows from the future of a resumed run."""
        if self.rows is None and trainer.is_global_zero:
            self.rows = [r for r in read_rows(self.path) if int(r["update"]) <= module.updates]
            self._rewrite()

    def on_update_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Add this update; write a row when it is time."""
        for name, value in module.metrics.items():
            self.sums[name] = (
                self.sums[name].to(value.device) + value if name in self.sums else value
            )
            self.counts[name] = self.counts.get(name, 0) + 1
        stage_over = module.position.step == 0 or module.is_over
        if module.updates % self.every == 0 or stage_over:
            metrics = self._means()
            # An agent has optimizers of its own, and Lightning one without parameters.
            groups = trainer.optimizers[0].param_groups if trainer.optimizers else []
            if groups:
                metrics["learning_rate"] = float(groups[0]["lr"])
            self.write(trainer, module.updates, stage.name, metrics)
            self.sums, self.counts = {}, {}

    def _means(self) -> dict[str, float]:
        """In one transfer from the device; a skipped update has no metrics and does not count."""
        if not self.sums:
            return {}
        sums = torch.stack([total.float() for total in self.sums.values()])
        means = (sums / torch.tensor(list(self.counts.values())).to(sums)).tolist()
        return dict(zip(self.sums, means, strict=True))

    def write(self, trainer: Trainer, update: int, stage: str, metrics: dict[str, float]) -> None:
        """A row in the file and in every logger."""
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=update)
        if not trainer.is_global_zero:
            return
        assert self.rows is not None
        self.rows.append({"update": update, "stage": stage, **metrics})
        if set(self.rows[-1]) - set(self.columns):
            self._rewrite()
            return
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(self.rows[-1])

    def _rewrite(self) -> None:
        """The whole file, where rows are cut off or a new column appears."""
        assert self.rows is not None
        names = (name for row in self.rows for name in row)
        self.columns = list(dict.fromkeys(["update", "stage", *names]))
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """The sums of the row that is not full yet."""
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.sums, self.counts = dict(state_dict["sums"]), dict(state_dict["counts"])


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics file without their empty cells; none where there is no file.

    A last line without its end was being written when the process died, and is left out.
    """
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    return [{k: v for k, v in row.items() if v not in ("", None)} for row in csv.DictReader(whole)]
