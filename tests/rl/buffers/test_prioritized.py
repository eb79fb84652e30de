"""Prioritized replay: frequencies, weights and annealing against their formulas."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import scipy.stats
import torch

from genrl.registry import ConfigurationError
from genrl.rl.buffers import PrioritizedBuffer, buffers


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prioritized(played: Callable[..., Any], **parameters: Any) -> tuple[PrioritizedBuffer, Any]:
    """A buffer of two environments that has wrapped, with an error k mod 7 for the step k."""
    buffer = PrioritizedBuffer(capacity=40, **{"epsilon": 0.01, **parameters})
    play = played(2)
    play.add(buffer, 33)
    rows = torch.arange(40)
    errors = buffer.ring.fields.gather(rows).obs[:, 0] % 7
    buffer.update_priorities(rows, -errors)  # the sign does not matter
    return buffer, (errors.double() + 0.01)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_frequencies_are_the_exact_proportions(alpha: float, played: Callable[..., Any]) -> None:
    buffer, priority = prioritized(played, alpha=alpha)
    expected = priority**alpha / (priority**alpha).sum()
    torch.testing.assert_close(
        buffer.tree.values[:40] / buffer.tree.total, expected, rtol=1e-12, atol=0
    )
    generator = seeded(0)
    # Batches of one are not stratified: their frequencies are those of independent draws.
    single = torch.cat([buffer.sample(1, 0.9, generator).index for _ in range(1500)])
    counts = torch.bincount(single, minlength=40)
    keep = expected > 1e-3
    observed = torch.cat([counts[keep], counts[~keep].sum()[None]])
    share = torch.cat([expected[keep], expected[~keep].sum()[None]])
    if not bool((~keep).any()):
        observed, share = observed[:-1], share[:-1]
    assert scipy.stats.chisquare(observed.numpy(), 1500 * share.numpy()).pvalue > 1e-3
    # Of a stratified batch of n, the number of draws of each differs from n P by less than 2.
    large = torch.bincount(buffer.sample(5000, 0.9, generator).index, minlength=40)
    assert ((large - 5000 * expected).abs() < 2).all()


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights(beta: float, played: Callable[..., Any]) -> None:
    buffer, priority = prioritized(played, alpha=0.7, beta=beta, anneal=0)
    sample = buffer.sample(64, 0.9, seeded(0))
    probability = (priority**0.7 / (priority**0.7).sum())[sample.index]
    weight = (40 * probability) ** -beta
    expected = (weight / weight.max()).float()
    torch.testing.assert_close(sample.weight, expected, rtol=1e-6, atol=0)


def test_weights_undo_the_preference(played: Callable[..., Any]) -> None:
    # With β = 1 the weighted mean of anything is its mean over the buffer.
    buffer, _ = prioritized(played, alpha=1.0, beta=1.0, epsilon=1.0)
    sample = buffer.sample(200_000, 0.9, seeded(0))
    everything = buffer.ring.fields.gather(torch.arange(40)).reward
    weight = sample.weight.double()
    mean = (weight * sample.steps.reward).sum() / weight.sum()
    assert float(mean) == pytest.approx(float(everything.double().mean()), abs=1e-3)
    assert abs(float(sample.steps.reward.mean() - everything.mean())) > 0.01


def test_beta_grows_linearly_to_one(played: Callable[..., Any]) -> None:
    buffer, _ = prioritized(played, beta=0.4, anneal=4)
    seen = []
    for _ in range(6):
        seen.append(buffer.beta)
        buffer.sample(8, 0.9, seeded(0))
    assert seen == pytest.approx([0.4, 0.55, 0.7, 0.85, 1.0, 1.0])


def test_new_steps_have_the_greatest_priority_so_far(played: Callable[..., Any]) -> None:
    buffer = PrioritizedBuffer(capacity=10, alpha=0.5, epsilon=1e-9)
    play = played(1)
    play.add(buffer, 4)
    assert buffer.tree.values[:5].tolist() == [1, 1, 1, 1, 0]
    buffer.update_priorities(torch.arange(4), torch.tensor([0.25, 9.0, 4.0, 0.0]))
    play.add(buffer, 1)
    assert float(buffer.tree.values[4]) == pytest.approx(3.0)
    buffer.update_priorities(torch.arange(4), torch.zeros(4))
    play.add(buffer, 6)  # the last one takes the place of the first
    assert buffer.tree.values[4:10].tolist() == pytest.approx([3.0] * 6)
    assert float(buffer.tree.values[0]) == pytest.approx(3.0)


@pytest.mark.parametrize("length", [2, 5])
def test_sequences_start_in_proportion_where_they_can(
    length: int, played: Callable[..., Any]
) -> None:
    buffer, priority = prioritized(played, alpha=1.0, beta=1.0)
    before = buffer.tree.nodes.copy()
    sample = buffer.sample(5000, 0.9, seeded(0), None, length)
    assert (buffer.tree.nodes == before).all()
    number, _ = buffer.ring.locate(torch.arange(40))
    possible = torch.where(number <= 33 - length, priority, 0.0)
    expected = 5000 * possible / possible.sum()
    assert ((torch.bincount(sample.index, minlength=40) - expected).abs() < 2).all()
    assert torch.equal(sample.steps.obs[1:, :, 0], sample.steps.obs[:-1, :, 0] + 2)
    weight = (possible.sum() / (40 - 2 * (length - 1)) / possible)[sample.index]
    torch.testing.assert_close(sample.weight, (weight / weight.max()).float(), rtol=1e-6, atol=0)


def test_restart_goes_on_bit_for_bit(played: Callable[..., Any]) -> None:
    buffer, _ = prioritized(played)
    buffer.sample(8, 0.9, seeded(0))
    file = io.BytesIO()
    torch.save(buffer.state_dict(), file)
    file.seek(0)
    other = PrioritizedBuffer(capacity=40, epsilon=0.01)
    other.load_state_dict(torch.load(file, weights_only=True))
    steps, valid = played(2).steps(5)
    for number in range(5):
        samples = []
        for each in (buffer, other):
            each.add(steps, valid)
            samples.append(each.sample(32, 0.9, seeded(number)))
            each.update_priorities(samples[-1].index, samples[-1].steps.reward)
        assert torch.equal(samples[0].index, samples[1].index)
        assert torch.equal(samples[0].weight, samples[1].weight)


def test_nothing_yet() -> None:
    buffer = PrioritizedBuffer(capacity=40)
    with pytest.raises(ValueError, match="collect more first"):
        buffer.sample(2, 0.9, seeded(0))
    other = PrioritizedBuffer(capacity=40)
    other.load_state_dict(buffer.state_dict())
    assert len(other) == 0


def test_wrong_numbers_are_refused(played: Callable[..., Any]) -> None:
    for parameters in ({"alpha": -0.1}, {"beta": 1.1}, {"anneal": -1}, {"epsilon": 0.0}):
        with pytest.raises(ConfigurationError, match=r"must be|between"):
            buffers.build({"name": "prioritized", **parameters})
    buffer, _ = prioritized(played)
    for error in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="diverged"):
            buffer.update_priorities(torch.tensor([0, 1]), torch.tensor([1.0, error]))
    buffer = PrioritizedBuffer(capacity=40, steps=3)
    played(1).add(buffer, 20)
    with pytest.raises(ValueError, match="buffer=replay"):
        buffer.sample(2, 0.9, seeded(0), None, 4)
