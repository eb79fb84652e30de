"""Correlations against numpy, and episodes that outlast a rollout or a save."""

import dataclasses

import numpy as np
import pytest
import torch

from genrl.imitation.diagnostics import RewardDiagnostics, correlation
from genrl.rl.transitions import Transitions, simple_transitions


def rollout(reward: torch.Tensor, start: torch.Tensor, done: torch.Tensor) -> Transitions:
    empty = torch.zeros(*reward.shape, 0)
    steps = simple_transitions(empty, empty, empty, reward=reward, terminated=done)
    return dataclasses.replace(steps, start=start)


def random_run(time: int, envs: int, seed: int) -> tuple[Transitions, torch.Tensor]:
    """Episodes of random length; learned rewards."""
    generator = torch.Generator().manual_seed(seed)
    done = torch.rand(time, envs, generator=generator) < 0.15
    start = torch.cat([torch.ones(1, envs, dtype=torch.bool), done[:-1]])
    reward = torch.randn(time, envs, generator=generator)
    learned = 0.5 * reward + torch.randn(time, envs, generator=generator)
    return rollout(reward, start, done), learned


def test_correlation_is_numpys() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    y = y + 0.3 * x
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-14)
    assert correlation(x, 3 - 2 * x) == pytest.approx(-1.0, abs=1e-14)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8])
def test_what_does_not_vary_correlates_with_nothing(constant: float) -> None:
    assert correlation(torch.randn(100), torch.full((100,), constant)) is None
    assert correlation(torch.randn(1), torch.randn(1)) is None
    assert correlation(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 2.0])) is None


def test_returns_and_lengths_of_episodes_equal_a_plain_loop() -> None:
    steps, learned = random_run(200, 3, 1)
    returns, lengths = [], []
    for t in range(200):
        for env in range(3):
            if t == 0:
                continue
            if steps.done[t, env]:
                first = t
                while not steps.start[first, env]:
                    first -= 1
                returns.append(float(learned[first : t + 1, env].double().sum()))
                lengths.append(t + 1 - first)
        if t == 0:
            for env in range(3):
                if steps.done[0, env]:
                    returns.append(float(learned[0, env]))
                    lengths.append(1)
    diagnostics = RewardDiagnostics(num_episodes=1000)
    metrics = diagnostics(steps, learned, torch.ones(200, 3, dtype=torch.bool))
    assert metrics["learned_return"] == pytest.approx(np.mean(returns), abs=1e-12)
    assert metrics["control_return"] == pytest.approx(np.mean(lengths), abs=1e-12)
    expected = np.corrcoef(returns, lengths)[0, 1]
    assert metrics["length_correlation"] == pytest.approx(expected, abs=1e-12)
    expected = np.corrcoef(steps.reward.flatten().double(), learned.flatten().double())[0, 1]
    assert metrics["reward_correlation"] == pytest.approx(expected, abs=1e-12)


def test_pieces_and_a_save_between_them_change_nothing() -> None:
    steps, learned = random_run(120, 2, 2)
    valid = torch.ones(120, 2, dtype=torch.bool)
    whole = RewardDiagnostics()(steps, learned, valid)
    diagnostics = RewardDiagnostics()
    for first in range(0, 120, 7):
        part = slice(first, first + 7)
        restored = RewardDiagnostics()
        restored.load_state_dict(diagnostics.state_dict())
        diagnostics = restored
        metrics = diagnostics(steps[part], learned[part], valid[part])
    for key in ("learned_return", "control_return", "length_correlation"):
        assert metrics[key] == pytest.approx(whole[key], abs=1e-12)


def test_dead_transitions_belong_to_no_episode() -> None:
    # One episode of 3 steps, a dead transition, one of 2; NEXT_STEP autoreset.
    done = torch.tensor([0, 0, 1, 1, 0, 1]).bool()[:, None]
    start = torch.tensor([1, 0, 0, 0, 1, 0]).bool()[:, None]
    valid = torch.tensor([1, 1, 1, 0, 1, 1]).bool()[:, None]
    learned = torch.tensor([1.0, 1.0, 1.0, 100.0, 2.0, 2.0])[:, None]
    metrics = RewardDiagnostics()(rollout(torch.zeros(6, 1), start, done), learned, valid)
    assert metrics["learned_return"] == 3.5
    assert metrics["control_return"] == 2.5
    assert metrics["learned_reward"] == pytest.approx(7 / 5)
    assert "reward_correlation" not in metrics


def test_an_episode_whose_beginning_was_not_seen_is_left_out() -> None:
    done = torch.tensor([0, 0, 1, 0, 1]).bool()[:, None]
    start = torch.tensor([0, 0, 0, 1, 0]).bool()[:, None]
    valid = torch.ones(5, 1, dtype=torch.bool)
    metrics = RewardDiagnostics()(rollout(torch.zeros(5, 1), start, done), torch.ones(5, 1), valid)
    assert metrics["control_return"] == 2.0


def test_only_the_last_episodes_count() -> None:
    done = torch.ones(10, 1, dtype=torch.bool)
    learned = torch.arange(10.0)[:, None]
    metrics = RewardDiagnostics(num_episodes=2)(rollout(learned, done, done), learned, done)
    assert metrics["learned_return"] == 8.5
