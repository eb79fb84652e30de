"""What adversarial rewards share: a discriminator learns, and its logit is paid.

Loss of the logit d, with the expert's steps labelled 1, equal weights for both sides:

    E_E softplus(-d) + E_L softplus(d) - β H(σ(d)) + κ GP

The discriminator takes a number of steps in proportion to what the learner did since the last time,
so that the same settings serve 4096 fresh transitions of an on-policy algorithm and 250 of an
off-policy one. With ``freeze`` > 1 the reward stays fixed while the policy improves for as many
iterations (Arenz & Neumann 2020).
"""

import abc
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genrl.imitation.history import History
from genrl.imitation.losses.base import ImitationParts, RewardModel, Sign
from genrl.imitation.signs import reward_of_logit, uninformative_reward
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions


class AdversarialReward(RewardModel):
    """A reward from the logit of a discriminator; a subclass says how the logit is computed.

    Args:
        parts: needs demonstrations.
        sign: of the reward.
        batch_size: transitions of each side in a step of the discriminator.
        updates_per_step: steps of the discriminator for each transition of the learner; at least
            one at a time.
        history: transitions of the learner that are kept; the fresh ones are used at any rate.
        freeze: iterations of the policy between two times that the discriminator learns.
        entropy: β, weight of the discriminator's entropy.

    Raises:
        ValueError: if a number is out of its range.
    """

    optimizer: torch.optim.Optimizer
    history: History

    def __init__(
        self,
        parts: ImitationParts,
        sign: Sign,
        batch_size: int,
        updates_per_step: float,
        history: int,
        freeze: int,
        entropy: float = 0.0,
    ) -> None:
        super().__init__(parts)
        for what, value in (("batch_size", batch_size), ("history", history), ("freeze", freeze)):
            if value < 1:
                raise ValueError(f"{what} must be at least 1, not {value}")
        if updates_per_step < 0:
            raise ValueError(f"updates_per_step must not be negative: {updates_per_step}")
        self.sign = sign
        self.batch_size, self.updates_per_step = batch_size, updates_per_step
        self.capacity, self.freeze, self.entropy = history, freeze, entropy
        self.expert = self.expert_steps()
        self.calls = 0  # of `update`
        self.pending = 0  # transitions of the learner since the discriminator learned

    @abc.abstractmethod
    def rows(self, steps: Transitions) -> Tensor:
        """What the discriminator looks at, without gradient, (..., size)."""

    @abc.abstractmethod
    def logit(self, rows: Tensor) -> Tensor:
        """The logit of "this is the expert's", with gradient, (...)."""

    @abc.abstractmethod
    def meet(self, expert: Tensor, learner: Tensor) -> None:
        """Take all rows of the expert and the learner's first, once, to standardize by."""

    def penalty(self, expert: Tensor, learner: Tensor, generator: torch.Generator) -> Tensor | None:
        """What is added to the loss of a batch of rows; here: nothing."""
        return None

    def learn_with(self, networks: nn.Module, learning_rate: float) -> None:
        """Prepare to learn, once the networks are there."""
        self.optimizer = torch.optim.Adam(networks.parameters(), lr=learning_rate)
        self.history = History(self.rows(self.expert[:1]).shape[-1], self.capacity)

    @property
    def uninformative_reward(self) -> float:
        """Of a logit of 0."""
        return uninformative_reward(self.sign)

    @property
    def device(self) -> torch.device:
        """Of the networks."""
        return next(self.parameters()).device

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:
        """The logit's reward; not standardized, so that it settles as the logit does."""
        logit = self.logit(self.rows(steps).to(self.device))
        return reward_of_logit(logit, self.sign).to(steps.reward)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Steps of the discriminator on equal parts of expert and learner."""
        with torch.no_grad():
            rows = self.rows(fresh).cpu()
            if len(rows) and not len(self.history):
                self.meet(self.rows(self.expert), rows)
        self.history.add(rows)
        is_due = self.calls % self.freeze == 0
        self.calls += 1
        self.pending += len(rows)
        if not is_due or not len(rows):
            return {}
        pool = self.history.values if len(self.history) >= len(rows) else rows
        num_updates = max(1, round(self.pending * self.updates_per_step))
        self.pending = 0
        seen = [self._step(pool, generator) for _ in range(num_updates)]
        means = {key: torch.stack([step[key] for step in seen]).mean().item() for key in seen[0]}
        return {f"discriminator_{key}": value for key, value in means.items()}

    def get_extra_state(self) -> dict[str, Any]:
        """What the next call depends on beside weights."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "history": self.history.state_dict(),
            "calls": self.calls,
            "pending": self.pending,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.history.load_state_dict(state["history"])
        self.calls, self.pending = int(state["calls"]), int(state["pending"])

    def _step(self, pool: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        of_expert = torch.randint(len(self.expert), (self.batch_size,), generator=generator)
        of_learner = torch.randint(len(pool), (self.batch_size,), generator=generator)
        with torch.no_grad():
            expert = self.rows(self.expert[of_expert]).to(self.device)
        learner = pool[of_learner].to(self.device)
        with torch.enable_grad():
            logits = self.logit(torch.cat([expert, learner]))
            high, low = logits.chunk(2)
            loss = softplus(-high).mean() + softplus(low).mean()
            seen = {
                "loss": loss.detach(),
                "expert_accuracy": (high > 0).float().mean(),
                "learner_accuracy": (low < 0).float().mean(),
                "expert_logit": high.detach().mean(),
                "learner_logit": low.detach().mean(),
            }
            if self.entropy:
                # H(σ(d)) = softplus(d) - d σ(d)
                loss = loss - self.entropy * (softplus(logits) - logits * logits.sigmoid()).mean()
            penalty = self.penalty(expert, learner, generator)
            if penalty is not None:
                loss, seen["penalty"] = loss + penalty, penalty.detach()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return seen
