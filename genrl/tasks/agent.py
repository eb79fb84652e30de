"""Training of agents, and opening a trained one."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genrl.callbacks import RunContext
from genrl.envs import EnvironmentSource
from genrl.modules import AgentModule, Iterations
from genrl.registry import ConfigurationError
from genrl.rl.agent import Actor
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder
from genrl.tasks.build import Config
from genrl.tasks.build_agent import build_actor, build_environment, plan_agent, resolved
from genrl.tasks.fit import Announcer, build_followers, build_trainer, fit
from genrl.tasks.launch import FLOAT32, in_lockstep


@dataclass(frozen=True)
class TrainedAgent:
    """The policy of a run, ready to act.

    Args:
        actor: policy and normalizer.
        environment: that it was trained in.
        config: of its run.
    """

    actor: Actor
    environment: EnvironmentSource
    config: Config

    @property
    def spec(self) -> EnvSpec:
        """Of the environment."""
        return self.environment.spec

    @property
    def memory_size(self) -> int:
        """Of the policy."""
        return self.actor.memory_size

    def initial_memory(self, num_envs: int) -> Tensor:
        """The memory at the start of an episode."""
        return self.actor.initial_memory(num_envs)

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As `Actor.act`: on raw observations."""
        return self.actor.act(obs, start, memory, generator=generator, deterministic=deterministic)


def is_agent(config: Config) -> bool:
    """Whether a run's config is that of an agent."""
    return bool(config.get("task") == "agent")


def train_agent(config: Config, path: Path) -> RunFolder:
    """Start an agent's run in a folder that holds none.

    Raises:
        ConfigurationError: on any mistake that the user can mend.
        DivergenceError: if a metric becomes NaN or infinite.
    """
    if config["expert"] is not None:
        config = {**config, "expert": str(Path(config["expert"]).resolve())}
    config = resolved(config)
    folder = RunFolder(path)
    _fit(config, folder, is_new=True)
    return folder


def resume_agent(folder: RunFolder, config: Config, checkpoint: Path | None) -> RunFolder:
    """Go on with an agent's run.

    Args:
        folder: of the run.
        config: that it was started with.
        checkpoint: to go on from; None starts again.
    """
    _fit(config, folder, checkpoint=checkpoint)
    return folder


def _fit(
    config: Config, folder: RunFolder, *, checkpoint: Path | None = None, is_new: bool = False
) -> None:
    say = Announcer()
    _check(config)
    plan = plan_agent(
        _with_own_files(config, folder), lambda path: load_agent(RunFolder.open(path)).actor
    )
    returns = plan.demonstrations.returns if plan.demonstrations else None
    context = RunContext(folder, config, expert_returns=returns)
    followers = build_followers(config, context, say)
    trainer = build_trainer(_on_the_cpu(in_lockstep(config)), folder, followers, say, max_epochs=1)
    if trainer.world_size > plan.environment.num_envs:
        raise ConfigurationError(
            f"{trainer.world_size} processes cannot share {plan.environment.num_envs} "
            f"environments: give env.num_envs={trainer.world_size}, or fewer trainer.devices"
        )
    if trainer.world_size > 1 and (config["buffer"] or {}).get("folder"):
        raise ConfigurationError(
            "several processes hold the same replay buffer and cannot all write it into one "
            "folder: give buffer.folder=null, or trainer.devices=1"
        )
    if is_new and trainer.is_global_zero:
        RunFolder.create(folder.path, config)

    with contextlib.ExitStack() as stack:

        def start() -> AgentModule:
            built = plan.start()
            stack.callback(built.agent.envs.close)
            if checkpoint is None:
                built.fit_reward(config["seed"])
            return AgentModule(built.agent, built.environment, built.num_iterations, say)

        loader = Iterations(plan.num_iterations)
        fit(trainer, start, loader, folder, say, checkpoint=checkpoint)


def _with_own_files(config: Config, folder: RunFolder) -> Config:
    """The config with the replay buffer's files in the run's folder, if it has any."""
    buffer = config["buffer"]
    if not (buffer and buffer.get("folder")):
        return config
    place = folder.inside(buffer["folder"], "buffer.folder")
    return {**config, "buffer": {**buffer, "folder": str(place)}}


def _on_the_cpu(config: Config) -> Config:
    """The config whose trainer does not take the GPU that a machine may have."""
    return {**config, "trainer": {**config["trainer"], "accelerator": "cpu"}}


def _check(config: Config) -> None:
    asked = {"device": config["device"], "trainer.accelerator": config["trainer"]["accelerator"]}
    for key, value in asked.items():
        if value not in ("cpu", "auto"):
            raise ConfigurationError(
                f"agents run on the CPU, not on {key}={value}: their networks are small and their "
                f"environments are there; give {key}=cpu"
            )
    precision = config["trainer"].get("precision")
    if precision not in FLOAT32:
        raise ConfigurationError(
            f"agents compute in float32, not in trainer.precision={precision}: their networks are "
            "too small to gain by less, and log-probabilities lose; give trainer.precision=32-true"
        )
    if config["training"]["log_every"] < 1:
        raise ConfigurationError(
            f"training.log_every must be at least 1, not {config['training']['log_every']}"
        )


def load_agent(folder: RunFolder, stage: str | None = None) -> TrainedAgent:
    """The trained policy of a run.

    Raises:
        ConfigurationError: if the run is none of an agent, or is not finished yet.
    """
    config = folder.config()
    if not is_agent(config):
        raise ConfigurationError(f"{folder.path} is no agent's run: it has no policy")
    checkpoint = folder.load_stage(stage)
    environment = build_environment(config)
    actor = build_actor(config, environment.spec)
    actor.load_state_dict(checkpoint["state_dict"])
    return TrainedAgent(actor.eval(), environment, config)
