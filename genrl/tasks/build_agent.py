"""From a plain config to an agent: environment, policy, algorithm, reward."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from genrl import processes
from genrl.diffusion import Denoiser
from genrl.diffusion.building import build_denoiser
from genrl.diffusion.noise import mixed_seed
from genrl.envs import EnvironmentSource, ShardedEnvironments, environments
from genrl.imitation.demonstrations import Demonstrations, demonstration_sources
from genrl.imitation.demonstrations.absorbing import with_absorbing_states
from genrl.imitation.losses import (
    ImitationLoss,
    ImitationParts,
    RewardModel,
    SupervisedLoss,
    imitation_losses,
)
from genrl.registry import ConfigurationError
from genrl.rl.advantages import advantages
from genrl.rl.agent import Actor, Agent
from genrl.rl.algorithms import Algorithm, Parts, algorithms
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies import Policy, policies
from genrl.rl.spec import EnvSpec
from genrl.tasks.build import Config
from genrl.typing import DataSpec

_FIT_STREAM = 0x666974  # keeps the random numbers before the first iteration apart from the others


@dataclass(frozen=True)
class AgentPlan:
    """Everything of an agent but its environments, which begin with it.

    Args:
        config: of the run.
        environment: that it learns in.
        algorithm: with its components.
        loss: that it imitates by, or None.
        num_iterations: of the run.
    """

    config: Config
    environment: EnvironmentSource
    algorithm: Algorithm
    loss: ImitationLoss | None
    num_iterations: int

    @property
    def demonstrations(self) -> Demonstrations | None:
        """That it imitates."""
        return self.loss.parts.demonstrations if self.loss is not None else None

    def start(self) -> "BuiltAgent":
        """The agent in its environments, which several connected processes share."""
        environment = self.environment
        if processes.are_several():
            environment = ShardedEnvironments(environment)
        training = self.config["training"]
        agent = Agent(
            self.algorithm,
            environment.make_vector(),
            environment.spec,
            num_iterations=self.num_iterations,
            reward=self.loss if isinstance(self.loss, RewardModel) else None,
            seed=self.config["seed"],
            normalize_observations=training["normalize_observations"],
            normalize_rewards=training["normalize_rewards"],
        )
        if isinstance(self.loss, RewardModel):
            self.loss.attach(self.algorithm, agent.actor.normalizer)
        return BuiltAgent(agent, environment, self.num_iterations, self.demonstrations)


@dataclass(frozen=True)
class BuiltAgent:
    """An agent and what its run must know of it.

    Args:
        agent: ready for its first iteration; its reward is not fitted yet.
        environment: that it learns in.
        num_iterations: of the run.
        demonstrations: that it imitates, or None.
    """

    agent: Agent
    environment: EnvironmentSource
    num_iterations: int
    demonstrations: Demonstrations | None

    def fit_reward(self, seed: int) -> None:
        """Let a learned reward learn from the demonstrations, before the first iteration."""
        reward = self.agent.interaction.reward
        if isinstance(reward, RewardModel):
            reward.fit(torch.Generator().manual_seed(mixed_seed(seed, _FIT_STREAM)))


def build_environment(config: Config) -> EnvironmentSource:
    """The environment, with absorbing states where the imitation loss needs them."""
    choice = config["env"]
    loss = config["imitation_loss"]
    if loss is not None and imitation_losses.get(loss["name"]).needs_absorbing_states:
        choice = {**choice, "absorbing_states": True}
    return environments.build(choice)


def choices(config: Config, spec: EnvSpec) -> Config:
    """The components of the algorithm: what the config names, else what the algorithm takes.

    Raises:
        ConfigurationError: if the config names a component that the algorithm does not use.
    """
    name = algorithm_choice(config)["name"]
    defaults = algorithms.get(name).defaults(spec)
    for kind in ("critic", "advantage", "buffer"):
        if config[kind] is not None and kind not in defaults:
            raise ConfigurationError(
                f"algorithm '{name}' uses no {kind}: leave out {kind}={config[kind]['name']}"
            )
    return {kind: config[kind] or default for kind, default in defaults.items()}


def algorithm_choice(config: Config) -> Config:
    """The algorithm; a supervised imitation loss has one of its own."""
    loss = config["imitation_loss"]
    if loss is not None and issubclass(imitation_losses.get(loss["name"]), SupervisedLoss):
        chosen: Config = config["algorithm"]
        return chosen if chosen["name"] == "cloning" else {"name": "cloning"}
    chosen = config["algorithm"]
    if chosen["name"] == "cloning":
        raise ConfigurationError(
            "algorithm=cloning learns from a supervised imitation loss: "
            "give imitation_loss=bc or imitation_loss=dagger"
        )
    return chosen


def resolved(config: Config) -> Config:
    """The config with the algorithm and the components that its run really takes."""
    config = {**config, "algorithm": algorithm_choice(config)}
    return {**config, **choices(config, build_environment(config).spec)}


def build_policy(config: Config, spec: EnvSpec) -> Policy:
    """The policy; its weights are a function of the seed."""
    torch.manual_seed(config["seed"])
    return policies.build(choices(config, spec)["policy"], spec)


def build_actor(config: Config, spec: EnvSpec) -> Actor:
    """The policy with its normalizer, for a trained state to be loaded into."""
    is_active = config["training"]["normalize_observations"]
    return Actor(
        build_policy(config, spec), ObservationNormalizer(spec.obs_size, is_active=is_active)
    )


def build_agent(config: Config, load_expert: Callable[[Path], Actor]) -> BuiltAgent:
    """The agent of a config, in its environments; as `plan_agent`."""
    return plan_agent(config, load_expert).start()


def plan_agent(config: Config, load_expert: Callable[[Path], Actor]) -> AgentPlan:
    """The parts of an agent.

    Args:
        config: plain and complete.
        load_expert: opens the policy of another run.

    Raises:
        ConfigurationError: on any mistake that the user can mend.
    """
    environment = build_environment(config)
    spec = environment.spec
    loss = build_loss(config, environment, load_expert)
    algorithm = build_algorithm(config, spec, loss)
    if isinstance(loss, RewardModel):
        # A reward that cannot use the algorithm says so before anything is written.
        loss.attach(algorithm, ObservationNormalizer(spec.obs_size, is_active=False))
    steps = algorithm.total_steps(environment.num_envs)
    wanted = config["training"]["env_steps"]
    if wanted < 1:
        raise ConfigurationError(f"training.env_steps must be at least 1, not {wanted}")
    num_iterations = -(-wanted // steps) if steps else algorithm.num_iterations
    return AgentPlan(config, environment, algorithm, loss, num_iterations)


def build_algorithm(config: Config, spec: EnvSpec, loss: ImitationLoss | None) -> Algorithm:
    """The algorithm with its components."""
    chosen = choices(config, spec)
    policy = build_policy(config, spec)
    num_features = getattr(policy, "num_features", spec.obs_size)
    parts = Parts(
        spec,
        policy,
        critics.build(chosen["critic"], spec, num_features) if "critic" in chosen else None,
        advantages.build(chosen["advantage"]) if "advantage" in chosen else None,
        buffers.build(chosen["buffer"]) if "buffer" in chosen else None,
        config["gamma"],
    )
    more = (loss,) if isinstance(loss, SupervisedLoss) else ()
    return algorithms.build(algorithm_choice(config), parts, *more)


def build_loss(
    config: Config, environment: EnvironmentSource, load_expert: Callable[[Path], Actor]
) -> ImitationLoss | None:
    """The imitation loss with its demonstrations, or None.

    Raises:
        ConfigurationError: if demonstrations or the expert are missing or do not fit.
    """
    if config["imitation_loss"] is None:
        return None
    kind = imitation_losses.get(config["imitation_loss"]["name"])
    expert = None
    if kind.needs_expert:
        if config["expert"] is None:
            raise ConfigurationError(
                f"imitation_loss={config['imitation_loss']['name']} asks an expert for its "
                "actions: give expert=<run folder>"
            )
        expert = _answers(load_expert(Path(config["expert"])), environment.spec)

    def make_denoiser(spec: DataSpec) -> Denoiser:
        return build_denoiser(
            spec,
            network=config["network"],
            schedule=config["schedule"],
            parameterization=config["parameterization"],
        )

    demonstrations = (
        _demonstrations(config, environment.spec) if kind.needs_demonstrations else None
    )
    parts = ImitationParts(environment.spec, demonstrations, make_denoiser, expert)
    torch.manual_seed(mixed_seed(config["seed"], 1))
    return imitation_losses.build(config["imitation_loss"], parts)


def _demonstrations(config: Config, spec: EnvSpec) -> Demonstrations:
    """Read as they were recorded, then wrapped as the environment is."""
    if config["env"].get("frame_stack", 1) > 1:
        raise ConfigurationError("demonstrations hold single observations: give env.frame_stack=1")
    bare = environments.build(
        {**config["env"], "absorbing_states": False, "rescale_actions": False}
    )
    found = demonstration_sources.build(config["demonstrations"], bare.spec).load()
    if config["env"].get("rescale_actions"):
        low, high = torch.tensor(bare.spec.low), torch.tensor(bare.spec.high)
        episodes = [
            replace(episode, action=2 * (episode.action - low) / (high - low) - 1)
            for episode in found.episodes
        ]
        found = replace(found, episodes=episodes)
    if spec.obs_size == bare.spec.obs_size + 1:
        found = with_absorbing_states(found)
    found.check(spec)
    return found


def _answers(expert: Actor, spec: EnvSpec) -> Callable[[Tensor], Tensor]:
    """The expert as a function of observations.

    Raises:
        ConfigurationError: if it belongs to another environment, or needs a memory.
    """
    if (expert.spec.obs_size, expert.spec.action_size) != (spec.obs_size, spec.action_size):
        raise ConfigurationError(
            f"the expert acts in {expert.spec.env_id}, but this run's environment is {spec.env_id}"
        )
    if expert.memory_size:
        raise ConfigurationError("an expert with a memory cannot answer for single observations")

    def answer(obs: Tensor) -> Tensor:
        start = torch.zeros(len(obs), dtype=torch.bool)
        return expert.act(obs, start, expert.initial_memory(len(obs)), deterministic=True)[0]

    return answer
