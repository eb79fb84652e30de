"""``genrl train`` and ``genrl resume``: what Hydra composes is trained; ends of runs and sweeps."""

import argparse
import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from genrl.complaints import check_words, explain
from genrl.config import plain, register_configs, root_config
from genrl.endings import TERMINATED
from genrl.options import config_names
from genrl.registry import ConfigurationError
from genrl.sweeps import JobRecord, SweepCallback, is_sweep, records, resume_words, sweep_job
from genrl.sweeps import register as register_sweeper
from genrl.sweeps.folder import quoted


def train(words: list[str]) -> int:
    """Compose the config with Hydra, then train in Hydra's output folder, or run a sweep's jobs."""
    if any(word.startswith("experiment=") for word in words):
        raise ConfigurationError("write +experiment=... (with the plus)")
    register_configs()
    register_sweeper()
    flags = _check_flags(words)
    check_words(words, config_names())
    if flags.multirun or "hydra.mode=MULTIRUN" in words:
        with _told_how_to_go_on():
            _call_hydra(words, sweep_job)
        return _end_of_sweep()

    failures: list[Exception] = []
    original = sys.argv

    def job(config: DictConfig) -> None:
        # Hydra reads sys.argv; Lightning's DDP launcher runs it again: give it back.
        sys.argv = original
        from genrl.tasks.launch import tell_folder
        from genrl.tasks.train import train as train_task

        path = Path(HydraConfig.get().runtime.output_dir)
        tell_folder(path)
        try:
            folder = train_task(plain(config), path)
        except Exception as error:
            # Raised again outside of Hydra, which would print a traceback of its own.
            failures.append(error)
            _remove_traces(path)
        else:
            _done(folder.path, folder.report)

    _call_hydra(words + _told_by_the_first_process(), job)
    if failures:
        raise failures[0]
    return 0


def _call_hydra(words: list[str], task: TaskFunction) -> None:
    """Hydra composes and calls the task; its complaints become ours."""
    original = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [original[0], *words]
    try:
        root = root_config(words)
        hydra.main(version_base="1.3", config_path="pkg://genrl.conf", config_name=root)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(explain(error, config_names())) from error
    finally:
        sys.argv = original
        GlobalHydra.instance().clear()


@contextlib.contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    """SIGTERM and Ctrl-C end a sweep as they end a run: the job that runs writes its checkpoint."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    SweepCallback.forget()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        if SweepCallback.folder is not None:
            line = f"the sweep is interrupted; go on with: genrl resume {SweepCallback.folder}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(line) from error
            print(f"genrl: {line}", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_of_sweep() -> int:
    """Say which jobs failed; the exit code of the first one."""
    path = SweepCallback.folder
    if path is None:  # only the config was printed
        return 0
    count = len(records(path))
    failed = unfinished(path)
    if len(failed) < count:
        print(f"compare them: genrl report {path}", flush=True)
    if not failed:
        return 0
    print(
        f"genrl: {len(failed)} of {count} jobs failed; try them again: genrl resume {path}",
        file=sys.stderr,
    )
    return max(failed[0].exit_code or 1, 1)


def unfinished(path: Path) -> list[JobRecord]:
    """The jobs of a sweep that failed or were interrupted, which are named."""
    failed = {job: record for job, record in records(path).items() if not record.is_finished}
    for job, record in failed.items():
        print(f"genrl: {job}: {record.reason or 'it has not ended'}", file=sys.stderr)
    return list(failed.values())


def _done(path: Path, report: Path) -> None:
    """One of several processes says it for all."""
    from genrl import processes

    if processes.rank() == 0:
        print(f"done: {path}\nopen {report}", flush=True)


def _told_by_the_first_process() -> list[str]:
    """Where several processes were started together, the others write into the folder of one."""
    if not {"TORCHELASTIC_RUN_ID", "SLURM_NTASKS"} & set(os.environ):
        return []
    from genrl.tasks.launch import heard_folder

    path = heard_folder()
    return [] if path is None else [f"hydra.run.dir={quoted(path)}", "hydra.output_subdir=null"]


def _remove_traces(path: Path) -> None:
    """Hydra's own files where no run came to be: a folder without a run only confuses."""
    if (path / "config.yaml").exists() or int(os.environ.get("RANK", 0)):
        return
    shutil.rmtree(path / ".hydra", ignore_errors=True)
    (path / "genrl.log").unlink(missing_ok=True)
    here = Path.cwd()
    for folder in (path, *path.parents):
        is_ours = folder == path or here in folder.parents
        if not is_ours or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def _check_flags(words: Sequence[str]) -> argparse.Namespace:
    """Hydra's own parser would print its usage, of a program that nobody called."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            flags = get_args_parser().parse_args(words)
    except SystemExit as error:
        if not error.code:
            raise
        reason = complaint.getvalue().splitlines()[-1].partition("error: ")[2]
        raise ConfigurationError(f"{reason} (genrl train --help shows examples)") from error
    if flags.experimental_rerun:
        raise ConfigurationError("--experimental-rerun reads a pickle, which could run code")
    return flags


def resume(words: list[str]) -> int:
    """Go on with a run, or with every job of a sweep."""
    devices = [word for word in words if "=" in word]
    paths = [Path(word) for word in words if "=" not in word]
    if len(paths) != 1:
        raise ConfigurationError("usage: genrl resume RUN")
    (path,) = paths
    if is_sweep(path):
        if devices:
            raise ConfigurationError(f"a sweep goes on as it began: leave out {devices[0]}")
        return train(resume_words(path))
    from genrl.tasks.train import resume as resume_task

    folder = resume_task(path, dict(word.split("=", 1) for word in devices))
    _done(folder.path, folder.report)
    return 0
