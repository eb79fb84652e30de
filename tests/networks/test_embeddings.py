"""Embeddings against their formulas in fp64 NumPy, and what they do not depend on."""

import math

import numpy as np
import pytest
import torch

from genrl.networks.embeddings import ConditionEmbedding, SinusoidalEmbedding


def test_frequencies_are_geometric_from_end_to_end() -> None:
    embedding = SinusoidalEmbedding(10, 0.05, 8.0)
    expected = 0.05 * (8.0 / 0.05) ** (np.arange(5) / 4)
    np.testing.assert_allclose(embedding.frequencies.numpy(), expected, rtol=1e-6)


def test_features_are_sines_then_cosines() -> None:
    embedding = SinusoidalEmbedding(8, 0.1, 2.0)
    scalar = torch.tensor([0.0, 1.0, -3.5])
    angles = scalar.double().numpy()[:, None] * (0.1 * 20.0 ** (np.arange(4) / 3))
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(embedding(scalar).numpy(), expected, atol=2e-6)


def test_features_stay_float32_in_low_precision() -> None:
    embedding = SinusoidalEmbedding(8, 0.001, 1.0)
    scalar = torch.tensor([999.0, 1000.0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = embedding(scalar)
    assert low.dtype == torch.float32
    assert torch.equal(low, embedding(scalar))
    assert not torch.equal(low[0], low[1])


@pytest.mark.parametrize("features", [0, 2, 5, 7, -4])
def test_sinusoids_come_in_pairs(features: int) -> None:
    with pytest.raises(ValueError, match=f"even number of features >= 4, not {features}"):
        SinusoidalEmbedding(features, 0.1, 1.0)


@pytest.mark.parametrize("features", [4, 6, 10, 0])
def test_features_of_the_condition(features: int) -> None:
    with pytest.raises(ValueError, match=f"has {features} features, not a multiple of 4"):
        ConditionEmbedding(features, 0)


def test_time_is_that_of_the_cosine_schedule_in_thousandths() -> None:
    """λ = -2 log tan(π t / 2) must come out as 1000 t, whatever schedule it came from."""
    embedding = ConditionEmbedding(16, 0)
    t = torch.tensor([0.02, 0.3, 0.5, 0.97], dtype=torch.float64)
    log_snr = -2 * torch.log(torch.tan(math.pi * t / 2))
    hidden = embedding.input(embedding.time_features((1000 * t).float()))
    expected = embedding.output(torch.nn.functional.silu(hidden))
    torch.testing.assert_close(embedding(log_snr.float(), None, None), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("log_snr", [-1e4, -20.0, 20.0, 1e4])
def test_the_ends_of_log_snr_are_finite(log_snr: float) -> None:
    assert ConditionEmbedding(16, 0)(torch.tensor([log_snr]), None, None).isfinite().all()


def test_guidance_weight_counts_only_once_it_is_learned() -> None:
    embedding = ConditionEmbedding(16, 3)
    log_snr, label = torch.zeros(3), torch.tensor([0, 1, 2])
    without = embedding(log_snr, label, None)
    for w in (0.0, 4.0):
        assert torch.equal(embedding(log_snr, label, torch.full((3,), w)), without)
    torch.nn.init.normal_(embedding.guidance.weight)
    w = torch.tensor([0.0, 0.5, 4.0])
    hidden = embedding.input(embedding.time_features(torch.full((3,), 500.0)))
    hidden = hidden + embedding.guidance_features(w) @ embedding.guidance.weight.T
    expected = embedding.output(torch.nn.functional.silu(hidden)) + embedding.label.weight[:3]
    torch.testing.assert_close(embedding(log_snr, label, w), expected, rtol=1e-5, atol=1e-5)
    rows = embedding(log_snr, torch.zeros(3, dtype=torch.long), w)
    assert (rows[0] - rows[1]).abs().max() > 1e-2
    assert (rows[1] - rows[2]).abs().max() > 1e-2


def test_no_label_is_the_null_class() -> None:
    embedding = ConditionEmbedding(16, 3)
    log_snr = torch.tensor([0.0, 1.0])
    null = embedding(log_snr, torch.tensor([3, 3]), None)
    assert torch.equal(embedding(log_snr, None, None), null)
    for label in range(3):
        assert not torch.equal(embedding(log_snr, torch.tensor([label, label]), None), null)


def test_data_without_labels_has_no_table() -> None:
    embedding = ConditionEmbedding(16, 0)
    assert embedding.label is None
    assert embedding(torch.zeros(2), None, None).shape == (2, 16)
