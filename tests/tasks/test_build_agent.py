"""From a config to an agent, and every mistake told with its way out."""

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.rl.agent import Actor
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies import policies
from genrl.rl.spec import EnvSpec
from genrl.tasks.build_agent import build_actor, build_agent

PENDULUM = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 200)


def expert(spec: EnvSpec = PENDULUM, **policy: Any) -> Any:
    """Opens the same policy whatever the path."""

    def load(path: Path) -> Actor:
        made = policies.build({"name": "gaussian", **policy}, spec)
        return Actor(made, ObservationNormalizer(spec.obs_size, is_active=False))

    return load


@functools.cache
def composed(*words: str) -> dict[str, Any]:
    """Config of a command line."""
    return compose(words)


def build(*words: str, load: Any = None) -> Any:
    """The agent of a command line."""
    return build_agent(composed(*words), load or expert())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["+experiment=ppo", "critic=twin_q"], "PPO needs a critic of state values"),
        (["+experiment=sac", "critic=value"], "SAC needs a critic of action values"),
        (["+experiment=ppo", "buffer=replay"], "'ppo' uses no buffer: leave out buffer=replay"),
        (["+experiment=sac", "advantage=gae"], "'sac' uses no advantage"),
        (["+experiment=ppo", "algorithm=cloning"], "give imitation_loss=bc"),
        (["+experiment=dagger"], "asks an expert for its actions: give expert=<run folder>"),
        (["+experiment=ppo", "training.env_steps=0"], "training.env_steps must be at least 1"),
        (["+experiment=ppo", "gamma=1.5"], "gamma must lie between 0 and 1"),
        (["+experiment=sac", "env=cartpole"], "discrete|take algorithm=ppo"),
        (["+experiment=td3", "env=cartpole"], "finite bounds|discrete"),
        (["+experiment=ppo", "policy=categorical"], "take policy=gaussian"),
        (["+experiment=sac", "policy=deterministic"], "take policy=tanh_gaussian"),
    ],
)
def test_mistakes_are_told(words: list[str], says: str) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=says):
        build(*words)


def test_an_expert_of_another_environment_is_refused() -> None:
    words = ["+experiment=dagger", "env=inverted_pendulum", "expert=runs/other"]
    with pytest.raises(
        ConfigurationError, match=r"acts in Pendulum-v1, but .* is InvertedPendulum-v5"
    ):
        build(*words)


def test_an_expert_with_a_memory_is_refused() -> None:
    words = ["+experiment=dagger", "env=pendulum", "expert=runs/other"]
    with pytest.raises(ConfigurationError, match="with a memory cannot answer"):
        build(*words, load=expert(name="recurrent"))


@pytest.mark.parametrize(
    ("num_envs", "wanted", "expected"), [(1, 100, 5), (1, 101, 6), (2, 100, 3), (2, 1, 1)]
)
def test_the_last_iteration_is_a_whole_one(num_envs: int, wanted: int, expected: int) -> None:
    built = build(
        "+experiment=ppo",
        "env=pendulum",
        "algorithm.num_steps=20",
        f"env.num_envs={num_envs}",
        f"training.env_steps={wanted}",
    )
    assert built.num_iterations == expected
    assert built.agent.interaction.num_iterations == expected
    assert built.demonstrations is None


def test_weights_are_a_function_of_the_seed() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.rand(seed)
        built = build_agent({**composed("+experiment=sac"), "seed": seed}, expert())
        return list(built.agent.algorithm.parameters())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_actor_of_a_run_fits_its_policy() -> None:
    config = compose(["+experiment=ppo", "training.normalize_observations=true"])
    built = build_agent(config, expert())
    built.agent.interaction.normalizer.update(torch.randn(50, 3) + 4)
    actor = build_actor(config, built.environment.spec)
    actor.load_state_dict(built.agent.actor.state_dict())
    obs, start, memory = torch.randn(4, 3), torch.zeros(4, dtype=torch.bool), torch.zeros(4, 0)
    mine = actor.act(obs, start, memory, deterministic=True)[0]
    assert torch.equal(mine, built.agent.actor.act(obs, start, memory, deterministic=True)[0])
