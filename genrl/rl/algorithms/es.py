"""Evolution Strategies: gradients from the returns of perturbed policies, not from their actions.

θ ← θ + Adam(ĝ - w θ),  ĝ = 1/(2nσ) Σ_i (F⁺_i - F⁻_i) ε_i

F⁺_i and F⁻_i are centred ranks, among all 2n returns, of the policies θ ± σε_i. The two of a pair
run in environments with the same seed, so that they differ by their weights alone. Policies act by
their mode; the statistics that normalize observations are part of them and stand still meanwhile.

Salimans et al. 2017, Evolution Strategies as a Scalable Alternative to Reinforcement Learning,
algorithm 1 and section 2.1.
"""

import torch
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Algorithm, Choice, Parts, algorithms
from genrl.rl.algorithms.evolution import centred_ranks, es_gradient
from genrl.rl.algorithms.natural_gradient import flat_values
from genrl.rl.algorithms.population import evaluate
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec

STEPS_WITHOUT_LIMIT = 1000


@algorithms.register("es")
class ES(Algorithm):
    """Antithetic evolution strategies on centred ranks (Salimans et al. 2017).

    Every environment runs a perturbed policy of its own; as many environments as policies
    (``2 * pairs``) evaluate all of them at once.

    Args:
        parts: any policy; weights that its mode does not depend on drift at random.
        pairs: n, pairs of perturbed policies in an iteration, at least 1.
        sigma: σ > 0, standard deviation of a perturbation.
        learning_rate: of Adam.
        weight_decay: w >= 0, inside the gradient that Adam sees.
        episode_steps: ends an episode; null: the environment's limit, or 1000 without one.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        pairs: int = 16,
        sigma: float = 0.05,
        learning_rate: float = 0.02,
        weight_decay: float = 0.005,
        episode_steps: int | None = None,
    ) -> None:
        super().__init__(parts)
        if pairs < 1 or sigma <= 0 or learning_rate <= 0 or weight_decay < 0:
            raise ValueError(
                "pairs must be at least 1, sigma and learning_rate positive and weight_decay not "
                f"negative, not {pairs}, {sigma}, {learning_rate} and {weight_decay}"
            )
        if episode_steps is not None and episode_steps < 1:
            raise ValueError(f"episode_steps must be at least 1, not {episode_steps}")
        self.pairs, self.sigma, self.weight_decay = pairs, sigma, weight_decay
        limit = parts.spec.max_episode_steps or STEPS_WITHOUT_LIMIT
        self.episode_steps = min(limit, episode_steps or limit)
        self.weights = [p for p in self.policy.parameters() if p.requires_grad]
        if not self.weights:
            raise ConfigurationError("es needs a policy with weights")
        self.optimizer = torch.optim.Adam(self.weights, lr=learning_rate)

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """A policy without noise where there is one."""
        continuous = "deterministic" if spec.is_bounded else "gaussian"
        return {"policy": {"name": "categorical" if spec.is_discrete else continuous}}

    @property
    def steps_per_iteration(self) -> int:
        """At most, with as many environments as perturbed policies."""
        return self.episode_steps

    def total_steps(self, num_envs: int) -> int:
        """One episode of every perturbed policy at most, however many environments there are."""
        return 2 * self.pairs * self.episode_steps

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam over the policy."""
        return [self.optimizer]

    @torch.no_grad()
    def iterate(self, interaction: Interaction) -> Metrics:
        """Evaluate all pairs, step once."""
        generator, center = interaction.generator, flat_values(self.weights)
        noise = torch.randn(self.pairs, len(center), generator=generator)
        seeds = torch.randint(2**31 - 1, (self.pairs,), generator=generator)
        # The two of a pair are neighbours: they run side by side where the environments permit it.
        offsets = torch.stack([noise, -noise], 1).flatten(0, 1)
        rollouts = evaluate(
            self.policy,
            center + self.sigma * offsets,
            seeds.repeat_interleave(2).tolist(),
            interaction,
            self.episode_steps,
        )
        metrics = interaction.learn_reward()
        returns = torch.cat(
            [
                (interaction.reward.reward(rollout.steps).double() * rollout.valid).sum(0)
                for rollout in rollouts
            ]
        )[: 2 * self.pairs]
        gradient = self.step(noise, returns.view(self.pairs, 2))
        interaction.gradient_steps += 1
        return {
            **metrics,
            "population_mean": returns.mean().item(),
            "population_best": returns.max().item(),
            "gradient_norm": gradient.norm().item(),
        }

    @torch.no_grad()
    def step(self, noise: Tensor, returns: Tensor) -> Tensor:
        """One step from the returns of all pairs; the estimated gradient of the ranks.

        Args:
            noise: ε, (pairs, parameters).
            returns: of θ + σε and of θ - σε, (pairs, 2).
        """
        ranks = centred_ranks(returns)
        gradient = es_gradient(noise, ranks[:, 0], ranks[:, 1], self.sigma)
        ascent = gradient - self.weight_decay * flat_values(self.weights)
        sizes = [weight.numel() for weight in self.weights]
        for weight, part in zip(self.weights, torch.split(ascent, sizes), strict=True):
            weight.grad = -part.view_as(weight)
        self.optimizer.step()
        return gradient
