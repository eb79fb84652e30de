"""A job does not outlive its sweep, however that ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process")

# The interpreter that the job asks for is a script that notes its number and waits.
JOB = """
import sys
from genrl.sweeps.job import _exit_code
def job(program, number):
    sys.executable = program
    _exit_code([number], {}, ".")
"""
BY_ITSELF = "job(program, '0')"
BY_JOBLIB = """
import joblib
joblib.Parallel(n_jobs=2)(joblib.delayed(job)(program, number) for number in "01")
"""


@pytest.mark.parametrize(
    ("sweep", "count"), [(BY_ITSELF, 1), pytest.param(BY_JOBLIB, 2, marks=pytest.mark.slow)]
)
def test_a_job_ends_with_a_sweep_that_is_killed(sweep: str, count: int, tmp_path: Path) -> None:
    program = tmp_path / "program"
    trap = 'trap "echo ended > ended$3; exit" TERM'
    program.write_text(f"#!/bin/sh\n{trap}\necho $$ > begun$3\nwhile :; do sleep 0.1; done\n")
    program.chmod(0o755)
    code = f"{JOB}program = {str(program)!r}\n{sweep}"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    while len(list(tmp_path.glob("begun*"))) < count:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while len(list(tmp_path.glob("ended*"))) < count:
        time.sleep(0.05)
