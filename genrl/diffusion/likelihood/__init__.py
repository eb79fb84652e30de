"""Likelihood: decoders, the variational bound, the probability-flow ODE."""

from genrl.diffusion.likelihood.bound import decoder_nats, prior_nats, prior_variance
from genrl.diffusion.likelihood.decoders import (
    discretized_gaussian_log_prob,
    gaussian_log_prob,
    level_log_prob,
)
from genrl.diffusion.likelihood.estimates import (
    ContinuousTerms,
    GridTerms,
    continuous_terms,
    grid_terms,
)
from genrl.diffusion.likelihood.ode import flow_log_prob, flow_nats

__all__ = [
    "ContinuousTerms",
    "GridTerms",
    "continuous_terms",
    "decoder_nats",
    "discretized_gaussian_log_prob",
    "flow_log_prob",
    "flow_nats",
    "gaussian_log_prob",
    "grid_terms",
    "level_log_prob",
    "prior_nats",
    "prior_variance",
]
