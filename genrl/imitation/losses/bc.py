"""Behavioural cloning: do what the expert did.

likelihood: -E log π(a|s),  or what takes its place for policies without a density.
mse: E |mode π(·|s) - a|², the mean over the action's numbers; it averages several ways of acting.

Without the expert's actions (``inputs=state``) they are inferred first: the learner acts, an
inverse model learns a = g(s, s') from what it did, and labels the expert's states (Torabi et al.
2018, Behavioral Cloning from Observation). Pomerleau 1989.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from genrl.imitation.demonstrations.base import Demonstration
from genrl.imitation.inverse_dynamics import InverseDynamics
from genrl.imitation.losses.base import ImitationParts, SupervisedLoss, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy, StochasticPolicy
from genrl.rl.rewards import Metrics


@imitation_losses.register("bc")
class BC(SupervisedLoss):
    """Behavioural cloning: likelihood or squared error of the expert's actions.

    Args:
        parts: with demonstrations.
        kind: ``likelihood`` is the policy's own cloning loss; ``mse`` compares its mode.
        inputs: ``state`` ignores the expert's actions and infers them from its states.
        inverse_steps: of each environment and iteration, to learn the inverse model from; the first
            ones are random. Only with ``inputs=state``, like the next one.
        inverse_updates: of the inverse model in each iteration.

    Raises:
        ValueError: if a number is less than 1.
        ConfigurationError: if ``mse`` is asked for where actions are discrete.
    """

    def __init__(
        self,
        parts: ImitationParts,
        *,
        kind: Literal["likelihood", "mse"] = "likelihood",
        inputs: Literal["state_action", "state"] = "state_action",
        inverse_steps: int = 1000,
        inverse_updates: int = 500,
    ) -> None:
        super().__init__(parts)
        if min(inverse_steps, inverse_updates) < 1:
            raise ValueError(
                "inverse_steps and inverse_updates must be at least 1, "
                f"not {inverse_steps} and {inverse_updates}"
            )
        if kind == "mse" and parts.spec.is_discrete:
            raise ConfigurationError(
                f"actions of {parts.spec.env_id} are discrete and have no distance: "
                "give imitation_loss.kind=likelihood"
            )
        self.kind = kind
        self.inverse = InverseDynamics(parts.spec) if inputs == "state" else None
        self.inverse_updates = inverse_updates
        self.steps_per_iteration = inverse_steps if inputs == "state" else 0

    def collect(self, policy: Policy, interaction: Interaction) -> Metrics:
        """Without the expert's actions: act, and learn what leads from a state to the next."""
        if self.inverse is None:
            return {}
        if interaction.iteration == 0:
            rollout = interaction.collect_random(self.steps_per_iteration)
        else:
            rollout = interaction.collect(policy, self.steps_per_iteration)
        self.inverse.add(rollout.flat())
        return {"inverse_loss": self.inverse.fit(self.inverse_updates, interaction.generator)}

    def relabel(self, episodes: Sequence[Demonstration]) -> Sequence[Demonstration]:
        """Without the expert's actions: with inferred ones."""
        if self.inverse is None:
            return episodes
        return [
            dataclasses.replace(
                episode, action=self.inverse.infer(episode.obs[:-1], episode.obs[1:])
            )
            for episode in episodes
        ]

    def loss(
        self,
        policy: Policy,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """The mean over the batch of each window's mean over its valid steps."""
        if self.kind == "likelihood":
            return policy.cloning_loss(obs, action, valid, generator).mean()
        if not isinstance(policy, StochasticPolicy):
            raise ConfigurationError(
                f"a {type(policy).__name__} has no mode to compare: "
                "give imitation_loss.kind=likelihood"
            )
        memory = policy.initial_memory(len(obs)).to(obs)
        start = torch.zeros_like(valid).transpose(0, 1)
        features, _ = policy.encode(obs.transpose(0, 1), start, memory)
        error = (policy(features).mode.transpose(0, 1) - action).square().mean(-1)
        mean: Tensor = ((error * valid).sum(1) / valid.sum(1)).mean()
        return mean
