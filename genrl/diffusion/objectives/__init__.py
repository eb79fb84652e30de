"""Objectives: what a student denoiser is trained for."""

from genrl.diffusion.objectives.base import Loss, Objective, Parts, objectives
from genrl.diffusion.objectives.consistency_distillation import ConsistencyDistillationObjective
from genrl.diffusion.objectives.consistency_tuning import ConsistencyTuningObjective
from genrl.diffusion.objectives.denoising import DenoisingObjective
from genrl.diffusion.objectives.guided_distillation import GuidedDistillationObjective
from genrl.diffusion.objectives.progressive_distillation import ProgressiveDistillationObjective
from genrl.diffusion.objectives.tract import TractObjective
from genrl.diffusion.objectives.variational import VariationalObjective

__all__ = [
    "ConsistencyDistillationObjective",
    "ConsistencyTuningObjective",
    "DenoisingObjective",
    "GuidedDistillationObjective",
    "Loss",
    "Objective",
    "Parts",
    "ProgressiveDistillationObjective",
    "TractObjective",
    "VariationalObjective",
    "objectives",
]
