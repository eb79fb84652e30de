import pytest
import torch

from genrl.evaluation import paired_rmse


def test_known_values() -> None:
    a = torch.zeros(2, 1, 2, 2)
    b = a.clone()
    b[0, 0, 0, 0], b[1, 0, 1, 1] = 3.0, -1.0
    assert paired_rmse(a, b) == pytest.approx((10 / 8) ** 0.5, rel=1e-15)
    assert paired_rmse(b, b) == 0


def test_small_differences_survive_float64() -> None:
    a = torch.full((4, 3), 1.0, dtype=torch.float64)
    assert paired_rmse(a, a + 1e-10) == pytest.approx(1e-10, rel=1e-5)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="two equal shapes"):
        paired_rmse(torch.zeros(2, 3), torch.zeros(1, 3))
