"""What adversarial rewards share: budget of steps, freezing, history, saving."""

import io
import itertools
from collections.abc import Callable

import pytest
import torch

from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import ImitationParts, RewardModel, imitation_losses
from genrl.imitation.losses.adversarial import AdversarialReward
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]

ALL = ["gail", "dac", "airl", "fem", "game_theoretic"]
TRAINED = ["gail", "dac", "airl"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def steps_taken(model: RewardModel) -> int:
    """Of the discriminator's optimizer, over the model's life."""
    assert isinstance(model, AdversarialReward)
    state = next(iter(model.optimizer.state.values()), {"step": 0})
    return int(state["step"])


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize(("fresh", "expected"), [(4096, 41), (250, 2), (5, 1), (0, 0)])
def test_steps_follow_the_number_of_fresh_transitions(
    build: Build, draw: Draw, name: str, fresh: int, expected: int
) -> None:
    model = build(name, updates_per_step=0.01, batch_size=8)
    model.update(draw(fresh), generator())
    assert steps_taken(model) == expected


@pytest.mark.parametrize("name", TRAINED)
def test_a_frozen_reward_stays_and_then_learns_what_was_owed(
    build: Build, draw: Draw, name: str
) -> None:
    model = build(name, freeze=3, updates_per_step=0.1, batch_size=8)
    probe, taken, rewards = draw(20, seed=9), [], []
    for call in range(7):
        model.update(draw(50, seed=call), generator())
        taken.append(steps_taken(model))
        rewards.append(model.reward(probe))
    assert taken == [5, 5, 5, 20, 20, 20, 35]
    for call in (1, 2, 4, 5):
        assert torch.equal(rewards[call], rewards[call - 1])
    assert not torch.equal(rewards[3], rewards[2])


def test_learner_batches_come_from_the_history_and_the_history_forgets(
    build: Build, draw: Draw
) -> None:
    # Old transitions at -5, the last 40 of them at +5; the expert is near (2, -1, 0).
    model = build("gail", history=40, inputs="state", batch_size=64, updates_per_step=1.0)
    assert isinstance(model, AdversarialReward)
    model.update(draw(200, shift=-5.0), generator())
    assert len(model.history) == 40
    model.update(draw(40, shift=5.0), generator())
    assert bool((model.history.values.mean(0) > 3).all())


def test_fresh_transitions_count_even_beyond_the_history(build: Build, draw: Draw) -> None:
    small = build("gail", history=1, batch_size=64)
    large = build("gail", history=1000, batch_size=64)
    fresh = draw(1000)
    small.update(fresh, generator())
    large.update(fresh, generator())
    probe = draw(30, seed=4)
    assert torch.equal(small.reward(probe), large.reward(probe))


@pytest.mark.parametrize("name", ALL)
def test_a_restored_model_goes_on_bit_for_bit(build: Build, draw: Draw, name: str) -> None:
    model = build(name, history=150)
    for call in range(3):
        model.update(draw(100, seed=call), generator(call))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(99)
    restored = build(name, history=150)
    restored.load_state_dict(torch.load(file, weights_only=True))
    probe = draw(50, seed=77)
    for call in range(3, 6):
        expected = model.update(draw(100, seed=call), generator(call))
        assert restored.update(draw(100, seed=call), generator(call)) == expected
        assert torch.equal(restored.reward(probe), model.reward(probe))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("inputs", ["state", "state_action", "state_next_state"])
def test_a_reward_depends_on_its_inputs_alone(
    build: Build, draw: Draw, name: str, inputs: str
) -> None:
    model = build(name, inputs=inputs)
    model.update(draw(300), generator())
    steps, others = draw(50, seed=1), draw(50, seed=2)
    seen = {
        "state": {"next_obs"},
        "state_action": {"obs", "action"},
        "state_next_state": {"obs", "next_obs"},
    }[inputs]
    if name == "airl":
        seen |= {"obs", "next_obs", "terminated"}
    kept = {key: value for key, value in vars(steps).items() if key in seen}
    changed = Transitions(**{**vars(others), **kept})
    assert torch.equal(model.reward(steps), model.reward(changed))
    # The game-theoretic reward looks at a single number at a time.
    for field in seen - {"terminated"} if name != "game_theoretic" else set():
        moved = Transitions(**{**vars(steps), field: getattr(others, field)})
        assert not torch.equal(model.reward(steps), model.reward(moved))


@pytest.mark.parametrize("name", ALL)
def test_the_experts_steps_are_paid_more_than_a_far_learners(
    build: Build, draw: Draw, name: str
) -> None:
    for sign in ("positive", "negative", "unbiased"):
        model = build(name, sign=sign, inputs="state")
        assert isinstance(model.expert_steps(), Transitions)
        fresh = draw(200, shift=4.0)
        for call in range(4):
            model.update(fresh, generator(call))
        expert, learner = model.reward(model.expert_steps()), model.reward(fresh)
        assert expert.mean() > learner.mean()
        if sign == "positive":
            assert min(expert.min(), learner.min()) >= 0
        if sign == "negative":
            assert max(expert.max(), learner.max()) <= 0


@pytest.mark.parametrize("name", ["gail", "dac", "fem", "game_theoretic"])
def test_a_learner_far_from_an_expert_that_hardly_moves_is_paid_for_coming_nearer(
    name: str, spec: EnvSpec
) -> None:
    # Demonstrations of a policy's mode: a standard deviation of .003 where the learner has 1.
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    random = generator()
    episode = Demonstration(0.003 * normal(501, 3), 0.003 * normal(500, 2), torch.ones(500), False)
    parts = ImitationParts(spec, Demonstrations([episode], "a test"))
    torch.manual_seed(0)
    model = imitation_losses.build({"name": name, "inputs": "state"}, parts)
    assert isinstance(model, RewardModel)
    for _ in range(4):
        obs = normal(2000, 3)
        model.update(simple_transitions(obs, normal(2000, 2), obs), random)

    directions = torch.nn.functional.normalize(normal(4000, 3), dim=1)
    rewards = []
    for distance in (0.0, 0.5, 1.0, 2.0):
        obs = distance * directions
        steps = simple_transitions(obs, torch.zeros(4000, 2), obs)
        rewards.append(float(model.reward(steps).mean()))
    drops = [near - far for near, far in itertools.pairwise(rewards)]
    assert min(drops) > 0
    assert max(drops) < 0.8 * sum(drops) < 4
