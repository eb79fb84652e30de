"""Diffusion: schedules, parameterizations, weightings, samplers and what they are joined to.

Every component is a plain torch class. Importing this package registers all of them.
"""

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.denoiser import ConditionalDenoise, Denoiser
from genrl.diffusion.noise import randn
from genrl.diffusion.parameterizations import (
    BothParameterization,
    EdmParameterization,
    EpsParameterization,
    FlowVelocityParameterization,
    Parameterization,
    VParameterization,
    XParameterization,
    parameterizations,
)
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LinearSchedule,
    NoiseLevel,
    NoiseSchedule,
    VdmLinearSchedule,
    schedules,
)
from genrl.diffusion.time_grids import (
    KarrasTimeGrid,
    LogSnrTimeGrid,
    QuadraticTimeGrid,
    TimeGrid,
    UniformTimeGrid,
    time_grids,
)
from genrl.diffusion.time_samplers import (
    LogitNormalTimeSampler,
    LognormalTimeSampler,
    LowDiscrepancyTimeSampler,
    TimeSampler,
    UniformTimeSampler,
    time_samplers,
)
from genrl.diffusion.weightings import (
    EdmWeighting,
    MinSnrWeighting,
    SnrPlusOneWeighting,
    SnrWeighting,
    TruncatedSnrWeighting,
    UniformWeighting,
    VelocityWeighting,
    VlbWeighting,
    Weighting,
    weightings,
)

__all__ = [
    "BothParameterization",
    "ConditionalDenoise",
    "CosineSchedule",
    "Denoiser",
    "EdmParameterization",
    "EdmSchedule",
    "EdmWeighting",
    "EpsParameterization",
    "FlowSchedule",
    "FlowVelocityParameterization",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "KarrasTimeGrid",
    "LinearSchedule",
    "LogSnrTimeGrid",
    "LogitNormalTimeSampler",
    "LognormalTimeSampler",
    "LowDiscrepancyTimeSampler",
    "MinSnrWeighting",
    "NoiseLevel",
    "NoiseSchedule",
    "Parameterization",
    "Prediction",
    "QuadraticTimeGrid",
    "SnrPlusOneWeighting",
    "SnrWeighting",
    "TimeGrid",
    "TimeSampler",
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
    "parameterizations",
    "randn",
    "schedules",
    "time_grids",
    "time_samplers",
    "weightings",
]
