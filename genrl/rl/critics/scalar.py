"""Action values by an ensemble of perceptrons, and the backup that they share.

y = r + γⁿ (1 - terminated) (m + bonus),  m = E min over k members drawn without replacement

Of N sorted values Q_(1) <= ... <= Q_(N), the i-th is the least of C(N-i, k-1) among the C(N, k)
subsets of k, so that m = Σ_i C(N-i, k-1) / C(N, k) Q_(i): the mean for k = 1, the minimum for
k = N. REDQ draws one subset for each update; the mean over all of them has the same expected
gradient with less noise, and needs no random numbers.

Fujimoto et al. 2018, Addressing Function Approximation Error in Actor-Critic Methods (k = N = 2);
Chen et al. 2021, Randomized Ensembled Double Q-Learning (k = 2, N = 10).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genrl.networks.perceptron import EnsemblePerceptron
from genrl.networks.relu import least_member, squared_loss
from genrl.rl.critics.base import QCritic
from genrl.rl.spec import EnvSpec


def expected_minimum(values: Tensor, subset: int) -> Tensor:
    """Mean over all subsets of the least of ``subset`` members, (members, batch) to (batch,)."""
    members = len(values)
    if members == 1:
        return values[0]
    if subset == members == 2:
        return torch.minimum(values[0], values[1])  # its gradient costs a fraction of amin's
    if subset == members:
        return values.amin(0)
    if subset == 1:
        return values.mean(0)
    weights = [math.comb(members - 1 - i, subset - 1) for i in range(members)]
    total = math.comb(members, subset)
    return values.new_tensor([weight / total for weight in weights]) @ values.sort(0).values


class ScalarQCritic(QCritic):
    """One number for each member, learned by half the squared error.

    Args:
        spec: of the environment.
        num_features: size of the policy's features.
        members: N.
        subset: k.
        features: of the hidden layers.
        activation: between the layers.

    Raises:
        ValueError: if not 1 <= k <= N, or a size is less than 1.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        members: int,
        subset: int,
        features: Sequence[int],
        activation: str,
    ) -> None:
        super().__init__(spec, num_features)
        if not 1 <= subset <= members:
            raise ValueError(f"subset must lie between 1 and members = {members}, not {subset}")
        self.subset = subset
        sizes = (num_features + spec.action_size, *features, 1)
        self.network = EnsemblePerceptron(members, sizes, activation)

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        values: Tensor = self.network(torch.cat([features, action], -1))
        return values.squeeze(-1)

    def first(self, features: Tensor, action: Tensor) -> Tensor:
        return self.network.member(0, torch.cat([features, action], -1)).squeeze(-1)

    def lower(self, features: Tensor, action: Tensor) -> Tensor:
        network = self.network
        if self.subset == network.members and network.is_relu and network.is_frozen:
            return least_member(network, torch.cat([features, action], -1))
        return expected_minimum(self(features, action), self.subset)

    def target(
        self,
        next_features: Tensor,
        next_action: Tensor,
        reward: Tensor,
        discount: Tensor,
        bonus: Tensor,
    ) -> Tensor:
        return reward + discount * (self.lower(next_features, next_action) + bonus)

    def loss(self, features: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([features, action], -1)
        if self.network.is_relu:
            losses, errors = squared_loss(self.network, x, target)
        else:
            difference = self.network(x).squeeze(-1) - target
            losses, errors = 0.5 * difference.square().sum(0), difference.detach()
        return losses, errors.abs().mean(0)
