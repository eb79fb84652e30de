"""AIRL: the logit's identity, shaping that telescopes, the policy's density."""

import math
from collections.abc import Callable

import pytest
import torch

from genrl.imitation.losses import RewardModel
from genrl.imitation.losses.airl import AIRL
from genrl.rl.advantages import GAE
from genrl.rl.algorithms import PPO, SAC, Parts
from genrl.rl.buffers import ReplayBuffer
from genrl.rl.critics import TwinQCritic, ValuePerceptron
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies import GaussianPolicy, TanhGaussianPolicy
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]


@pytest.fixture
def model(build: Build) -> AIRL:
    built = build("airl", gamma=0.9, sign="unbiased")
    assert isinstance(built, AIRL)
    return built


def make_ppo(spec: EnvSpec) -> PPO:
    policy = GaussianPolicy(spec)
    return PPO(Parts(spec, policy, ValuePerceptron(spec, policy.num_features), GAE()))


def test_the_probability_is_exp_f_over_exp_f_plus_the_policy(model: AIRL, draw: Draw) -> None:
    steps = draw(50)
    model.log_prob = lambda steps: steps.action.sum(-1) / 3
    rows = model.rows(steps).double()
    model.double()
    f, log_pi = model.advantage(rows), steps.action.sum(-1).double() / 3
    expected = f.exp() / (f.exp() + log_pi.exp())
    torch.testing.assert_close(model.logit(rows).sigmoid(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("is_terminated", [True, False])
def test_the_potential_telescopes_along_an_episode(model: AIRL, is_terminated: bool) -> None:
    # Σ γ^t f = Σ γ^t g - h(s_0) [+ γ^T h(s_T) where the record was cut, not the task].
    generator = torch.Generator().manual_seed(0)
    states, length = torch.randn(13, 3, generator=generator), 12
    terminated = torch.zeros(length, dtype=torch.bool)
    terminated[-1] = is_terminated
    steps = simple_transitions(
        states[:-1],
        torch.randn(length, 2, generator=generator),
        states[1:],
        terminated=terminated,
    )
    discounts = 0.9 ** torch.arange(length)
    with torch.no_grad():
        seen = torch.cat([steps.obs, steps.action.clamp(-1, 1)], 1)
        total = (discounts * model.reward(steps)).sum()
        expected = (discounts * model.base(seen)).sum() - model.potential(states[0])
        if not is_terminated:
            expected = expected + 0.9**length * model.potential(states[-1])
    assert total.item() == pytest.approx(expected.item(), abs=1e-6)


def test_either_network_standardizes_what_it_sees_of_both(model: AIRL, draw: Draw) -> None:
    expert, first = model.expert, draw(len(model.expert), shift=2.0)
    model.update(first, torch.Generator().manual_seed(0))
    both = Transitions.cat([expert, first])
    seen = torch.cat([both.obs, both.action.clamp(-1, 1)], -1)
    for network, rows in ((model.potential, both.obs), (model.base, seen)):
        torch.testing.assert_close(network.standardize.mean, rows.mean(0))
        torch.testing.assert_close(network.standardize.std, rows.std(0, correction=0))


def test_without_a_density_the_logit_is_f(model: AIRL, draw: Draw) -> None:
    rows = model.rows(draw(20))
    assert torch.equal(model.logit(rows), model.advantage(rows))


def test_under_an_on_policy_algorithm_the_density_is_the_policys_of_normalized_observations(
    model: AIRL, draw: Draw, spec: EnvSpec
) -> None:
    torch.manual_seed(0)
    algorithm = make_ppo(spec)
    normalizer = ObservationNormalizer(3, is_active=True)
    normalizer.update(3 + 2 * torch.randn(100, 3))
    steps = draw(6, 4)
    plain = model.reward(steps)
    model.attach(algorithm, normalizer)
    distribution = algorithm.policy(normalizer(steps.obs))
    with torch.no_grad():
        expected = plain - distribution.log_prob(steps.action).clamp(-20, 20)
    torch.testing.assert_close(model.reward(steps), expected)
    assert not any("policy" in key for key in model.state_dict())
    model.update(draw(64), torch.Generator().manual_seed(0))
    assert all(parameter.grad is None for parameter in algorithm.policy.parameters())


def test_under_an_off_policy_algorithm_the_plain_logit_stays(
    model: AIRL, draw: Draw, spec: EnvSpec
) -> None:
    policy, critic = TanhGaussianPolicy(spec), TwinQCritic(spec, 3)
    algorithm = SAC(Parts(spec, policy, critic, buffer=ReplayBuffer()))
    model.attach(algorithm, ObservationNormalizer(3, is_active=False))
    assert model.log_prob is None


def test_the_best_f_for_known_densities_is_the_experts_log_density(
    build: Build, draw: Draw
) -> None:
    # One state, actions of density p_E for the expert and π for the learner: exp f / (exp f + π)
    # is right for f = log p_E. Here p_E is uniform on [-½, ½]², so that f = 0 wherever it is.
    model = build("airl", learning_rate=1e-2, updates_per_step=0.2, history=3000, hidden=(32,))
    assert isinstance(model, AIRL)
    model.log_prob = lambda steps: torch.full(steps.shape, -math.log(4.0))  # uniform on [-1, 1]²
    generator = torch.Generator().manual_seed(0)

    def uniform(bound: float) -> Transitions:
        chosen = torch.randint(len(demonstrated), (3000,), generator=generator)
        steps = demonstrated[chosen]
        steps.action.uniform_(-bound, bound, generator=generator)
        return steps

    demonstrated = model.expert
    model.expert, fresh = uniform(0.5), uniform(1.0)
    model.update(fresh, generator)
    with torch.no_grad():
        f = model.advantage(model.rows(fresh))
    inner = (fresh.action.abs() < 0.4).all(1)
    outer = (fresh.action.abs() > 0.7).any(1)
    assert abs(float(f[inner].mean())) < 0.35
    assert float(f[outer].mean()) < -3
