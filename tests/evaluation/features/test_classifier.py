import pytest
import torch
from torch import Tensor

from genrl.evaluation.features import features
from genrl.evaluation.features.training import Recipe, _augmented
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SPEC = DataSpec((3, 12, 10), 4)


def quadrants(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with a bright quadrant; the label says which."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 4
    x = 0.3 * torch.randn(n, 3, 12, 10, generator=generator) - 0.5
    for i, c in enumerate(label.tolist()):
        row, column = divmod(c, 2)
        x[i, :, 6 * row : 6 * row + 6, 5 * column : 5 * column + 5] += 0.4
    return x, label


def test_learns_any_labelled_images() -> None:
    feature = features.build(
        {"name": "classifier", "updates": 40, "widths": [8, 16], "embedding": 24}, SPEC
    )
    feature.fit(*quadrants(400, 0), *quadrants(100, 1), None)
    assert feature.held_out_accuracy is not None
    assert feature.held_out_accuracy > 0.95
    output = feature(quadrants(3, 2)[0])
    assert output.embedding.shape == (3, 24)
    assert output.logits is not None
    assert output.logits.shape == (3, 4)


@pytest.mark.parametrize("updates", [1, 7])
def test_bounded_by_its_updates(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches larger than the data are filled by going through it again."""
    sizes = []
    original = torch.nn.functional.cross_entropy

    def counting(logits: Tensor, label: Tensor) -> Tensor:
        sizes.append(len(label))
        return original(logits, label)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", counting)
    feature = features.build(
        {"name": "classifier", "updates": updates, "widths": [4], "batch_size": 250}, SPEC
    )
    feature.fit(*quadrants(100, 0), *quadrants(20, 1), None)
    assert sizes == [250] * updates


def test_shift_moves_the_image_by_at_most_max_shift() -> None:
    x = torch.zeros(2, 1, 9, 9)
    x[:, :, 4, 4] = 1
    seen = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        moved = _augmented(x, Recipe(1, max_shift=2), generator)
        assert moved.shape == x.shape
        ((row, column),) = moved[0, 0].nonzero().tolist()
        seen.add((row - 4, column - 4))
    assert seen == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_flips_are_of_single_images() -> None:
    x = torch.arange(3.0).expand(1000, 1, 2, 3)
    flipped = _augmented(x, Recipe(1, use_flips=True), torch.Generator().manual_seed(0))[:, 0, 0]
    mirrored = (flipped == torch.tensor([2.0, 1.0, 0.0])).all(dim=1)
    assert 400 < int(mirrored.sum()) < 600
    assert torch.equal(flipped[~mirrored], x[~mirrored, 0, 0])
    assert torch.equal(_augmented(x, Recipe(1), torch.Generator()), x)


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="widths needs"):
        features.build({"name": "classifier", "widths": []}, SPEC)
