"""DAC: absorbing states look the same on both sides."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from genrl.imitation.losses import RewardModel
from genrl.rl.transitions import Transitions, simple_transitions

Build = Callable[..., RewardModel]


def test_actions_in_absorbing_states_are_not_seen(build: Build) -> None:
    # The third number of the small environment's observations plays the indicator.
    model = build("dac")
    generator = torch.Generator().manual_seed(0)
    absorbed = torch.tensor([0.0, 0.0, 1.0]).expand(20, 3)
    action = torch.rand(20, 2, generator=generator)
    idle = simple_transitions(absorbed, action, absorbed)
    still = simple_transitions(absorbed, torch.zeros_like(action), absorbed)
    assert torch.equal(model.reward(idle), model.reward(still))
    alive = simple_transitions(0.5 * absorbed, action, absorbed)
    resting = simple_transitions(0.5 * absorbed, torch.zeros_like(action), absorbed)
    assert not torch.equal(model.reward(alive), model.reward(resting))


def test_it_asks_for_absorbing_states_and_pays_without_bias(build: Build) -> None:
    model = build("dac")
    assert model.needs_absorbing_states
    assert model.uninformative_reward == 0


def test_a_terminated_transition_is_paid_like_any_other(build: Build) -> None:
    model = build("dac")
    obs = torch.randn(10, 3)
    ended = torch.ones(10, dtype=torch.bool)
    steps: Transitions = simple_transitions(obs, obs[:, :2], obs)
    same = simple_transitions(obs, obs[:, :2], obs, terminated=ended)
    assert torch.equal(model.reward(steps), model.reward(same))


def test_a_rollout_gets_the_return_of_the_self_loop(build: Build) -> None:
    """Σ γ^k r = r / (1 - γ): an on-policy critic need not bootstrap the absorbing state."""
    model = build("dac")
    model.gamma = 0.9
    obs = torch.tensor([[0.3, -0.2, 0.0], [0.0, 0.0, 1.0], [0.1, 0.4, 0.0]])
    cut = torch.tensor([False, True, True])
    steps = simple_transitions(obs, torch.zeros(3, 2), obs.roll(-1, 0), truncated=cut)
    paid = model.reward(steps)
    settled = model.settle(replace(steps, reward=paid))
    loop = sum(0.9**k * paid[1].item() for k in range(400))
    torch.testing.assert_close(settled.reward[1].item(), loop, rtol=1e-5, atol=0)
    assert torch.equal(settled.reward[[0, 2]], paid[[0, 2]])
    assert settled.terminated.tolist() == [False, True, False]
    assert settled.truncated.tolist() == [False, False, True]


def test_a_shift_of_the_reward_favours_neither_living_nor_dying(build: Build) -> None:
    """With c more in each step, every episode's return is c / (1 - γ) more, however short."""
    model = build("dac")
    model.gamma = 0.9
    returns = []
    for length in (1, 5, 40):  # the last step is the self-loop
        obs = torch.zeros(length, 3)
        obs[-1, -1] = 1
        for shift in (0.0, 0.7):
            reward = torch.linspace(-1, 1, length) + shift
            steps = simple_transitions(obs, torch.zeros(length, 2), obs, reward=reward)
            settled = model.settle(steps).reward
            returns.append(float((0.9 ** torch.arange(length) * settled).sum()))
    differences = [returns[i + 1] - returns[i] for i in (0, 2, 4)]
    assert differences == pytest.approx([0.7 / 0.1] * 3, rel=1e-5)
