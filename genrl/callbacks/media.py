"""Sends a run's config, pictures and videos to its loggers; numbers come from where they arise."""

import io
import os
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from lightning import Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from PIL import Image

from genrl.callbacks.base import StageCallback
from genrl.diffusion import Stage
from genrl.modules import StagedModule
from genrl.run_folder import RunFolder

_GIF_FRAMES = 60
_GIF_SIZE = 200


class MediaCallback(StageCallback[StagedModule]):
    """Whatever another callback has drawn since the last look goes along to the loggers.

    Args:
        folder: of the run, with ``samples/*.png`` and ``videos/*.mp4``.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.folders = {folder.samples: ".png", folder.path / "videos": ".mp4"}
        self.seen: dict[Path, int] | None = None

    def on_stage_start(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Send the config; the files that a resumed run finds were sent before."""
        if self.seen is None:
            self.seen = self._files()
            for logger in trainer.loggers if trainer.is_global_zero else ():
                logger.log_hyperparams(self.folder.config())

    def on_update_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Send what is new."""
        self._send(trainer, module)

    def on_stage_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Send what the evaluation drew."""
        self._send(trainer, module)

    def _send(self, trainer: Trainer, module: StagedModule) -> None:
        if not trainer.loggers or not trainer.is_global_zero:
            return
        found = self._files()
        for path, modified in found.items():
            if self.seen is None or self.seen.get(path) != modified:
                for logger in trainer.loggers:
                    logger.log_file(path, module.updates)  # type: ignore[attr-defined]
        self.seen = found

    def _files(self) -> dict[Path, int]:
        """The finished files with their times in nanoseconds, by name."""
        found = {}
        for folder, suffix in self.folders.items():
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.endswith(suffix) and not entry.name.startswith("."):
                            found[Path(entry.path)] = entry.stat().st_mtime_ns
        return dict(sorted(found.items()))


def send_picture(logger: Logger, path: Path, step: int) -> None:
    """A PNG to a logger of pictures; nothing to others."""
    if isinstance(logger, WandbLogger):
        logger.log_image(path.stem, [str(path)], step=step)
    elif isinstance(logger, TensorBoardLogger):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        logger.experiment.add_image(path.stem, pixels, step, dataformats="HWC")


def send_video(logger: Logger, path: Path, step: int) -> None:
    """An MP4 to a logger of videos; TensorBoard, which knows none, gets a small moving picture."""
    if isinstance(logger, WandbLogger):
        logger.log_video(path.stem, [str(path)], step=step)
    elif isinstance(logger, TensorBoardLogger):
        _add_animation(logger, path, step)


def _add_animation(logger: TensorBoardLogger, path: Path, step: int) -> None:
    from tensorboard.compat.proto.summary_pb2 import Summary

    frames = [Image.fromarray(frame) for frame in imageio.mimread(path, memtest=False)]
    chosen = frames[:: -(-len(frames) // _GIF_FRAMES)]
    for frame in chosen:
        frame.thumbnail((_GIF_SIZE, _GIF_SIZE))
    content = io.BytesIO()
    chosen[0].save(content, "GIF", save_all=True, append_images=chosen[1:], duration=60, loop=0)
    width, height = chosen[0].size
    image: Any = Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=content.getvalue()
    )
    summary: Any = Summary(value=[Summary.Value(tag=path.stem, image=image)])
    logger.experiment._get_file_writer().add_summary(summary, step)
