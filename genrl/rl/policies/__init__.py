"""Policies."""

from genrl.rl.policies.base import Policy, StochasticPolicy, policies

__all__ = ["Policy", "StochasticPolicy", "policies"]
