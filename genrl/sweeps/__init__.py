"""Sweeps: many runs of one command, each in a process and a folder of its own."""

from genrl.sweeps.callback import SweepCallback
from genrl.sweeps.folder import is_sweep, resume_words, runs
from genrl.sweeps.job import sweep_job
from genrl.sweeps.optuna_sweeper import register
from genrl.sweeps.record import JobRecord, records

__all__ = [
    "JobRecord",
    "SweepCallback",
    "is_sweep",
    "records",
    "register",
    "resume_words",
    "runs",
    "sweep_job",
]
