"""log π(a|s) of raw transitions under the policy that learns."""

from collections.abc import Callable

import torch
from torch import Tensor

from genrl.rl.algorithms.base import Algorithm
from genrl.rl.algorithms.on_policy import OnPolicyAlgorithm
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.transitions import Transitions

LogProb = Callable[[Transitions], Tensor]


def policy_log_prob(algorithm: Algorithm, normalizer: ObservationNormalizer) -> LogProb | None:
    """A function from transitions of any leading shape to log π(a|s), of that shape.

    None where the learner's steps come from other policies than the present one (off-policy
    algorithms), or where their density depends on a memory.

    Args:
        algorithm: whose policy it is.
        normalizer: of the policy's observations.
    """
    if not isinstance(algorithm, OnPolicyAlgorithm) or algorithm.policy.memory_size:
        return None
    policy = algorithm.policy

    @torch.no_grad()
    def log_prob(steps: Transitions) -> Tensor:
        device = next(policy.parameters()).device
        obs = normalizer(steps.obs.to(device))
        density: Tensor = policy(obs).log_prob(steps.action.to(device))
        return density.to(steps.obs.device)

    return log_prob
