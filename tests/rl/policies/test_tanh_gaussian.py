"""TanhGaussianPolicy: bounds and limits of its spread."""

import pytest
import torch

from genrl.rl.policies import TanhGaussianPolicy

LOW, HIGH = torch.tensor([-2.0, -1.0]), torch.tensor([3.0, 0.5])


def test_actions_fill_the_bounds_and_do_not_leave_them(bounded):
    policy = TanhGaussianPolicy(bounded, initial_log_std=2.0)
    action = policy(torch.randn(5000, 3)).sample(torch.Generator().manual_seed(0))
    assert ((action >= LOW) & (action <= HIGH)).all()
    assert (action.amin(0) < LOW + 0.05).all()
    assert (action.amax(0) > HIGH - 0.05).all()


@pytest.mark.parametrize(("initial", "expected"), [(-30.0, -5.0), (30.0, 1.0)])
def test_the_spread_stays_within_its_limits(initial, expected, bounded):
    policy = TanhGaussianPolicy(bounded, initial_log_std=initial, min_log_std=-5.0, max_log_std=1.0)
    assert (policy(torch.randn(5, 3)).log_std == expected).all()


def test_density_counts_the_scale_of_the_bounds(bounded):
    torch.manual_seed(0)
    policy = TanhGaussianPolicy(bounded, initial_log_std=-1.0).double()
    distribution = policy(torch.randn(3, dtype=torch.float64))
    grids = [
        torch.linspace(low, high, 802, dtype=torch.float64)[1:-1]
        for low, high in ((-2, 3), (-1, 0.5))
    ]
    points = torch.cartesian_prod(*grids)
    cell = (5 / 801) * (1.5 / 801)
    total = distribution.log_prob(points).exp().sum() * cell
    assert total.item() == pytest.approx(1, abs=1e-6)


def test_orthogonal_weights_start_near_the_center(bounded):
    policy = TanhGaussianPolicy(bounded, init="orthogonal")
    mode = policy(torch.randn(100, 3)).mode
    assert (mode - (LOW + HIGH) / 2).abs().max() < 0.2
