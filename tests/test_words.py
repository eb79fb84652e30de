"""Options after a run: names, types and lists."""

from pathlib import Path
from typing import Any

import pytest

from genrl.registry import ConfigurationError
from genrl.tasks.evaluate import EvaluateOptions
from genrl.tasks.sample import SampleOptions
from genrl.words import split


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], SampleOptions()),
        (["n=5", "w=2", "steps=4"], SampleOptions(n=5, w=2.0, steps=4)),
        (["stage=16"], SampleOptions(stage="16")),
        (["stage=guided", "out=a/b"], SampleOptions(stage="guided", out="a/b")),
        (["steps=", "label=null"], SampleOptions()),
    ],
)
def test_sample_options(words: list[str], expected: SampleOptions) -> None:
    paths, options = split(["runs/a", *words], SampleOptions, "usage")
    assert paths == [Path("runs/a")]
    assert options == expected
    assert type(options.w) is float


@pytest.mark.parametrize(
    ("word", "w"),
    [("w=1", [1.0]), ("w=0,1.5,-1", [0.0, 1.5, -1.0]), ("w=[2,3]", [2.0, 3.0]), ("w=", None)],
)
def test_a_list_is_written_with_commas(word: str, w: Any) -> None:
    _, options = split([word, "runs/a"], EvaluateOptions, "usage")
    assert options.w == w


@pytest.mark.parametrize("value", ["&a [*a]", "2024-13-45", "[" * 5000, "{", "${0}", "${nothing}"])
def test_values_that_are_none(value: str) -> None:
    for option in ("w", "stage", "sampler.steps"):
        with pytest.raises(ConfigurationError, match="option"):
            split(["run", f"{option}={value}"], SampleOptions, "usage", ["sampler"])


def test_exactly_one_path() -> None:
    for words in ([], ["a", "b"], ["n=1"]):
        with pytest.raises(ConfigurationError, match="usage: how"):
            split(words, SampleOptions, "how")
