"""Off-policy learning: what is drawn is what was seen, with the rewards in force, on schedule."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor, nn

from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import SAC, Parts
from genrl.rl.algorithms.off_policy import follow, frozen
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward, Metrics
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions
from genrl.testing.counting import CountingEnv
from genrl.testing.identity import IdentityBoxEnv

MakeAgent = Callable[..., Agent]
Envs = Callable[..., tuple[VectorEnv, EnvSpec]]
SMALL = {"features": (16,)}
NETWORKS = {
    "policy": {"name": "tanh_gaussian", **SMALL},
    "critic": {"name": "twin_q", **SMALL},
}


class CountingBox(CountingEnv):
    """The counting environment with an action of one number."""

    def __init__(self, length: int, is_terminated: bool = False) -> None:
        super().__init__(length, is_terminated)
        self.action_space = IdentityBoxEnv(1).action_space


def counting() -> tuple[VectorEnv, EnvSpec]:
    """Episodes that are cut after 3 steps, and over after 4."""
    makers = [partial(CountingBox, 3), partial(CountingBox, 4, True)]
    envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
    return envs, EnvSpec.of("count", envs.single_observation_space, envs.single_action_space)


def filled(agent: Agent, num_steps: int) -> SAC:
    """Its algorithm, with steps in its buffer."""
    algorithm = agent.algorithm
    assert isinstance(algorithm, SAC)
    agent.interaction.begin()
    rollout = agent.interaction.collect(algorithm.policy, num_steps)
    algorithm.buffer.add(rollout.steps, rollout.valid)
    return algorithm


def test_a_drawn_batch_is_what_was_seen(make_agent: MakeAgent) -> None:
    config = {"name": "sac", "batch_size": 300}
    agent = make_agent(config, *counting(), gamma=0.9, **NETWORKS)
    batch = filled(agent, 30).draw(agent.interaction)
    assert batch.reward.shape == batch.discount.shape == batch.weight.shape == (300,)
    assert batch.action.shape == (300, 1)
    assert batch.features.shape == batch.next_features.shape == (300, 2)
    # No dead transition: every step counts on by one within its episode.
    assert torch.equal(batch.next_features[:, 0], batch.features[:, 0] + 1)
    assert torch.equal(batch.next_features[:, 1], batch.features[:, 1])
    assert bool((batch.reward == 1).all())
    count = batch.next_features[:, 0] % 100
    assert bool((batch.discount[count == 4] == 0).all())  # over
    assert torch.equal(batch.discount[count < 4], torch.full_like(count[count < 4], 0.9))
    assert int((count == 4).sum()) > 20
    assert int((count == 3).sum()) > 50  # some of them cut, and others in the middle


def test_n_step_discounts_reach_the_batch(make_agent: MakeAgent) -> None:
    buffer = {"name": "n_step", "steps": 2}
    config = {"name": "sac", "batch_size": 300}
    agent = make_agent(config, *counting(), gamma=0.9, buffer=buffer, **NETWORKS)
    batch = filled(agent, 30).draw(agent.interaction)
    ahead = batch.next_features[:, 0] - batch.features[:, 0]
    over = batch.next_features[:, 0] % 100 == 4
    torch.testing.assert_close(batch.discount[~over], 0.9 ** ahead[~over])
    assert not batch.discount[over].any()
    torch.testing.assert_close(batch.reward, 1 + 0.9 * (ahead == 2))
    assert set(ahead.tolist()) == {1.0, 2.0}


class Learned(EnvironmentReward):
    """Minus the count, and one joined step that is over and one that is not."""

    def __init__(self) -> None:
        self.factor, self.fresh = -1.0, [torch.zeros(0)]

    def reward(self, steps: Transitions) -> Tensor:
        return self.factor * steps.obs[..., 0]

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        self.fresh.append(fresh.obs)
        return {"reward_loss": 1.0}


class Joined(Learned):
    """Joins two demonstrated steps: one is over, one is not."""

    def mix(self, steps: Transitions, generator: torch.Generator) -> Transitions:
        two = steps[:2]
        over = torch.tensor([True, False])
        marked = Transitions(
            **{**vars(two), "terminated": over, "reward": torch.tensor([7.0, 8.0])}
        )
        return Transitions.cat([steps, marked])


def test_rewards_are_those_in_force_when_drawn(make_agent: MakeAgent) -> None:
    source = Learned()
    config = {"name": "sac", "batch_size": 300}
    agent = make_agent(config, *counting(), reward=source, **NETWORKS)
    algorithm = filled(agent, 30)
    for factor in (-1.0, 2.0):
        source.factor = factor
        batch = algorithm.draw(agent.interaction)
        assert torch.equal(batch.reward, factor * batch.features[:, 0])
        assert not batch.reward.requires_grad
    stored = algorithm.buffer.sample(50, 0.9, torch.Generator().manual_seed(0))
    assert bool((stored.steps.reward == 1).all())


def test_joined_steps_have_their_own_discounts(make_agent: MakeAgent) -> None:
    config = {"name": "sac", "batch_size": 20}
    buffer = {"name": "prioritized"}
    agent = make_agent(config, *counting(), reward=Joined(), buffer=buffer, **NETWORKS)
    algorithm = filled(agent, 30)
    batch = algorithm.draw(agent.interaction)
    assert batch.reward[20:].tolist() == [7.0, 8.0]
    assert batch.discount[20:].tolist() == pytest.approx([0.0, 0.9])
    assert batch.weight[20:].tolist() == [1.0, 1.0]
    told: list[tuple[Tensor, Tensor]] = []
    algorithm.buffer.update_priorities = lambda *pair: told.append(pair)  # type: ignore[method-assign, assignment]
    algorithm.tell(torch.arange(22.0))
    assert torch.equal(told[0][1], torch.arange(20.0))
    assert told[0][0].shape == (20,)


def test_observations_are_normalized_when_drawn_and_actions_clipped(make_agent: MakeAgent) -> None:
    config = {"name": "sac", "batch_size": 200}
    gaussian = {"name": "gaussian", "initial_log_std": 1.0}
    agent = make_agent(config, *counting(), normalize_observations=True, policy=gaussian)
    algorithm = filled(agent, 30)
    assert algorithm.draw(agent.interaction).features.max() == 10  # only limited so far
    agent.interaction.finish()
    batch = algorithm.draw(agent.interaction)
    assert batch.features.abs().max() < 3
    assert batch.next_features.abs().max() < 3
    assert batch.action.abs().max() == 1.0
    assert (batch.action.abs() == 1.0).float().mean() < 0.9


@pytest.mark.parametrize("length", [1, 5])
def test_memories_run_along_each_example(length: int, make_agent: MakeAgent) -> None:
    policy = {"name": "recurrent", "memory": 4, "head": "tanh_gaussian", "cell": "lstm"}
    config = {"name": "sac", "batch_size": 12, "sequence_length": length}
    agent = make_agent(config, *counting(), policy=policy, critic=NETWORKS["critic"])
    algorithm = filled(agent, 30)
    kept = {}
    sample = algorithm.buffer.sample

    def spy(*fields: Any) -> Any:
        kept["sample"] = sample(*fields)
        return kept["sample"]

    algorithm.buffer.sample = spy  # type: ignore[method-assign]
    batch = algorithm.draw(agent.interaction)
    steps = kept["sample"].steps
    assert batch.features.shape == (length * 12, 4)
    row = 0
    for time in range(length):
        for example in range(12):
            memory = steps.memory[example] if length == 1 else steps.memory[0, example]
            one = steps if length == 1 else steps[:, example]
            for t in range(time + 1):
                now = one[example] if length == 1 else one[t]
                features, memories = algorithm.policy.encode(
                    now.obs[None, None], now.start[None, None], memory[None]
                )
                memory = memories[0, 0]
            following, _ = algorithm.policy.encode(
                now.next_obs[None, None], torch.zeros(1, 1, dtype=torch.bool), memory[None]
            )
            torch.testing.assert_close(batch.features[row], features[0, 0])
            torch.testing.assert_close(batch.next_features[row], following[0, 0])
            assert batch.reward[row] == now.reward
            assert batch.discount[row] == pytest.approx(0.9 * (not now.terminated))
            row += 1
    metrics = algorithm.update(batch, agent.interaction)
    assert math.isfinite(metrics["loss"])
    assert isinstance(algorithm.policy.core, nn.LSTM)
    gradient = algorithm.policy.core.weight_ih_l0.grad
    assert gradient is not None
    assert gradient.abs().max() > 0


@pytest.mark.parametrize(("train_every", "per_step"), [(1, 1.0), (5, 0.5), (10, 0.05), (2, 2.0)])
def test_acts_and_learns_on_schedule(
    train_every: int,
    per_step: float,
    identity_envs: Envs,
    make_agent: MakeAgent,
) -> None:
    config = {
        "name": "sac",
        "batch_size": 4,
        "learning_starts": 64,
        "train_every": train_every,
        "updates_per_step": per_step,
        "iteration_steps": 10,
    }
    # Four environments: 40 steps in an iteration; 64 are there after 16 steps of each.
    agent = make_agent(config, *identity_envs(False, 4), **NETWORKS)
    algorithm = agent.algorithm
    assert isinstance(algorithm, SAC)
    acted: list[str] = []
    for kind in ("collect", "collect_random"):
        inner = getattr(agent.interaction, kind)

        def spy(*args: Any, inner: Any = inner, kind: str = kind) -> Any:
            acted.append(kind)
            return inner(*args)

        setattr(agent.interaction, kind, spy)
    for _ in range(3):
        assert agent.gradient_steps == 0 or agent.env_steps >= 64
        agent.iterate()
    assert agent.env_steps == 120
    assert len(algorithm.buffer) == 120
    rounds = math.ceil(16 / train_every)
    assert acted == ["collect_random"] * rounds + ["collect"] * (30 // train_every - rounds)
    learning = 30 // train_every - rounds + 1
    assert agent.gradient_steps == pytest.approx(learning * train_every * 4 * per_step, abs=1)


def test_a_reward_source_learns_once_from_everything_fresh(make_agent: MakeAgent) -> None:
    source = Learned()
    config = {"name": "sac", "learning_starts": 1000, "iteration_steps": 12}
    agent = make_agent(config, *counting(), reward=source, **NETWORKS)
    for _ in range(3):
        metrics = agent.iterate()
        assert metrics["reward_loss"] == 1.0
    assert len(source.fresh) == 4
    assert sum(map(len, source.fresh)) == agent.env_steps
    every = torch.cat(source.fresh[1:])
    assert len(every.unique(dim=0)) == len(every)


def test_follow_moves_by_the_rate() -> None:
    target, online = nn.Linear(3, 2).double(), nn.Linear(3, 2).double()
    expected = [
        0.9 * old + 0.1 * new
        for old, new in zip(target.parameters(), online.parameters(), strict=True)
    ]
    kept = online.weight.clone()
    follow(list(target.parameters()), list(online.parameters()), 0.1)
    for parameter, wanted in zip(target.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter, wanted, rtol=1e-14, atol=1e-14)
    assert torch.equal(online.weight, kept)


def test_frozen_lets_gradients_through_but_keeps_none() -> None:
    module, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen(list(module.parameters())):
        module(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, module.weight)
    assert module.weight.grad is None
    assert module.weight.requires_grad


def test_refuses_parts_that_it_cannot_use() -> None:
    spec = EnvSpec("box", 2, 1, False, (-1.0,), (1.0,))
    policy = policies.build({"name": "tanh_gaussian"}, spec)
    critic = critics.build({"name": "twin_q"}, spec, 2)
    buffer = buffers.build({"name": "replay", "capacity": 10})
    with pytest.raises(ConfigurationError, match="SAC cannot improve a DiffusionPolicy"):
        SAC(Parts(spec, policies.build({"name": "diffusion"}, spec), critic, None, buffer))
    with pytest.raises(ConfigurationError, match="critic=twin_q"):
        SAC(Parts(spec, policy, critics.build({"name": "value"}, spec, 2), None, buffer))
    with pytest.raises(ConfigurationError, match="buffer=replay"):
        SAC(Parts(spec, policy, critic))
    with pytest.raises(ValueError, match="iteration_steps=250 is no multiple of train_every=3"):
        SAC(Parts(spec, policy, critic, None, buffer), train_every=3)
    with pytest.raises(ValueError, match="updates_per_step positive"):
        SAC(Parts(spec, policy, critic, None, buffer), updates_per_step=0.0)
