"""DAgger: ask the expert what to do in the states that the learner gets into.

In round k a mixture acts: with probability β_k the expert, else the learner. The expert labels
every visited state, and the learner imitates the labels of *all* rounds and the demonstrations: the
data come to have the learner's own state distribution, so that its errors no longer add up.

linear: β_k = max(0, 1 - k / n),  exponential: β_k = p^k
Ross, Gordon & Bagnell 2011, A Reduction of Imitation Learning to No-Regret Online Learning.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from genrl.imitation.demonstrations.base import Demonstration
from genrl.imitation.demonstrations.episodes import split_episodes
from genrl.imitation.losses.base import ImitationParts, SupervisedLoss, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy
from genrl.rl.rewards import Metrics
from genrl.rl.rollout import Rollout


@imitation_losses.register("dagger")
class DAgger(SupervisedLoss):
    """The policy's cloning loss on the expert's actions in states that the learner visits.

    Args:
        parts: with an expert that can be asked; demonstrations are imitated, too, if there are any.
        steps: of each environment in a round; a round is an iteration.
        schedule: how the probability β of the expert's acting falls.
        expert_rounds: n of the linear schedule: rounds until the learner acts alone.
        decay: p of the exponential schedule, in [0, 1].

    Raises:
        ConfigurationError: if there is no expert.
        ValueError: if a number is out of its range.
    """

    needs_demonstrations = False
    needs_expert = True

    def __init__(
        self,
        parts: ImitationParts,
        *,
        steps: int = 500,
        schedule: Literal["linear", "exponential"] = "linear",
        expert_rounds: int = 5,
        decay: float = 0.5,
    ) -> None:
        super().__init__(parts)
        if parts.expert is None:
            raise ConfigurationError(
                "dagger asks an expert for actions: give expert=<folder of its run>"
            )
        if min(steps, expert_rounds) < 1 or not 0 <= decay <= 1:
            raise ValueError(
                "steps and expert_rounds must be at least 1 and decay in [0, 1], "
                f"not {steps}, {expert_rounds} and {decay}"
            )
        self.expert = parts.expert
        self.steps_per_iteration = steps
        self.schedule, self.expert_rounds, self.decay = schedule, expert_rounds, decay
        self._gathered: list[Demonstration] = []

    def beta(self, number: int) -> float:
        """The probability that the expert acts in a round; rounds count from 0."""
        if self.schedule == "linear":
            return max(0.0, 1.0 - number / self.expert_rounds)
        return float(self.decay**number)

    @property
    def gathered(self) -> Sequence[Demonstration]:
        """Visited episodes of all rounds with the expert's actions."""
        return self._gathered

    @torch.no_grad()
    def collect(self, policy: Policy, interaction: Interaction) -> Metrics:
        """One round: let the mixture act, label what it saw."""
        beta = self.beta(interaction.iteration)
        generator = interaction.generator

        def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
            action, memory = policy.act(
                interaction.normalizer(obs), start, memory, generator=generator
            )
            is_expert = torch.rand(len(obs), generator=generator) < beta
            if bool(is_expert.any()):
                action = action.clone()
                action[is_expert] = self.expert(obs[is_expert]).to(action)
            return action, memory

        rollout = interaction.record(interaction.collector.collect(act, self.steps_per_iteration))
        labels = self.expert(rollout.steps.obs.flatten(0, 1))
        labels = labels.view(*rollout.valid.shape, *labels.shape[1:])
        self._gathered += self._episodes(rollout, labels)
        return {"beta": beta, "gathered_episodes": float(len(self._gathered))}

    def loss(
        self,
        policy: Policy,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """The mean of the policy's own cloning loss."""
        return policy.cloning_loss(obs, action, valid, generator).mean()

    def get_extra_state(self) -> dict[str, Any]:
        """All rounds."""
        return {"gathered": [{**vars(episode)} for episode in self._gathered]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self._gathered = [Demonstration(**episode) for episode in state["gathered"]]

    def _episodes(self, rollout: Rollout, labels: Tensor) -> list[Demonstration]:
        """What each environment saw, with labels; the ends of the rollout cut episodes."""
        episodes = []
        for env in range(rollout.valid.shape[1]):
            valid = rollout.valid[:, env]
            if not bool(valid.any()):
                continue
            steps = rollout.steps.map(lambda field, at=env: field[:, at])[valid]  # type: ignore[misc]
            episodes += split_episodes(
                self.spec,
                obs=steps.obs.numpy(),
                action=labels[valid, env].numpy(),
                reward=steps.reward.numpy(),
                terminated=steps.terminated.numpy(),
                truncated=steps.truncated.numpy(),
                next_obs=steps.next_obs.numpy(),
                use_cut=True,
            )
        return episodes
