"""GAIL: exact discriminators in finite problems, density ratios, labels, fixed statistics."""

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch

from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import ImitationParts, RewardModel
from genrl.imitation.losses.gail import GAIL
from genrl.imitation.signs import reward_of_logit
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]

GAMMA = 0.9


class FiniteProblem:
    """A random Markov decision process with exact occupancies and action values."""

    def __init__(self, states: int = 10, actions: int = 4, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)

        def rand(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        self.transition = (5 * rand(states, actions, states)).exp()
        self.transition /= self.transition.sum(-1, keepdim=True)
        self.first = torch.full((states,), 1 / states, dtype=torch.float64)
        self.expert = (10 * rand(states, actions)).softmax(-1)
        self.identity = torch.eye(states, dtype=torch.float64)

    def occupancy(self, policy: torch.Tensor) -> torch.Tensor:
        """ρ(s, a), which sums to 1."""
        moves = torch.einsum("sa,sat->st", policy, self.transition)
        visits = torch.linalg.solve(self.identity - GAMMA * moves.T, (1 - GAMMA) * self.first)
        return visits[:, None] * policy

    def action_values(self, policy: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
        moves = torch.einsum("sa,sat->st", policy, self.transition)
        value = torch.linalg.solve(self.identity - GAMMA * moves, (policy * reward).sum(-1))
        return reward + GAMMA * self.transition @ value


@pytest.mark.parametrize("sign", ["positive", "negative", "unbiased"])
def test_an_exact_discriminator_leads_to_the_experts_occupancy(sign: str) -> None:
    problem = FiniteProblem()
    expert = problem.occupancy(problem.expert)
    policy = torch.full_like(problem.expert, 1 / problem.expert.shape[1])
    distances = []
    for _ in range(31):
        learner = problem.occupancy(policy)
        distances.append(0.5 * float((learner - expert).abs().sum()))
        reward = reward_of_logit(expert.log() - learner.log(), sign)
        rate = 1.0 if sign == "unbiased" else 2.0  # a softplus has half the logit's slope at 0
        policy = (policy.log() + 0.5 * rate * problem.action_values(policy, reward)).softmax(-1)
    assert distances[0] > 0.5
    assert distances[30] < 1e-6


def test_the_value_of_the_exact_discriminator_is_the_divergence_of_the_occupancies() -> None:
    problem = FiniteProblem(seed=1)
    p = problem.occupancy(problem.expert)
    q = problem.occupancy(torch.full_like(p, 0.25))
    logit = p.log() - q.log()
    loss = (
        -(p * reward_of_logit(logit, "negative")).sum()
        + (q * reward_of_logit(logit, "positive")).sum()
    )
    middle = (p + q) / 2
    divergence = 0.5 * ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum())
    assert -loss.item() == pytest.approx(2 * divergence.item() - 2 * math.log(2), abs=1e-12)


def test_half_steps_to_the_expert_on_a_frozen_ratio_lower_the_divergence_each_time() -> None:
    # Majorize-minimize with the ratio fixed: p ← p (p_E / p)^½, log p_k / p_E halves each time.
    generator = torch.Generator().manual_seed(0)
    expert = (1.5 * torch.randn(8, generator=generator, dtype=torch.float64)).softmax(0)
    first = torch.full((8,), 1 / 8, dtype=torch.float64)
    learner, divergences = first, []
    for _ in range(13):
        divergences.append(float((learner * (learner / expert).log()).sum()))
        reward = reward_of_logit(expert.log() - learner.log(), "unbiased")
        learner = (learner.log() + 0.5 * reward).softmax(0)
    assert divergences[0] > 0.3
    assert all(later < earlier for earlier, later in itertools.pairwise(divergences))
    assert divergences[12] < 2e-7
    exact = (expert.log() + (first / expert).log() * 0.5**13).softmax(0)
    torch.testing.assert_close(learner, exact, rtol=1e-12, atol=0)


def line(values: torch.Tensor) -> Transitions:
    """Transitions whose next observation is the value."""
    x = values[:, None]
    return simple_transitions(torch.zeros_like(x), torch.zeros_like(x), x)


def gail_on_a_line(expert: torch.Tensor, **parameters: object) -> GAIL:
    torch.manual_seed(0)
    spec = EnvSpec("line", 1, 1, False, (-1.0,), (1.0,))
    episode = Demonstration(
        torch.cat([expert[:1], expert])[:, None], torch.zeros(len(expert), 1), expert, False
    )
    parts = ImitationParts(spec, Demonstrations([episode], "a test"))
    return GAIL(parts, inputs="state", **parameters)


def test_the_logit_becomes_the_log_ratio_of_the_densities() -> None:
    # N(1, 1) against N(-1, 1): log p_E - log p_L = 2x.
    generator = torch.Generator().manual_seed(0)
    model = gail_on_a_line(
        1 + torch.randn(20_000, generator=generator),
        sign="unbiased",
        gradient_penalty=0.0,
        entropy=0.0,
        updates_per_step=0.03,
        learning_rate=1e-2,
        history=20_000,
        hidden=(32,),
    )
    learner = line(-1 + torch.randn(20_000, generator=generator))
    model.update(learner, generator)
    x = torch.linspace(-1.5, 1.5, 13)
    assert (model.reward(line(x)) - 2 * x).abs().mean() < 0.2


@pytest.mark.parametrize("sign", ["positive", "negative", "unbiased"])
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_what_can_be_told_apart_is_told_apart_with_the_expert_on_top(
    sign: str, spectral_norm: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    expert, learner = torch.rand(500, generator=generator), -torch.rand(500, generator=generator)
    model = gail_on_a_line(
        expert + 0.5,
        sign=sign,
        gradient_penalty=0.0,
        spectral_norm=spectral_norm,
        hidden=(32, 32),
        learning_rate=1e-2,
        batch_size=64,
        updates_per_step=0.2,
    )
    model.update(line(learner), generator)
    metrics = model.update(line(learner), generator)
    assert metrics["discriminator_expert_accuracy"] > 0.99
    assert metrics["discriminator_learner_accuracy"] > 0.99
    assert metrics["discriminator_expert_logit"] > 0 > metrics["discriminator_learner_logit"]
    assert model.reward(line(expert + 0.5)).min() > model.reward(line(learner)).max()


def test_at_the_start_it_pays_what_an_uninformative_discriminator_pays(
    build: Build, draw: Draw
) -> None:
    for sign, paid in (("positive", math.log(2)), ("negative", -math.log(2)), ("unbiased", 0.0)):
        model = build("gail", sign=sign)
        assert model.uninformative_reward == pytest.approx(paid)
        assert model.reward(draw(500)).mean() == pytest.approx(paid, abs=0.15)


@pytest.mark.parametrize("inputs", ["state", "state_action", "state_next_state"])
def test_statistics_are_of_the_expert_and_the_learners_first_steps_and_stay(
    build: Build, draw: Draw, demonstrations: Demonstrations, inputs: str
) -> None:
    model = build("gail", inputs=inputs)
    assert isinstance(model, GAIL)

    def seen(steps: Transitions) -> torch.Tensor:
        action = steps.action.clamp(-1, 1)
        return {
            "state": steps.next_obs,
            "state_action": torch.cat([steps.obs, action], 1),
            "state_next_state": torch.cat([steps.obs, steps.next_obs], 1),
        }[inputs]

    def assert_statistics_of(rows: torch.Tensor) -> None:
        torch.testing.assert_close(statistics.mean, rows.mean(0))
        torch.testing.assert_close(statistics.std, rows.std(0, correction=0))

    generator, statistics = torch.Generator().manual_seed(0), model.discriminator.standardize
    expert, first = demonstrations.transitions(), draw(5 * 80, shift=2.0)
    assert len(expert) == 80
    assert_statistics_of(seen(expert))
    model.update(draw(0), generator)
    assert_statistics_of(seen(expert))
    model.update(first, generator)
    assert_statistics_of(torch.cat([seen(expert).repeat(5, 1), seen(first)]))
    before = copy.deepcopy(statistics.state_dict())
    model.update(draw(1000, shift=50.0), generator)
    assert all(torch.equal(value, before[key]) for key, value in statistics.state_dict().items())


def test_actions_are_seen_as_executed(build: Build, draw: Draw) -> None:
    model = build("gail")
    steps = draw(100)
    assert steps.action.abs().max() > 1
    clipped = Transitions(**{**vars(steps), "action": steps.action.clamp(-1, 1)})
    assert torch.equal(model.reward(steps), model.reward(clipped))


def test_rewards_carry_no_gradient_and_have_the_shape_of_the_steps(
    build: Build, draw: Draw
) -> None:
    reward = build("gail").reward(draw(7, 5))
    assert reward.shape == (7, 5)
    assert not reward.requires_grad


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"freeze": 0}, "freeze must be at least 1"),
        ({"history": 0}, "history must be at least 1"),
        ({"updates_per_step": -1.0}, "updates_per_step must not be negative"),
        ({"gradient_penalty": -1.0}, "gradient_penalty must not be negative"),
    ],
)
def test_numbers_out_of_range_are_refused(
    build: Build, parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build("gail", **parameters)


def test_without_demonstrations_it_says_what_to_give(spec: EnvSpec) -> None:
    with pytest.raises(ValueError, match="needs demonstrations"):
        GAIL(ImitationParts(spec))
