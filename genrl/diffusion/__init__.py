"""Diffusion: schedules, parameterizations, weightings, samplers and what they are joined to.

Every component is a plain torch class. Importing this package registers all of them.
"""

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.conditioning import bind
from genrl.diffusion.denoiser import ConditionalDenoise, Denoiser
from genrl.diffusion.distillation import guided_target, progressive_target
from genrl.diffusion.drawing import SampleDrawer
from genrl.diffusion.guidance import (
    ClassifierFreeGuidance,
    Guidance,
    NoGuidance,
)
from genrl.diffusion.ladders import (
    Ladder,
    NoLadder,
    Position,
    ProgressiveLadder,
    Stage,
    position,
)
from genrl.diffusion.noise import generators_for, randn
from genrl.diffusion.objectives import (
    DenoisingObjective,
    GuidedDistillationObjective,
    Loss,
    Objective,
    Parts,
    ProgressiveDistillationObjective,
)
from genrl.diffusion.parameterizations import (
    BothParameterization,
    EdmParameterization,
    EpsParameterization,
    FlowVelocityParameterization,
    Parameterization,
    VParameterization,
    XParameterization,
)
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import (
    AncestralSampler,
    DDIMSampler,
    Denoise,
    DPMSolverPP2MSampler,
    EulerSampler,
    HeunSampler,
    Sampler,
    SamplingState,
    StochasticDistilledSampler,
    Trajectory,
)
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LinearSchedule,
    NoiseLevel,
    NoiseSchedule,
    VdmLinearSchedule,
)
from genrl.diffusion.thresholding import (
    DynamicThresholding,
    NoThresholding,
    StaticThresholding,
    Thresholding,
)
from genrl.diffusion.time_grids import (
    KarrasTimeGrid,
    LogSnrTimeGrid,
    QuadraticTimeGrid,
    TimeGrid,
    UniformTimeGrid,
)
from genrl.diffusion.time_samplers import (
    LogitNormalTimeSampler,
    LognormalTimeSampler,
    LowDiscrepancyTimeSampler,
    TimeSampler,
    UniformTimeSampler,
)
from genrl.diffusion.transitions import ddim_step, diffuse
from genrl.diffusion.weightings import (
    EdmWeighting,
    LearnedUncertaintyWeighting,
    MinSnrWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
    VelocityWeighting,
    VlbWeighting,
    Weighting,
)

__all__ = [
    "AncestralSampler",
    "BothParameterization",
    "ClassifierFreeGuidance",
    "ConditionalDenoise",
    "CosineSchedule",
    "DDIMSampler",
    "DPMSolverPP2MSampler",
    "Denoise",
    "Denoiser",
    "DenoisingObjective",
    "DynamicThresholding",
    "EdmParameterization",
    "EdmSchedule",
    "EdmWeighting",
    "EpsParameterization",
    "EulerSampler",
    "FlowSchedule",
    "FlowVelocityParameterization",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "Guidance",
    "GuidedDistillationObjective",
    "HeunSampler",
    "KarrasTimeGrid",
    "Ladder",
    "LearnedUncertaintyWeighting",
    "LinearSchedule",
    "LogSnrTimeGrid",
    "LogitNormalTimeSampler",
    "LognormalTimeSampler",
    "Loss",
    "LowDiscrepancyTimeSampler",
    "MinSnrWeighting",
    "NoGuidance",
    "NoLadder",
    "NoThresholding",
    "NoiseLevel",
    "NoiseSchedule",
    "Objective",
    "Parameterization",
    "Parts",
    "Position",
    "Prediction",
    "ProgressiveDistillationObjective",
    "ProgressiveLadder",
    "QuadraticTimeGrid",
    "SampleDrawer",
    "Sampler",
    "SamplingState",
    "SnrPlusOneWeighting",
    "SnrWeighting",
    "Stage",
    "StaticThresholding",
    "StochasticDistilledSampler",
    "Thresholding",
    "TimeGrid",
    "TimeSampler",
    "Trajectory",
    "TruncatedSnrWeighting",
    "UniformTimeGrid",
    "UniformTimeSampler",
    "UniformWeighting",
    "VParameterization",
    "VdmLinearSchedule",
    "VelocityWeighting",
    "VlbWeighting",
    "Weighting",
    "XParameterization",
    "bind",
    "ddim_step",
    "diffuse",
    "generators_for",
    "guided_target",
    "position",
    "progressive_target",
    "randn",
]
