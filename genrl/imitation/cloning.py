"""Supervised imitation: the policy descends a loss on windows of demonstrations.

    min_θ E_{demonstrations} ℓ(π_θ; s, a)

An iteration is a number of minibatches. Part of the episodes is held out; the loss on them tells
when more training only learns the others by heart. Losses that also act (DAgger, inverse dynamics)
gather their data first.
"""

import logging
from collections.abc import Sequence

import torch
from torch import nn

from genrl.imitation.demonstrations.base import Demonstration, Demonstrations
from genrl.imitation.losses.base import SupervisedLoss
from genrl.imitation.windows import Windows
from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Algorithm, Choice, Parts, algorithms
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec

_LOG = logging.getLogger(__name__)
_LARGEST_TEST = 1024  # windows in the held-out loss


@algorithms.register("cloning")
class Cloning(Algorithm):
    """Minibatches of a supervised imitation loss: behavioural cloning, DAgger, Diffusion Policy.

    Where the run normalizes observations, the statistics are those of the demonstrations.

    Args:
        parts: any policy.
        imitation: the loss.
        demonstrations: to imitate; None takes those of the loss, and there may be none.
        iterations: length of a run that takes no steps in the environment; of others, the steps
            wanted decide.
        updates_per_iteration: minibatches.
        batch_size: windows in a minibatch.
        learning_rate: of AdamW at the start.
        weight_decay: of AdamW.
        anneal: whether the learning rate falls linearly to zero.
        gradient_clip: largest norm of the gradient; 0 for none.
        held_out: part of the demonstrations that is not trained on, in [0, 1); at least one episode
            unless it is 0.

    Raises:
        ValueError: if a number is out of its range.
        ConfigurationError: if there is no supervised loss.
    """

    def __init__(
        self,
        parts: Parts,
        imitation: SupervisedLoss | None = None,
        demonstrations: Demonstrations | None = None,
        *,
        iterations: int = 20,
        updates_per_iteration: int = 250,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        anneal: bool = True,
        gradient_clip: float = 1.0,
        held_out: float = 0.3,
    ) -> None:
        super().__init__(parts)
        if not isinstance(imitation, SupervisedLoss):
            raise ConfigurationError(
                "algorithm=cloning needs a supervised loss: give imitation_loss=bc or dagger"
            )
        if min(iterations, updates_per_iteration, batch_size) < 1 or learning_rate <= 0:
            raise ValueError(
                "iterations, updates_per_iteration and batch_size must be at least 1 and "
                f"learning_rate positive, not {iterations}, {updates_per_iteration}, {batch_size} "
                f"and {learning_rate}"
            )
        if min(weight_decay, gradient_clip) < 0 or not 0 <= held_out < 1:
            raise ValueError(
                "weight_decay and gradient_clip must not be negative and held_out in [0, 1), not "
                f"{weight_decay}, {gradient_clip} and {held_out}"
            )
        self.imitation, self.iterations = imitation, iterations
        self.updates_per_iteration, self.batch_size = updates_per_iteration, batch_size
        self.learning_rate, self.anneal = learning_rate, anneal
        self.gradient_clip = gradient_clip
        demonstrations = demonstrations or imitation.parts.demonstrations
        episodes = demonstrations.episodes if demonstrations is not None else ()
        self.trained_on, self.held_out = split(episodes, held_out)
        if held_out and len(episodes) == 1:
            _LOG.warning("there is one demonstration: none is held out, nothing shows overfitting")
        self.parameters_in_training = [p for p in self.policy.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters_in_training, lr=learning_rate, weight_decay=weight_decay
        )

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """A Gaussian, or a categorical policy for discrete actions."""
        name = "categorical" if spec.is_discrete else "gaussian"
        return {"policy": {"name": name, "features": [256, 256], "activation": "relu"}}

    @property
    def steps_per_iteration(self) -> int:
        """Of the loss; none for behavioural cloning."""
        return self.imitation.steps_per_iteration

    @property
    def num_iterations(self) -> int:
        """As configured."""
        return self.iterations

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW over the policy."""
        return [self.optimizer]

    def iterate(self, interaction: Interaction) -> Metrics:
        """Gather, then minibatches, then the loss on what was held out."""
        if interaction.iteration == 0 and self.trained_on:
            seen = torch.cat([episode.obs[:-1] for episode in self.trained_on])
            interaction.normalizer.update(seen)
        metrics = self.imitation.collect(self.policy, interaction)
        windows = self._windows(
            [*self.imitation.relabel(self.trained_on), *self.imitation.gathered]
        )
        if not len(windows):
            raise ConfigurationError("there is nothing to imitate: give demonstrations=...")
        metrics = {**metrics, **self._train(windows, interaction), "windows": float(len(windows))}
        if self.held_out:
            held_out = self._windows(self.imitation.relabel(self.held_out))
            metrics["held_out_loss"] = self._test(held_out, interaction)
        return metrics

    def _train(self, windows: Windows, interaction: Interaction) -> Metrics:
        generator = interaction.generator
        left = 1.0 - interaction.progress if self.anneal else 1.0
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * left
        total = torch.zeros(2)
        for _ in range(self.updates_per_iteration):
            index = torch.randint(len(windows), (self.batch_size,), generator=generator)
            obs, action, valid = windows[index]
            loss = self.imitation.loss(
                self.policy, interaction.normalizer(obs), action, valid, generator
            )
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(
                self.parameters_in_training, self.gradient_clip or float("inf")
            )
            self.optimizer.step()
            self.policy.after_update()
            total += torch.stack([loss.detach(), norm]).cpu()
        interaction.gradient_steps += self.updates_per_iteration
        loss_mean, norm_mean = (total / self.updates_per_iteration).tolist()
        return {"loss": loss_mean, "gradient_norm": norm_mean}

    @torch.no_grad()
    def _test(self, windows: Windows, interaction: Interaction) -> float:
        # Evenly spread windows and the same noise every time: only the policy changes.
        count = min(len(windows), _LARGEST_TEST)
        obs, action, valid = windows[torch.arange(count) * len(windows) // count]
        obs = interaction.normalizer(obs)
        generator = torch.Generator().manual_seed(0)
        return float(self.imitation.loss(self.policy, obs, action, valid, generator))

    def _windows(self, episodes: Sequence[Demonstration]) -> Windows:
        return Windows(episodes, self.policy.window, self.policy.window_before)


def split(
    episodes: Sequence[Demonstration], held_out: float
) -> tuple[Sequence[Demonstration], Sequence[Demonstration]]:
    """Episodes to train on and the last ones to hold out; both have one where there are two."""
    if held_out == 0 or len(episodes) < 2:
        return episodes, ()
    count = min(max(1, int(held_out * len(episodes))), len(episodes) - 1)
    return episodes[:-count], episodes[-count:]
