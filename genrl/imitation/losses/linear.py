"""What rewards of linear cost classes share: the worst cost in closed form.

The expert beats the learner on a cost c = wᵀφ by wᵀ(μ_L - μ_E), μ = E φ. The learner minimizes the
worst of them, sup_{w in W} wᵀ(μ_L - μ_E), whose w has a closed form (a subclass): nothing is
trained. The reward is -wᵀφ.

Features are φ = (s, a, s², a²): inputs standardized by the expert and the learner's first steps
together (why: `genrl.imitation.discriminator`), their squares, both standardized so again, so that
no number counts more than another, and counted from the expert's mean. A constant feature, 1,
has no part in any difference of means; what it could do, shifting the reward to one sign for tasks
that end early, is done by a bound: the least (greatest) reward among fresh and demonstrated steps.
Ho, Gupta & Ermon 2016.
"""

import abc
import math

import torch
from torch import Tensor

from genrl.imitation.discriminator import Standardizer
from genrl.imitation.losses.base import ImitationParts, Inputs, RewardModel, Sign, inputs_of
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions


class LinearReward(RewardModel):
    """The reward -wᵀφ of the cost that tells the learner best; a subclass gives the class of costs.

    Args:
        parts: needs demonstrations.
        inputs: what features are made of.
        sign: positive and negative shift the reward by its bound, unbiased leaves it.
        history: transitions of the learner that its mean of features runs over, about; the fresh
            ones at least.
        limit: greatest absolute value of a standardized input.

    Raises:
        ValueError: if a number is out of its range.
    """

    target: Tensor
    mean: Tensor
    cost: Tensor
    bound: Tensor
    is_begun: Tensor

    def __init__(
        self, parts: ImitationParts, inputs: Inputs, sign: Sign, history: int, limit: float
    ) -> None:
        super().__init__(parts)
        if history < 1 or limit <= 0:
            raise ValueError(
                f"history={history} must be at least 1 and limit={limit} greater than 0"
            )
        self.inputs, self.sign, self.history, self.limit = inputs, sign, history, limit
        self.expert = inputs_of(self.expert_steps(), inputs, self.spec)
        self.standardize = Standardizer(self.expert)
        self.standardize_features = Standardizer(self._powers(self.expert))
        size = 2 * self.expert.shape[1]
        self.register_buffer("target", torch.zeros(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("cost", torch.zeros(size))
        self.register_buffer("bound", torch.zeros(()))
        self.register_buffer("is_begun", torch.zeros((), dtype=torch.bool))

    @abc.abstractmethod
    def worst_cost(self, gap: Tensor) -> Tensor:
        """w that maximizes wᵀ gap within the class; 0 where the gap is 0."""

    def features(self, x: Tensor) -> Tensor:
        """φ of inputs (..., size), (..., 2 size)."""
        features: Tensor = self.standardize_features(self._powers(x))
        return features

    @property
    def uninformative_reward(self) -> float:
        """Of a cost of 0."""
        return 0.0

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:
        """-wᵀφ, shifted."""
        x = inputs_of(steps, self.inputs, self.spec).to(self.mean.device)
        reward = (self.target - self.features(x)) @ self.cost
        if self.sign == "positive":
            reward = (reward - self.bound).clamp(min=0)
        elif self.sign == "negative":
            reward = (reward - self.bound).clamp(max=0)
        return reward.to(steps.reward)

    @torch.no_grad()
    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """The learner's mean of features, and the cost that follows from it."""
        if not len(fresh):
            return {}
        learner = inputs_of(fresh, self.inputs, self.spec).to(self.mean.device)
        expert = self.expert.to(self.mean.device)
        if not self.is_begun:
            self.standardize.fit(expert, learner)
            self.standardize_features.fit(self._powers(expert), self._powers(learner))
        of_expert, of_learner = self.features(expert), self.features(learner)
        share = -math.expm1(-len(fresh) / self.history) if self.is_begun else 1.0
        self.mean.lerp_(of_learner.mean(0), share)
        self.is_begun.fill_(True)
        self.target.copy_(of_expert.mean(0))
        gap = self.mean - self.target
        self.cost.copy_(self.worst_cost(gap))
        rewards = (self.target - torch.cat([of_learner, of_expert])) @ self.cost
        self.bound.copy_(rewards.min() if self.sign == "positive" else rewards.max())
        return {
            "feature_gap": float(gap.norm()),
            "greatest_feature_gap": float(gap.abs().max()),
            "worst_cost": float(self.cost @ gap),
        }

    def _powers(self, x: Tensor) -> Tensor:
        z = self.standardize(x).clamp(-self.limit, self.limit)
        return torch.cat([z, z.square()], dim=-1)
