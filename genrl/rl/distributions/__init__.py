"""Distributions over actions."""

from genrl.rl.distributions.base import Distribution
from genrl.rl.distributions.bounds import Bounds
from genrl.rl.distributions.categorical import Categorical
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.distributions.dirac import Dirac
from genrl.rl.distributions.gaussian_mixture import GaussianMixture
from genrl.rl.distributions.tanh_gaussian import TanhGaussian

__all__ = [
    "Bounds",
    "Categorical",
    "DiagGaussian",
    "Dirac",
    "Distribution",
    "GaussianMixture",
    "TanhGaussian",
]
