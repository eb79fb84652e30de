"""TRPO: the bound holds, the step is the natural gradient, a failed step leaves no trace."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from genrl.envs.gymnasium import Gymnasium
from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE
from genrl.rl.agent import Agent
from genrl.rl.algorithms import TRPO, Parts, algorithms
from genrl.rl.algorithms.natural_gradient import flat_gradient, flat_values
from genrl.rl.algorithms.on_policy import OnPolicyBatch
from genrl.rl.critics import ValuePerceptron
from genrl.rl.distributions.categorical import Categorical
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.policies import GaussianPolicy, policies
from genrl.rl.policies.base import StochasticPolicy
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import simple_transitions

MakeAgent = Callable[..., Agent]
SPEC = EnvSpec("test", 4, 3, False, (-1.0,) * 3, (1.0,) * 3)


class MixedGaussian(StochasticPolicy):
    """N(M W s, σ²): the same policy for every invertible M, in other coordinates W."""

    def __init__(self, mixing: torch.Tensor, mean: torch.Tensor) -> None:
        super().__init__(SPEC)
        self.mixing = mixing
        self.weight = nn.Parameter(torch.linalg.solve(mixing, mean))

    def forward(self, features: torch.Tensor) -> DiagGaussian:
        mean = features @ (self.mixing @ self.weight).T
        return DiagGaussian(mean, mean.new_tensor([-1.0, 0.0, 0.5]))


def random_batch(policy: StochasticPolicy, size: int = 200, seed: int = 0) -> OnPolicyBatch:
    generator = torch.Generator().manual_seed(seed)
    dtype = next(policy.parameters()).dtype
    obs = torch.randn(size, policy.spec.obs_size, generator=generator).to(dtype)
    with torch.no_grad():
        distribution = policy(obs)
        action = distribution.sample(generator)
        log_prob = distribution.log_prob(action)
    first = action if policy.spec.is_discrete else action[:, 0]
    advantages = obs[:, 0] * first + 0.3 * torch.randn(size, generator=generator)
    return OnPolicyBatch(
        simple_transitions(obs, action, obs),
        obs,
        advantages.to(dtype),
        torch.zeros(size, dtype=dtype),
        torch.zeros(size, dtype=dtype),
        log_prob,
        torch.ones(size, dtype=torch.bool),
    )


def trpo(policy: StochasticPolicy, **settings: Any) -> TRPO:
    spec = policy.spec
    return TRPO(Parts(spec, policy, ValuePerceptron(spec, spec.obs_size), GAE()), **settings)


def mean_kl(old: StochasticPolicy, new: StochasticPolicy, obs: torch.Tensor) -> float:
    """By torch.distributions."""
    with torch.no_grad():
        p, q = (torch_distribution(policy(obs)) for policy in (old, new))
        return torch.distributions.kl_divergence(p, q).mean().item()


def torch_distribution(ours: Any) -> torch.distributions.Distribution:
    if isinstance(ours, Categorical):
        return torch.distributions.Categorical(logits=ours.logits)
    normal = torch.distributions.Normal(ours.mean, ours.log_std.exp())
    return torch.distributions.Independent(normal, 1)


@pytest.mark.parametrize("max_kl", [0.001, 0.01, 0.3, 3.0])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_bound_holds_after_every_update(env_id: str, max_kl: float, make_agent: MakeAgent) -> None:
    source = Gymnasium(id=env_id, num_envs=2)
    config = {"name": "trpo", "num_steps": 128, "max_kl": max_kl, "damping": 0.01}
    agent = make_agent(config, source.make_vector(), source.spec)
    algorithm = agent.algorithm
    assert isinstance(algorithm, TRPO)
    sizes, scales = [], []
    for _ in range(5):
        agent.interaction.begin()
        rollout = agent.interaction.collect(algorithm.policy, 128)
        batch = algorithm.prepare(rollout, agent.interaction.relabel(rollout.steps))
        old = copy.deepcopy(algorithm.policy)
        metrics = algorithm.update(batch, agent.interaction)
        sizes.append(mean_kl(old, algorithm.policy, batch.features))
        assert sizes[-1] == pytest.approx(metrics["kl"], rel=1e-3, abs=1e-7)
        assert sizes[-1] <= max_kl * (1 + 1e-5)
        assert metrics["improvement"] >= 0
        scales.append(metrics["step_scale"])
        agent.interaction.finish()
    # Small steps use their bound: the quadratic model is good there.
    if max_kl <= 0.01:
        assert max(sizes) > 0.4 * max_kl
    else:
        assert min(scales) < 1


@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_step_is_the_natural_gradient_on_the_bound(damping: float) -> None:
    generator = torch.Generator().manual_seed(0)
    mean = 0.3 * torch.randn(3, 4, generator=generator, dtype=torch.float64)
    policy = MixedGaussian(torch.eye(3, dtype=torch.float64), mean)
    algorithm = trpo(policy, damping=damping, cg_iterations=50, max_kl=1e-6)
    batch = random_batch(policy)
    before = flat_values([policy.weight])
    metrics = algorithm.improve(batch)
    assert metrics["step_scale"] == 1
    step = flat_values([policy.weight]) - before

    # Closed form: the mean's Fisher matrix is E s sᵀ for each action, divided by σ².
    moment = batch.features.T @ batch.features / len(batch.features)
    precision = torch.tensor([-1.0, 0.0, 0.5], dtype=torch.float64).mul(-2).exp()
    fisher = torch.kron(torch.diag(precision), moment)
    fisher += damping * torch.eye(12, dtype=torch.float64)
    advantages = batch.advantages
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    error = (batch.steps.action - batch.features @ mean.T) * precision
    gradient = torch.einsum("b,bi,bj->ij", advantages, error, batch.features) / len(error)
    direction = torch.linalg.solve(fisher, gradient.flatten())
    expected = (2 * 1e-6 / (direction @ fisher @ direction)).sqrt() * direction
    torch.testing.assert_close(step, expected, rtol=1e-9, atol=0)
    assert float(0.5 * step @ fisher @ step) == pytest.approx(1e-6, rel=1e-9)
    assert metrics["gradient_norm"] == pytest.approx(gradient.norm().item(), rel=1e-9)


def test_step_does_not_depend_on_coordinates() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = 0.3 * torch.randn(3, 4, generator=generator, dtype=torch.float64)
    mixing = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    means = []
    for matrix in (torch.eye(3, dtype=torch.float64), mixing):
        policy = MixedGaussian(matrix, mean)
        batch = random_batch(policy)
        trpo(policy, damping=0.0, cg_iterations=100).improve(batch)
        means.append((policy.mixing @ policy.weight).detach())
    assert (means[0] - mean).norm() > 0.01
    torch.testing.assert_close(means[0], means[1], rtol=0, atol=1e-9)


def test_improvement_is_that_of_the_surrogate() -> None:
    policy = GaussianPolicy(SPEC)
    batch = random_batch(policy)
    metrics = trpo(policy).improve(batch)
    with torch.no_grad():
        ratio = (policy(batch.features).log_prob(batch.steps.action) - batch.log_prob).exp()
        advantages = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
        expected = (ratio * advantages).mean().item()
    assert metrics["improvement"] > 0.01
    assert metrics["improvement"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("failure", ["backwards", "nan", "huge"])
def test_failed_search_restores_every_weight(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(product: Any, target: torch.Tensor, **settings: Any) -> torch.Tensor:
        return {
            "backwards": -target,
            "nan": target * torch.nan,
            "huge": torch.full_like(target, 1e30),
        }[failure]

    policy = GaussianPolicy(SPEC)
    batch = random_batch(policy)
    algorithm = trpo(policy)
    before = copy.deepcopy(policy.state_dict())
    monkeypatch.setattr("genrl.rl.algorithms.trpo.conjugate_gradient", wrong)
    if failure == "huge":
        # A step that is too long at each of its halvings.
        monkeypatch.setattr(algorithm, "max_kl", 1e-12)
        monkeypatch.setattr(
            algorithm, "_full_step", lambda g, kl, parameters: 1e3 * torch.ones_like(g)
        )
    metrics = algorithm.improve(batch)
    assert metrics["step_scale"] == metrics["kl"] == metrics["improvement"] == 0
    for name, weight in policy.state_dict().items():
        assert torch.equal(weight, before[name])


def test_no_advantage_no_step() -> None:
    policy = GaussianPolicy(SPEC)
    batch = random_batch(policy)
    flat = OnPolicyBatch(**{**vars(batch), "advantages": torch.zeros(200)})
    before = flat_values(list(policy.parameters()))
    assert trpo(policy).improve(flat)["step_scale"] == 0
    assert torch.equal(before, flat_values(list(policy.parameters())))


def test_gradients_of_the_policy_are_left_alone() -> None:
    policy = GaussianPolicy(SPEC)
    trpo(policy).improve(random_batch(policy))
    assert all(parameter.grad is None for parameter in policy.parameters())
    assert flat_gradient(policy(torch.zeros(4)).mode.sum(), list(policy.parameters())).norm() > 0


@pytest.mark.parametrize("is_discrete", [True, False])
def test_learns_the_identity(
    is_discrete: bool, identity_envs: Callable[..., Any], make_agent: MakeAgent
) -> None:
    config = {"name": "trpo", "num_steps": 40, "max_kl": 0.05, "damping": 0.01}
    policy = {"name": "categorical" if is_discrete else "gaussian", "features": [16]}
    agent = make_agent(config, *identity_envs(is_discrete), policy=policy)
    for _ in range(25):
        returns = agent.iterate()["episode_return"]
    assert returns > 9


def test_learns_with_a_memory(identity_envs: Callable[..., Any], make_agent: MakeAgent) -> None:
    config = {"name": "trpo", "num_steps": 20, "max_kl": 0.1, "cg_iterations": 5}
    policy = {"name": "recurrent", "memory": 8, "features": []}
    agent = make_agent(config, *identity_envs(True), policy=policy)
    for _ in range(20):
        metrics = agent.iterate()
        assert metrics["kl"] <= 0.1
    assert metrics["episode_return"] > 8


def test_says_which_policy_it_cannot_take() -> None:
    policy = policies.build("mixture", SPEC)
    assert isinstance(policy, StochasticPolicy)
    with pytest.raises(ConfigurationError, match=r"trpo needs another policy: .*no closed form"):
        trpo(policy).improve(random_batch(policy))


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("max_kl", 0.0, "max_kl and value_learning_rate must be positive"),
        ("damping", -1.0, "damping not negative"),
        ("cg_iterations", 0, "must be at least 1"),
    ],
)
def test_refuses_numbers_out_of_range(parameter: str, value: float, message: str) -> None:
    policy = GaussianPolicy(SPEC)
    parts = Parts(SPEC, policy, ValuePerceptron(SPEC, 4), GAE())
    with pytest.raises(ConfigurationError, match=message):
        algorithms.build({"name": "trpo", parameter: value}, parts)


@pytest.mark.slow
def test_swings_up_a_pendulum(make_agent: MakeAgent) -> None:
    """100k steps; the interquartile mean of 20 episodes of each of 3 seeds."""
    returns: list[float] = []
    for seed in range(3):
        source = Gymnasium(id="Pendulum-v1", num_envs=2)
        config = {"name": "trpo", "num_steps": 1024, "value_epochs": 15}
        agent = make_agent(config, source.make_vector(), source.spec, gamma=0.9, seed=seed)
        while agent.env_steps < 100_000:
            agent.iterate()
        test = Collector(source.make_vector(20), source.spec, seed=10_000)

        def act(*inputs: Any, agent: Agent = agent) -> tuple[torch.Tensor, torch.Tensor]:
            return agent.actor.act(*inputs, deterministic=True)

        returns += [episode.total for episode in test.collect(act, 200).episodes]
    assert torch.tensor(returns).sort().values[15:45].mean() >= -200
