"""Which device a task runs on."""

import torch

from genrl.registry import ConfigurationError


def accelerator(device: str) -> str:
    """Lightning's name of a device: ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        ConfigurationError: if CUDA is asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    name = {"auto": "gpu" if has_cuda else "cpu", "cuda": "gpu"}.get(device, device)
    if name not in ("cpu", "gpu"):
        raise ConfigurationError(f"device '{device}' is none of: auto, cpu, cuda")
    if name == "gpu" and not has_cuda:
        raise ConfigurationError(
            "there is no CUDA device here: give trainer=cpu, or device=auto to take what is there"
        )
    return name


def best_device(device: str) -> torch.device:
    """The torch device of the same name."""
    return torch.device("cuda" if accelerator(device) == "gpu" else "cpu")
