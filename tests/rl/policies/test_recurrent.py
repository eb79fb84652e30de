"""RecurrentPolicy against its unrolled self, torch's cells and a brute-force walk of episodes."""

import pytest
import torch
from torch import nn

from genrl.rl.policies import RecurrentPolicy
from genrl.rl.transitions import Transitions

TIME, ENVS = 23, 4
both = pytest.mark.parametrize("cell", ["gru", "lstm"])


@pytest.fixture
def policy(cell, bounded):
    torch.manual_seed(0)
    return RecurrentPolicy(bounded, cell=cell, memory=8).double()


@pytest.fixture
def steps(policy):
    """A rollout with resets in the middle, at both ends, in some environments or in all."""
    generator = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    start = torch.rand(TIME, ENVS, generator=generator) < 0.1
    start[0] = torch.tensor([True, False, True, False])
    start[9] = True
    start[10, 2] = start[-1, 1] = True
    done = torch.cat([start[1:], start[:1]])
    is_truncated = torch.rand(TIME, ENVS, generator=generator) < 0.5
    return Transitions(
        randn(TIME, ENVS, 3),
        randn(TIME, ENVS, 2),
        randn(TIME, ENVS),
        randn(TIME, ENVS, 3),
        done & ~is_truncated,
        done & is_truncated,
        start,
        randn(TIME, ENVS, policy.memory_size),
    )


@both
def test_all_of_the_time_at_once_equals_step_by_step(policy, steps):
    features, memories = policy.encode(steps.obs, steps.start, steps.memory[0])
    memory = steps.memory[0]
    for step in range(TIME):
        action, memory = policy.act(steps.obs[step], steps.start[step], memory, deterministic=True)
        torch.testing.assert_close(memories[step], memory, rtol=0, atol=1e-14)
        expected = policy(features[step]).mode
        torch.testing.assert_close(action, expected, rtol=0, atol=1e-14)


@both
def test_it_equals_cells_of_torch(policy, cell, steps):
    kind = nn.LSTMCell if cell == "lstm" else nn.GRUCell
    unit = kind(3, 8).double()
    unit.load_state_dict(
        {key.removesuffix("_l0"): value for key, value in policy.core.state_dict().items()}
    )
    features, memories = policy.encode(steps.obs, steps.start, steps.memory[0])
    state = steps.memory[0]
    for step in range(TIME):
        state = torch.where(steps.start[step][:, None], 0.0, state)
        if cell == "lstm":
            state = torch.cat(unit(steps.obs[step], tuple(state.chunk(2, -1))), -1)
        else:
            state = unit(steps.obs[step], state)
        torch.testing.assert_close(memories[step], state, rtol=0, atol=1e-14)
        torch.testing.assert_close(features[step], state[:, :8], rtol=0, atol=1e-14)


@both
def test_next_features_follow_from_the_episode_so_far_also_at_a_truncation(policy, steps):
    features, following = policy.encode_transitions(steps)
    assert steps.truncated.any()
    assert steps.terminated.any()
    assert following.shape == features.shape == (TIME, ENVS, 8)
    for env in range(ENVS):
        for step in range(TIME):
            begun = steps.start[: step + 1, env].nonzero().flatten().tolist()
            first = begun[-1] if begun else 0
            seen = torch.cat([steps.obs[first : step + 1, env], steps.next_obs[step, env][None]])
            # Before its first start, an environment is in the middle of an older episode.
            memory = torch.zeros_like(steps.memory[0, env]) if begun else steps.memory[0, env]
            episode, _ = policy.encode(
                seen[:, None], torch.zeros(len(seen), 1, dtype=torch.bool), memory[None]
            )
            torch.testing.assert_close(following[step, env], episode[-1, 0], rtol=0, atol=1e-14)
            torch.testing.assert_close(features[step, env], episode[-2, 0], rtol=0, atol=1e-14)


@both
def test_nothing_passes_a_start(policy, steps):
    obs = steps.obs.clone().requires_grad_()
    memory = steps.memory[0].clone().requires_grad_()
    features, memories = policy.encode(obs, steps.start, memory)
    (features[9:].sum() + memories[9:].sum()).backward()
    assert (obs.grad[:9] == 0).all()
    assert (obs.grad[9] != 0).all()
    assert (memory.grad == 0).all()


@both
def test_a_forgotten_memory_may_hold_anything(policy, steps):
    memory = torch.full_like(steps.memory[0], torch.nan)
    start = steps.start.clone()
    start[0] = True
    features, memories = policy.encode(steps.obs, start, memory)
    assert features.isfinite().all()
    assert memories.isfinite().all()


@both
def test_gradients_through_time_and_memory(policy):
    torch.manual_seed(2)
    obs = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    memory = torch.randn(2, policy.memory_size, dtype=torch.float64, requires_grad=True)
    start = torch.zeros(5, 2, dtype=torch.bool)
    start[3, 1] = True
    assert torch.autograd.gradcheck(lambda o, m: policy.encode(o, start, m), (obs, memory))


@both
def test_densities_of_a_rollout_are_those_it_acted_with(policy, steps):
    """PPO's ratio is 1 before it learns."""
    generator = torch.Generator().manual_seed(3)
    memory, acted = steps.memory[0], []
    actions = []
    for step in range(TIME):
        features, _ = policy.encode(steps.obs[step][None], steps.start[step][None], memory)
        action, memory = policy.act(steps.obs[step], steps.start[step], memory, generator=generator)
        actions.append(action)
        acted.append(policy(features[0]).log_prob(action))
    features, _ = policy.encode(steps.obs, steps.start, steps.memory[0])
    log_prob = policy(features).log_prob(torch.stack(actions))
    torch.testing.assert_close(log_prob, torch.stack(acted), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "head", "expected"),
    [
        ("discrete", None, "Categorical"),
        ("bounded", None, "DiagGaussian"),
        ("unbounded", None, "DiagGaussian"),
        ("bounded", "tanh_gaussian", "TanhGaussian"),
    ],
)
def test_the_head_follows_the_action_space(kind, head, expected, specs):
    policy = RecurrentPolicy(specs[kind], head=head, memory=8)
    assert type(policy(torch.randn(2, 8))).__name__ == expected


@both
def test_sizes(policy, cell):
    assert policy.num_features == 8
    assert policy.memory_size == (16 if cell == "lstm" else 8)
    assert policy.is_recurrent
    assert policy.window == 16


def test_forget_gate_starts_open(bounded):
    core = RecurrentPolicy(bounded, cell="lstm", memory=8).core
    expected = torch.zeros(4, 8)
    expected[1] = 1.0
    assert core.bias_ih_l0.equal(expected.flatten())
    assert core.bias_hh_l0.equal(torch.zeros(32))


@both
def test_it_learns_to_remember(cell, bounded):
    """The action repeats what was seen first; without a memory the loss stays at its variance."""
    torch.manual_seed(0)
    policy = RecurrentPolicy(bounded, cell=cell, memory=16, features=(), window=8)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(64, 8, dtype=torch.bool)
    for _ in range(300):
        obs = torch.randn(64, 8, 3, generator=generator)
        action = obs[:, :1, :2].expand(64, 8, 2)
        loss = policy.cloning_loss(obs, action, valid).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features, _ = policy.encode(
        obs.transpose(0, 1), torch.zeros(8, 64, dtype=torch.bool), policy.initial_memory(64)
    )
    error = (policy(features).mean[-1] - action[:, 0]).square().mean()
    assert error < 0.1
