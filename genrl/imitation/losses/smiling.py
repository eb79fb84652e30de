"""SMILING: imitation by comparing how well two diffusion models denoise a state.

Diffuse a state s to s_t = α(t) s + σ(t) ε. One model ε_E is trained on the expert's states, the
other ε_L on all states that the learner has ever visited, both on E |ε_θ(s_t, t) - ε|². The reward

    r(s) = E_{t,ε} [ |ε_L(s_t, t) - ε|² - |ε_E(s_t, t) - ε|² ]

is high where the expert's model knows better. For the exact models its mean over the learner's
states is -E |ε_E - ε_L|², the diffusion score divergence: no discriminator, no minimax training.
The difference has many times the variance of that direct form, which is logged, but holds also
where ε_L is not yet the learner's exact model.

The difference of two denoising errors is known up to a constant, which matters once episodes may
end early: a reward of mean 0 makes dying cost nothing. It stands where an adversarial reward has
the logit of "this is the expert's" (averaged evenly in log-SNR, times half of its range, r is the
difference of two bounds of log p_E / p_L), and takes a sign in the same three ways: positive by
default, softplus(r) ≥ 0. Absorbing states are no way out here. They lie apart from all others, and
the scores of a mixture whose parts lie apart hardly know the parts' weights: dying once in a
thousand steps, as the expert does, and dying at once look nearly alike.

Both models see the same (t, ε, s_t), and every state every one of the chosen times. Training draws
t from the same distribution as the reward, so that ε_L minimizes what the reward subtracts from.
Wu et al. 2024, "Diffusing States and Matching Scores" (arXiv 2410.13855).
"""

from typing import Any, Literal

import torch
from torch import Tensor

from genrl.diffusion import Denoiser, LowDiscrepancyTimeSampler
from genrl.diffusion.noise import mixed_seed, randn
from genrl.imitation.contrast import Contrast, contrast
from genrl.imitation.history import History
from genrl.imitation.losses.base import (
    ImitationParts,
    Inputs,
    RewardModel,
    Sign,
    imitation_losses,
    input_size,
    inputs_of,
)
from genrl.imitation.signs import reward_of_logit, uninformative_reward
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions
from genrl.typing import Batch, DataSpec

_CHUNK = 2048  # states at a time: the activations of a whole rollout would not fit into the cache


@imitation_losses.register("smiling")
class SMILING(RewardModel):
    """Reward of states that the expert's diffusion model denoises better than the learner's.

    r(s) = E_{t,ε} [ |ε_L(s_t, t) - ε|² - |ε_E(s_t, t) - ε|² ], paid as scale · softplus(r)

    The noise of the k-th call of `reward` comes from a generator seeded by (seed, k); k is part of
    the state, so that a resumed run repeats an uninterrupted one.

    Args:
        inputs: what is compared: s', (s, a) or (s, s').
        sign: positive pays for living, negative for ending, unbiased pays r itself: for tasks whose
            episodes all have one length.
        num_times: noise levels that every state is seen at.
        t_min: least time, in [0, 1].
        t_max: greatest time, in [0, 1].
        spacing: whether times are uniform in t or in the schedule's log-SNR.
        expert_updates: of the expert's model, once, with a learning rate that falls to zero.
        updates_per_step: of the learner's model, for each step of the learner.
        batch_size: of both models' updates.
        learning_rate: of both, Adam.
        history: states of the learner that are kept to train on.
        rescale: whether r is divided by its standard deviation over a batch, before its sign. Its
            mean stays: taken off, an average state would always be paid well, and a policy that
            does nothing but live would do. The metric ``learner_reward`` is r itself.
        scale: factor on what is paid.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        parts: ImitationParts,
        *,
        inputs: Inputs = "state_action",
        sign: Sign = "positive",
        num_times: int = 10,
        t_min: float = 0.1,
        t_max: float = 0.9,
        spacing: Literal["time", "log_snr"] = "time",
        expert_updates: int = 3000,
        updates_per_step: float = 0.2,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        history: int = 1_000_000,
        rescale: bool = True,
        scale: float = 0.1,
    ) -> None:
        super().__init__(parts)
        if not 0 <= t_min < t_max <= 1:
            raise ValueError(f"times need 0 <= t_min < t_max <= 1, not {t_min} and {t_max}")
        if min(num_times, batch_size) < 1 or min(expert_updates, updates_per_step) < 0:
            raise ValueError(
                "num_times and batch_size must be at least 1, expert_updates and updates_per_step "
                f"at least 0, not {num_times}, {batch_size}, {expert_updates}, {updates_per_step}"
            )
        if learning_rate <= 0 or scale <= 0:
            raise ValueError(
                f"learning_rate and scale must be positive, not {learning_rate} and {scale}"
            )
        assert parts.make_denoiser is not None
        size = input_size(inputs, parts.spec)
        self.inputs, self.num_times, self.spacing = inputs, num_times, spacing
        self.t_min, self.t_max = t_min, t_max
        self.expert_updates, self.updates_per_step = expert_updates, updates_per_step
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.rescale, self.scale, self.sign = rescale, scale, sign
        self.expert = parts.make_denoiser(DataSpec((size,)))
        self.learner = parts.make_denoiser(DataSpec((size,)))
        self.normalizer = ObservationNormalizer(size, is_active=True)
        demonstrated = inputs_of(self.expert_steps(), inputs, parts.spec)
        self.normalizer.update(demonstrated)
        self._demonstrated = self.normalizer(demonstrated)
        self._history = History(size, history)
        self._optimizer = torch.optim.Adam(self.learner.parameters(), lr=learning_rate)
        self._seed, self._calls = 0, 0
        self._owed = 0.0

    @property
    def uninformative_reward(self) -> float:
        """Where both models err alike."""
        return self.scale * uninformative_reward(self.sign)

    def fit(self, generator: torch.Generator) -> Metrics:
        """Train the expert's model."""
        self._seed = int(torch.randint(2**62, (), generator=generator))
        optimizer = torch.optim.Adam(self.expert.parameters(), lr=self.learning_rate)
        count = len(self._demonstrated)
        total = 0.0
        for update in range(self.expert_updates):
            optimizer.param_groups[0]["lr"] = self.learning_rate * (
                1 - update / self.expert_updates
            )
            chosen = torch.randint(count, (self.batch_size,), generator=generator)
            loss = self._train(self.expert, optimizer, self._demonstrated[chosen], generator)
            if update >= 0.9 * self.expert_updates:
                total += loss
        return {"expert_loss": total / max(1, self.expert_updates - int(0.9 * self.expert_updates))}

    def reward(self, steps: Transitions) -> Tensor:
        states = self._states(steps)
        generator = torch.Generator().manual_seed(mixed_seed(self._seed, self._calls))
        self._calls += 1
        reward = self.contrast(states, generator).reward.view(steps.shape).to(steps.reward)
        if self.rescale:
            spread = reward.std(correction=0)
            reward = reward / torch.where(spread > 1e-6, spread, 1.0)
        return self.scale * reward_of_logit(reward, self.sign)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Train the learner's model on all history; the raw reward of fresh and expert states."""
        states = self._states(fresh)
        self._history.add(states)
        self._owed += self.updates_per_step * len(states)
        updates, total = int(self._owed), 0.0
        self._owed -= updates
        for _ in range(updates):
            batch = self._history.sample(self.batch_size, generator)
            total += self._train(self.learner, self._optimizer, batch, generator)
        contrast = self.contrast(states[-self.batch_size :], generator)
        chosen = torch.randint(len(self._demonstrated), (self.batch_size,), generator=generator)
        expert = self.contrast(self._demonstrated[chosen], generator)
        metrics = {
            "learner_reward": float(contrast.reward.mean()),
            "expert_reward": float(expert.reward.mean()),
            "divergence": float(contrast.divergence.mean()),
        }
        return {**metrics, "learner_loss": total / updates} if updates else metrics

    @torch.no_grad()
    def contrast(self, states: Tensor, generator: torch.Generator) -> Contrast:
        """r, and the divergence, of standardized states (batch, size)."""
        states = states.to(self._device)
        schedule, times = self.expert.schedule, self.times(self.num_times, generator)
        pieces = [
            contrast(self.expert, self.learner, schedule, piece, times.to(piece), generator)
            for piece in torch.split(states, _CHUNK)
        ]
        return Contrast(
            torch.cat([piece.reward for piece in pieces]),
            torch.cat([piece.divergence for piece in pieces]),
        )

    def times(self, count: int, generator: torch.Generator) -> Batch:
        """Distinct times, evenly spaced but for a common random offset."""
        schedule = self.expert.schedule
        uniform = LowDiscrepancyTimeSampler(schedule).sample(count, generator).double()
        if self.spacing == "time":
            return (self.t_min + (self.t_max - self.t_min) * uniform).float()
        ends = schedule.log_snr(torch.tensor([self.t_min, self.t_max], dtype=torch.float64))
        return schedule.time(ends[0] + (ends[1] - ends[0]) * uniform).float()

    def get_extra_state(self) -> dict[str, Any]:
        """What the next call depends on beside weights."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "history": self._history.state_dict(),
            "seed": self._seed,
            "calls": self._calls,
            "owed": self._owed,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._history.load_state_dict(state["history"])
        self._seed, self._calls = int(state["seed"]), int(state["calls"])
        self._owed = float(state["owed"])

    @property
    def _device(self) -> torch.device:
        return self.normalizer.shift.device

    def _states(self, steps: Transitions) -> Tensor:
        rows = inputs_of(steps, self.inputs, self.spec)
        states: Tensor = self.normalizer(rows.to(self._device))
        return states.reshape(-1, states.shape[-1])

    def _train(
        self,
        model: Denoiser,
        optimizer: torch.optim.Optimizer,
        states: Tensor,
        generator: torch.Generator,
    ) -> float:
        states = states.to(self._device)
        t = self.times(len(states), generator).to(states)
        noise = randn(states.shape, generator, device=states.device)
        eps = model(model.schedule.perturb(states, t, noise), t).eps
        loss = (eps - noise).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())
