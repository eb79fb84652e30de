"""One torch thread and no denormals: beside another busy process, two are slower than one."""

import logging
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "agg")

import pytest
import torch

from genrl import registry as registry_module
from genrl.registry import Registry

collect_ignore = ["plugin_example"]  # it runs where it is installed: test_plugin_example.py

torch.set_num_threads(1)
torch.set_flush_denormal(True)
# If the first backward pass of a process is one of fake tensors, its forks can have none.
torch.zeros((), requires_grad=True).backward()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    """A CUDA device that convolves in float32, as the CPU does, and not in TF32."""
    convolution = torch.backends.cudnn.conv
    before = convolution.fp32_precision
    convolution.fp32_precision = "ieee"
    yield torch.device("cuda")
    convolution.fp32_precision = before


@pytest.fixture
def new_registry() -> Iterator[Registry[Any]]:
    """A registry that exists during a test only."""
    registry: Registry[Any] = Registry(f"thing_{uuid.uuid4().hex}")
    yield registry
    del registry_module._REGISTRIES[registry.kind]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, to fill; skipped where mounting is not permitted."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _no_log_file_of_another_test() -> Iterator[None]:
    """Hydra's job logging stays in the process: take it away with the run's folder."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
