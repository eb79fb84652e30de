"""Magnitudes are 1 after every layer, and what is stored is touched by training alone."""

import copy
import math

import pytest
import torch
from torch import Tensor

from genrl.networks.magnitude import (
    SILU_MAGNITUDE,
    MPFourier,
    MPLayer,
    mp_cat,
    mp_silu,
    mp_sum,
    normalize,
)


def magnitude(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_magnitude_of_silu_by_quadrature() -> None:
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    value = torch.trapezoid(torch.nn.functional.silu(x).square() * density, x).sqrt()
    assert value.item() == pytest.approx(SILU_MAGNITUDE, abs=1e-3)
    assert magnitude(mp_silu(normal(100_000))) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_sums_and_concatenations_keep_the_magnitude(share: float) -> None:
    a, b = normal(64, 512), normal(64, 2 * 512)[:, 512:]
    assert magnitude(mp_sum(a, b, share)) == pytest.approx(1, abs=0.02)
    few = b[:, :32]
    joined = mp_cat(a, few, share)
    assert joined.shape == (64, 544)
    assert magnitude(joined) == pytest.approx(1, abs=0.02)
    # Each part gives its share whatever its number of channels.
    parts = joined[:, :512].square().sum(), joined[:, 512:].square().sum()
    expected = share**2 / ((1 - share) ** 2 + share**2)
    assert (parts[1] / (parts[0] + parts[1])).item() == pytest.approx(expected, abs=0.02)


def test_fourier_features_have_magnitude_one() -> None:
    torch.manual_seed(0)
    assert magnitude(MPFourier(256)(torch.linspace(-2, 2, 500))) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kernel", [0, 1, 3])
@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_layers_keep_the_magnitude_whatever_their_weights(kernel: int, scale: float) -> None:
    torch.manual_seed(1)
    layer = MPLayer(64, 128, kernel).eval()
    with torch.no_grad():
        layer.weight.mul_(scale)
    x = normal(256, 64) if not kernel else normal(16, 64, 12, 12)
    output = layer(x)
    if kernel == 3:  # the border sees zeros
        output = output[..., 1:-1, 1:-1]
    assert magnitude(output) == pytest.approx(1, abs=0.06)


def test_a_gain_of_zero_learns() -> None:
    layer, gain = MPLayer(4, 3), torch.zeros((), requires_grad=True)
    output = layer(normal(5, 4), gain)
    assert not output.any()
    (output * normal(5, 3)).sum().backward()
    assert gain.grad is not None
    assert gain.grad.abs() > 0


def test_the_gradient_lies_in_the_sphere() -> None:
    """The output does not change with a weight's length: neither does the loss, to first order."""
    layer = MPLayer(16, 8, 3)
    layer(normal(2, 16, 6, 6)).square().sum().backward()
    weight, gradient = layer.weight, layer.weight.grad
    assert gradient is not None
    along = (weight * gradient).flatten(1).sum(1)
    size = weight.flatten(1).norm(dim=1) * gradient.flatten(1).norm(dim=1)
    assert (along.abs() / size).max() < 1e-3


def test_training_puts_weights_back_and_nothing_else_does() -> None:
    layer = MPLayer(32, 16)
    with torch.no_grad():
        layer.weight.mul_(3)
    stored, x = layer.weight.clone(), normal(4, 32)
    average = copy.deepcopy(layer).requires_grad_(False)
    outputs = [average.train()(x), layer.eval()(x)]
    with torch.no_grad():
        outputs.append(layer.train()(x))
    assert torch.equal(average.weight, stored)
    assert torch.equal(layer.weight, stored)
    outputs.append(layer(x).detach())
    torch.testing.assert_close(
        layer.weight.square().mean(1).sqrt(), torch.ones(16), rtol=0, atol=3e-4
    )
    for output in outputs:
        torch.testing.assert_close(output, outputs[0], rtol=2e-4, atol=2e-4)


def test_two_calls_of_one_update() -> None:
    """A student that is asked twice before it learns, as by a consistency loss."""
    layer = MPLayer(8, 8)
    (layer(normal(3, 8)) + layer(normal(3, 8) + 1)).square().sum().backward()
    assert layer.weight.grad is not None


def test_normalize_is_relative_to_all_but_the_batch() -> None:
    x = 7 * normal(3, 5, 4)
    torch.testing.assert_close(
        normalize(x, (1, 2)).square().mean((1, 2)), torch.ones(3), rtol=0, atol=1e-3
    )
    assert not normalize(torch.zeros(2, 3), (1,)).any()
