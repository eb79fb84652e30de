"""Guidance: how a denoiser's predictions become one that follows a condition more strongly."""

from genrl.diffusion.guidance.apg import APGGuidance
from genrl.diffusion.guidance.autoguidance import Autoguidance
from genrl.diffusion.guidance.base import Guidance, Guide, guidances
from genrl.diffusion.guidance.cfg import ClassifierFreeGuidance
from genrl.diffusion.guidance.cfg_interval import CfgIntervalGuidance
from genrl.diffusion.guidance.cfg_plus_plus import CfgPlusPlusGuidance
from genrl.diffusion.guidance.cfg_rescale import CfgRescaleGuidance
from genrl.diffusion.guidance.classifier import ClassifierGuidance
from genrl.diffusion.guidance.none import NoGuidance
from genrl.diffusion.guidance.oscillating import OscillatingGuidance
from genrl.diffusion.guidance.reconstruction import ReconstructionGuidance
from genrl.diffusion.guidance.sources import ClassifierTraining, Logits, Sources

__all__ = [
    "APGGuidance",
    "Autoguidance",
    "CfgIntervalGuidance",
    "CfgPlusPlusGuidance",
    "CfgRescaleGuidance",
    "ClassifierFreeGuidance",
    "ClassifierGuidance",
    "ClassifierTraining",
    "Guidance",
    "Guide",
    "Logits",
    "NoGuidance",
    "OscillatingGuidance",
    "ReconstructionGuidance",
    "Sources",
    "guidances",
]
