"""Noise for exploration: its size in units of the range, its clipping, its absence when asked."""

import math

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.policies import DeterministicPolicy, GaussianPolicy, RecurrentPolicy
from genrl.rl.policies.noisy import NoisyPolicy
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("box", 3, 2, False, (-2.0, 0.0), (2.0, 10.0))


@torch.no_grad()
def act(policy: NoisyPolicy, count: int, deterministic: bool = False) -> torch.Tensor:
    """Actions at one observation."""
    obs, start = torch.zeros(count, 3), torch.zeros(count, dtype=torch.bool)
    memory, draw = policy.initial_memory(count), torch.Generator().manual_seed(0)
    return policy.act(obs, start, memory, generator=draw, deterministic=deterministic)[0]


def test_noise_is_gaussian_in_units_of_half_the_range() -> None:
    inner = DeterministicPolicy(SPEC)
    with torch.no_grad():
        for parameter in inner.parameters():
            parameter.zero_()
    noise = act(NoisyPolicy(inner, 0.1), 200_000) - torch.tensor([0.0, 5.0])
    assert noise.std(0).tolist() == pytest.approx([0.2, 0.5], rel=0.01)
    assert noise.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=0.005)
    fourth = (noise / noise.std(0)).pow(4).mean(0)
    assert fourth.tolist() == pytest.approx([3.0, 3.0], abs=0.05)
    assert float((noise[:, 0] * noise[:, 1]).mean()) == pytest.approx(0.0, abs=0.002)


def test_actions_stay_within_the_bounds() -> None:
    action = act(NoisyPolicy(DeterministicPolicy(SPEC), 1.0), 10_000)
    assert action.amin(0).tolist() == [-2.0, 0.0]
    assert action.amax(0).tolist() == [2.0, 10.0]
    # P(|N(0, 1)| > 1), at a mode in the middle.
    share = (action[:, 0].abs() == 2).float().mean()
    assert float(share) == pytest.approx(math.erfc(2**-0.5), abs=0.05)


def test_the_mode_is_the_policys_own() -> None:
    inner = DeterministicPolicy(SPEC)
    action = act(NoisyPolicy(inner, 0.5), 4, deterministic=True)
    assert torch.equal(action, inner(torch.zeros(4, 3)).mode)


def test_weights_belong_to_the_policy() -> None:
    inner = DeterministicPolicy(SPEC)
    noisy = NoisyPolicy(inner, 0.0)
    assert list(noisy.parameters()) == []
    before = act(noisy, 1)
    with torch.no_grad():
        next(p for p in reversed(list(inner.parameters()))).add_(0.5)
    assert not torch.equal(act(noisy, 1), before)


def test_a_memory_goes_on() -> None:
    inner = RecurrentPolicy(SPEC, memory=4, head="tanh_gaussian")
    noisy = NoisyPolicy(inner, 0.1)
    assert noisy.memory_size == 4
    obs, start = torch.ones(2, 3), torch.tensor([True, False])
    memory = torch.ones(2, 4)
    _, after = noisy.act(obs, start, memory)
    _, expected = inner.act(obs, start, memory)
    assert torch.equal(after, expected)


def test_refuses_actions_without_bounds() -> None:
    spec = EnvSpec("free", 3, 1, False, (-math.inf,), (math.inf,))
    with pytest.raises(ConfigurationError, match="actions of free have no finite bounds"):
        NoisyPolicy(GaussianPolicy(spec), 0.1)
