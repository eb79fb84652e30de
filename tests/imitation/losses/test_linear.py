"""FEM and game-theoretic: the closed form is the supremum, and leads to the expert's features."""

from collections.abc import Callable

import pytest
import torch

from genrl.imitation.demonstrations import Demonstrations
from genrl.imitation.losses import RewardModel
from genrl.imitation.losses.linear import LinearReward
from genrl.rl.transitions import Transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]


def linear(build: Build, name: str, **parameters: object) -> LinearReward:
    model = build(name, **parameters)
    assert isinstance(model, LinearReward)
    return model


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_ball_closed_form_is_the_supremum_over_samples(build: Build) -> None:
    model = linear(build, "fem")
    gap = torch.randn(4, generator=generator(), dtype=torch.float64)
    gap *= 2.9984 / gap.norm()
    samples = torch.randn(100_000, 4, generator=generator(1), dtype=torch.float64)
    sampled = (samples / samples.norm(dim=1, keepdim=True) @ gap).max().item()
    supremum = (model.worst_cost(gap) @ gap).item()
    assert supremum == pytest.approx(2.9984, abs=1e-12)
    assert model.worst_cost(gap).norm().item() == pytest.approx(1.0)
    assert 0.99 * supremum < sampled <= supremum


def test_the_simplex_closed_form_is_the_supremum_over_corners_and_samples(build: Build) -> None:
    model = linear(build, "game_theoretic")
    for seed in range(20):
        gap = torch.randn(5, generator=generator(seed), dtype=torch.float64)
        cost = model.worst_cost(gap)
        corners = torch.cat([torch.eye(5), -torch.eye(5)]).double()
        weights = -torch.rand(10_000, 10, generator=generator(1), dtype=torch.float64).log()
        samples = weights / weights.sum(1, keepdim=True) @ corners
        assert (cost @ gap).item() == (corners @ gap).max().item()
        assert (samples @ gap).max() <= cost @ gap
        assert cost.abs().sum() == 1


@pytest.mark.parametrize("name", ["fem", "game_theoretic"])
def test_no_gap_costs_nothing(build: Build, name: str) -> None:
    cost = linear(build, name).worst_cost(torch.zeros(6))
    assert torch.equal(cost, torch.zeros(6))


@pytest.mark.parametrize("name", ["fem", "game_theoretic"])
def test_the_worst_cost_leads_a_finite_problem_to_the_experts_features(
    build: Build, name: str
) -> None:
    # A random Markov decision process, exact occupancies, 4 features of (s, a).
    model, states, actions, gamma = linear(build, name), 8, 3, 0.9
    rng = generator(3)
    transition = (5 * torch.rand(states, actions, states, generator=rng).double()).softmax(-1)
    features = 4 * torch.rand(states, actions, 4, generator=rng).double()
    expert = (6 * torch.rand(states, actions, generator=rng).double()).softmax(-1)
    identity = torch.eye(states, dtype=torch.float64)

    def expectation(policy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        moves = torch.einsum("sa,sat->st", policy, transition)
        first = torch.full((states,), (1 - gamma) / states, dtype=torch.float64)
        visits = torch.linalg.solve(identity - gamma * moves.T, first)
        return torch.einsum("s,sa,saf->f", visits, policy, features), moves

    target, _ = expectation(expert)
    policy = torch.full((states, actions), 1 / actions, dtype=torch.float64)
    gaps = []
    for iteration in range(100):
        reached, moves = expectation(policy)
        gaps.append(float((reached - target).norm()))
        reward = -(features @ model.worst_cost(reached - target))
        value = torch.linalg.solve(identity - gamma * moves, (policy * reward).sum(-1))
        q = reward + gamma * transition @ value
        policy = (policy.log() + 0.5 / (1 + iteration) ** 0.75 * q).softmax(-1)
    assert gaps[0] > 0.3
    assert max(gaps[-10:]) <= 0.05


@pytest.mark.parametrize("name", ["fem", "game_theoretic"])
def test_the_reward_is_minus_the_worst_cost_of_standardized_features(
    build: Build, draw: Draw, demonstrations: Demonstrations, name: str
) -> None:
    model = linear(build, name, sign="unbiased", limit=1e6)
    fresh, probe = draw(400), draw(30, seed=5)
    metrics = model.update(fresh, generator())

    def inputs(steps: Transitions) -> torch.Tensor:
        return torch.cat([steps.obs, steps.action.clamp(-1, 1)], 1).double()

    both = torch.cat([inputs(demonstrations.transitions()).repeat(5, 1), inputs(fresh)])
    assert len(both) == 2 * len(fresh)
    center, scale = both.mean(0), both.std(0, correction=0)

    def powers(steps: Transitions) -> torch.Tensor:
        z = (inputs(steps) - center) / scale
        return torch.cat([z, z**2], 1)

    of_expert = powers(demonstrations.transitions())
    spread = torch.cat([of_expert.repeat(5, 1), powers(fresh)]).std(0, correction=0)
    mean = of_expert.mean(0)
    phi = (powers(fresh) - mean) / spread
    gap = phi.mean(0)  # the expert's is 0
    if name == "fem":
        cost, worst = gap / gap.norm(), gap.norm()
    else:
        cost, worst = torch.zeros_like(gap), gap.abs().max()
        cost[gap.abs().argmax()] = gap[gap.abs().argmax()].sign()
    expected = -((powers(probe) - mean) / spread @ cost)
    torch.testing.assert_close(model.reward(probe).double(), expected, rtol=1e-4, atol=1e-4)
    assert metrics["worst_cost"] == pytest.approx(worst.item(), rel=1e-4)


def test_the_experts_features_are_standardized_until_the_learner_is_met(build: Build) -> None:
    model = linear(build, "fem")
    features = model.features(model.expert)
    torch.testing.assert_close(features.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.std(0, correction=0), torch.ones(10))


def test_the_learners_mean_forgets_over_the_history(build: Build, draw: Draw) -> None:
    # Weight of n fresh among h: 1 - exp(-n / h); the first batch counts alone.
    model, steps = linear(build, "fem", history=100), [draw(50, seed=s, shift=s) for s in range(2)]
    means = []
    for fresh in steps:
        model.update(fresh, generator())
        means.append(model.mean.clone())
    seen = torch.cat([steps[1].obs, steps[1].action.clamp(-1, 1)], 1)
    share = 1 - torch.exp(torch.tensor(-0.5))
    expected = torch.lerp(means[0], model.features(seen).mean(0), share)
    torch.testing.assert_close(means[1], expected)


def test_pieces_of_a_batch_have_the_weight_of_the_whole(build: Build, draw: Draw) -> None:
    # Only approximately, as later pieces count more: the same transitions four at a time.
    whole, pieces = (linear(build, "fem", history=10_000) for _ in range(2))
    first, second = draw(200, seed=1), draw(200, seed=2, shift=1.0)
    for model in (whole, pieces):
        model.update(first, generator())
    whole.update(second, generator())
    for start in range(0, 200, 4):
        pieces.update(second[start : start + 4], generator())
    torch.testing.assert_close(pieces.mean, whole.mean, atol=2e-3, rtol=0)


def test_before_anything_was_seen_nothing_is_paid(build: Build, draw: Draw) -> None:
    for name in ("fem", "game_theoretic"):
        assert not linear(build, name).reward(draw(10)).any()
