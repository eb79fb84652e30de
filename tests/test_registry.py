"""The registry: schemas from constructors, and messages that say how to mend a mistake."""

import re
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from genrl.diffusion.samplers import samplers
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.schedules.base import schedules
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError, Registry, registries, suggest


@pytest.fixture
def things(new_registry: Registry[Any]) -> Registry[Any]:
    """A component of every supported type."""

    @new_registry.register("full")
    class Full:
        def __init__(
            self,
            *collaborators: object,
            count: int = 3,
            size: float = 1.5,
            use_it: bool = False,
            text: str = "word",
            sizes: tuple[int, ...] = (1, 2),
            mode: Literal["one", "three"] = "one",
            level: Literal[1, 2] = 1,
            limit: int | None = None,
            limits: tuple[float, ...] | None = None,
            maybe: Literal["p", "q"] | None = None,
        ) -> None:
            self.collaborators = collaborators
            self.values = {
                "count": count,
                "size": size,
                "use_it": use_it,
                "text": text,
                "sizes": sizes,
                "mode": mode,
                "level": level,
                "limit": limit,
                "limits": limits,
                "maybe": maybe,
            }

    @new_registry.register("demanding")
    class Demanding:
        def __init__(self, *, root: str, depth: int = 1) -> None:
            if depth < 0:
                raise ValueError(f"depth must not be negative, but is {depth}")
            self.root = root

    return new_registry


def message(things: Registry[Any], config: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        things.build(config)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(things.kind, "thing")


def test_defaults_and_collaborators(things: Registry[Any]) -> None:
    built = things.build("full", "first", 2)
    assert built.collaborators == ("first", 2)
    assert built.values == {
        "count": 3,
        "size": 1.5,
        "use_it": False,
        "text": "word",
        "sizes": (1, 2),
        "mode": "one",
        "level": 1,
        "limit": None,
        "limits": None,
        "maybe": None,
    }


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("count", 7, 7),
        ("count", "7", 7),
        ("size", 2, 2.0),
        ("size", "1e-3", 1e-3),
        ("use_it", "true", True),
        ("text", "other", "other"),
        ("sizes", [4, 5, 6], (4, 5, 6)),
        ("sizes", (4,), (4,)),
        ("sizes", [], ()),
        ("mode", "three", "three"),
        ("level", 2, 2),
        ("limit", 4, 4),
        ("limit", None, None),
        ("limits", [1, 2.5], (1.0, 2.5)),
        ("limits", None, None),
        ("maybe", "q", "q"),
        ("maybe", None, None),
    ],
)
def test_values_reach_the_constructor_with_their_type(
    things: Registry[Any], key: str, given: Any, expected: Any
) -> None:
    for config in ({"name": "full", key: given}, OmegaConf.create({"name": "full", key: given})):
        value = things.build(config).values[key]
        assert value == expected
        assert type(value) is type(expected)
        if isinstance(value, tuple):
            assert [type(item) for item in value] == [type(item) for item in expected]


@pytest.mark.parametrize(
    ("key", "given", "reason"),
    [
        ("count", "many", "value 'many' could not be converted to an integer (parameter 'count')"),
        ("count", 2.5, "value '2.5' could not be converted to an integer (parameter 'count')"),
        ("count", True, "value 'True' could not be converted to an integer (parameter 'count')"),
        ("count", {"a": 1}, "value '{'a': 1}' could not be converted to an integer"),
        ("count", None, "null is no value of it (parameter 'count')"),
        ("size", "big", "value 'big' could not be converted to a float (parameter 'size')"),
        ("use_it", "perhaps", "value 'perhaps' is neither true nor false (parameter 'use_it')"),
        ("sizes", [1, "x"], "value 'x' could not be converted to an integer (parameter 'sizes')"),
        ("sizes", 5, "a list is needed, such as [1,2] (parameter 'sizes')"),
        ("sizes", [1, None], "null is no value of it (parameter 'sizes')"),
        ("limit", "x", "value 'x' could not be converted to an integer (parameter 'limit')"),
        ("mode", "tree", "'tree' is not a value of 'mode'. Did you mean 'three'? Values: one, thr"),
        ("level", 3, "'3' is not a value of 'level'. Values: 1, 2"),
        ("maybe", "r", "'r' is not a value of 'maybe'. Values: p, q"),
    ],
)
def test_wrong_values(things: Registry[Any], key: str, given: Any, reason: str) -> None:
    assert message(things, {"name": "full", key: given}).startswith(f"thing 'full': {reason}")


def test_unknown_names(things: Registry[Any]) -> None:
    assert message(things, "demandin") == (
        "no thing is called 'demandin'. Did you mean 'demanding'? Available: demanding, full"
    )
    assert message(things, "zzz") == "no thing is called 'zzz'. Available: demanding, full"


def test_unknown_parameters(things: Registry[Any]) -> None:
    assert message(things, {"name": "demanding", "rot": "x"}) == (
        "thing 'demanding' has no parameter 'rot'. Did you mean 'root'? Parameters: root, depth"
    )


@pytest.mark.parametrize("config", [{}, {"root": "x"}, None, 3])
def test_a_config_without_a_name(things: Registry[Any], config: Any) -> None:
    assert message(things, config) == "the thing has no name; choose one of: demanding, full"


@pytest.mark.parametrize(
    "config", ["demanding", {"name": "demanding"}, {"name": "demanding", "root": "???"}]
)
def test_missing_values(things: Registry[Any], config: Any) -> None:
    expected = "thing 'demanding' needs a value for 'root': give thing.root=..."
    assert message(things, config) == expected
    assert things.build({"name": "demanding", "root": "here"}).root == "here"


def test_what_a_constructor_refuses_names_the_component(things: Registry[Any]) -> None:
    config = {"name": "demanding", "root": "x", "depth": -1}
    assert message(things, config) == "thing 'demanding': depth must not be negative, but is -1"


def test_a_collaborator_that_is_missing_is_no_users_mistake(things: Registry[Any]) -> None:
    with pytest.raises(TypeError):
        things.build({"name": "demanding", "root": "x"}, "one too many")


def test_two_classes_of_one_name(things: Registry[Any]) -> None:
    full = things.get("full")
    with pytest.raises(ConfigurationError) as caught:

        @things.register("full")
        class Other:
            pass

    here = f"{__name__}.test_two_classes_of_one_name.<locals>.Other"
    first = f"{full.__module__}.{full.__qualname__}"
    assert str(caught.value) == (
        f"{things.kind} 'full' is registered twice: by {first} and by {here}; "
        "one of them needs another name"
    )
    assert things.get("full") is full


def test_a_module_that_is_loaded_again_replaces_its_class(things: Registry[Any]) -> None:
    full = things.get("full")
    again = type("Full", (full,), {"__module__": full.__module__})
    again.__qualname__ = full.__qualname__
    things.register("full")(again)
    assert things.get("full") is again


def test_a_parameter_cannot_be_called_name(things: Registry[Any]) -> None:
    with pytest.raises(ConfigurationError, match="'odd': a parameter cannot be called 'name'"):

        @things.register("odd")
        class Odd:
            def __init__(self, *, name: str = "x") -> None: ...

    assert "odd" not in things.names()


def test_a_type_that_no_config_can_hold_is_refused_at_once(things: Registry[Any]) -> None:
    """The author of a plugin learns it, not the user of ``genrl train``."""
    with pytest.raises(
        ConfigurationError, match="'odd': the parameter 'where' has a type or a default"
    ):

        @things.register("odd")
        class Odd:
            def __init__(self, *, count: int = 1, where: complex = 1j) -> None: ...

    assert "odd" not in things.names()


def test_a_kind_has_one_registry(things: Registry[Any]) -> None:
    with pytest.raises(ValueError, match="has a registry already"):
        Registry(things.kind)
    assert registries()[things.kind] is things
    assert list(registries()) == sorted(registries())


def test_schema_does_not_share_its_defaults(things: Registry[Any]) -> None:
    schema = things.schema("full")
    schema().sizes.append(9)
    assert schema().sizes == [1, 2]
    assert things.build("full").values["sizes"] == (1, 2)


def test_names_of_types_are_those_one_writes(things: Registry[Any]) -> None:
    names = {p.name: p.type_name for p in things.parameters("full")}
    assert names["count"] == "int"
    assert names["sizes"] == "tuple[int, ...]"
    assert names["limit"] == "int | None"
    assert names["mode"] == "Literal['one', 'three']"
    assert [p.name for p in things.parameters("demanding") if p.default is ...] == ["root"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "dimm",
            "no sampler is called 'dimm'. Did you mean 'ddim'? Available: ancestral, consistency, ",
        ),
        (
            {"name": "ddim", "step": 4},
            "sampler 'ddim' has no parameter 'step'. Did you mean 'steps'? Parameters: eta, steps",
        ),
        (
            {"name": "ddim", "steps": "many"},
            "sampler 'ddim': value 'many' could not be converted to an integer (parameter 'steps')",
        ),
    ],
)
def test_the_messages_of_the_design(config: Any, expected: str) -> None:
    schedule = CosineSchedule()
    with pytest.raises(ConfigurationError, match=re.escape(expected)):
        samplers.build(config, schedule, UniformTimeGrid(schedule))


def test_numbers_that_nobody_can_compute_with() -> None:
    for given in ({"rho": 0.004}, {"sigma_max": 1e300, "rho": 0.5}):
        with pytest.raises(ConfigurationError, match=r"schedule 'edm': a parameter is too large"):
            schedules.build({"name": "edm", **given})


def test_suggestions_are_near_or_absent() -> None:
    assert suggest("schedul", ["sampler", "schedule"]) == " Did you mean 'schedule'?"
    assert suggest("xyz", ["sampler", "schedule"]) == ""
    assert suggest("a", []) == ""
