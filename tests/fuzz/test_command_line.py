"""``genrl`` and whatever stands after it."""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from fuzzing import CASES, WORDS, explore, refused_or
from hypothesis import strategies as st

from genrl.cli import COMMANDS, main
from genrl.tasks.collect import CollectOptions
from genrl.tasks.components import SAMPLING_KINDS
from genrl.tasks.ema import EmaOptions
from genrl.tasks.evaluate import EvaluateOptions
from genrl.tasks.export import ExportOptions
from genrl.tasks.optimize_options import OptimizeOptions
from genrl.tasks.sample import SampleOptions
from genrl.words import split

SCHEMAS = (
    CollectOptions, EmaOptions, EvaluateOptions, ExportOptions, OptimizeOptions, SampleOptions,
)  # fmt: skip
NAMES = sorted({name for schema in SCHEMAS for name in schema.__dataclass_fields__})
VALUES = (
    st.sampled_from(["", "1", "-1", "0.5", "null", "true", "[1,2]", "1,2", "[", "{a: 1}", "a: b"])
    | st.sampled_from(
        ["!!python/object:os.system {}", "&a [*a]", "'", "2024-13-45", "1e999", "0x1"]
    )
    | WORDS
)
OPTIONS = st.builds(lambda key, value: f"{key}={value}", st.sampled_from(NAMES) | WORDS, VALUES)
PATHS = st.sampled_from(["runs/a", "folder", "file.txt", ".", "..", "/", "/dev/null", "", "a\0b"])


@CASES
def test_options_have_their_types_or_are_refused(cases: int) -> None:
    kinds = st.sampled_from(SAMPLING_KINDS).flatmap(
        lambda kind: (
            VALUES.map(lambda value: f"{kind}={value}")
            | st.builds(lambda key, value: f"{kind}.{key}={value}", WORDS, VALUES)
        )
    )
    words = st.lists(OPTIONS | kinds, max_size=4).map(lambda options: ["run", *options])

    def check(case: tuple[type[Any], list[str]]) -> None:
        schema, line = case
        own = SAMPLING_KINDS if "components" in schema.__dataclass_fields__ else ()
        found = refused_or(lambda: split(line, schema, "usage", own))
        assert found is None or isinstance(found[1], schema)

    explore(check, st.tuples(st.sampled_from(SCHEMAS), words), cases)


@CASES
def test_any_command_line_ends_with_an_answer(
    cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No training and no proof: those words are composed, which has a test of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").write_text("text\n")
    free = [name for name in COMMANDS if name not in ("train", "verify", "new-plugin")]
    first = st.sampled_from(free) | st.text(max_size=8).filter(lambda word: word not in COMMANDS)
    flags = st.sampled_from(
        ["-h", "--help", "--version", "--all", "--to", "--likelihood", "-x", "-"]
    )
    more = st.lists(OPTIONS | PATHS | flags | WORDS | st.text(max_size=12), max_size=4)

    def check(words: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code in (0, 1, 2)
        said = err.getvalue()
        if stop.value.code:
            assert out.getvalue().startswith("genrl:") or said.startswith("genrl: ")
            assert said.count("\n") <= 1
        for made in tmp_path.iterdir():
            if made.name not in ("folder", "file.txt"):
                shutil.rmtree(made) if made.is_dir() else made.unlink()

    explore(check, st.builds(lambda word, rest: [word, *rest], first, more), cases)
