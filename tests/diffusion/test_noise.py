"""Noise that belongs to an index."""

import pytest
import torch

from genrl.diffusion.noise import generators_for, mixed_seed, randn


def test_one_generator_for_all_is_torchs_own() -> None:
    first, second = (torch.Generator().manual_seed(3) for _ in range(2))
    expected = torch.randn(4, 2, 3, generator=first, dtype=torch.float64)
    assert torch.equal(randn((4, 2, 3), second, dtype=torch.float64), expected)


def test_without_a_generator_it_is_the_global_one() -> None:
    torch.manual_seed(1)
    expected = torch.randn(4, 2)
    torch.manual_seed(1)
    assert torch.equal(randn((4, 2), None), expected)


def test_a_row_depends_on_its_index_alone() -> None:
    whole = randn((6, 2, 3), generators_for(5, range(6)))
    order = [4, 0, 5]
    assert torch.equal(randn((3, 2, 3), generators_for(5, order)), whole[order])
    assert not torch.equal(randn((1, 2, 3), generators_for(6, [0])), whole[:1])


def test_rows_are_standard_normal_and_independent() -> None:
    noise = randn((4000, 8), generators_for(0, range(4000)), dtype=torch.float64)
    assert noise.mean().abs() < 5 / 32_000**0.5
    assert (noise.var() - 1).abs() < 5 * (2 / 32_000) ** 0.5
    correlation = (noise[:-1] * noise[1:]).mean()
    assert correlation.abs() < 5 / 32_000**0.5
    torch.testing.assert_close(noise.T.cov(), torch.eye(8).double(), rtol=0, atol=0.1)


def test_one_generator_for_each_example() -> None:
    with pytest.raises(ValueError, match="2 generators were given for 3 examples"):
        randn((3, 2), generators_for(0, range(2)))


def test_seeds_differ_for_every_pair() -> None:
    seeds = {mixed_seed(seed, index) for seed in range(-20, 300) for index in range(300)}
    assert len(seeds) == 320 * 300
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_neighbouring_seeds_share_no_bits() -> None:
    """Half of the bits change between neighbours, as in random numbers."""
    pairs = [(mixed_seed(s, i), mixed_seed(s, i + 1)) for s in range(40) for i in range(100)]
    changed = [(a ^ b).bit_count() for a, b in pairs]
    assert abs(sum(changed) / len(changed) - 31.5) < 0.5
    assert mixed_seed(1, 0) != mixed_seed(0, 1)
