"""Guidance: how conditional and unconditional predictions are combined."""

from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.cfg import ClassifierFreeGuidance
from genrl.diffusion.guidance.none import NoGuidance

__all__ = ["ClassifierFreeGuidance", "Guidance", "NoGuidance", "guidances"]
