"""Distributions over returns, Z(s, a), whose mean is the action value.

Z(s, a) ← r + γⁿ (1 - terminated) (Z*(s', a') + bonus)

where Z* is the distribution of that member whose mean is the least. Its backup is projected onto a
fixed grid of atoms (C51) or learned by quantile regression (QR-DQN); `genrl.rl.critics.backups`
has the formulas.

Bellemare et al. 2017, A Distributional Perspective on Reinforcement Learning;
Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression.
"""

from typing import Literal

import torch
from torch import Tensor

from genrl.networks.perceptron import Activation, EnsemblePerceptron
from genrl.rl.critics.backups import project, quantile_huber_loss, quantile_levels
from genrl.rl.critics.base import QCritic, critics
from genrl.rl.spec import EnvSpec


@critics.register("distributional")
class DistributionalQCritic(QCritic):
    """Distributions over returns: probabilities of fixed atoms (C51), or quantiles (QR-DQN).

    Args:
        spec: of the environment.
        num_features: size of the policy's features.
        kind: ``quantile``, or ``categorical``, which needs the range of returns.
        num_atoms: quantiles or atoms of a distribution; >= 1, and >= 2 for ``categorical``.
        low: least atom of ``categorical``; returns below it are taken for it.
        high: greatest atom.
        kappa: κ > 0 of the quantile Huber loss, in units of the return.
        members: distributions, of which the one with the least mean counts, >= 1.
        features: of the hidden layers.
        activation: between the layers.

    Raises:
        ValueError: if a number is out of range.
    """

    atoms: Tensor
    levels: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        *,
        kind: Literal["quantile", "categorical"] = "quantile",
        num_atoms: int = 51,
        low: float = -100.0,
        high: float = 100.0,
        kappa: float = 1.0,
        members: int = 2,
        features: tuple[int, ...] = (256, 256),
        activation: Activation = "relu",
    ) -> None:
        super().__init__(spec, num_features)
        self.is_categorical, self.kappa = kind == "categorical", kappa
        if not low < high or kappa <= 0 or num_atoms < 1 + self.is_categorical:
            raise ValueError(
                f"low must be less than high, kappa positive and num_atoms at least "
                f"{1 + self.is_categorical}, not {low}, {high}, {kappa} and {num_atoms}"
            )
        # Constants, but moved between devices with the network.
        self.register_buffer("atoms", torch.linspace(low, high, num_atoms), persistent=False)
        self.register_buffer("levels", quantile_levels(num_atoms), persistent=False)
        sizes = (num_features + spec.action_size, *features, num_atoms)
        self.network = EnsemblePerceptron(members, sizes, activation)

    def outputs(self, features: Tensor, action: Tensor) -> Tensor:
        """Logits of atoms, or quantiles, (members, batch, num_atoms)."""
        outputs: Tensor = self.network(torch.cat([features, action], -1))
        return outputs

    def mean(self, outputs: Tensor) -> Tensor:
        """Of the distributions, (members, batch)."""
        return outputs.softmax(-1) @ self.atoms if self.is_categorical else outputs.mean(-1)

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        return self.mean(self.outputs(features, action))

    def target(
        self,
        next_features: Tensor,
        next_action: Tensor,
        reward: Tensor,
        discount: Tensor,
        bonus: Tensor,
    ) -> Tensor:
        """Probabilities of the atoms, or samples of equal weight, (batch, num_atoms)."""
        outputs = self.outputs(next_features, next_action)
        least = self.mean(outputs).argmin(0)
        chosen = outputs[least, torch.arange(outputs.shape[1], device=outputs.device)]
        following = self.atoms.expand_as(chosen) if self.is_categorical else chosen
        backed_up = reward[:, None] + discount[:, None] * (following + bonus[:, None])
        if not self.is_categorical:
            return backed_up
        return project(chosen.softmax(-1), backed_up, self.atoms)

    def loss(self, features: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.outputs(features, action)
        if self.is_categorical:
            losses = -(target * outputs.log_softmax(-1)).sum(-1)
            expected = target @ self.atoms
        else:
            losses = quantile_huber_loss(outputs, target, self.levels, self.kappa)
            expected = target.mean(-1)
        error = (self.mean(outputs.detach()) - expected).abs().mean(0)
        return losses.sum(0), error
