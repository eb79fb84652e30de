import pytest
import torch
from torch import nn

from genrl.evaluation.features.network import Quarters


@pytest.mark.parametrize("height", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 6])
def test_quarters_are_the_cells_of_adaptive_pooling(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    mine, theirs = Quarters()(x), nn.AdaptiveAvgPool2d(2)(x)
    torch.testing.assert_close(mine, theirs)
    weight = torch.randn_like(theirs)
    slopes = [torch.autograd.grad((weight * y).sum(), x)[0] for y in (mine, theirs)]
    torch.testing.assert_close(*slopes)


@pytest.mark.gpu
def test_quarters_have_a_gradient_that_can_be_repeated() -> None:
    x = torch.randn(2, 3, 7, 8, device="cuda", requires_grad=True)
    torch.use_deterministic_algorithms(True)
    try:
        Quarters()(x).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert x.grad is not None
