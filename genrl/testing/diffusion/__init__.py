"""Proofs of diffusion components against closed forms."""

from genrl.testing.diffusion.figures import CheckError, Figures
from genrl.testing.diffusion.guidance import check_guidance
from genrl.testing.diffusion.oracle import Oracle
from genrl.testing.diffusion.parameterizations import IdealNetwork, check_parameterization
from genrl.testing.diffusion.parts import (
    check_thresholding,
    check_time_grid,
    check_time_sampler,
    check_weighting,
)
from genrl.testing.diffusion.samplers import check_sampler
from genrl.testing.diffusion.schedules import check_schedule

__all__ = [
    "CheckError",
    "Figures",
    "IdealNetwork",
    "Oracle",
    "check_guidance",
    "check_parameterization",
    "check_sampler",
    "check_schedule",
    "check_thresholding",
    "check_time_grid",
    "check_time_sampler",
    "check_weighting",
]
