"""Samplers: how noise becomes data."""

from genrl.diffusion.samplers.ancestral import AncestralSampler
from genrl.diffusion.samplers.base import Denoise, Sampler, SamplingState, Trajectory, samplers
from genrl.diffusion.samplers.consistency import ConsistencySampler
from genrl.diffusion.samplers.ddim import DDIMSampler
from genrl.diffusion.samplers.deis import DEISSampler
from genrl.diffusion.samplers.dpm_solver_pp_2m import DPMSolverPP2MSampler
from genrl.diffusion.samplers.dpm_solver_pp_3m import DPMSolverPP3MSampler
from genrl.diffusion.samplers.dpm_solver_pp_sde import DPMSolverPPSDESampler
from genrl.diffusion.samplers.euler import EulerSampler
from genrl.diffusion.samplers.ggdm import GgdmSampler
from genrl.diffusion.samplers.heun import HeunSampler
from genrl.diffusion.samplers.ipndm import IPNDMSampler
from genrl.diffusion.samplers.lms import LMSSampler
from genrl.diffusion.samplers.predictor_corrector import PredictorCorrectorSampler
from genrl.diffusion.samplers.sde import SDESampler
from genrl.diffusion.samplers.stochastic_distilled import StochasticDistilledSampler
from genrl.diffusion.samplers.unipc import UniPCSampler

__all__ = [
    "AncestralSampler",
    "ConsistencySampler",
    "DDIMSampler",
    "DEISSampler",
    "DPMSolverPP2MSampler",
    "DPMSolverPP3MSampler",
    "DPMSolverPPSDESampler",
    "Denoise",
    "EulerSampler",
    "GgdmSampler",
    "HeunSampler",
    "IPNDMSampler",
    "LMSSampler",
    "PredictorCorrectorSampler",
    "SDESampler",
    "Sampler",
    "SamplingState",
    "StochasticDistilledSampler",
    "Trajectory",
    "UniPCSampler",
    "samplers",
]
