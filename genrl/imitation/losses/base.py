"""The contracts of imitation: a reward for any algorithm, or a loss on demonstrations."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genrl.diffusion import Denoiser
from genrl.imitation.demonstrations.base import Demonstration, Demonstrations
from genrl.imitation.diagnostics import RewardDiagnostics
from genrl.registry import ConfigurationError, Registry
from genrl.rl.algorithms.base import Algorithm
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies.base import Policy
from genrl.rl.rewards import Metrics
from genrl.rl.rollout import Rollout
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions
from genrl.typing import DataSpec

imitation_losses: Registry["ImitationLoss"] = Registry("imitation_loss")

Inputs = Literal["state", "state_action", "state_next_state"]
Sign = Literal["positive", "negative", "unbiased"]


@dataclass(frozen=True)
class ImitationParts:
    """The collaborators of an imitation loss.

    Args:
        spec: of the environment.
        demonstrations: of the expert; None where the loss needs none.
        make_denoiser: a fresh diffusion model of vectors, from the run's network, schedule and
            parameterization.
        expert: another run's policy that can be asked for actions on raw observations, or None.
    """

    spec: EnvSpec
    demonstrations: Demonstrations | None = None
    make_denoiser: Callable[[DataSpec], Denoiser] | None = None
    expert: Callable[[Tensor], Tensor] | None = None


class ImitationLoss(nn.Module, abc.ABC):
    """Turns demonstrations into something to learn from.

    Args:
        parts: its collaborators.
    """

    needs_demonstrations: bool = True
    needs_absorbing_states: bool = False
    needs_expert: bool = False

    def __init__(self, parts: ImitationParts) -> None:
        super().__init__()
        self.parts, self.spec = parts, parts.spec

    def expert_steps(self) -> Transitions:
        """All transitions of the demonstrations, (steps,).

        Raises:
            ConfigurationError: if there are none.
        """
        if self.parts.demonstrations is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs demonstrations of an expert: give demonstrations=..."
            )
        return self.parts.demonstrations.transitions()


class RewardModel(ImitationLoss):
    """A reward for each transition, learned from demonstrations and from what the learner does.

    Observations arrive as the environment gives them; the model standardizes them itself.
    """

    sign: Sign = "unbiased"

    def __init__(self, parts: ImitationParts) -> None:
        super().__init__(parts)
        self.diagnostics = RewardDiagnostics()

    @property
    def uninformative_reward(self) -> float:
        """What each step is paid where the learner cannot be told from the expert."""
        return 0.0

    def attach(self, algorithm: Algorithm, normalizer: ObservationNormalizer) -> None:
        """Get to know who will be paid, before the first iteration; here: nothing.

        Raises:
            ConfigurationError: if the algorithm cannot use the reward.
        """

    def fit(self, generator: torch.Generator) -> Metrics:
        """Learn what can be learned from the demonstrations alone, once, before the first step."""
        return {}

    @abc.abstractmethod
    def reward(self, steps: Transitions) -> Tensor:
        """Rewards without gradient, of the leading shape of ``steps``."""

    def settle(self, steps: Transitions) -> Transitions:
        """A rollout with the rewards in force, as on-policy algorithms take it; here: as it is."""
        return steps

    @abc.abstractmethod
    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Learn from the learner's last transitions, (batch,), each handed over once."""

    def mix(self, steps: Transitions, generator: torch.Generator) -> Transitions:
        """Append demonstrations to a batch drawn by an off-policy algorithm; here: none.

        Called once the batch was given the rewards in force, before observations are normalized.
        What is appended brings its own rewards, and is discounted by its own ``terminated``.
        """
        return steps

    def diagnose(self, rollout: Rollout, learned: Tensor) -> Metrics:
        """What its rewards of fresh steps say about the model; see `RewardDiagnostics`."""
        return {
            **self.diagnostics(rollout.steps, learned, rollout.valid),
            "uninformative_reward": self.uninformative_reward,
        }


class SupervisedLoss(ImitationLoss):
    """A loss of the policy on demonstrations; no reward is involved.

    Some also learn from acting: `Cloning` calls `collect` once in each iteration, and then imitates
    the demonstrations as `relabel` gives them and the episodes that were ``gathered``.
    """

    steps_per_iteration: int = 0  # of each environment, that `collect` takes

    def collect(self, policy: Policy, interaction: Interaction) -> Metrics:
        """Act and gather; here: nothing."""
        return {}

    def relabel(self, episodes: Sequence[Demonstration]) -> Sequence[Demonstration]:
        """Demonstrations as they are to be imitated; here: as they are."""
        return episodes

    @property
    def gathered(self) -> Sequence[Demonstration]:
        """Episodes to imitate beside the demonstrations."""
        return ()

    @abc.abstractmethod
    def loss(
        self,
        policy: Policy,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """The mean loss of a batch of windows, shaped as in `Policy.cloning_loss`."""


def inputs_of(steps: Transitions, inputs: Inputs, spec: EnvSpec) -> Tensor:
    """What a reward model looks at: s', (s, a) or (s, s'), (..., size); actions as executed."""
    if inputs == "state":
        return steps.next_obs
    if inputs == "state_action":
        action = spec.encode_action(spec.clip(steps.action))
        return torch.cat([steps.obs, action], dim=-1)
    return torch.cat([steps.obs, steps.next_obs], dim=-1)


def input_size(inputs: Inputs, spec: EnvSpec) -> int:
    """Size of `inputs_of`."""
    extra = {"state": 0, "state_action": spec.action_size, "state_next_state": spec.obs_size}
    return spec.obs_size + extra[inputs]
