"""Which action leads from a state to the next: a = g(s, s').

Learned from what any policy did; used to label states whose actions were not recorded. Torabi et
al. 2018, Behavioral Cloning from Observation.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from genrl.imitation.history import History
from genrl.networks.perceptron import perceptron
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions


class InverseDynamics(nn.Module):
    """A perceptron of (s, s' - s), each number standardized.

    Args:
        spec: of the environment.
        hidden: widths of the hidden layers.
        learning_rate: of Adam.
        batch_size: transitions in an update.
        history: transitions that are kept.
    """

    def __init__(
        self,
        spec: EnvSpec,
        hidden: tuple[int, ...] = (256, 256),
        learning_rate: float = 1e-3,
        batch_size: int = 256,
        history: int = 1_000_000,
    ) -> None:
        super().__init__()
        self.spec, self.batch_size = spec, batch_size
        self.normalizer = ObservationNormalizer(2 * spec.obs_size, is_active=True)
        self.network = perceptron((2 * spec.obs_size, *hidden, spec.action_size), "relu")
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        self._history = History(2 * spec.obs_size + spec.action_size, history)

    def add(self, steps: Transitions) -> None:
        """Remember transitions (batch,), with actions as executed."""
        pairs = torch.cat([steps.obs, steps.next_obs - steps.obs], dim=1)
        self.normalizer.update(pairs)
        action = self.spec.encode_action(self.spec.clip(steps.action))
        self._history.add(torch.cat([pairs, action], dim=1))

    def fit(self, updates: int, generator: torch.Generator) -> float:
        """Learn from all transitions; the mean loss."""
        total = 0.0
        for _ in range(updates):
            rows = self._history.sample(self.batch_size, generator)
            pairs, action = rows[:, : -self.spec.action_size], rows[:, -self.spec.action_size :]
            output = self.network(self.normalizer(pairs))
            distance = cross_entropy if self.spec.is_discrete else mse_loss
            loss = distance(output, action)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total += float(loss.detach())
        return total / updates

    @torch.no_grad()
    def infer(self, obs: Tensor, next_obs: Tensor) -> Tensor:
        """Actions that led from one to the other, (batch, ...), within the bounds."""
        output = self.network(self.normalizer(torch.cat([obs, next_obs - obs], dim=1)))
        return output.argmax(1) if self.spec.is_discrete else self.spec.clip(output)

    def get_extra_state(self) -> dict[str, Any]:
        """What the next call depends on beside weights."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "history": self._history.state_dict(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._history.load_state_dict(state["history"])
