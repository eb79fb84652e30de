"""SMILING: closed form on Gaussians, pairing of states and times, history, scale, resume."""

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    CosineSchedule,
    Denoiser,
    EpsParameterization,
    GaussianDenoiser,
    Prediction,
)
from genrl.imitation.contrast import contrast
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import SMILING, ImitationParts, imitation_losses
from genrl.networks import MLP
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions
from genrl.typing import DataSpec

SPEC = EnvSpec("Points-v0", 2, 1, low=(-1.0,), high=(1.0,))
SCHEDULE = CosineSchedule()
F64 = torch.float64


def make_denoiser(spec: DataSpec) -> Denoiser:
    return Denoiser(MLP(spec, features=16, num_layers=1), SCHEDULE, EpsParameterization())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(center: float, count: int, seed: int) -> Tensor:
    return torch.randn(count, 2, generator=generator(seed)) * 0.3 + center


def steps_to(next_obs: Tensor) -> Transitions:
    return simple_transitions(next_obs - 0.1, torch.zeros(len(next_obs), 1), next_obs)


def parts(obs: Tensor | None = None) -> ImitationParts:
    obs = points(1.0, 401, 1) if obs is None else obs
    count = len(obs) - 1
    episode = Demonstration(obs, torch.zeros(count, 1), torch.zeros(count), False)
    return ImitationParts(SPEC, Demonstrations([episode], "test"), make_denoiser)


def build(obs: Tensor | None = None, **parameters: Any) -> SMILING:
    torch.manual_seed(0)
    return SMILING(
        parts(obs), **{"inputs": "state", "expert_updates": 50, "batch_size": 64, **parameters}
    )


def randomized(model: SMILING) -> SMILING:
    for parameter in model.learner.parameters():
        torch.nn.init.normal_(parameter, generator=generator(), std=0.3)
    return model


# The closed form ---------------------------------------------------------------------------------

EXPERT, LEARNER = (0.6, 0.9), (0.0, 1.3)  # mean and standard deviation of each number
SIZE, TIMES = 3, torch.linspace(0.05, 0.95, 10, dtype=F64)


def exact(mean: float, std: float) -> GaussianDenoiser:
    return GaussianDenoiser(
        SCHEDULE, torch.full((SIZE,), mean, dtype=F64), torch.full((SIZE,), std, dtype=F64)
    )


def closed_form(states: tuple[float, float]) -> float:
    """E over N(m, s²) of |ε_E - ε|² - |ε_L - ε|², from ε_θ = σ (z - α m_θ) / r_θ².

    With z = α x + σ ε, |ε_θ - ε|² has per number the mean (A_θ α s)² + (A_θ σ - 1)² +
    (A_θ α (m - m_θ))², where A_θ = σ / r_θ² and r_θ² = α² s_θ² + σ².
    """
    mean, std = states
    level = SCHEDULE.level(TIMES)
    alpha, sigma = level.alpha, level.sigma

    def error(model: tuple[float, float]) -> Tensor:
        slope = sigma / ((alpha * model[1]) ** 2 + sigma**2)
        shift = alpha * (mean - model[0])
        return (slope * alpha * std) ** 2 + (slope * sigma - 1) ** 2 + (slope * shift) ** 2

    return float(SIZE * (error(EXPERT) - error(LEARNER)).mean())


def divergence() -> float:
    """E over the learner's states of |ε_E - ε_L|²: with y = z - α m_L of variance r_L²,

    σ² [r_L² (1 / r_E² - 1 / r_L²)² + α² (m_L - m_E)² / r_E⁴] for each number.
    """
    level = SCHEDULE.level(TIMES)
    alpha, sigma = level.alpha, level.sigma
    expert = (alpha * EXPERT[1]) ** 2 + sigma**2
    learner = (alpha * LEARNER[1]) ** 2 + sigma**2
    shift = alpha * (LEARNER[0] - EXPERT[0])
    each = sigma**2 * (learner * (1 / expert - 1 / learner) ** 2 + (shift / expert) ** 2)
    return float(SIZE * each.mean())


def test_cost_of_gaussians_is_the_closed_form() -> None:
    random = generator(3)
    results = {}
    for name, states in (("expert", EXPERT), ("learner", LEARNER)):
        x = states[0] + states[1] * torch.randn(30_000, SIZE, generator=random, dtype=F64)
        seen = contrast(exact(*EXPERT), exact(*LEARNER), SCHEDULE, x, TIMES, random)
        cost, error = -float(seen.reward.mean()), float(seen.reward.std()) / math.sqrt(len(x))
        results[name] = cost
        assert error < 0.02 * abs(closed_form(states))
        assert abs(cost - closed_form(states)) < 4 * error
    assert results["expert"] < 0 < results["learner"]
    # At the learner's states the cost is the divergence, which varies far less from state to state.
    assert closed_form(LEARNER) == pytest.approx(divergence(), rel=1e-12)
    direct_error = float(seen.divergence.std()) / math.sqrt(len(x))
    assert abs(float(seen.divergence.mean()) - divergence()) < 4 * direct_error
    assert float(seen.reward.var() / seen.divergence.var()) > 3


def test_there_is_no_reward_where_both_models_agree() -> None:
    x = torch.randn(50, SIZE, generator=generator(), dtype=F64)
    seen = contrast(exact(*EXPERT), exact(*EXPERT), SCHEDULE, x, TIMES, generator())
    assert torch.equal(seen.reward, torch.zeros(50, dtype=F64))
    assert torch.equal(seen.divergence, torch.zeros(50, dtype=F64))


# Pairing -----------------------------------------------------------------------------------------


class Recorder:
    """Says ε + ``offset(x, t)`` for states on a lattice, and keeps what it was asked."""

    def __init__(self, offset: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.offset = offset
        self.z, self.t = torch.empty(0), torch.empty(0)

    def __call__(self, z: Tensor, t: Tensor, label: Any = None, w: Any = None) -> Prediction:
        self.z, self.t = z, t
        level = SCHEDULE.level_like(t, z)
        x = (z / level.alpha).round()  # states are integers and there is little noise
        eps = (z - level.alpha * x) / level.sigma
        return Prediction.from_eps(eps + self.offset(x, t[:, None]), z, level)

    def states(self) -> Tensor:
        return (self.z / SCHEDULE.level_like(self.t, self.z).alpha).round()


def lattice(batch: int) -> Tensor:
    return torch.arange(batch, dtype=F64)[:, None]


@pytest.mark.parametrize("batch", [1, 3, 8, 16, 24])
def test_every_state_is_seen_at_every_time_by_both_models(batch: int) -> None:
    times = torch.linspace(0.01, 0.06, 8, dtype=F64)
    expert = Recorder(lambda x, t: torch.zeros_like(x))
    learner = Recorder(lambda x, t: t * (1 + x))
    seen = contrast(expert, learner, SCHEDULE, lattice(batch), times, generator())
    assert torch.equal(expert.z, learner.z)
    assert torch.equal(expert.t, learner.t)
    assert_paired(expert.states(), expert.t, batch, times)
    expected = times.square().mean() * (1 + lattice(batch)[:, 0]) ** 2
    torch.testing.assert_close(seen.reward, expected, rtol=1e-8, atol=1e-12)


def assert_paired(states: Tensor, t: Tensor, batch: int, times: Tensor) -> None:
    for state in lattice(batch):
        at = t[(states == state).all(1)]
        assert torch.equal(at.sort().values, times)


def test_tiling_both_is_found() -> None:
    """The authors' code repeats states and times alike: at B = k each state sees one time."""
    times = torch.linspace(0.01, 0.06, 8, dtype=F64)
    with pytest.raises(AssertionError):
        assert_paired(lattice(8).repeat(8, 1), times.repeat(8), 8, times)
    assert_paired(lattice(8).repeat_interleave(8, 0), times.repeat(8), 8, times)


def test_noise_is_fresh_for_each_state_and_time() -> None:
    times = torch.linspace(0.01, 0.06, 8, dtype=F64)
    expert = Recorder(lambda x, t: torch.zeros_like(x))
    contrast(expert, expert, SCHEDULE, lattice(10), times, generator())
    level = SCHEDULE.level_like(expert.t, expert.z)
    noise = (expert.z - level.alpha * expert.states()) / level.sigma
    assert len(noise.flatten().unique()) == 80


@pytest.mark.parametrize("spacing", ["time", "log_snr"])
def test_times_are_stratified(spacing: str) -> None:
    model = build(num_times=10, t_min=0.1, t_max=0.8, spacing=spacing)
    ends = torch.tensor([0.1, 0.8])
    for seed in range(5):
        t = model.times(10, generator(seed)).sort().values
        place, limits = (t, ends) if spacing == "time" else (SCHEDULE.log_snr(t), None)
        limits = SCHEDULE.log_snr(ends) if limits is None else limits
        share = (place - limits[0]) / (limits[1] - limits[0])
        assert torch.equal((share * 10).floor().long(), torch.arange(10))
    many = model.times(1000, generator())
    assert 0.1 <= float(many.min()) < 0.11
    assert 0.79 < float(many.max()) <= 0.8


# The model ---------------------------------------------------------------------------------------


def test_the_expert_is_paid_more_than_the_learner() -> None:
    model = build(expert_updates=200, updates_per_step=0.5, rescale=False, scale=1.0)
    assert model.fit(generator())["expert_loss"] < 2.0
    metrics = model.update(steps_to(points(-1.0, 300, 5)), generator(1))
    assert metrics["learner_reward"] < 0 < metrics["expert_reward"]
    assert metrics["divergence"] > 0
    for sign, even in (("unbiased", 0.0), ("positive", math.log(2)), ("negative", -math.log(2))):
        model.sign = sign
        of_expert = model.reward(steps_to(points(1.0, 200, 6)))
        of_learner = model.reward(steps_to(points(-1.0, 200, 7)))
        assert of_learner.mean() < even < of_expert.mean()
        assert float((of_expert > of_learner.max()).float().mean()) > 0.9
        assert model.uninformative_reward == pytest.approx(even)


def test_the_learners_model_learns_from_all_history() -> None:
    model = build(updates_per_step=0.0)
    batches = [points(center, 40, seed) for seed, center in enumerate((-1.0, 0.0, 2.0))]
    for number, batch in enumerate(batches):
        model.update(steps_to(batch), generator(number))
    drawn = model._history.sample(600, generator())
    for batch in batches:
        rows = model.normalizer(batch)
        share = (drawn[:, None] == rows[None]).all(-1).any(1).float().mean()
        assert 0.25 < float(share) < 0.42


def test_updates_follow_the_steps_whatever_their_portions() -> None:
    counts = []
    for portions in ([30], [10, 10, 10], [1] * 30):
        model = build(updates_per_step=0.25)
        for size in portions:
            model.update(steps_to(points(0.0, size, 1)), generator())
        counts.append(int(model._optimizer.state_dict()["state"][0]["step"]))
    assert counts == [7, 7, 7]


def test_units_do_not_matter() -> None:
    scale, shift = torch.tensor([1000.0, 0.01]), torch.tensor([7.0, -3.0])
    obs, later = points(1.0, 401, 1), points(0.5, 64, 2)
    rewards = []
    for factor, offset in ((torch.ones(2), torch.zeros(2)), (scale, shift)):
        model = build(obs * factor + offset)
        model.fit(generator())
        model.update(steps_to(later * factor + offset), generator(1))
        rewards.append(model.reward(steps_to(later * factor + offset)))
    torch.testing.assert_close(rewards[0], rewards[1], rtol=1e-2, atol=1e-3)
    states = build(obs * scale + shift)._demonstrated
    torch.testing.assert_close(states.mean(0), torch.zeros(2), rtol=0, atol=1e-3)
    torch.testing.assert_close(states.std(0, correction=0), torch.ones(2), rtol=1e-3, atol=0)


def test_a_batch_is_rescaled_as_one_and_not_shifted() -> None:
    raw = randomized(build(rescale=False, scale=1.0, sign="unbiased"))
    rescaled = randomized(build(sign="unbiased"))
    batch = steps_to(points(0.5, 60, 2)).map(lambda field: field.unflatten(0, (12, 5)))
    values, scaled = raw.reward(batch), rescaled.reward(batch)
    assert scaled.shape == (12, 5)
    expected = 0.1 * values / values.std(correction=0)
    torch.testing.assert_close(scaled, expected, rtol=1e-5, atol=1e-6)
    assert float(values.std()) > 0.05
    assert not scaled.requires_grad
    assert float(expected.mean().abs()) > 0.01
    alone = steps_to(points(0.5, 1, 2))
    torch.testing.assert_close(rescaled.reward(alone), 0.1 * raw.reward(alone))


@pytest.mark.parametrize("rescale", [True, False])
def test_no_state_is_worse_than_death_nor_any_better(rescale: bool) -> None:
    """0.1 log(1 + e^r) > 0 is paid, and 0.1 log(σ(r)) < 0; what has ended is paid nothing."""
    batch = steps_to(points(-0.5, 60, 2))
    options = {"rescale": rescale, "updates_per_step": 0.0}
    bare = randomized(build(sign="unbiased", **options)).reward(batch) / 0.1
    living = randomized(build(**options)).reward(batch)
    ending = randomized(build(sign="negative", **options)).reward(batch)
    assert float(bare.min()) < -0.5
    torch.testing.assert_close(living, 0.1 * (1 + bare.exp()).log(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ending, -0.1 * (1 + (-bare).exp()).log(), rtol=1e-4, atol=1e-6)
    assert float(living.min()) > 0 > float(ending.max())


def test_large_rollouts_are_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomized(build(rescale=False, scale=1.0))
    batch = steps_to(points(0.5, 5000, 2))
    whole = model.reward(batch)
    monkeypatch.setattr("genrl.imitation.losses.smiling._CHUNK", 64)
    model._calls = 0
    pieces = model.reward(batch)
    assert whole.shape == pieces.shape == (5000,)
    assert float(whole.std()) > 0.05
    assert torch.corrcoef(torch.stack([whole, pieces]))[0, 1] > 0.5
    assert float(whole.mean()) == pytest.approx(float(pieces.mean()), abs=0.05)


@pytest.mark.parametrize("inputs", ["state", "state_action", "state_next_state"])
def test_inputs(inputs: str) -> None:
    model = build(inputs=inputs)
    sizes = {"state": 2, "state_action": 3, "state_next_state": 4}
    assert model.expert.network.spec.shape == (sizes[inputs],)
    obs, next_obs = points(0.0, 8, 1), points(0.5, 8, 2)
    low, high = torch.full((8, 1), -1.0), torch.full((8, 1), 1.0)

    def pay(*fields: Tensor) -> Tensor:
        return randomized(copy.deepcopy(model)).reward(simple_transitions(*fields))

    reward = pay(obs, low, next_obs)
    assert torch.equal(pay(obs, 3 * low, next_obs), reward)  # actions as executed
    assert torch.equal(pay(obs, high, next_obs), reward) == (inputs != "state_action")
    assert torch.equal(pay(obs + 1, low, next_obs), reward) == (inputs == "state")
    assert torch.equal(pay(obs, low, next_obs + 1), reward) == (inputs == "state_action")


def test_rewards_repeat_and_calls_differ() -> None:
    first, second = build(), build()
    for model in (first, second):
        model.fit(generator(4))
    batch = steps_to(points(0.5, 50, 2))
    rewards = [model.reward(batch) for model in (first, second)]
    assert torch.equal(rewards[0], rewards[1])
    assert not torch.equal(first.reward(batch), rewards[0])


def test_a_resumed_model_goes_on_bit_for_bit() -> None:
    model = build(history=100)
    model.fit(generator(4))
    fresh = [steps_to(points(0.1 * k, 45, k)) for k in range(6)]
    for k in range(3):
        model.update(fresh[k], generator(k))
        model.reward(fresh[k])
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    torch.manual_seed(99)
    other = SMILING(parts(), inputs="state", expert_updates=50, batch_size=64, history=100)
    other.load_state_dict(torch.load(stored, weights_only=True))
    for k in range(3, 6):
        metrics = [m.update(fresh[k], generator(k)) for m in (model, other)]
        assert metrics[0] == metrics[1]
        assert torch.equal(model.reward(fresh[k]), other.reward(fresh[k]))
    for name, value in model.learner.state_dict().items():
        assert torch.equal(value, other.learner.state_dict()[name])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"t_min": 0.9, "t_max": 0.2}, "t_min < t_max"),
        ({"num_times": 0}, "num_times"),
        ({"batch_size": 0}, "batch_size"),
        ({"updates_per_step": -1.0}, "updates_per_step"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"scale": 0.0}, "scale"),
        ({"sign": "neutral"}, "sign"),
        ({"history": 0}, "history"),
        ({"inputs": "action"}, "inputs"),
        ({"num_time": 3}, "Did you mean 'num_times'"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        imitation_losses.build({"name": "smiling", **parameters}, parts())


def test_without_demonstrations() -> None:
    with pytest.raises(ConfigurationError, match="needs demonstrations"):
        SMILING(ImitationParts(SPEC, None, make_denoiser))
