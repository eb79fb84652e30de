"""Policies."""

from genrl.rl.policies.base import Policy, StochasticPolicy, policies
from genrl.rl.policies.categorical import CategoricalPolicy
from genrl.rl.policies.deterministic import DeterministicPolicy
from genrl.rl.policies.diffusion import DiffusionPolicy
from genrl.rl.policies.flow import FlowPolicy
from genrl.rl.policies.gaussian import GaussianPolicy
from genrl.rl.policies.mixture import MixturePolicy
from genrl.rl.policies.recurrent import RecurrentPolicy
from genrl.rl.policies.tanh_gaussian import TanhGaussianPolicy

__all__ = [
    "CategoricalPolicy",
    "DeterministicPolicy",
    "DiffusionPolicy",
    "FlowPolicy",
    "GaussianPolicy",
    "MixturePolicy",
    "Policy",
    "RecurrentPolicy",
    "StochasticPolicy",
    "TanhGaussianPolicy",
    "policies",
]
