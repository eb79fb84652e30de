"""Ensembles against separate networks, the expected minimum against all subsets, backups."""

import itertools

import pytest
import torch
from torch import nn

from genrl.registry import ConfigurationError
from genrl.rl.critics import QCritic, critics
from genrl.rl.critics.scalar import expected_minimum
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("test", 4, 2)
NAMES = ["q", "twin_q", "ensemble_q"]
MEMBERS = {"q": 1, "twin_q": 2, "ensemble_q": 10}


def build(name: str, **parameters: object) -> QCritic:
    torch.manual_seed(0)
    critic = critics.build({"name": name, "features": (16, 8), **parameters}, SPEC, 4)
    assert isinstance(critic, QCritic)
    return critic.double()


def inputs(batch: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, 4, generator=generator, dtype=torch.float64),
        torch.randn(batch, 2, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("name", NAMES)
def test_members_are_separate_perceptrons(name: str) -> None:
    critic = build(name)
    features, action = inputs()
    values = critic(features, action)
    assert values.shape == (MEMBERS[name], 32)
    parameters = dict(critic.network.named_parameters())
    for member in range(MEMBERS[name]):
        layers: list[nn.Module] = []
        for number, (size_in, size_out) in enumerate([(6, 16), (16, 8), (8, 1)]):
            linear = nn.Linear(size_in, size_out).double()
            linear.weight.data = parameters[f"layers.{number}.weight"].data[member].T
            linear.bias.data = parameters[f"layers.{number}.bias"].data[member, 0]
            layers += [linear, nn.ReLU()]
        alone = nn.Sequential(*layers[:-1])(torch.cat([features, action], 1))[:, 0]
        torch.testing.assert_close(values[member], alone, rtol=0, atol=1e-13)
    if MEMBERS[name] > 1:
        assert (values[0] - values[1]).abs().min() > 0  # members differ from the start


@pytest.mark.parametrize(("members", "subset"), [(1, 1), (2, 2), (5, 1), (5, 2), (7, 3), (4, 4)])
def test_expected_minimum_is_the_mean_over_all_subsets(members: int, subset: int) -> None:
    values = torch.randn(members, 50, dtype=torch.float64)
    minima = [
        values[list(chosen)].amin(0) for chosen in itertools.combinations(range(members), subset)
    ]
    torch.testing.assert_close(
        expected_minimum(values, subset), torch.stack(minima).mean(0), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("name", NAMES)
def test_backup(name: str) -> None:
    critic = build(name)
    features, action = inputs()
    reward, bonus = torch.randn(2, 32, dtype=torch.float64)
    discount = torch.full((32,), 0.9, dtype=torch.float64)
    discount[:8] = 0.0  # terminated: nothing follows, not even the entropy bonus
    target = critic.target(features, action, reward, discount, bonus)
    assert torch.equal(target[:8], reward[:8])
    values = critic(features, action)
    pairs = itertools.combinations(range(len(values)), min(2, len(values)))
    lower = torch.stack([values[list(pair)].amin(0) for pair in pairs]).mean(0)
    expected = reward + 0.9 * (lower + bonus)
    torch.testing.assert_close(target[8:], expected[8:], rtol=0, atol=1e-13)
    torch.testing.assert_close(critic.lower(features, action), lower, rtol=0, atol=1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_critic_has_the_same_gradient_with_respect_to_actions(
    name: str, activation: str
) -> None:
    critic = build(name, activation=activation)
    features, action = inputs()
    action.requires_grad_()
    learning = torch.autograd.grad(critic.lower(features, action).square().sum(), action)[0]
    lower = critic.requires_grad_(False).lower(features, action)
    (frozen,) = torch.autograd.grad(lower.square().sum(), action)
    torch.testing.assert_close(frozen, learning, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("name", NAMES)
def test_the_first_member_alone_is_the_first_of_all(name: str, activation: str) -> None:
    critic = build(name, activation=activation)
    features, action = inputs()
    action.requires_grad_()
    first, all_values = critic.first(features, action), critic(features, action)
    torch.testing.assert_close(first, all_values[0], rtol=0, atol=1e-13)
    of_first, of_all = (
        torch.autograd.grad(value.square().sum(), action)[0] for value in (first, all_values[0])
    )
    torch.testing.assert_close(of_first, of_all, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_a_learning_critic_gets_a_gradient_from_its_lower_value(name: str) -> None:
    critic = build(name)
    critic.lower(*inputs()).sum().backward()
    assert all(parameter.grad is not None for parameter in critic.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_half_the_squared_error_of_every_member(name: str) -> None:
    critic = build(name)
    features, action = inputs()
    target = torch.randn(32, dtype=torch.float64)
    loss, error = critic.loss(features, action, target)
    values = critic(features, action)
    squared, absolute = torch.zeros(2, 32, dtype=torch.float64)
    for i, j in itertools.product(range(len(values)), range(32)):
        squared[j] += 0.5 * (values[i, j] - target[j]).detach() ** 2
        absolute[j] += (values[i, j] - target[j]).detach().abs() / len(values)
    torch.testing.assert_close(loss, squared, rtol=0, atol=1e-12)
    torch.testing.assert_close(error, absolute, rtol=0, atol=1e-13)
    assert not error.requires_grad


def test_values_learn_a_terminating_and_a_truncated_ring() -> None:
    # r = 1, γ = .9. Where an end is only that of the record, the value is 10; a true end makes 1.
    critic = build("twin_q", activation="tanh")
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    features = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]], dtype=torch.float64)
    action = torch.zeros(2, 2, dtype=torch.float64)
    discount = torch.tensor([0.9, 0.0], dtype=torch.float64)
    one, none = torch.ones(2).double(), torch.zeros(2).double()
    for _ in range(600):
        with torch.no_grad():
            target = critic.target(features, action, one, discount, none)
        loss, _ = critic.loss(features, action, target)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    values = critic(features, action)
    expected = torch.tensor([10.0, 1.0], dtype=torch.float64).expand(2, 2)
    torch.testing.assert_close(values, expected, rtol=0, atol=0.05)


def test_discrete_actions_come_one_hot() -> None:
    spec = EnvSpec("test", 4, 3, is_discrete=True)
    critic = critics.build("twin_q", spec, 4)
    assert isinstance(critic, QCritic)
    action = spec.encode_action(torch.tensor([0, 2, 1]))
    assert critic(torch.randn(3, 4), action).shape == (2, 3)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="subset must lie between 1 and members = 3, not 4"
    ):
        critics.build({"name": "ensemble_q", "members": 3, "subset": 4}, SPEC, 4)
    with pytest.raises(ConfigurationError, match="layer sizes"):
        critics.build({"name": "twin_q", "features": [0]}, SPEC, 4)
