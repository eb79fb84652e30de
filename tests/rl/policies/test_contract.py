"""What every policy with a distribution promises, whatever it is made of."""

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.policies import policies
from genrl.rl.transitions import simple_transitions

CASES = [
    ({"name": "gaussian"}, "bounded"),
    ({"name": "gaussian"}, "unbounded"),
    ({"name": "gaussian", "std": "state"}, "bounded"),
    ({"name": "gaussian", "sde": True}, "bounded"),
    ({"name": "tanh_gaussian"}, "bounded"),
    ({"name": "deterministic"}, "bounded"),
    ({"name": "categorical"}, "discrete"),
    ({"name": "mixture"}, "unbounded"),
    ({"name": "recurrent"}, "discrete"),
    ({"name": "recurrent", "cell": "lstm", "head": "tanh_gaussian"}, "bounded"),
    ({"name": "recurrent", "cell": "lstm"}, "unbounded"),
]
every = pytest.mark.parametrize(
    ("config", "kind"), CASES, ids=["-".join(map(str, c.values())) + "-" + k for c, k in CASES]
)


@pytest.fixture
def policy(config, kind, specs):
    torch.manual_seed(0)
    return policies.build(config, specs[kind])


@every
def test_actions_have_the_shape_and_type_of_the_environment(policy):
    with torch.no_grad():
        action, memory = policy.act(
            torch.randn(5, 3), torch.ones(5, dtype=torch.bool), policy.initial_memory(5)
        )
    assert action.shape == (5, *policy.spec.action_shape)
    assert action.dtype == (torch.int64 if policy.spec.is_discrete else torch.float32)
    assert memory.shape == (5, policy.memory_size)
    assert policy.spec.executable(action).shape == action.shape


@every
def test_actions_follow_the_generator(policy):
    obs, start = torch.randn(64, 3), torch.ones(64, dtype=torch.bool)
    first, second, other = (
        policy.act(
            obs, start, policy.initial_memory(64), generator=torch.Generator().manual_seed(seed)
        )[0]
        for seed in (1, 1, 2)
    )
    assert first.equal(second)
    assert first.equal(other) == (type(policy).__name__ == "DeterministicPolicy")


@every
def test_deterministic_actions_are_the_mode(policy):
    obs, start = torch.randn(6, 3), torch.ones(6, dtype=torch.bool)
    memory = torch.randn(6, policy.memory_size)
    action, _ = policy.act(obs, start, memory, deterministic=True)
    features, _ = policy.encode(obs[None], start[None], memory)
    assert features.shape == (1, 6, policy.num_features)
    torch.testing.assert_close(action, policy(features).mode[0])


@every
def test_densities_at_features_of_any_shape(policy):
    features = torch.randn(4, 5, policy.num_features)
    distribution = policy(features)
    action = distribution.sample()
    assert action.shape == (4, 5, *policy.spec.action_shape)
    if type(policy).__name__ == "DeterministicPolicy":
        return
    log_prob = distribution.log_prob(action)
    assert log_prob.shape == (4, 5)
    alone = policy(features[2, 3]).log_prob(action[2, 3])
    torch.testing.assert_close(log_prob[2, 3], alone)
    entropy = distribution.entropy()
    assert entropy is None or entropy.shape == (4, 5)


@every
def test_weights_travel_in_the_state(policy, config, kind, specs):
    other = policies.build(config, specs[kind])
    obs, start = torch.randn(6, 3), torch.ones(6, dtype=torch.bool)
    memory = policy.initial_memory(6)
    expected, _ = policy.act(obs, start, memory, deterministic=True)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    other.load_state_dict(policy.state_dict())
    assert other.act(obs, start, memory, deterministic=True)[0].equal(expected)


@every
def test_cloning_is_the_mean_over_valid_steps(policy):
    policy = policy.double()
    obs = torch.randn(2, 3, 3, dtype=torch.float64)
    features, _ = policy.encode(
        obs.transpose(0, 1),
        torch.zeros(3, 2, dtype=torch.bool),
        torch.zeros(2, policy.memory_size, dtype=torch.float64),
    )
    action = policy(features).sample().transpose(0, 1)
    if not policy.spec.is_discrete:
        action = action * 0.9
    valid = torch.tensor([[True, True, False], [True, True, True]])
    memory = policy.initial_memory
    policy.initial_memory = lambda count: memory(count).double()
    loss = policy.cloning_loss(obs, action, valid)
    assert loss.shape == (2,)
    if type(policy).__name__ == "DeterministicPolicy":
        half = torch.tensor([2.5, 0.75], dtype=torch.float64)
        error = ((policy(obs).mode - action) / half).square().mean(-1)
    else:
        error = -policy(features).log_prob(action.transpose(0, 1)).transpose(0, 1)
    torch.testing.assert_close(loss[0], error[0, :2].mean())
    torch.testing.assert_close(loss[1], error[1].mean())


@every
def test_every_weight_learns(policy):
    obs = torch.randn(8, 4, 3)
    features, _ = policy.encode(obs, torch.zeros(8, 4, dtype=torch.bool), policy.initial_memory(4))
    distribution = policy(features)
    if type(policy).__name__ == "DeterministicPolicy":
        loss = distribution.mode.square().sum()
    else:
        loss = distribution.log_prob(distribution.sample()).square().sum()
    loss.backward()
    for label, parameter in policy.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label


@every
def test_memoryless_features_are_the_observations(policy):
    if policy.is_recurrent:
        pytest.skip("features are the core's")
    steps = simple_transitions(torch.randn(7, 3), torch.zeros(7, 2), torch.randn(7, 3))
    features, following = policy.encode_transitions(steps)
    assert features is steps.obs
    assert following is steps.next_obs


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({"name": "gaussian"}, "discrete", "4 discrete ones: take policy=categorical"),
        ({"name": "gaussian", "sde": True}, "discrete", "take policy=categorical"),
        ({"name": "tanh_gaussian"}, "discrete", "take policy=categorical"),
        ({"name": "tanh_gaussian"}, "unbounded", r"Unbounded-v0 lie in .*\[-inf, inf\].*=gaussian"),
        ({"name": "deterministic"}, "discrete", "take policy=categorical"),
        ({"name": "deterministic"}, "unbounded", "needs finite bounds"),
        ({"name": "categorical"}, "bounded", "vectors of 2 numbers: take policy=gaussian"),
        ({"name": "mixture"}, "discrete", "take policy=categorical"),
        ({"name": "recurrent", "head": "gaussian"}, "discrete", "needs continuous actions"),
        ({"name": "recurrent", "head": "tanh_gaussian"}, "unbounded", "needs finite bounds"),
        ({"name": "recurrent", "head": "categorical"}, "bounded", "needs discrete actions"),
        ({"name": "recurrent", "memory": 0}, "bounded", "memory and window must be at least 1"),
        ({"name": "recurrent", "cell": "gro"}, "bounded", "Did you mean 'gru'"),
        ({"name": "mixture", "components": 0}, "bounded", "components must be at least 1"),
        ({"name": "mixture", "min_log_std": 3.0}, "bounded", "min_log_std must be less"),
        ({"name": "tanh_gaussian", "min_log_std": 3.0}, "bounded", "must be in order, not 3.0"),
        ({"name": "gaussian", "sde": True, "std": "state"}, "bounded", "give std=free"),
        ({"name": "gaussian", "sde": True, "sde_period": -1}, "bounded", "must not be negative"),
        ({"name": "gaussian", "features": [0]}, "bounded", "layer sizes must be at least 1"),
    ],
)
def test_mistakes_are_refused_with_the_way_out(config, kind, message, specs):
    with pytest.raises(ConfigurationError, match=message):
        policies.build(config, specs[kind])
