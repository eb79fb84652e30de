"""Noise schedules: log-SNR as a function of time."""

from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule, schedules
from genrl.diffusion.schedules.cosine import CosineSchedule
from genrl.diffusion.schedules.edm import EdmSchedule
from genrl.diffusion.schedules.flow import FlowSchedule
from genrl.diffusion.schedules.learned import LearnedSchedule
from genrl.diffusion.schedules.linear import LinearSchedule
from genrl.diffusion.schedules.table import TableSchedule
from genrl.diffusion.schedules.vdm_linear import VdmLinearSchedule

__all__ = [
    "CosineSchedule",
    "EdmSchedule",
    "FlowSchedule",
    "LearnedSchedule",
    "LinearSchedule",
    "NoiseLevel",
    "NoiseSchedule",
    "TableSchedule",
    "VdmLinearSchedule",
    "schedules",
]
