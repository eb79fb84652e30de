"""One job of a sweep, as a process of its own.

A process for each job, whoever launches it: a job that dies of a signal takes no other along, one
of several devices may start processes of its own, and none inherits what another left in memory.
A sweep that is killed ends its jobs, which write their checkpoints; jobs of submitit, which may be
on another machine, outlive the process that submitted them.

The same call begins a job, goes on with it, or leaves it as it is where it is finished, so that to
go on with a sweep is to run it again.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from genrl.endings import FAILURE_FILE, TERMINATED
from genrl.registry import ConfigurationError
from genrl.sweeps.folder import quoted
from genrl.sweeps.objective import quality
from genrl.sweeps.parent import end_with, end_with_the_pool
from genrl.sweeps.record import JobRecord

_PATIENCE = 20.0  # seconds that Ctrl-C leaves a job to end by itself


def sweep_job(config: DictConfig) -> float | None:
    """What Hydra's launchers call for each job, in whichever process they like.

    Returns:
        The quality of its run, for sweepers that search; None where it has none.

    Raises:
        ConfigurationError: if its folder holds a job of another sweep.
    """
    hydra = HydraConfig.get()
    path, overrides = Path(hydra.runtime.output_dir), [str(word) for word in hydra.overrides.task]
    before = JobRecord.read(path)
    if before is not None and before.overrides != overrides:
        raise ConfigurationError(
            f"{path} holds a job of another sweep ({' '.join(before.overrides)}): "
            "choose another hydra.sweep.dir"
        )
    if before is None or not before.is_finished:
        flags = [
            f"--config-dir={source.path}"
            for source in hydra.runtime.config_sources
            if source.provider == "command-line"
        ]
        record = _run(path, overrides, flags, hydra.runtime.cwd)
        if not record.is_finished:
            return None
    return quality(path)


def _run(path: Path, overrides: list[str], flags: list[str], cwd: str) -> JobRecord:
    words = ["train", *flags, *overrides, f"hydra.run.dir={quoted(path)}"]
    if (path / "config.yaml").is_file():
        words = ["resume", str(path)]
    JobRecord(overrides).write(path)
    failure = path / ".failure"
    code = _exit_code(words, {FAILURE_FILE: str(failure)}, cwd)
    reason = failure.read_text() if failure.is_file() else _reason(code)
    failure.unlink(missing_ok=True)
    record = JobRecord(overrides, code, None if code == 0 else reason)
    record.write(path)
    return record


def _exit_code(words: Sequence[str], environment: Mapping[str, str], cwd: str) -> int:
    """Of a process of ``genrl``; our end, of whatever kind, ends it too, checkpoint written."""
    end_with_the_pool()
    process = subprocess.Popen(
        [sys.executable, "-m", "genrl", *words],
        # A folder of somebody else may be the current one: no module is imported from there.
        env={**os.environ, **environment, "PYTHONSAFEPATH": "1"},
        cwd=cwd,
        preexec_fn=functools.partial(_before_it_begins, os.getpid()),
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has sent it to the job too.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _before_it_begins(parent: int) -> None:
    # SLURM sends it to every process of a job; only submitit, in ours, knows what to do.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    end_with(parent)


def _reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    if code == TERMINATED:
        return "terminated; its checkpoint is written"
    return f"it crashed (exit code {code})"
