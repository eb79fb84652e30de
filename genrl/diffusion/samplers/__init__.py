"""Samplers: how noise becomes data."""

from genrl.diffusion.samplers.ancestral import AncestralSampler
from genrl.diffusion.samplers.base import Denoise, Sampler, SamplingState, Trajectory, samplers
from genrl.diffusion.samplers.consistency import ConsistencySampler
from genrl.diffusion.samplers.ddim import DDIMSampler
from genrl.diffusion.samplers.dpm_solver_pp_2m import DPMSolverPP2MSampler
from genrl.diffusion.samplers.euler import EulerSampler
from genrl.diffusion.samplers.heun import HeunSampler
from genrl.diffusion.samplers.stochastic_distilled import StochasticDistilledSampler

__all__ = [
    "AncestralSampler",
    "ConsistencySampler",
    "DDIMSampler",
    "DPMSolverPP2MSampler",
    "Denoise",
    "EulerSampler",
    "HeunSampler",
    "Sampler",
    "SamplingState",
    "StochasticDistilledSampler",
    "Trajectory",
    "samplers",
]
