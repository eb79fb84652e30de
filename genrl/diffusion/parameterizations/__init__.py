"""Parameterizations: what the network's output means."""

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.parameterizations.both import BothParameterization
from genrl.diffusion.parameterizations.edm import EdmParameterization
from genrl.diffusion.parameterizations.eps import EpsParameterization
from genrl.diffusion.parameterizations.flow_velocity import FlowVelocityParameterization
from genrl.diffusion.parameterizations.v import VParameterization
from genrl.diffusion.parameterizations.x import XParameterization

__all__ = [
    "BothParameterization",
    "EdmParameterization",
    "EpsParameterization",
    "FlowVelocityParameterization",
    "Parameterization",
    "VParameterization",
    "XParameterization",
    "parameterizations",
]
