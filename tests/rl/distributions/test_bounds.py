"""The map onto the bounds and back."""

import pytest
import torch

from genrl.rl.distributions import Bounds

LOW, HIGH = torch.tensor([-2.0, 0.0]), torch.tensor([3.0, 0.5])


def test_ends_and_center():
    bounds = Bounds(LOW, HIGH)
    assert bounds(torch.ones(2)).equal(HIGH)
    assert bounds(-torch.ones(2)).equal(LOW)
    assert bounds(torch.zeros(2)).equal((LOW + HIGH) / 2)
    assert bounds.log_volume == pytest.approx(float(torch.log((HIGH - LOW) / 2).sum()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_stays_inside(dtype):
    bounds = Bounds(LOW.to(dtype), HIGH.to(dtype))
    x = torch.tensor([0.3, -0.9], dtype=dtype)
    torch.testing.assert_close(bounds.inverse(bounds(x)), x)
    for action in (LOW, HIGH, LOW - 5, HIGH + 5):
        inside = bounds.inverse(action.to(dtype)).abs()
        assert (inside < 1).all()
        assert (inside.double() >= 1 - 1.2e-7).all()


def test_bounds_follow_the_type_but_are_no_weights():
    bounds = Bounds(LOW, HIGH)
    assert bounds.state_dict() == {}
    assert bounds.double().scale.dtype == torch.float64


@pytest.mark.parametrize(
    ("low", "high"),
    [([1.0], [0.0]), ([0.0], [0.0]), ([-torch.inf], [1.0]), ([0.0], [torch.nan])],
)
def test_wrong_ends_are_refused(low, high):
    with pytest.raises(ValueError, match="finite and in order"):
        Bounds(torch.tensor(low), torch.tensor(high))
