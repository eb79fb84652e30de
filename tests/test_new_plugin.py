"""``genrl new-plugin`` writes clean packages, and refuses names that cannot be or are taken."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from command_line import mistake, run

from genrl.new_plugin import KINDS, LONGEST, new_plugin


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_sampler_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new-plugin", "demo") == 0
    out = capsys.readouterr().out
    assert out.startswith("wrote demo: a sampler called 'demo', an experiment and tests. Next:")
    assert "  genrl verify sampler=demo\n" in out
    assert sorted(str(path) for path in Path("demo").rglob("*") if path.is_file()) == [
        "demo/README.md",
        "demo/pyproject.toml",
        "demo/src/demo/__init__.py",
        "demo/src/demo/conf/__init__.py",
        "demo/src/demo/conf/experiment/demo.yaml",
        "demo/src/demo/py.typed",
        "demo/src/demo/sampler.py",
        "demo/tests/test_demo.py",
    ]
    project = tomllib.loads(Path("demo/pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"genrl.plugins": {"demo": "demo"}}
    experiment = yaml.safe_load(Path("demo/src/demo/conf/experiment/demo.yaml").read_text())
    assert {"override /sampler": "demo"} in experiment["defaults"]


def test_every_kind_is_clean_whatever_the_length_of_the_name() -> None:
    for kind in KINDS:
        for name in ("q", "a_" * (LONGEST // 2 - 1) + "zz"):
            new_plugin(name, kind, Path(kind, name))
            texts = [path.read_text() for path in Path(kind, name).rglob("*") if path.is_file()]
            assert all("$" not in text for text in texts)
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["check", "."], ["format", "--check", "."]):
        done = subprocess.run([*ruff, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["demo", "--kind", "samplr"], "no template of the kind 'samplr'. Did you mean 'sampler'?"),
        (["My-Plugin"], "'My-Plugin' is no name of a package: .*, such as my_plugin"),
        (["../escape"], "'../escape' is no name of a package"),
        (["class"], "'class' is no name of a package"),
        (["x" * 40], "is longer than 24 letters"),
        (["ddim"], "there is a sampler 'ddim' already"),
        (["ddim", "--kind=callback", "--out=numpy"], "numpy exists already"),
        (["cfg_distill"], "there is an experiment 'cfg_distill' already"),
        (["json"], "there is a Python module 'json' already"),
        ([], "usage: genrl new-plugin NAME"),
        (["a", "b"], "usage: genrl new-plugin NAME"),
        (["--force"], "usage: genrl new-plugin NAME"),
        (["demo", "--kind"], "--kind needs a value"),
    ],
)
def test_mistakes(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("numpy").mkdir()
    assert re.search(reason.replace("?", r"\?"), mistake(capsys, "new-plugin", *words))
