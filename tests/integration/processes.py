"""Real processes of the command line, and real kills."""

import os
import signal
import subprocess
import sys
from pathlib import Path

KILLABLE = Path(__file__).with_name("killable.py")


def genrl(*words: str, kill: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command; ``kill``, such as ``7:update``, ends it by SIGKILL after that update."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"GENRL_KILL": kill} if kill else {})
    return subprocess.run(
        [sys.executable, str(KILLABLE), *words],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def finished(result: subprocess.CompletedProcess[str]) -> str:
    """What it said on standard error; it must have succeeded."""
    assert result.returncode == 0, result.stderr
    return result.stderr


def killed(result: subprocess.CompletedProcess[str]) -> None:
    """It must have died of the kill, of nothing else."""
    assert result.returncode == -signal.SIGKILL, result.stderr
