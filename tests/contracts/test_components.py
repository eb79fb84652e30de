"""What every registered component promises, looped over everything that is registered."""

import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from genrl.callbacks import RunContext
from genrl.diffusion import CosineSchedule, Denoiser, Parts, UniformTimeGrid
from genrl.diffusion.building import build_denoiser
from genrl.diffusion.guidance import Guidance, Sources
from genrl.diffusion.schedules import NoiseSchedule, schedules
from genrl.diffusion.time_grids import TimeGrid
from genrl.diffusion.time_samplers.base import TimeSampler
from genrl.diffusion.weightings import VlbWeighting
from genrl.imitation.cloning import Cloning
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import BC, ImitationParts
from genrl.plugins import components
from genrl.registry import ConfigurationError, registries
from genrl.rl.advantages import advantages
from genrl.rl.algorithms import Algorithm
from genrl.rl.algorithms import Parts as AgentParts
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.policies import policies
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder
from genrl.testing.verification import as_text, rows_of_matrix
from genrl.typing import DataSpec

ALL = [
    pytest.param(kind, name, component, id=f"{kind}.{name}")
    for kind, known in components().items()
    for name, component in known.items()
    if component.__module__.startswith("genrl.")
]
# Data that must be given or downloaded, weights that must be downloaded.
NEEDS_FILES = {
    ("data", "cifar10"),
    ("data", "fashion_mnist"),
    ("data", "image_folder"),
    ("feature", "inception"),
}
NEEDS_DISCRETE = {("policy", "categorical")}
PENDULUM = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 200)
DISCRETE = EnvSpec("CartPole-v1", 4, 2, True, (), (), 500)
# Parameters that have no sensible default.
REQUIRED = {
    ("data", "image_folder"): {"root": "nowhere"},
    ("demonstrations", "d4rl"): {"path": "nowhere"},
    ("demonstrations", "npz"): {"path": "nowhere"},
    ("env", "gymnasium"): {"id": "Pendulum-v1"},
    ("guidance", "autoguidance"): {"model": "nowhere"},
    ("guidance", "reconstruction"): {"values": "ones", "mask": "half"},
    ("objective", "progressive_distillation"): {"steps": 4},
    ("objective", "tract"): {"steps": 4},
}


def collaborators(kind: str, name: str, component: type, folder: Path) -> list[Any]:
    """One object for each positional argument without a default, by its annotation."""
    spec = DISCRETE if (kind, name) in NEEDS_DISCRETE else PENDULUM
    schedule = CosineSchedule()

    def of_agent() -> AgentParts:
        assert issubclass(component, Algorithm)
        return agent_parts(component, spec)

    known: dict[Any, Callable[[], Any]] = {
        NoiseSchedule: lambda: schedule,
        TimeGrid: lambda: UniformTimeGrid(schedule),
        DataSpec: lambda: DataSpec((1, 8, 8), 10),
        int: lambda: 10,
        Sources: a_source_of_anything,
        EnvSpec: lambda: spec,
        RunContext: lambda: RunContext(RunFolder(folder), {}, lambda *_: None),
        Parts: lambda: Parts(
            schedule=schedule,
            weighting=VlbWeighting(schedule),
            time_sampler=typing.cast(TimeSampler, None),
            time_grid=UniformTimeGrid(schedule),
            guidance=typing.cast(Guidance, None),
            num_classes=10,
        ),
        AgentParts: of_agent,
        ImitationParts: lambda: imitation_parts(spec),
    }
    constructor = component.__init__  # type: ignore[misc]
    hints = typing.get_type_hints(constructor)
    found = [
        known[hints[argument.name]]()
        for argument in list(inspect.signature(constructor).parameters.values())[1:]
        if argument.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        and argument.default is inspect.Parameter.empty
    ]
    if component is Cloning:  # its loss may be left out, but only to be told that it is missing
        found.append(BC(imitation_parts(spec)))
    return found


def a_source_of_anything() -> Sources:
    """In the place of files: a denoiser, arrays and a classifier that are never called."""
    arrays = {"ones": torch.ones(1, 8, 8), "half": torch.arange(8).float() - 4}

    def nobody(*_: Any) -> Any:
        raise AssertionError

    return Sources(lambda path, average: nobody, arrays.__getitem__, lambda training: nobody)


def agent_parts(algorithm: type[Algorithm], spec: EnvSpec) -> AgentParts:
    """The components that an algorithm takes by itself."""
    chosen = algorithm.defaults(spec)
    policy = policies.build(chosen["policy"], spec)
    size = getattr(policy, "num_features", spec.obs_size)
    return AgentParts(
        spec,
        policy,
        critics.build(chosen["critic"], spec, size) if "critic" in chosen else None,
        advantages.build(chosen["advantage"]) if "advantage" in chosen else None,
        buffers.build(chosen["buffer"]) if "buffer" in chosen else None,
    )


def imitation_parts(spec: EnvSpec) -> ImitationParts:
    """Two short episodes of nobody, and an expert who does nothing."""
    obs, action = torch.zeros(5, spec.obs_size), torch.zeros(4, spec.action_size)
    episode = Demonstration(obs, action, torch.zeros(4), terminated=False)

    def make_denoiser(data: DataSpec) -> Denoiser:
        network = {"name": "mlp", "features": 8}
        return build_denoiser(data, network=network, schedule="cosine", parameterization="eps")

    def expert(obs: Tensor) -> Tensor:
        return torch.zeros(len(obs), spec.action_size)

    return ImitationParts(spec, Demonstrations([episode] * 2, "nobody"), make_denoiser, expert)


def test_there_are_components_of_every_kind() -> None:
    assert all(registry.names() for registry in registries().values())
    assert len(ALL) > 50


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_documentation(kind: str, name: str, component: type) -> None:
    first = (component.__doc__ or "").strip().splitlines()[0]
    assert first, "genrl list shows the first line"
    assert len(first) <= 100
    assert first.endswith(".")
    assert (inspect.getmodule(component).__doc__ or "").strip()  # type: ignore[union-attr]
    assert component.__doc__ is not None
    for parameter in registries()[kind].parameters(name):
        assert f"{parameter.name}:" in component.__doc__, f"{parameter.name} is not documented"


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_parameters_are_annotated_and_have_defaults(kind: str, name: str, component: type) -> None:
    hints = typing.get_type_hints(component.__init__)  # type: ignore[misc]
    required = REQUIRED.get((kind, name), {})
    for parameter in registries()[kind].parameters(name):
        assert parameter.name in hints
        assert parameter.annotation is not Any
        assert (parameter.default is ...) == (parameter.name in required)


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_names_line_up(kind: str, name: str, component: type) -> None:
    """``samplers/heun.py`` holds `HeunSampler`, which is registered as ``heun``."""
    assert component.__module__.rpartition(".")[2] == name
    words = {"none": "no", "cfg": "classifierfree"}.get(name, name.replace("_", ""))
    assert component.__name__.lower().startswith(words)


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_abstract_or_final(kind: str, name: str, component: type) -> None:
    assert not inspect.isabstract(component)
    assert not component.__subclasses__()
    assert registries()[kind].name_of(component) == name


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_schema_holds_the_constructors_defaults(kind: str, name: str, component: type) -> None:
    schema = OmegaConf.structured(registries()[kind].schema(name))
    assert schema.name == name
    parameters = registries()[kind].parameters(name)
    assert list(schema) == ["name", *(parameter.name for parameter in parameters)]
    for parameter in parameters:
        if parameter.default is ...:
            assert OmegaConf.is_missing(schema, parameter.name)
        else:
            stored = schema[parameter.name]
            wanted = parameter.default
            assert (tuple(stored) if isinstance(wanted, tuple) else stored) == wanted


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_builds_from_its_name_and_from_its_saved_defaults(
    kind: str, name: str, component: type, tmp_path: Path
) -> None:
    arguments = collaborators(kind, name, component, tmp_path)
    registry, required = registries()[kind], REQUIRED.get((kind, name), {})
    saved = OmegaConf.to_container(OmegaConf.structured(registry.schema(name)))
    assert isinstance(saved, dict)
    for config in ({"name": name, **required}, {**saved, **required}):
        try:
            built = registry.build(config, *arguments)
        except ConfigurationError:
            if (kind, name) not in NEEDS_FILES:
                raise
        else:
            assert type(built) is component


@pytest.mark.parametrize(("kind", "name", "component"), ALL)
def test_unknown_parameters_are_refused(
    kind: str, name: str, component: type, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=f"{kind} '{name}' has no parameter 'nonsense'"):
        registries()[kind].build({"name": name, "nonsense": 1})


@pytest.mark.parametrize("name", schedules.names())
def test_every_schedule_keeps_its_promises(name: str) -> None:
    others: dict[str, list[str]] = {kind: [] for kind in registries()}
    (row,) = rows_of_matrix({**others, "schedule": [name]})
    assert row.verdict == "green", row.reason


def test_every_part_of_diffusion_keeps_its_promises() -> None:
    """Samplers, which take longer, are proved in the tests of `genrl.testing`."""
    rows = list(rows_of_matrix({"schedule": ["cosine"], "sampler": []}))
    assert not [row for row in rows if row.verdict == "red"], as_text(rows)
    assert len({row.kind for row in rows}) == 7
    assert len(rows) > 35
