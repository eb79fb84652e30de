"""Overrides as a person could type them."""

from typing import Any

import pytest
import yaml
from fuzzing import WORDS, explore, refused_or
from hypothesis import strategies as st

from genrl.config import compose
from genrl.options import config_names
from genrl.registry import registries
from genrl.schemas import ROOTS

# Composing takes a fifth of a second.
CASES = pytest.mark.parametrize("cases", [25, pytest.param(10_000, marks=pytest.mark.slow)])

GROUPS = config_names()
PARAMETERS = sorted(
    f"{kind}.{parameter.name}"
    for kind, registry in registries().items()
    for name in registry.names()
    for parameter in registry.parameters(name)
)
KEYS = (
    st.sampled_from(sorted(GROUPS))
    | st.sampled_from(PARAMETERS)
    | st.sampled_from(sorted({key for root in ROOTS.values() for key in root.__dataclass_fields__}))
    | st.sampled_from(["training.updates", "trainer.devices", "callback@ema", "hydra.run.dir"])
    | st.sampled_from(
        ["sampler@student_sampler", "callback@callbacks.x", "hydra/launcher", "a.b.c"]
    )
    | st.from_regex(r"[a-z_.@/]{1,12}", fullmatch=True)
)
VALUES = (
    st.sampled_from(sorted({option for options in GROUPS.values() for option in options}))
    | st.sampled_from(
        ["null", "1", "-1", "0.5", "true", "[1,2]", "{a:1}", "a,b", "[", "'", '"', "}"]
    )
    | st.sampled_from(
        ["${seed}", "${nothing}", "${", "${oc.env:HOME}", "${now:%Y}", "???", "1e999"]
    )
    | st.sampled_from(["range(3)", "interval(0,1)", "choice(a,b)", "glob(*)", "int(x)", "x" * 300])
    | WORDS
)
OVERRIDES = (
    st.builds(
        lambda sign, key, value: f"{sign}{key}={value}",
        st.sampled_from(["", "", "", "+", "++", "~"]),
        KEYS,
        VALUES,
    )
    | st.builds(lambda key: f"~{key}", KEYS)
    | st.text(max_size=20)
)
EXPERIMENTS = st.sampled_from(GROUPS["experiment"]).map(lambda name: [f"+experiment={name}"])


@CASES
def test_a_config_is_plain_or_refused(cases: int) -> None:
    def check(words: list[str]) -> None:
        found = refused_or(lambda: compose(words))
        assert found is None or yaml.safe_load(yaml.safe_dump(found)) is not None

    lines: st.SearchStrategy[Any] = st.builds(
        lambda first, more: [*first, *more],
        st.just([]) | EXPERIMENTS,
        st.lists(OVERRIDES, min_size=1, max_size=3),
    )
    explore(check, lines, cases)
