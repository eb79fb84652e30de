"""DeterministicPolicy: onto the bounds, with a gradient."""

import torch

from genrl.rl.policies import DeterministicPolicy

LOW, HIGH = torch.tensor([-2.0, -1.0]), torch.tensor([3.0, 0.5])


def test_actions_reach_the_bounds_and_do_not_leave_them(bounded):
    policy = DeterministicPolicy(bounded, features=())
    action = policy(1e4 * torch.randn(1000, 3)).mode
    assert action.amin(0).equal(LOW)
    assert action.amax(0).equal(HIGH)


def test_formula(bounded):
    policy = DeterministicPolicy(bounded, features=())
    with torch.no_grad():
        policy.network[-1].weight.zero_()
        policy.network[-1].bias.copy_(torch.tensor([0.3, -0.4]))
    expected = (
        torch.tensor([0.5, -0.25]) + torch.tensor([2.5, 0.75]) * torch.tensor([0.3, -0.4]).tanh()
    )
    torch.testing.assert_close(policy(torch.randn(1, 3)).mode[0], expected)
