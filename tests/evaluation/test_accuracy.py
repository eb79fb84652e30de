import pytest
import torch

from genrl.evaluation import accuracy


def test_known_values() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [-5.0, -9.0, -7.0], [0.0, 0.0, 1.0], [3.0, 2.0, 1.0]])
    assert accuracy(logits, torch.tensor([1, 0, 2, 1])) == 0.75


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one label for each row"):
        accuracy(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))
