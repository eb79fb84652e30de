"""Objectives: what a student denoiser is trained for."""

from genrl.diffusion.objectives.base import Loss, Objective, Parts, objectives
from genrl.diffusion.objectives.denoising import DenoisingObjective
from genrl.diffusion.objectives.guided_distillation import GuidedDistillationObjective
from genrl.diffusion.objectives.progressive_distillation import ProgressiveDistillationObjective

__all__ = [
    "DenoisingObjective",
    "GuidedDistillationObjective",
    "Loss",
    "Objective",
    "Parts",
    "ProgressiveDistillationObjective",
    "objectives",
]
