"""The mixture has the moments it is said to have, and its denoiser is exact."""

import math

import pytest
import torch

from genrl.data import GaussianMixtureSource, data_sources
from genrl.diffusion.schedules import CosineSchedule
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec


def test_what_the_source_says_of_itself() -> None:
    source = data_sources.build("gaussian_mixture")
    assert source.spec == DataSpec((2,), 4)
    assert source.default_feature == "identity"
    assert source.value_range is None
    assert len(source.class_names) == 4
    held_out = source.held_out()
    assert held_out is not None
    assert (len(source.train()), len(held_out)) == (20_000, 4_000)


def test_moments_of_the_whole() -> None:
    """Mean 0; covariance (r²/2 + s²) I by the symmetry of the ring."""
    x = next(GaussianMixtureSource(num_examples=100_000).train().in_order(100_000)).x.double()
    variance = 0.75**2 / 2 + 0.12**2
    assert x.mean(0).abs().max() < 4 * math.sqrt(variance / 100_000)
    assert (x.T.cov() - variance * torch.eye(2)).abs().max() < 4 * variance * 2**0.5 / 100_000**0.5


def test_components_belong_to_the_class_of_their_angle() -> None:
    source = GaussianMixtureSource(num_examples=40_000)
    x, labels = next(source.train().in_order(40_000))
    assert labels is not None
    nearest = (torch.atan2(x[:, 1], x[:, 0]) / (2 * math.pi / 8)).round().long() % 8
    # The half-angle is 0.27 / 0.12 = 2.4 standard deviations from the mean: 1.6 % lie beyond it.
    is_right = (nearest % 4 == labels).double().mean().item()
    beyond = math.erfc(0.75 * math.sin(math.pi / 8) / 0.12 / 2**0.5)
    assert is_right == pytest.approx(1 - beyond, abs=0.003)
    assert (labels.bincount() / 40_000 - 0.25).abs().max() < 4 * math.sqrt(0.25 * 0.75 / 40_000)
    for component in range(8):
        members = x[(nearest == component) & (labels == component % 4)].double()
        angle = component * math.pi / 4
        expected = torch.tensor([0.75 * math.cos(angle), 0.75 * math.sin(angle)])
        assert (members.mean(0) - expected).abs().max() < 0.012
        radial = members @ expected.double() / 0.75
        assert radial.std().item() == pytest.approx(0.12, rel=0.05)


def test_examples_depend_on_the_seed_and_the_parts_differ() -> None:
    first, again, other = (GaussianMixtureSource(num_examples=50, seed=s) for s in (0, 0, 1))
    assert first.train().fingerprint() == again.train().fingerprint()
    assert first.train().fingerprint() != other.train().fingerprint()
    train, held_out = (next(part.in_order(10)) for part in (first.train(), first.held_out()))
    assert not torch.isin(held_out.x, train.x).any()
    assert not torch.equal(held_out.label, train.label)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", [None, 0, 3, 4])
def test_the_denoiser_is_the_mean_of_what_could_have_been_there(label: int | None) -> None:
    """E[x | z] by weighting samples of x with N(z; α x, σ²), independent of the closed form."""
    source = GaussianMixtureSource(num_examples=400_000)
    schedule = CosineSchedule()
    x, labels = next(source.train().in_order(400_000))
    assert labels is not None
    if label is not None and label < 4:
        x = x[labels == label]
    x = x.double()
    z = torch.tensor([[0.3, 0.5], [-0.6, 0.1], [1.2, -1.0]], dtype=torch.float64)
    t = torch.tensor([0.5, 0.35, 0.7], dtype=torch.float64)
    given = None if label is None else torch.full((3,), label)
    exact = source.denoiser(schedule)(z, t, given).x
    level = schedule.level(t)
    for i in range(3):
        distance = (z[i] - level.alpha[i] * x).square().sum(1) / level.sigma[i] ** 2
        weights = torch.softmax(-distance / 2, 0)
        mean = weights @ x
        error = ((weights**2) @ (x - mean) ** 2).sqrt()  # of the self-normalised estimate
        assert (error < 0.01).all()
        assert ((mean - exact[i]).abs() < 4 * error).all()


def test_the_classes_denoise_differently() -> None:
    denoiser = GaussianMixtureSource().denoiser(CosineSchedule())
    z, t = torch.tensor([[0.4, 0.0]] * 2), torch.full((2,), 0.5)
    # Class 0 lies right and left of the origin, class 2 above and below.
    x = denoiser(z, t, torch.tensor([0, 2])).x
    assert x[0, 0] > 0.25
    assert x[1, 0].abs() < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_components": 6}, "multiple of num_classes: 6, 4"),
        ({"num_classes": 0}, "multiple of num_classes"),
        ({"std": 0.0}, "std and num_examples must be positive"),
        ({"num_examples": 0}, "std and num_examples must be positive"),
    ],
)
def test_mistakes_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        data_sources.build({"name": "gaussian_mixture"} | changes)
