"""The top levels of a run's config: what is not a component of some kind."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import MISSING

from genrl.registry import ConfigurationError


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
_FOREIGN = ("optimizer", "trainer", "logger")  # classes of others, which have a _target_


def require_seed(config: Mapping[str, Any]) -> None:
    """Refuse a seed that not every generator of random numbers takes.

    Raises:
        ConfigurationError: if it lies outside of [0, 2³²).
    """
    if not 0 <= config.get("seed", 0) < 2**32:
        raise ConfigurationError(f"seed must be at least 0 and below 2**32, not {config['seed']}")


def completed(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A config that was read from a run, with the defaults of keys that are newer than the run.

    Components are checked where they are built, all else here.

    Raises:
        ConfigurationError: if a key has no value, or one of another type than its schema says.
    """
    task = config.get("task")
    if not isinstance(task, str) or task not in ROOTS:
        raise ConfigurationError(f"{path}: task must be one of {', '.join(ROOTS)}, not {task!r}")
    values = _completed(config, ROOTS[task], f"{path}: ", "")
    require_seed(values)
    return values


def _completed(
    config: Mapping[str, Any], schema: type[Any], where: str, parent: str
) -> dict[str, Any]:
    defaults = asdict(schema())
    values = {**defaults, **config}
    for name, hint in get_type_hints(schema).items():
        key, value, is_optional = f"{parent}{name}", values[name], defaults[name] != MISSING
        if name not in config and not is_optional:
            raise ConfigurationError(f"{where}it has no '{key}', so it is not a run's config")
        if is_dataclass(hint) and isinstance(value, dict):
            assert isinstance(hint, type)
            values[name] = _completed(value, hint, where, f"{key}.")
        elif not _fits(value, hint, may_be_none=is_optional):
            raise ConfigurationError(f"{where}{key} cannot be {value!r}")
        is_component = hint is Any and value is not None and key not in _FOREIGN
        if is_component and not isinstance(value.get("name"), str):
            raise ConfigurationError(f"{where}the {key} has no name")
    return values


def _fits(value: Any, hint: Any, *, may_be_none: bool) -> bool:
    if hint is Any:  # a component or components
        return isinstance(value, dict) or (value is None and may_be_none)
    if isinstance(hint, UnionType):
        return any(_fits(value, option, may_be_none=True) for option in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is str:  # a reference would be looked up when it is merged again
        return isinstance(value, str) and "${" not in value
    kind = get_origin(hint) or hint
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
