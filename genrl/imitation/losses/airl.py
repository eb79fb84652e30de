"""Adversarial inverse reinforcement learning: a reward apart from the dynamics.

    f(s, a, s') = g(·) + γ h(s') - h(s)        logit = f - log π(a|s)

g is the reward, h a potential that may absorb what depends on the dynamics; of a terminal state
h is 0. Shaping by a potential changes no optimal policy (Ng, Harada & Russell 1999). At the optimum
exp f / (exp f + π) is right about every step and f is the expert's advantage. The logit
f - log π contains the policy's entropy bonus.

log π is known under on-policy algorithms, for policies without memory. Elsewhere the logit is f
alone, an estimate of log p_E - log p_L: a discriminator with a shaped form.

Fu, Luo & Levine 2018.
"""

import torch
from torch import Tensor, nn

from genrl.imitation.discriminator import Discriminator
from genrl.imitation.losses.adversarial import AdversarialReward
from genrl.imitation.losses.base import ImitationParts, Inputs, Sign, imitation_losses, inputs_of
from genrl.imitation.policy_density import LogProb, policy_log_prob
from genrl.networks.perceptron import Activation
from genrl.rl.algorithms.base import Algorithm
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.transitions import Transitions


@imitation_losses.register("airl")
class AIRL(AdversarialReward):
    """Reward of a discriminator with the logit g + γ h(s') - h(s) - log π(a|s).

    Args:
        parts: needs demonstrations.
        inputs: what g sees.
        sign: of the logit's reward. The paper's is unbiased; where failing ends an episode it
            rewards failing at once as soon as the discriminator wins.
        gamma: discount of the potential, in [0, 1]; the algorithm's.
        hidden: sizes of the hidden layers of g and h.
        activation: of the hidden layers.
        learning_rate: of Adam.
        batch_size: transitions of each side in a step of the discriminator.
        updates_per_step: steps of the discriminator for each transition of the learner; at least
            one at a time.
        history: transitions of the learner that are kept, with the log π of their time; the fresh
            ones are used at any rate.
        spectral_norm: divide every weight matrix by its greatest singular value.
        limit: log π is cut to [-limit, limit]; the expert's actions may be very unlikely.
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
        gamma: float = 0.99,
        hidden: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
        learning_rate: float = 3e-4,
        batch_size: int = 256,
        updates_per_step: float = 0.1,
        history: int = 4096,
        spectral_norm: bool = False,
        limit: float = 20.0,
        freeze: int = 1,
    ) -> None:
        super().__init__(parts, sign, batch_size, updates_per_step, history, freeze)
        if not 0 <= gamma <= 1 or limit <= 0:
            raise ValueError(f"gamma={gamma} must lie in [0, 1] and limit={limit} above 0")
        self.inputs, self.gamma, self.limit = inputs, gamma, limit
        self.log_prob: LogProb | None = None
        self.potential = Discriminator(
            self.expert.obs, hidden, activation, spectral_norm=spectral_norm
        )
        self.base = Discriminator(
            inputs_of(self.expert, inputs, self.spec),
            hidden,
            activation,
            spectral_norm=spectral_norm,
        )
        self.learn_with(nn.ModuleList([self.base, self.potential]), learning_rate)

    def attach(self, algorithm: Algorithm, normalizer: ObservationNormalizer) -> None:
        """Ask the policy for log π, where that is possible."""
        self.log_prob = policy_log_prob(algorithm, normalizer)

    def rows(self, steps: Transitions) -> Tensor:
        """s, s', whether anything follows, log π, and what g sees."""
        alive = (~steps.terminated).to(steps.obs)
        log_prob = torch.zeros_like(alive) if self.log_prob is None else self.log_prob(steps)
        log_prob = log_prob.to(alive).clamp(-self.limit, self.limit)
        seen = inputs_of(steps, self.inputs, self.spec)
        return torch.cat(
            [steps.obs, steps.next_obs, torch.stack([alive, log_prob], -1), seen], dim=-1
        )

    def advantage(self, rows: Tensor) -> Tensor:
        """f, (...)."""
        obs, next_obs, alive, _, seen = self._split(rows)
        following: Tensor = self.gamma * alive.squeeze(-1) * self.potential(next_obs)
        f: Tensor = self.base(seen) + following - self.potential(obs)
        return f

    def logit(self, rows: Tensor) -> Tensor:
        """f - log π."""
        return self.advantage(rows) - rows[..., 2 * self.spec.obs_size + 1]

    def meet(self, expert: Tensor, learner: Tensor) -> None:
        """Hand to either network what it sees."""
        of_expert, of_learner = self._split(expert), self._split(learner)
        self.potential.meet(of_expert[0], of_learner[0])
        self.base.meet(of_expert[-1], of_learner[-1])

    def _split(self, rows: Tensor) -> tuple[Tensor, ...]:
        size = self.spec.obs_size
        return torch.split(rows, [size, size, 1, 1, rows.shape[-1] - 2 * size - 2], dim=-1)
