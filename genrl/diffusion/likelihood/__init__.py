"""Likelihood: decoders, the variational bound, the probability-flow ODE."""

from genrl.diffusion.likelihood.bound import decoder_nats, prior_nats, prior_variance
from genrl.diffusion.likelihood.decoders import (
    discretized_gaussian_log_prob,
    gaussian_log_prob,
    level_log_prob,
)

__all__ = [
    "decoder_nats",
    "discretized_gaussian_log_prob",
    "gaussian_log_prob",
    "level_log_prob",
    "prior_nats",
    "prior_variance",
]
