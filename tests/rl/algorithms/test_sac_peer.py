"""SAC beside stable-baselines3: twenty updates from the same weights, examples and noise."""

from typing import Any

import pytest
import torch
from stable_baselines3 import SAC as PeerSAC
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor, nn
from torch.distributions import normal

from genrl.rl.algorithms import SAC, Parts
from genrl.rl.algorithms.off_policy import Replay
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Hopper-v5", 11, 3, False, (-1.0,) * 3, (1.0,) * 3)
UPDATES, BATCH, GAMMA = 20, 64, 0.99


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
    peer.set_logger(_quiet())
    with torch.no_grad():
        for same in pairs(algorithm, peer).values():
            for mine, other in same:
                other.copy_(mine)
    before = {
        name: [mine.clone() for mine, _ in same] for name, same in pairs(algorithm, peer).items()
    }
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
    for name, same in pairs(algorithm, peer).items():
        moved, apart = (
            torch.cat([(mine - other).flatten() for mine, other in compared]).norm().item()
            for compared in (zip((m for m, _ in same), before[name], strict=True), same)
        )
        # Adam divides by the size of a gradient, so that those near 0 keep the rounding's sign.
        assert apart < 5e-3 * moved, name


def _quiet() -> Any:
    from stable_baselines3.common.logger import Logger

    return Logger(folder=None, output_formats=[])
