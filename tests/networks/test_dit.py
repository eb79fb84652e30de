"""DiT: its published sizes, its patches and positions, and what a shut gate lets through."""

from typing import Any

import pytest
import torch
from diffusers.models.embeddings import get_2d_sincos_pos_embed

from genrl.networks import DiT, networks
from genrl.networks.dit import from_patches, sin_cos_positions, to_patches
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

LATENTS = DataSpec((4, 32, 32), 1000)
SHAPES = {"S": (384, 12, 6), "B": (768, 12, 12), "XL": (1152, 28, 16)}


@pytest.mark.parametrize(
    ("name", "millions", "macs"), [("S", 33, 6.06), ("B", 130, 23.01), ("XL", 675, 118.64)]
)
def test_published_sizes(size_and_flops: Any, name: str, millions: float, macs: float) -> None:
    """Peebles & Xie 2023, table 4: parameters, and giga multiplications at 32x32x4, patch 2."""
    width, depth, heads = SHAPES[name]
    config = {"name": "dit", "width": width, "depth": depth, "num_heads": heads}
    size, flops = size_and_flops(config, LATENTS, 2)
    assert size / 1e6 == pytest.approx(millions, rel=0.006)
    assert flops / 2e9 == pytest.approx(macs, rel=0.001)
    # All but the embedding of time and w is that of the authors: 12 w² a block and 6 w² for its
    # modulation, with biases; patches, final layer, classes.
    block = 18 * width**2 + 15 * width
    ends = 16 * width + width + 2 * width**2 + 2 * width + 32 * width + 32
    embedding = (width // 2 + 1) * width + 32 * width + width**2 + width + 1001 * width
    assert size == depth * block + ends + embedding


def test_patches_lie_where_the_positions_say() -> None:
    image = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)
    tokens = to_patches(image, 2)
    assert tokens.shape == (1, 6, 8)
    # Row 1, column 2 of the patches; channel first.
    assert tokens[0, 5].tolist() == [16, 17, 22, 23, 40, 41, 46, 47]
    assert torch.equal(from_patches(tokens, 2, 4, 6), image)


def test_positions_are_those_of_the_authors() -> None:
    expected = get_2d_sincos_pos_embed(16, 5, base_size=5, output_type="pt")
    torch.testing.assert_close(sin_cos_positions(5, 5, 16), expected.float(), rtol=1e-5, atol=1e-6)
    wide = sin_cos_positions(2, 3, 8)
    assert wide.shape == (6, 8)
    assert torch.equal(wide[0, :4], wide[3, :4])  # the same column
    assert torch.equal(wide[0, 4:], wide[2, 4:])  # the same row
    assert len(wide.unique(dim=0)) == 6


def test_a_new_block_is_the_identity() -> None:
    network = DiT(DataSpec((1, 8, 8), 3))
    hidden = torch.randn(2, 16, 64)
    for block in network.blocks:
        assert torch.equal(block(hidden, torch.randn(2, 64)), hidden)


def test_every_pixel_sees_every_other() -> None:
    network = DiT(DataSpec((1, 8, 8)), width=16, depth=1, num_heads=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    z = torch.randn(1, 1, 8, 8, requires_grad=True)
    network(z, torch.zeros(1))[0, 0, 0, 0].backward()
    assert z.grad is not None
    assert (z.grad != 0).all()


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((2,), {}, "a diffusion transformer needs images .* for vectors choose network=mlp"),
        ((1, 9, 8), {}, "patch_size=2 do not tile images of 9x8; give a size that divides both"),
        ((1, 8, 8), {"num_heads": 3}, "num_heads=3 does not divide the width of 64"),
        ((1, 8, 8), {"depth": 0}, "must be at least 1, not 2, 64, 0 and 4"),
        ((1, 8, 8), {"width": 66, "num_heads": 2}, "66 features, not a multiple of 4"),
        ((1, 8, 8), {"dropout": -1.0}, "dropout"),
    ],
)
def test_what_makes_no_network_is_refused(
    shape: tuple[int, ...], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        networks.build({"name": "dit", **parameters}, DataSpec(shape))
