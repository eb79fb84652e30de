"""The top levels of a run's config: what is not a component of some kind."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class Training:
    """How a network is trained; ``updates`` and ``learning_rate`` are the first stage's."""

    updates: int = 2000
    learning_rate: float = 1e-3
    batch_size: int = 128
    warmup_updates: int = 50
    gradient_clip: float = 1.0
    max_skipped: int = 10
    label_dropout: float = 0.1
    log_every: int = 50


@dataclass
class RunConfig:
    """The top level of a diffusion run's config; components stand beside these by their kinds."""

    task: str = "diffusion"
    name: str = "denoise"
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    teacher: str | None = None
    training: Training = field(default_factory=Training)
    data: Any = MISSING
    network: Any = MISSING
    schedule: Any = MISSING
    parameterization: Any = MISSING
    objective: Any = MISSING
    weighting: Any = MISSING
    time_sampler: Any = MISSING
    time_grid: Any = None
    sampler: Any = MISSING
    student_sampler: Any = MISSING
    guidance: Any = MISSING
    thresholding: Any = MISSING
    distill: Any = MISSING
    feature: Any = None
    optimizer: Any = MISSING
    trainer: Any = MISSING
    logger: Any = None
    ema: Any = MISSING
    evaluation: Any = MISSING
    checkpoint: Any = MISSING
    progress: Any = MISSING
    callbacks: dict[str, Any] = field(default_factory=dict)


@dataclass
class AgentTraining:
    """How long an agent learns, and on what scale it sees the world."""

    env_steps: int = 100_000
    normalize_observations: bool = False
    normalize_rewards: bool = False
    log_every: int = 1


@dataclass
class AgentConfig:
    """The top level of an agent's config: reinforcement learning and imitation.

    Policy, critic, advantage estimator and buffer are the algorithm's choice where they are null.
    """

    task: str = "agent"
    name: str = "agent"
    seed: int = 0
    device: str = "cpu"
    gamma: float = 0.99
    expert: str | None = None
    training: AgentTraining = field(default_factory=AgentTraining)
    env: Any = MISSING
    algorithm: Any = MISSING
    policy: Any = None
    critic: Any = None
    advantage: Any = None
    buffer: Any = None
    imitation_loss: Any = None
    demonstrations: Any = MISSING
    network: Any = MISSING
    schedule: Any = MISSING
    parameterization: Any = MISSING
    trainer: Any = MISSING
    logger: Any = None
    evaluation: Any = MISSING
    checkpoint: Any = MISSING
    progress: Any = MISSING
    callbacks: dict[str, Any] = field(default_factory=dict)


ROOTS: dict[str, type[Any]] = {"diffusion": RunConfig, "agent": AgentConfig}
SCHEMAS: tuple[type[Any], ...] = (Training, AgentTraining, RunConfig, AgentConfig)
