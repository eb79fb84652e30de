"""SAC beside stable-baselines3: the same updates and the same run from the same random numbers.

A run begins with the same weights and the same state of Hopper-v5, and the peer takes the numbers
that ours drew: actions at random, noise of actions, examples of a batch. What is left are rounding
errors, which grow as the leg moves.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC as PeerSAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor, nn
from torch.distributions import normal

from genrl.config import compose
from genrl.rl.agent import Agent
from genrl.rl.algorithms import SAC, Parts
from genrl.rl.algorithms.off_policy import Replay
from genrl.rl.buffers import buffers
from genrl.rl.buffers.ring import Ring
from genrl.rl.critics import critics
from genrl.rl.distributions import tanh_gaussian
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.spec import EnvSpec
from genrl.tasks.build_agent import build_agent

SPEC = EnvSpec("Hopper-v5", 11, 3, False, (-1.0,) * 3, (1.0,) * 3)
UPDATES, BATCH, GAMMA = 20, 64, 0.99
STEPS, STARTS, SEED = 100, 20, 3
LIMIT = 12  # steps: some episodes are cut before the leg falls, some end by the fall
OVERRIDES = (
    "+experiment=sac", "env=hopper", f"env.max_episode_steps={LIMIT}", f"seed={SEED}",
    f"algorithm.learning_starts={STARTS}", f"algorithm.batch_size={BATCH}",
    f"algorithm.iteration_steps={STEPS}", "callback@evaluation=none",
)  # fmt: skip


def ours() -> SAC:
    """With all defaults; policy and critic as the algorithm chooses them."""
    chosen = SAC.defaults(SPEC)
    policy = policies.build(chosen["policy"], SPEC)
    critic = critics.build(chosen["critic"], SPEC, SPEC.obs_size)
    return SAC(Parts(SPEC, policy, critic, None, buffers.build(chosen["buffer"])))


def layers(module: nn.Module) -> list[nn.Linear]:
    """The linear layers of a module in their order."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def policy_pairs(algorithm: SAC, peer: PeerSAC) -> list[tuple[Tensor, Tensor]]:
    """Weights of the policies that mean the same; the peer has two heads where ours has one."""
    found = []
    actor = peer.policy.actor
    *hidden, mean, log_std = [*layers(actor.latent_pi), actor.mu, actor.log_std]
    *own, head = layers(algorithm.policy)
    for mine, other in zip(own, hidden, strict=True):
        found += [(mine.weight, other.weight), (mine.bias, other.bias)]
    size = SPEC.action_size
    for rows, other in ((slice(0, size), mean), (slice(size, None), log_std)):
        found += [(head.weight[rows], other.weight), (head.bias[rows], other.bias)]
    return found


def critic_pairs(own: nn.Module, other: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """The same of critics: ours holds both members in one tensor, its weights transposed."""
    found = []
    for member, network in enumerate((other.qf0, other.qf1)):
        parameters = dict(own.named_parameters())
        for depth, layer in enumerate(layers(network)):
            name = f"network.layers.{depth}"
            found.append((parameters[f"{name}.weight"][member].T, layer.weight))
            found.append((parameters[f"{name}.bias"][member, 0], layer.bias))
    return found


def pairs(algorithm: SAC, peer: PeerSAC) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """All that is learned, on both sides."""
    return {
        "policy": policy_pairs(algorithm, peer),
        "critic": critic_pairs(algorithm.critic, peer.policy.critic),
        "target": critic_pairs(algorithm.target_critic, peer.policy.critic_target),
        "temperature": [(algorithm.log_alpha, peer.log_ent_coef[0])],
    }


def begin_alike(algorithm: SAC, peer: PeerSAC) -> dict[str, list[Tensor]]:
    """Give the peer our weights; copies of them."""
    found = pairs(algorithm, peer)
    with torch.no_grad():
        for mine, other in (two for same in found.values() for two in same):
            other.copy_(mine)
    return {name: [mine.detach().clone() for mine, _ in same] for name, same in found.items()}


def worst_difference(algorithm: SAC, peer: PeerSAC, start: dict[str, list[Tensor]]) -> float:
    """How far the weights are apart, as a part of how far they have moved; the largest part."""
    parts = []
    for name, same in pairs(algorithm, peer).items():
        moved = [mine - before for (mine, _), before in zip(same, start[name], strict=True)]
        apart = [mine - other for mine, other in same]
        parts.append(norm(apart) / norm(moved))
    return max(parts)


def norm(tensors: list[Tensor]) -> float:
    """Of all of them as one vector."""
    return torch.cat([tensor.flatten() for tensor in tensors]).norm().item()


def quiet() -> Logger:
    """Of a peer."""
    return Logger(folder=None, output_formats=[])


def interaction() -> Interaction:
    """Random numbers and counters only; an update needs no environment."""
    collector: Any = object()
    return Interaction(
        collector,
        EnvironmentReward(),
        ObservationNormalizer(SPEC.obs_size, is_active=False),
        RewardScaler(1, GAMMA, is_active=False),
        num_iterations=1,
    )


def examples(seed: int) -> tuple[Replay, ReplayBufferSamples]:
    """One batch in the form of each side; a fifth of it has terminated."""
    draw = torch.Generator().manual_seed(seed)
    obs, next_obs = (torch.randn(BATCH, SPEC.obs_size, generator=draw) for _ in range(2))
    action = 2 * torch.rand(BATCH, SPEC.action_size, generator=draw) - 1
    reward = torch.randn(BATCH, generator=draw)
    done = (torch.arange(BATCH) % 5 == 0).float()
    replay = Replay(obs, next_obs, action, reward, GAMMA * (1 - done), torch.ones(BATCH))
    return replay, ReplayBufferSamples(obs, action, next_obs, done[:, None], reward[:, None])


def test_twenty_updates_are_those_of_stable_baselines3(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    algorithm = ours()
    peer = PeerSAC("MlpPolicy", "Hopper-v5", gamma=GAMMA, seed=0, device="cpu")
    peer.set_logger(quiet())
    start = begin_alike(algorithm, peer)
    own = interaction()
    for update in range(UPDATES):
        replay, samples = examples(update)
        own.generator.manual_seed(100 + update)
        algorithm.update(replay, own)

        draw = torch.Generator().manual_seed(100 + update)
        shape = (BATCH, SPEC.action_size)
        of_next, of_current = (torch.randn(shape, generator=draw) for _ in range(2))
        noise = iter((of_current, of_next))  # the peer asks in this order
        monkeypatch.setattr(normal, "_standard_normal", lambda *_, n=noise, **__: next(n))
        monkeypatch.setattr(peer.replay_buffer, "sample", lambda *_, s=samples, **__: s)
        peer.train(1, BATCH)
    # Adam divides by the size of a gradient, so that those near 0 keep the rounding's sign.
    assert worst_difference(algorithm, peer, start) < 5e-3


@dataclass
class Drawn:
    """Random numbers in the order in which they were drawn."""

    actions: list[Tensor] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)
    examples: list[Tensor] = field(default_factory=list)


def recorded(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What an iteration draws. Its first update is left out, for the peer begins a step later."""
    drawn = Drawn()
    normal_like, draw, collect = tanh_gaussian.normal_like, Ring.draw, Interaction.collect_random
    algorithm: Any = agent.algorithm
    update = algorithm.update

    def noted(*args: Any) -> Tensor:
        drawn.noise.append(normal_like(*args))
        return drawn.noise[-1].clone()

    def picked(*args: Any) -> tuple[Tensor, Tensor]:
        number, env = draw(*args)
        drawn.examples.append(number.clone())
        return number, env

    def random(*args: Any) -> Any:
        rollout = collect(*args)
        drawn.actions.append(rollout.steps.action[0, 0])
        return rollout

    def all_but_first(*args: Any) -> dict[str, float]:
        if drawn.noise:
            metrics: dict[str, float] = update(*args)
            return metrics
        drawn.examples.clear()
        return {}

    monkeypatch.setattr(tanh_gaussian, "normal_like", noted)
    monkeypatch.setattr(Ring, "draw", picked)
    monkeypatch.setattr(Interaction, "collect_random", random)
    monkeypatch.setattr(algorithm, "update", all_but_first)
    agent.iterate()
    return drawn


def replayed(peer: PeerSAC, drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers for the peer; they are just enough."""
    buffer: Any = peer.replay_buffer
    actions, examples = iter(drawn.actions), iter(drawn.examples)
    # An action, then an update: ours begins with the states after the examples', the peer does not.
    steps = zip(*[iter(drawn.noise)] * 3, strict=True)
    noise = iter([each for act, after, before in steps for each in (act, before, after)])
    monkeypatch.setattr(peer.action_space, "sample", lambda: next(actions).numpy())
    monkeypatch.setattr(normal, "_standard_normal", lambda *_, **__: next(noise))
    monkeypatch.setattr(buffer, "sample", lambda *_, **__: buffer._get_samples(next(examples)))
    peer.env.seed(SEED)  # type: ignore[union-attr]
    peer.learn(STEPS)
    assert [next(left, None) for left in (actions, examples, noise)] == [None] * 3


def test_a_run_is_that_of_stable_baselines3(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = build_agent(compose(OVERRIDES), lambda path: pytest.fail(str(path))).agent
    envs = make_vec_env("Hopper-v5", env_kwargs={"max_episode_steps": LIMIT})
    peer = PeerSAC("MlpPolicy", envs, learning_starts=STARTS, batch_size=BATCH, device="cpu")
    peer.set_logger(quiet())
    algorithm: Any = agent.algorithm
    start = begin_alike(algorithm, peer)

    replayed(peer, recorded(agent, monkeypatch), monkeypatch)

    assert agent.interaction.env_steps == peer.num_timesteps == STEPS
    other: Any = peer.replay_buffer
    stored = algorithm.buffer.ring.fields.gather(torch.arange(STEPS))
    ended = {"terminated": other.dones * (1 - other.timeouts), "truncated": other.timeouts}
    for name, theirs in ended.items():
        flags = torch.from_numpy(theirs[:STEPS, 0]).bool()
        assert flags.any(), name
        assert torch.equal(getattr(stored, name), flags), name
    for name, theirs in (
        ("obs", other.observations),
        ("next_obs", other.next_observations),
        ("action", other.actions),
        ("reward", other.rewards),
    ):
        apart = getattr(stored, name).numpy() - theirs[:STEPS].reshape(getattr(stored, name).shape)
        assert np.abs(apart).max() < 1e-2, name
    assert worst_difference(algorithm, peer, start) < 2e-2
