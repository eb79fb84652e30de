"""Sines and cosines of the data."""

import math

import torch

from genrl.networks import UNet
from genrl.networks.fourier import FourierFeatures
from genrl.typing import DataSpec


def test_features_by_hand() -> None:
    z = torch.tensor([[[[0.03, -0.4]], [[0.7, 1.0]]]])
    found = FourierFeatures([2, 3])(z)
    assert found.shape == (1, 10, 1, 2)
    assert torch.equal(found[:, :2], z)
    for row, (function, exponent) in enumerate(
        [(math.sin, 2), (math.cos, 2), (math.sin, 3), (math.cos, 3)]
    ):
        wave = found[0, 2 + 2 * row : 4 + 2 * row].flatten().tolist()
        wanted = [function(2**exponent * 2 * math.pi * v) for v in z.flatten().tolist()]
        torch.testing.assert_close(wave, wanted, rtol=0, atol=2e-5)


def test_neighbouring_levels_of_digits_are_told_apart() -> None:
    """Levels are 1/8 apart: n = 2 changes the sign of its cosine from one to the next."""
    levels = torch.arange(17).reshape(17, 1, 1, 1) / 8 - 1
    cosine = FourierFeatures([2])(levels)[:, 2].flatten()
    assert torch.allclose(cosine, torch.tensor([1.0, -1.0] * 8 + [1.0]), atol=1e-4)


def test_a_network_without_them_has_the_weights_that_it_had() -> None:
    spec = DataSpec((1, 8, 8), 10)
    plain, waves = UNet(spec), UNet(spec, fourier_exponents=(2, 3))
    assert plain.input.in_channels == 1
    assert waves.input.in_channels == 5
    assert plain.state_dict().keys() == waves.state_dict().keys()
