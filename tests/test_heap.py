"""What an update frees is there for the next one: counted in page faults, by the kernel."""

import subprocess
import sys

import pytest

# glibc's thresholds are set to the least that is theirs, whatever the imports made of them.
PROGRAM = """
import contextlib, ctypes, resource, torch
from genrl.cli import main
from genrl.heap import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for update in range(10):
        torch.ones(2**22 + 2**18 * update)  # 16 to 25 MiB: the hole of the one before is too small
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

mallopt = ctypes.CDLL(None).mallopt
mallopt(M_MMAP_THRESHOLD, 2**17)
mallopt(M_TRIM_THRESHOLD, 2**17)
before = faults()
with contextlib.suppress(SystemExit):
    {}
faults()
print(before, faults())
"""
PAGES = 256 * sum(range(16, 26))  # of the tensors of ten updates


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
@pytest.mark.parametrize("what", ["keep_freed_memory()", "main(['list', 'sampler'])"])
def test_the_memory_of_an_update_is_kept_for_the_next_one(what: str) -> None:
    """By the function, and by a command for what it runs."""
    command = [sys.executable, "-c", PROGRAM.format(what)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True)
    before, after = map(int, printed.stdout.splitlines()[-1].split())
    assert before > 0.9 * PAGES
    assert after < 0.1 * PAGES
