"""Plugins: installed distributions that register components; each one that fails is named."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genrl import plugins
from genrl.diffusion.samplers import DDIMSampler, samplers
from genrl.listing import describe_all
from genrl.plugins import components, load_components, origin
from genrl.registry import ConfigurationError

SAMPLER = '''
"""A sampler of somebody else."""

from genrl.diffusion.samplers import Sampler, samplers


@samplers.register("{name}")
class MineSampler(Sampler):
    """Takes the prediction as it is."""

    def __init__(self, schedule, time_grid, *, steps: int = 3, flavour: str = "plain") -> None:
        super().__init__(schedule, time_grid, steps=steps)

    def step(self, z, prediction, state):
        return prediction.x
'''
TWICE = SAMPLER.format(name="twice")


def install(folder: Path, module: str, code: str) -> None:
    """A distribution as pip leaves it: a package beside its metadata."""
    package = folder / module
    package.mkdir()
    (package / "__init__.py").write_text(code)
    metadata = folder / f"{module}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[genrl.plugins]\nextra = {module}\n")


@pytest.fixture
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plugins are looked for again, and once more afterwards."""
    load_components()
    load_components.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(samplers, "_components", dict(samplers._components))
    yield
    load_components.cache_clear()


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("module", "code", "reason"),
    [
        (
            "genrl_absent",
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("genrl_wrong", "1 / 0", "ZeroDivisionError: division by zero"),
        ("genrl_leaving", "raise SystemExit('no licence')", "SystemExit: no licence"),
        ("genrl_greedy", SAMPLER.format(name="ddim"), "sampler 'ddim' is registered twice: by"),
        (
            "genrl_twice",
            SAMPLER.format(name="twice")
            + SAMPLER.format(name="twice").replace("class M", "class N"),
            "by genrl_twice.MineSampler and by genrl_twice.NineSampler; one of them needs another",
        ),
    ],
)
def test_a_plugin_that_fails_is_named(tmp_path: Path, module: str, code: str, reason: str) -> None:
    install(tmp_path, module, code)
    with pytest.raises(ConfigurationError) as caught:
        load_components()
    assert str(caught.value).startswith(f"the plugin 'extra' of {module} 1.2 cannot be loaded: ")
    assert reason in str(caught.value)
    assert f"pip uninstall {module}" in str(caught.value)
    assert samplers.get("ddim") is DDIMSampler


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (
            "experiment/cfg_distill.yaml",
            "has the name of a file of genrl: give",
        ),
        ("sampler/heun.yaml", "has the name of the component sampler.heun: give"),
    ],
)
def test_a_plugin_whose_yaml_shadows_genrls_is_named(
    tmp_path: Path, file: str, reason: str
) -> None:
    module = f"genrl_shady_{Path(file).stem}"
    install(tmp_path, module, "")
    config = tmp_path / module / "conf" / file
    config.parent.mkdir(parents=True)
    config.write_text("name: other\n")
    with pytest.raises(
        ConfigurationError, match=f"of {module} 1.2 cannot be loaded: {file} {reason}"
    ):
        load_components()


@pytest.mark.usefixtures("_fresh")
def test_a_plugin_may_be_a_single_module(tmp_path: Path) -> None:
    install(tmp_path, "genrl_single", "")
    (tmp_path / "genrl_single" / "__init__.py").rename(tmp_path / "genrl_single.py")
    (tmp_path / "genrl_single").rmdir()
    (plugin,) = load_components()
    assert plugin.config_package is None
    assert describe_all().splitlines()[-4:-2] == ["Plugins:", "  genrl_single 1.2: nothing"]


def test_genrl_without_plugins() -> None:
    assert origin(DDIMSampler)[0] == "genrl"
    assert components()["sampler"]["ddim"] is DDIMSampler
    assert plugins.load_components() is load_components()


def test_a_plugin_works_at_once(tmp_path: Path) -> None:
    """In a process of its own, where nothing was imported before."""
    install(tmp_path, "genrl_mine", SAMPLER.format(name="mine"))
    conf = tmp_path / "genrl_mine" / "conf"
    (conf / "experiment").mkdir(parents=True)
    (conf / "__init__.py").touch()
    (conf / "experiment" / "theirs.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /sampler: mine\nname: theirs\n"
    )
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from genrl.cli import main\n"
        "for words in (['show', 'sampler.mine'],\n"
        "              ['train', '+experiment=theirs', 'sampler.steps=7', '--cfg', 'job'],\n"
        "              ['train', '+experiment=their'], ['train', 'sampler=min']):\n"
        "    try: main(words)\n"
        "    except SystemExit as stop: print('code', stop.code)\n"
        "from genrl.provenance import versions\n"
        "used = versions({'student_sampler': {'name': 'mine'}})\n"
        "print(used['genrl_mine'], versions({}).get('genrl_mine'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    out = done.stdout
    assert "[genrl_mine 1.2]" in out
    assert "sampler.flavour: str = plain" in out
    assert "name: theirs" in out
    assert "sampler:\n  name: mine\n  steps: 7\n  flavour: plain" in out
    assert out.endswith("1.2 None\n")
    assert [line for line in out.splitlines() if line.startswith("code")] == [
        "code 0",
        "code 0",
        "code 2",
        "code 2",
    ]
    experiment, sampler = done.stderr.splitlines()
    assert experiment.startswith("genrl: no experiment is called 'their'. Did you mean 'theirs'?")
    assert ", theirs, " in experiment
    assert sampler.startswith("genrl: no sampler is called 'min'. Did you mean 'mine'?")
