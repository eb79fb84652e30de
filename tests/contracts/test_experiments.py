"""Every choice of ``conf`` composes, and what it names can be built: agents, diffusion stacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from genrl.config import compose
from genrl.diffusion.schedules import schedules
from genrl.evaluation.features import features
from genrl.imitation.losses import SupervisedLoss, imitation_losses
from genrl.registry import registries
from genrl.rl.agent import Actor
from genrl.rl.algorithms import algorithms
from genrl.rl.policies import policies
from genrl.tasks.build import build_denoiser, build_objectives, build_sampler, build_stages
from genrl.tasks.build_agent import BuiltAgent, build_actor, build_agent, build_environment
from genrl.typing import DataSpec

CONF = Path(__file__).parents[2] / "conf"
CONTINUOUS = "inverted_pendulum"
IMAGES = DataSpec((3, 64, 64), 10)


def chosen(group: str) -> list[str]:
    """The YAML files of a group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    """The values of a file, by the rules of OmegaConf (1e-4 is a number)."""
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items() if key != "defaults"}


def of_agents(experiment: str) -> bool:
    return bool(read(CONF / "experiment" / f"{experiment}.yaml").get("task") == "agent")


AGENTS = [name for name in chosen("experiment") if of_agents(name)]
DIFFUSION = [name for name in chosen("experiment") if not of_agents(name)]
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")
VARIANTS = [
    (group, name)
    for group in GROUPS
    for name in chosen(group)
    if group not in ("experiment", "tuning", "imitation_tuning")
]


@cache
def an_expert() -> Actor:
    """A policy that has learned nothing, in the place of another run's."""
    config = compose(["+experiment=ppo", f"env={CONTINUOUS}"])
    return build_actor(config, build_environment(config).spec)


@contextmanager
def agent(*overrides: str) -> Iterator[tuple[dict[str, Any], BuiltAgent]]:
    """An agent in two environments, for building many takes seconds."""
    config = compose([*overrides, "env.num_envs=2"])
    built = build_agent(config, lambda _: an_expert())
    yield config, built
    built.agent.envs.close()


@pytest.mark.parametrize("experiment", AGENTS)
def test_every_experiment_of_an_agent_builds_it(experiment: str) -> None:
    more = ["expert=somewhere"] if experiment == "dagger" else []
    with agent(f"+experiment={experiment}", *more) as (config, built):
        assert config["name"] == experiment
        assert config["task"] == "agent"
        assert built.num_iterations > 1
        algorithm = built.agent.algorithm
        assert type(algorithm) is algorithms.get(config["algorithm"]["name"])
        if config["policy"] is not None:
            assert type(algorithm.policy) is policies.get(config["policy"]["name"])


@pytest.mark.parametrize("loss", imitation_losses.names())
def test_every_imitation_loss_builds_by_its_name_alone(loss: str) -> None:
    """The promise of +experiment=imitate: one word more, and sqil says which algorithm it needs."""
    more = {"sqil": ["algorithm=sac"], "dagger": ["expert=somewhere"]}.get(loss, [])
    with agent("+experiment=imitate", f"imitation_loss={loss}", *more) as (_, built):
        kind = imitation_losses.get(loss)
        assert (built.demonstrations is not None) == kind.needs_demonstrations
        is_supervised = issubclass(kind, SupervisedLoss)
        assert isinstance(built.agent.algorithm, algorithms.get("cloning")) == is_supervised


@pytest.mark.parametrize("env", chosen("env"))
def test_every_environment_builds(env: str) -> None:
    with agent("+experiment=ppo", f"env={env}") as (config, built):
        assert built.agent.algorithm.spec.env_id == config["env"]["id"]


@pytest.mark.parametrize("tuning", chosen("tuning"))
def test_numbers_for_an_environment_are_taken_with_it(tuning: str) -> None:
    """``conf/tuning/ppo_hopper.yaml`` is for +experiment=ppo env=hopper."""
    algorithm, _, env = tuning.partition("_")
    config = compose([f"+experiment={algorithm}", f"env={env}"])
    for path, value in leaves(read(CONF / "tuning" / f"{tuning}.yaml")):
        assert at(config, path) == value
    built = build_agent({**config, "env": {**config["env"], "num_envs": 2}}, lambda _: an_expert())
    assert built.num_iterations > 1
    built.agent.envs.close()


@pytest.mark.parametrize("tuning", chosen("imitation_tuning"))
def test_numbers_for_an_imitation_loss_are_taken_under_their_algorithm_only(tuning: str) -> None:
    """``conf/imitation_tuning/gail_sac.yaml`` is for imitation_loss=gail under algorithm=sac."""
    loss, _, algorithm = tuning.rpartition("_")
    words = ["+experiment=imitate", f"imitation_loss={loss}"]
    under, other = (compose([*words, f"algorithm={name}"]) for name in (algorithm, "ppo"))
    numbers = list(leaves_with_defaults(CONF / "imitation_tuning", tuning))
    assert numbers
    for path, value in numbers:
        assert at(under, path) == value
        assert at(other, path) != value
    with agent(*words, f"algorithm={algorithm}") as (_, built):
        assert built.num_iterations > 1


@pytest.mark.parametrize(("group", "name"), VARIANTS)
def test_every_variant_composes(group: str, name: str) -> None:
    key = f"{group}@checkpoint" if name == "checkpoint_agent" else group
    is_agents = group == "env" or name in ("agent", "checkpoint_agent")
    root = "+experiment=ppo" if is_agents else "+experiment=cfg_distill"
    config = compose([root, f"{key}={name}"])[key.rpartition("@")[2]]
    if group == "logger":  # several can be chosen, so that each stands under its name
        config = config[name]
    for path, value in leaves(read(CONF / group / f"{name}.yaml")):
        assert at(config, path) == value or "${" in str(value)
    if group in registries():
        assert config["name"] in registries()[group].names()


def build_diffusion(*overrides: str) -> dict[str, Any]:
    """Everything of a run but its data and its trainer; weights take no memory."""
    config = compose([*overrides, "compile=false"])
    with torch.device("meta"):
        denoiser = build_denoiser(config, IMAGES)
    assert sum(parameter.numel() for parameter in denoiser.parameters()) > 1000
    schedule = schedules.build(config["schedule"])
    stages = build_stages(config, has_teacher=False)
    assert len(build_objectives(config, stages, schedule, IMAGES)) == len(stages) > 0
    for key in ("sampler", "student_sampler"):
        assert build_sampler(config, schedule, key).schedule is schedule
    return config


@pytest.mark.parametrize("experiment", DIFFUSION)
def test_every_experiment_of_diffusion_builds(experiment: str) -> None:
    needed = ["data.root=nowhere"] if experiment == "cfg_distill_imagenet64" else []
    assert build_diffusion(f"+experiment={experiment}", *needed)["name"] == experiment


@pytest.mark.parametrize(
    ("group", "name"), [one for one in VARIANTS if one[0] in ("distill", "network")]
)
def test_every_variant_of_a_network_or_a_ladder_builds(group: str, name: str) -> None:
    build_diffusion("+experiment=cfg_distill", f"{group}={name}")


@pytest.mark.parametrize("name", chosen("feature"))
def test_every_variant_of_a_feature_builds(name: str) -> None:
    config = compose(["+experiment=cfg_distill", f"feature={name}"])["feature"]
    assert type(features.build(config, IMAGES)) is features.get(config["name"])


def leaves(values: dict[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, *path, key)
        else:
            yield (*path, key), value


def leaves_with_defaults(folder: Path, name: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    file = folder / f"{name}.yaml"
    for other in OmegaConf.load(file).get("defaults", ()):
        yield from leaves_with_defaults(folder, other)
    yield from leaves(read(file))


def at(config: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        config = config[key]
    return config
