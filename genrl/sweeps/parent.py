"""Processes that end with the one that began them, even where that one is killed.

Linux sends a signal then (``prctl``, PR_SET_PDEATHSIG); elsewhere a process goes on by itself.
"""

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with(parent: int) -> None:
    """SIGTERM will come when the process ``parent``, which began this one, ends, or comes now."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before the call
        os.kill(os.getpid(), signal.SIGTERM)


def end_with_the_pool() -> None:
    """`end_with` for a worker of a pool, such as joblib's; no other process is touched."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with(parent.pid)
