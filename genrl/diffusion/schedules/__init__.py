"""Noise schedules: log-SNR as a function of time."""

from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule, schedules
from genrl.diffusion.schedules.cosine import CosineSchedule
from genrl.diffusion.schedules.discrete import DiscreteSchedule
from genrl.diffusion.schedules.edm import EdmSchedule
from genrl.diffusion.schedules.flow import FlowSchedule
from genrl.diffusion.schedules.laplace import LaplaceSchedule
from genrl.diffusion.schedules.learned import LearnedSchedule
from genrl.diffusion.schedules.linear import LinearSchedule
from genrl.diffusion.schedules.scaled_linear import ScaledLinearSchedule
from genrl.diffusion.schedules.shifted_cosine import ShiftedCosineSchedule
from genrl.diffusion.schedules.sigmoid import SigmoidSchedule
from genrl.diffusion.schedules.table import TableSchedule
from genrl.diffusion.schedules.vdm_linear import VdmLinearSchedule
from genrl.diffusion.schedules.zero_snr import ZeroSnrSchedule

__all__ = [
    "CosineSchedule",
    "DiscreteSchedule",
    "EdmSchedule",
    "FlowSchedule",
    "LaplaceSchedule",
    "LearnedSchedule",
    "LinearSchedule",
    "NoiseLevel",
    "NoiseSchedule",
    "ScaledLinearSchedule",
    "ShiftedCosineSchedule",
    "SigmoidSchedule",
    "TableSchedule",
    "VdmLinearSchedule",
    "ZeroSnrSchedule",
    "schedules",
]
