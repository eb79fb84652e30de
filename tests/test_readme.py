"""What the README and CONTRIBUTING show is run: their Python, their overrides, their table."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genrl.cli import COMMANDS
from genrl.config import compose

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def overrides() -> list[str]:
    """Every ``genrl train`` of the README, in code blocks and tables."""
    found = re.findall(r"genrl train ([^`\n]+)", README)
    return sorted({line.replace("[KEY=VALUE ...]", "").strip() for line in found})


def test_the_notebook_example_samples_the_mixture() -> None:
    _, code = blocks(README, "python")
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 15
    torch.manual_seed(0)
    names: dict[str, object] = {}
    exec(code, names)
    samples, data = names["samples"], names["data"]
    assert isinstance(samples, torch.Tensor)
    distances = torch.cdist(samples.double(), data.means)  # type: ignore[attr-defined]
    nearest = distances.argmin(dim=1)
    labels = data.component_labels[nearest]  # type: ignore[attr-defined]
    assert (labels == torch.arange(1000) % 4).double().mean() > 0.93
    assert nearest.bincount(minlength=8).min() > 60
    spread = distances.min(dim=1).values.square().mean().div(2).sqrt().item()
    assert spread == pytest.approx(0.12, rel=0.15)


def test_the_notebook_agent_learns(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = blocks(README, "python")
    exec(code, {})
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(steps) for steps, _ in printed] == [1024, 2048, 3072]
    returns = [float(value) for _, value in printed]
    assert returns[2] > 1.5 * returns[0] > 20


@pytest.mark.parametrize("line", overrides())
def test_every_command_line_composes(line: str) -> None:
    words = [w for w in shlex.split(line.split(" --cfg")[0].split("#")[0]) if w != "-m"]
    # The first value of a sweep stands for all; how it runs and searches has tests of its own.
    words = [w for w in words if not w.startswith("hydra") and "interval(" not in w]
    config = compose([word.split(",")[0] for word in words])
    experiment = next(word.partition("=")[2] for word in words if "experiment=" in word)
    assert (
        config["name"]
        == experiment.split(",")[0].removesuffix("_cifar10").removesuffix("_imagenet64")
        or config["name"] == experiment
    )


def test_every_command_is_listed() -> None:
    for name in COMMANDS:
        assert f"`genrl {name} " in README, name


def test_the_two_commands_are_there() -> None:
    commands = [block.strip() for block in blocks(README, "bash")]
    assert "pip install -e '.[dev]' && genrl train +experiment=cfg_distill" in commands
    assert "pip install -e '.[dev]' && pytest" in commands


def test_the_component_table_is_up_to_date() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "component_table.py"))
    assert tool["with_table"](README) == README, "python tools/component_table.py --write"


def test_an_outdated_table_is_found() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "component_table.py"))
    row = next(line for line in README.splitlines() if line.startswith("| `sampler.heun`"))
    assert tool["with_table"](README.replace(row, row + " ")) == README
    with pytest.raises(ValueError, match="needs the marks"):
        tool["with_table"]("no marks")


def test_the_component_of_contributing_works(tmp_path: Path) -> None:
    """In a process of its own, for a registered component stays registered."""
    component, test = blocks(CONTRIBUTING, "python")
    (tmp_path / "component.py").write_text(component)
    (tmp_path / "checks.py").write_text(test)
    program = """
import importlib.util, sys
path = "genrl.diffusion.weightings.snr_power"
spec = importlib.util.spec_from_file_location(path, "component.py")
module = importlib.util.module_from_spec(spec)
sys.modules[path] = module
spec.loader.exec_module(module)
import checks
tests = [value for name, value in vars(checks).items() if name.startswith("test_")]
for test in tests:
    test()
from genrl.config import compose
print(len(tests), compose(["weighting=snr_power", "weighting.power=0.7"])["weighting"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2 {'name': 'snr_power', 'power': 0.7}"
