"""Generative adversarial imitation learning.

A discriminator tells the expert's steps from the learner's; the learner is paid for being taken
for the expert: with logit d, softplus(d) = -log(1 - σ(d)). At the optimum d = log p_E - log p_L,
and the learner descends the Jensen-Shannon divergence of the occupancies. Ho & Ermon 2016.
"""

import torch
from torch import Tensor

from genrl.imitation.discriminator import Discriminator
from genrl.imitation.losses.adversarial import AdversarialReward
from genrl.imitation.losses.base import (
    ImitationParts,
    Inputs,
    Sign,
    imitation_losses,
    inputs_of,
)
from genrl.networks.perceptron import Activation
from genrl.rl.transitions import Transitions


@imitation_losses.register("gail")
class GAIL(AdversarialReward):
    """Reward of being taken for the expert by a discriminator.

    The defaults serve on-policy algorithms. Off-policy ones want a quicker and smoother
    discriminator: ``conf/imitation_tuning`` has its numbers.

    Args:
        parts: needs demonstrations.
        inputs: what the discriminator sees.
        sign: positive pays for living, negative for ending, unbiased for neither.
        hidden: sizes of the discriminator's hidden layers.
        activation: of the hidden layers.
        learning_rate: of Adam.
        batch_size: transitions of each side in a step of the discriminator.
        updates_per_step: steps of the discriminator for each transition of the learner; at least
            one at a time.
        history: transitions of the learner that are kept; the fresh ones are used at any rate.
        gradient_penalty: weight, >= 0; more where the discriminator wins too early.
        spectral_norm: divide every weight matrix by its greatest singular value.
        entropy: weight of the discriminator's entropy, >= 0.
        freeze: iterations of the policy between two times that the discriminator learns.

    Raises:
        ValueError: if a number is out of its range.
        ConfigurationError: if there are no demonstrations.
    """

    def __init__(
        self,
        parts: ImitationParts,
        *,
        inputs: Inputs = "state_action",
        sign: Sign = "positive",
        hidden: tuple[int, ...] = (100, 100),
        activation: Activation = "tanh",
        learning_rate: float = 3e-4,
        batch_size: int = 256,
        updates_per_step: float = 0.1,
        history: int = 4096,
        gradient_penalty: float = 1.0,
        spectral_norm: bool = False,
        entropy: float = 0.001,
        freeze: int = 1,
    ) -> None:
        super().__init__(parts, sign, batch_size, updates_per_step, history, freeze, entropy)
        if gradient_penalty < 0:
            raise ValueError(f"gradient_penalty must not be negative: {gradient_penalty}")
        self.inputs, self.gradient_penalty = inputs, gradient_penalty
        self.discriminator = Discriminator(
            self.rows(self.expert), hidden, activation, spectral_norm=spectral_norm
        )
        self.learn_with(self.discriminator, learning_rate)

    def rows(self, steps: Transitions) -> Tensor:
        """The inputs; actions as executed."""
        return inputs_of(steps, self.inputs, self.spec)

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
