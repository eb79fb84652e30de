"""Components from configs that hold anything."""

import math
from typing import Any, Literal

import pytest
from fuzzing import CASES, JUNK, WORDS, explore, refused_or
from hypothesis import strategies as st

from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.schedules.base import schedules
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import Registry, registries

PARAMETERS = (
    "count", "size", "use_it", "text", "sizes", "mode", "limit", "limits", "maybe", "names", "more",
    "needed",
)  # fmt: skip


@pytest.fixture
def things(new_registry: Registry[Any]) -> Registry[Any]:
    """A component of every supported type."""

    @new_registry.register("full")
    class Full:
        def __init__(
            self,
            *,
            needed: int,
            count: int = 3,
            size: float = 1.5,
            use_it: bool = False,
            text: str = "word",
            sizes: tuple[int, ...] = (1, 2),
            mode: Literal["one", "three"] = "one",
            limit: int | None = None,
            limits: tuple[float, ...] | None = None,
            maybe: Literal["p", "q"] | None = None,
            names: list[str] | None = None,
            more: dict[str, Any] | None = None,
        ) -> None:
            assert type(count) is type(needed) is int
            assert type(size) is float
            assert type(use_it) is bool
            assert type(text) is str
            assert type(sizes) is tuple
            assert all(type(item) is int for item in sizes)
            assert mode in ("one", "three")
            assert limit is None or type(limit) is int
            assert limits is None or all(type(item) is float for item in limits)
            assert maybe in (None, "p", "q")
            assert names is None or all(type(item) is str for item in names)
            assert more is None or type(more) is dict
            if count < 0:
                raise ValueError(f"count must be at least 0, not {count}")

    return new_registry


@CASES
def test_every_value_has_its_type_or_is_refused(things: Registry[Any], cases: int) -> None:
    some = st.dictionaries(st.sampled_from(PARAMETERS) | WORDS, JUNK, max_size=4)
    named = st.sampled_from(["full", "full", "full", "fulll", ""]) | JUNK

    def whole(name: Any, needed: Any, values: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "needed": needed, **values}

    config = st.builds(whole, named, st.just(1) | JUNK, some) | some | WORDS

    def check(case: Any) -> None:
        refused_or(lambda: things.build(case))

    explore(check, config, cases)


@CASES
def test_real_components_are_built_or_refused(cases: int) -> None:
    """Those that need no collaborator, or a schedule, or a schedule and a grid."""
    schedule = CosineSchedule()
    given = {
        "schedule": (),
        "parameterization": (),
        "weighting": (schedule,),
        "time_grid": (schedule,),
        "sampler": (schedule, UniformTimeGrid(schedule)),
    }
    numbers = (
        st.integers(-2, 3)
        | st.floats(-2, 2, allow_subnormal=False)
        | st.sampled_from([math.nan, math.inf, -math.inf, 1e-300, 1e300])
    )
    values = numbers | st.lists(numbers, max_size=4) | JUNK

    @st.composite
    def configs(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
        kind = draw(st.sampled_from(sorted(given)))
        registry = registries()[kind]
        name = draw(st.sampled_from(registry.names()))
        known = [p.name for p in registry.parameters(name)]
        # Sizes of tables are taken at their word: not gigabytes.
        chosen = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        return kind, {"name": name, **{key: draw(values) for key in chosen}}

    def check(case: tuple[str, dict[str, Any]]) -> None:
        kind, config = case
        refused_or(lambda: registries()[kind].build(config, *given[kind]))

    assert schedules.names()
    explore(check, configs(), cases)
