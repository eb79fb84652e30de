"""``genrl collect``: episodes of a trained policy as a Minari data set, to be imitated."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from genrl.envs import EnvironmentSource, environments
from genrl.imitation.demonstrations import Demonstration, record, require_free, write_minari
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder
from genrl.tasks.agent import TrainedAgent, load_agent

PACKAGES = ("genrl", "torch", "gymnasium", "mujoco")
NUM_ENVS = 10  # at once; what is recorded does not depend on it


@dataclass
class CollectOptions:
    """What ``genrl collect`` takes after the run."""

    episodes: int = 5
    out: str | None = None
    seed: int = 0
    deterministic: bool = True
    stage: str | None = None


@dataclass(frozen=True)
class Collected:
    """A recorded data set.

    Args:
        path: of its folder.
        returns: of its episodes.
    """

    path: Path
    returns: list[float]


def collect(
    path: Path, options: CollectOptions, on_episodes: Callable[[int], None] | None = None
) -> Collected:
    """Record whole episodes of a run's policy.

    The data set holds what the environment of that id gives and takes: an agent's own wrappers
    (absorbing states, rescaled actions, stacked frames) are taken off again.

    Args:
        path: of the run.
        options: how many episodes, where to, and how.
        on_episodes: called with the number of episodes recorded so far.

    Raises:
        ConfigurationError: if the run has no trained policy, or the data set cannot be written.
    """
    if options.episodes < 1:
        raise ConfigurationError(f"episodes must be at least 1, not {options.episodes}")
    folder = RunFolder.open(path)
    kind = "deterministic" if options.deterministic else "stochastic"
    label = f"{options.episodes}_{kind}_seed{options.seed}-v0"
    out = Path(options.out).expanduser() if options.out else path / "demonstrations" / label
    require_free(out)
    agent = load_agent(folder, options.stage)
    episodes = _record(agent, options, on_episodes)
    bare = _environment(agent, absorbing_states=False, rescale_actions=False, frame_stack=1).spec
    episodes = [_bare(episode, agent.spec, bare) for episode in episodes]
    returns = [float(episode.reward.sum()) for episode in episodes]
    about = {
        "algorithm": agent.config["algorithm"]["name"],
        "run": str(folder.path),
        "stage": options.stage,
        "seed": options.seed,
        "deterministic": options.deterministic,
        "mean_return": sum(returns) / len(returns),
        "env": agent.config["env"],
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "commands": _commands(folder, options),
    }
    kwargs = agent.config["env"].get("kwargs")
    write_minari(out, bare, episodes, about=about, seed=options.seed, env_kwargs=kwargs)
    return Collected(out, returns)


def _commands(folder: RunFolder, options: CollectOptions) -> list[str]:
    """What one has to type to record the same again."""
    overrides = folder.path / ".hydra" / "overrides.yaml"
    try:
        chosen = yaml.safe_load(overrides.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        chosen = None
    is_known = isinstance(chosen, list) and all(isinstance(word, str) for word in chosen)
    trained = [shlex.join(["genrl", "train", *chosen])] if is_known else []
    given = {key: value for key, value in vars(options).items() if value is not None}
    own = [f"{key}={json.dumps(value)}" for key, value in given.items() if key != "out"]
    return [*trained, shlex.join(["genrl", "collect", str(folder.path), *own])]


def _record(
    agent: TrainedAgent, options: CollectOptions, on_episodes: Callable[[int], None] | None
) -> list[Demonstration]:
    source = _environment(agent, absorbing_states=False)
    is_padded = agent.spec.obs_size == source.spec.obs_size + 1
    generator = torch.Generator().manual_seed(options.seed)

    def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        if is_padded:  # no state that is acted in is the absorbing one
            obs = torch.cat([obs, torch.zeros_like(obs[:, :1])], dim=1)
        return agent.act(
            obs, start, memory, generator=generator, deterministic=options.deterministic
        )

    envs = source.make_vector(min(options.episodes, NUM_ENVS))
    try:
        return record(
            act,
            envs,
            source.spec,
            options.episodes,
            options.seed,
            memory_size=agent.memory_size,
            on_episodes=on_episodes,
        )
    finally:
        envs.close()


def _environment(agent: TrainedAgent, **changes: Any) -> EnvironmentSource:
    """The agent's environment with other wrappers, as far as it has them."""
    choice: Mapping[str, Any] = agent.config["env"]
    known = {key: value for key, value in changes.items() if key in choice}
    return environments.build({**choice, **known})


def _bare(episode: Demonstration, spec: EnvSpec, bare: EnvSpec) -> Demonstration:
    """The newest frame of each observation; actions in the environment's own units."""
    action = episode.action
    if not bare.is_discrete and (spec.low, spec.high) != (bare.low, bare.high):
        low, high = action.new_tensor(bare.low), action.new_tensor(bare.high)
        action = bare.clip(low + (action + 1) / 2 * (high - low))
    return replace(episode, obs=episode.obs[:, -bare.obs_size :], action=action)
