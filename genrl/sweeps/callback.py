"""Notes where a sweep lies, for Hydra tells it to nobody else."""

import sys
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from genrl.sweeps.folder import FILE


class SweepCallback(Callback):
    """Writes ``multirun.yaml``, whichever the sweeper; Hydra builds it from ``hydra.callbacks``.

    Attributes:
        folder: of the last sweep that began in this process.
    """

    folder: ClassVar[Path | None] = None

    @classmethod
    def forget(cls) -> None:
        """No sweep has begun."""
        cls.folder = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called before any job."""
        _end_idle_workers()
        SweepCallback.folder = folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / FILE)


def _end_idle_workers() -> None:
    """joblib keeps its processes, as in a notebook, in the folder where they once began."""
    if loky := sys.modules.get("joblib.externals.loky"):
        loky.get_reusable_executor(reuse=True).shutdown(wait=True)
