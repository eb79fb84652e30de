"""Discriminator-actor-critic: adversarial imitation off-policy, with absorbing states.

The discriminator learns from everything the learner has done, kept smooth by a gradient penalty,
and its logit is paid without bias. The environment and the demonstrations carry absorbing states,
so that the value of having died is learned as any other and neither living nor dying is paid by
construction. In an absorbing state all actions are one: they are seen as zero on both sides, or
the learner's would give it away.

Kostrikov, Agrawal, Dwibedi, Levine & Tompson 2019.
"""

from dataclasses import replace

import torch
from torch import Tensor

from genrl.imitation.demonstrations import without_idle_actions
from genrl.imitation.discriminator import Discriminator
from genrl.imitation.losses.adversarial import AdversarialReward
from genrl.imitation.losses.base import ImitationParts, Inputs, Sign, imitation_losses, inputs_of
from genrl.networks.perceptron import Activation
from genrl.rl.algorithms import Algorithm
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.transitions import Transitions


@imitation_losses.register("dac")
class DAC(AdversarialReward):
    """Off-policy adversarial reward with absorbing states and a gradient penalty.

    Args:
        parts: needs demonstrations, with absorbing states.
        inputs: what the discriminator sees.
        sign: of the reward; with absorbing states none is needed to set survival right.
        hidden: sizes of the discriminator's hidden layers.
        activation: of the hidden layers.
        learning_rate: of Adam.
        batch_size: transitions of each side in a step of the discriminator.
        updates_per_step: steps of the discriminator for each transition of the learner; at least
            one at a time.
        history: transitions of the learner that are kept.
        gradient_penalty: weight, >= 0.
        spectral_norm: divide every weight matrix by its greatest singular value.
        freeze: iterations of the policy between two times that the discriminator learns.

    Raises:
        ValueError: if a number is out of its range.
        ConfigurationError: if there are no demonstrations.
    """

    needs_absorbing_states = True

    def __init__(
        self,
        parts: ImitationParts,
        *,
        inputs: Inputs = "state_action",
        sign: Sign = "unbiased",
        hidden: tuple[int, ...] = (128, 128),
        activation: Activation = "relu",
        learning_rate: float = 1e-3,
        batch_size: int = 256,
        updates_per_step: float = 0.1,
        history: int = 200_000,
        gradient_penalty: float = 10.0,
        spectral_norm: bool = False,
        freeze: int = 1,
    ) -> None:
        super().__init__(parts, sign, batch_size, updates_per_step, history, freeze)
        if gradient_penalty < 0:
            raise ValueError(f"gradient_penalty must not be negative: {gradient_penalty}")
        self.inputs, self.gradient_penalty = inputs, gradient_penalty
        self.gamma = 0.99
        self.discriminator = Discriminator(
            self.rows(self.expert), hidden, activation, spectral_norm=spectral_norm
        )
        self.learn_with(self.discriminator, learning_rate)

    def attach(self, algorithm: Algorithm, normalizer: ObservationNormalizer) -> None:
        """Take the discount."""
        self.gamma = algorithm.gamma

    def settle(self, steps: Transitions) -> Transitions:
        """A rollout with the known return r / (1 - γ) in the absorbing state.

        A replay buffer lets the value of the self-loop converge; an on-policy critic sees the state
        too seldom, and until it has converged dying seems to cost nothing.
        """
        is_idle = steps.obs[..., -1] == 1
        whole = steps.reward / max(1 - self.gamma, 1e-3)
        return replace(
            steps,
            reward=torch.where(is_idle, whole, steps.reward),
            terminated=steps.terminated | is_idle,
            truncated=steps.truncated & ~is_idle,
        )

    def rows(self, steps: Transitions) -> Tensor:
        """The inputs; actions as executed, and zero in absorbing states."""
        if self.inputs != "state_action":
            return inputs_of(steps, self.inputs, self.spec)
        action = self.spec.encode_action(self.spec.clip(steps.action))
        return torch.cat([steps.obs, without_idle_actions(steps.obs, action)], dim=-1)

    def logit(self, rows: Tensor) -> Tensor:
        """Of the discriminator."""
        logit: Tensor = self.discriminator(rows)
        return logit

    def meet(self, expert: Tensor, learner: Tensor) -> None:
        """Hand them to the discriminator."""
        self.discriminator.meet(expert, learner)

    def penalty(self, expert: Tensor, learner: Tensor, generator: torch.Generator) -> Tensor | None:
        """The gradient penalty, weighted."""
        if not self.gradient_penalty:
            return None
        slope = self.discriminator.gradient_penalty(expert, learner, generator)
        return self.gradient_penalty * slope
