"""Distributional critics: backups member by member, learning of known distributions, errors."""

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.critics import DistributionalQCritic, critics
from genrl.rl.critics.backups import project, quantile_huber_loss
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("test", 4, 2)
KINDS = ["quantile", "categorical"]


def build(kind: str, **parameters: object) -> DistributionalQCritic:
    torch.manual_seed(0)
    config = {
        "name": "distributional", "kind": kind, "features": (16,), "num_atoms": 21,
        "low": -5.0, "high": 5.0, **parameters,
    }  # fmt: skip
    critic = critics.build(config, SPEC, 4)
    assert isinstance(critic, DistributionalQCritic)
    return critic.double()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(32, 4, generator=generator, dtype=torch.float64),
        torch.randn(32, 2, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_means(kind: str) -> None:
    critic = build(kind)
    features, action = inputs()
    outputs = critic.network(torch.cat([features, action], 1))
    atoms = torch.linspace(-5, 5, 21, dtype=torch.float64)
    if kind == "quantile":
        expected = outputs.sum(-1) / 21
    else:
        weights = outputs.exp()
        expected = (weights * atoms).sum(-1) / weights.sum(-1)
    torch.testing.assert_close(critic(features, action), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_backup_takes_the_member_of_the_least_mean(kind: str) -> None:
    critic = build(kind, members=3)
    features, action = (10 * x for x in inputs())
    reward, bonus = 0.1 * torch.randn(2, 32, dtype=torch.float64)
    discount = torch.full((32,), 0.9, dtype=torch.float64)
    discount[:8] = 0.0
    target = critic.target(features, action, reward, discount, bonus)
    means, outputs = critic(features, action), critic.outputs(features, action)
    assert len(means.argmin(0).unique()) > 1
    for i in range(32):
        chosen = outputs[int(means[:, i].argmin()), i]
        if kind == "quantile":
            expected = reward[i] + discount[i] * (chosen + bonus[i])
        else:
            moved = reward[i] + discount[i] * (critic.atoms + bonus[i])
            expected = project(chosen.softmax(-1)[None], moved[None], critic.atoms)[0]
        torch.testing.assert_close(target[i], expected, rtol=0, atol=1e-13)
    mean = target.mean(-1) if kind == "quantile" else target @ critic.atoms
    torch.testing.assert_close(mean[:8], reward[:8], rtol=0, atol=1e-12)
    if kind == "quantile":  # nothing of it is clipped
        backed_up = reward + discount * (means.amin(0) + bonus)
        torch.testing.assert_close(mean, backed_up, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_sums_the_members(kind: str) -> None:
    critic = build(kind, members=3)
    features, action = inputs()
    with torch.no_grad():
        zero, one = torch.zeros(2, 32, dtype=torch.float64), torch.ones(32, dtype=torch.float64)
        target = critic.target(features, action, zero[0], 0.5 * one, zero[1])
    loss, error = critic.loss(features, action, target)
    outputs = critic.outputs(features, action)
    expected = torch.zeros(32, dtype=torch.float64)
    for member in outputs:
        if kind == "quantile":
            expected += quantile_huber_loss(member, target, critic.levels, 1.0)
        else:
            expected -= (target * (member - member.logsumexp(-1, keepdim=True))).sum(-1)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    mean = target.mean(-1) if kind == "quantile" else target @ critic.atoms
    difference = (critic(features, action) - mean).abs().mean(0)
    torch.testing.assert_close(error, difference, rtol=0, atol=1e-12)
    assert not error.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_learns_both_moments_of_a_random_return(kind: str) -> None:
    # Rewards are -2 or 2, nothing follows: mean 0, standard deviation 2.
    critic = build(kind, kappa=0.01)
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-2)
    features, action = torch.ones(64, 4).double(), torch.zeros(64, 2).double()
    reward = torch.tensor([-2.0, 2.0], dtype=torch.float64).repeat(32)
    zero = torch.zeros(64, dtype=torch.float64)
    target = critic.target(features, action, reward, zero, zero).detach()
    for _ in range(300):
        loss, _ = critic.loss(features, action, target)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    outputs = critic.outputs(features[:1], action[:1])[0, 0].detach()
    weights = outputs.softmax(0) if kind == "categorical" else torch.full_like(outputs, 1 / 21)
    places = critic.atoms if kind == "categorical" else outputs
    mean = (weights * places).sum()
    deviation = (weights * (places - mean).square()).sum().sqrt()
    assert abs(float(mean)) < 0.2  # the median of 21 quantiles may lie anywhere between
    assert float(deviation) == pytest.approx(2.0, abs=0.1)


def test_constants_are_not_in_the_checkpoint_but_move_with_the_network() -> None:
    critic = build("categorical")
    assert not [key for key in critic.state_dict() if not key.startswith("network.")]
    assert critic.atoms.dtype is torch.float64


@pytest.mark.parametrize(
    "parameters", [{"low": 5.0}, {"kappa": 0.0}, {"num_atoms": 1}, {"members": 0}]
)
def test_wrong_numbers_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        build("categorical", **parameters)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Values: quantile, categorical"):
        build("quantil")
