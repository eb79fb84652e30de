"""One ``Trainer.fit`` with genrl's callbacks, checkpoints and messages, whatever is trained."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from genrl import processes
from genrl.callbacks import (
    MetricsCallback,
    ProgressCallback,
    RunContext,
    StageCallback,
    ToldToEnd,
    callbacks,
)
from genrl.callbacks.checkpoint_io import SafeCheckpointIO
from genrl.callbacks.loggers import build_loggers
from genrl.callbacks.media import MediaCallback
from genrl.callbacks.stages import StagesCallback
from genrl.config import instantiate
from genrl.endings import TERMINATED
from genrl.modules import StagedModule
from genrl.registry import ConfigurationError
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.tasks.build import Config
from genrl.tasks.device import accelerator
from genrl.tasks.launch import (
    check_precision,
    check_strategy,
    connect,
    is_lost,
    lost,
    outer_environment,
)
from genrl.tasks.sharded import ShardedStrategy

log = logging.getLogger(__name__)

Followers = list[StageCallback[Any]]


class Announcer:
    """Says things above the progress bar once there is one, and in the run's log."""

    def __init__(self) -> None:
        self.progress: ProgressCallback | None = None
        self.is_silent = False

    def __call__(self, text: str) -> None:
        """Say a line, in the first of several processes."""
        if self.is_silent:
            return
        log.info(text)
        if self.progress is not None:
            self.progress.say(text)


def build_followers(
    config: Config, context: RunContext, announcer: Announcer, first: Iterable[str] = ()
) -> Followers:
    """The callbacks of a run in the order in which they are called.

    Args:
        config: of the run.
        context: of the run.
        announcer: gets the progress callback.
        first: keys of callbacks that come right after the progress: averages, for others look at
            averaged weights. The checkpoint is the last one: it closes a stage.
    """
    built: Followers = [callbacks.build(config[key], context) for key in ("progress", *first)]
    built.append(MetricsCallback(context.folder.metrics, config["training"]["log_every"]))
    chosen = [config["evaluation"], *config["callbacks"].values(), config["checkpoint"]]
    built += [callbacks.build(choice, context) for choice in chosen]
    announcer.progress = next((f for f in built if isinstance(f, ProgressCallback)), None)
    return built


def build_trainer(
    config: Config, folder: RunFolder, followers: Followers, announcer: Announcer, **lengths: int
) -> Trainer:
    """Lightning's trainer of the config, with genrl's checkpoints, callbacks and loggers.

    Raises:
        ConfigurationError: if it refuses its settings, or accumulates gradients.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = dict(config["trainer"])
    settings["accelerator"] = accelerator(settings["accelerator"])
    check_strategy(settings.get("strategy"))
    check_precision(settings.get("precision"))
    if settings.get("strategy") == "fsdp":
        settings["strategy"] = ShardedStrategy()
    if settings.get("accumulate_grad_batches", 1) != 1:
        raise ConfigurationError(
            "trainer.accumulate_grad_batches is not supported: stages count updates by batches; "
            "give a larger training.batch_size"
        )
    loggers = build_loggers(config["logger"], folder, announcer)
    if loggers:
        # Before the checkpoint, which is the last one.
        followers.insert(-1, MediaCallback(folder))
    environment = outer_environment()
    with warnings.catch_warnings():
        # The device is chosen: no advice to take the other.
        warnings.filterwarnings("ignore", "GPU available but not used")
        trainer = instantiate(
            settings,
            Trainer,
            **lengths,
            logger=loggers or False,
            callbacks=[StagesCallback(followers, str(folder.last))],
            plugins=[SafeCheckpointIO(), *([environment] if environment is not None else [])],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=str(folder.path),
        )
    announcer.is_silent = not trainer.is_global_zero
    return trainer


def fit(
    trainer: Trainer,
    start: Callable[[], StagedModule],
    loader: Any,
    folder: RunFolder,
    announcer: Announcer,
    *,
    checkpoint: Path | None = None,
) -> None:
    """Train, then write the report.

    Args:
        trainer: of `build_trainer`.
        start: gives the module to train; called with all processes connected and the progress bar
            open.
        loader: sized and stateful.
        folder: of the run.
        announcer: whose progress bar is closed in the end.
        checkpoint: to go on from.

    Raises:
        ConfigurationError: if another process trains this run.
        LostProcessError: if one of the run's processes has died.
        KeyboardInterrupt: on Ctrl-C; it says how to go on.
        SystemExit: with `TERMINATED` after SIGTERM; a checkpoint is written before, but not in an
            evaluation.
    """
    # Numbers below 1e-38 are slow on a CPU and mean nothing here.
    torch.set_flush_denormal(True)
    command = f"genrl resume {folder.path}"
    lock = folder.locked() if trainer.is_global_zero else contextlib.nullcontext()
    try:
        with lock, warnings.catch_warnings():
            # Our loaders keep small sets in memory; Lightning would advise worker processes.
            warnings.filterwarnings("ignore", module="lightning")
            # Which parameters a network leaves out depends on the stage.
            warnings.filterwarnings("ignore", "find_unused_parameters=True was specified")
            # Its output may be a view, for a denoiser changes nothing in place.
            warnings.filterwarnings("ignore", "FSDP2-wrapped module")
            connect(trainer, command)
            module = start()
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SIGTERMException as error:
        announcer(
            f"terminated after update {module.updates}, which {folder.last} holds; "
            f"go on with: {command}"
        )
        raise SystemExit(TERMINATED) from error
    except ToldToEnd as error:
        announcer(
            f"terminated in the evaluation after update {module.updates}; go on with: {command}"
        )
        raise SystemExit(TERMINATED) from error
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit without a word.
        raise KeyboardInterrupt(
            f"interrupted at update {module.updates}; go on with: {command}"
        ) from error
    except RuntimeError as error:
        if processes.are_several() and is_lost(error):
            raise lost(command, " ".join(str(error).split())[:200]) from error
        raise
    finally:
        if announcer.progress is not None:
            announcer.progress.stop()
    if trainer.is_global_zero:
        write_report([folder.path], folder.report)
