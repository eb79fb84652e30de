"""A stranger's package, built and installed for real: found, used, proved, and missed when gone."""

import json
from pathlib import Path

import pytest
import yaml
from plugin_venv import EXAMPLE, PluginVenv
from processes import KILLABLE

from genrl.new_plugin import KINDS, new_plugin

TINY = (
    "training.updates=4 training.batch_size=8 training.log_every=1 network.channels=8 device=cpu "
    "callback@evaluation=none callback@progress=none"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> PluginVenv:
    """The example as a wheel."""
    folder = tmp_path_factory.mktemp("installed")
    environment = PluginVenv(folder / "venv")
    environment.install(EXAMPLE, folder)
    return environment


def test_a_wheel_is_listed_sweeps_with_core_components_and_is_missed_when_gone(
    installed: PluginVenv, tmp_path: Path
) -> None:
    listed, kind, swept, drawn = installed.genrl(
        "list",
        "list sampler",
        f"train -m +experiment=example {TINY} sampler=midpoint,heun hydra.sweep.dir=sweep",
        "sample sweep/0 n=2 steps=3 out=drawn",
        folder=tmp_path,
    )
    (line,) = [line for line in listed[1].splitlines() if "genrl-example" in line]
    assert line.split(": ") == [
        "  genrl-example 0.3.1",
        "callback.lowest_loss, imitation_loss.huber, network.dilated, sampler.midpoint, "
        "experiment/example",
    ]
    assert "[genrl-example 0.3.1]" in kind[1]
    assert swept[0] == 0, swept[2]
    assert swept[1].count("done: ") == 2
    assert drawn[0] == 0, drawn[2]
    config = yaml.safe_load((tmp_path / "sweep/0/config.yaml").read_text())
    assert config["sampler"]["name"] == "midpoint"
    assert config["network"] == {"name": "dilated", "channels": 8, "num_blocks": 3}
    versions = yaml.safe_load((tmp_path / "sweep/1/versions.yaml").read_text())
    assert versions["genrl-example"] == "0.3.1"
    lowest = json.loads((tmp_path / "sweep/0/lowest_loss.json").read_text())
    assert 1 <= lowest["teacher"]["update"] <= 4

    installed.pip("uninstall", "-y", "-q", "genrl-example")
    words = ("report", "evaluate", "resume", "sample", "export --to diffusers")
    gone = installed.genrl("list", *(f"{word} sweep/0" for word in words), folder=tmp_path)
    assert "genrl-example" not in gone[0][1]
    for code, out, err in gone[1:]:
        assert (code, out) == (2, "")
        assert err == (
            "genrl: sweep/0 uses network 'dilated', sampler 'midpoint', callback 'lowest_loss' of "
            "the plugin genrl-example 0.3.1, which is not installed: "
            "pip install genrl-example==0.3.1\n"
        )


@pytest.mark.slow
@pytest.mark.timeout(1800)  # ten processes, one of which trains a feature
def test_an_editable_install_is_proved_killed_and_resumed(tmp_path: Path) -> None:
    environment = PluginVenv(tmp_path / "venv")
    source = tmp_path / "source"
    source.mkdir()
    environment.install(EXAMPLE, source)  # only to have a copy to install in place
    environment.pip("uninstall", "-y", "-q", "genrl-example")
    environment.install(source / "plugin_example", tmp_path, editable=True)
    proved = environment.run("-m", "pytest", "-q", str(source / "plugin_example"), folder=tmp_path)
    assert "5 passed" in proved.stdout, proved.stdout

    listed, verified, imitated = environment.genrl(
        "list",
        "verify sampler=midpoint",
        "train +experiment=bc imitation_loss=huber algorithm.iterations=2 evaluation.episodes=1 "
        "algorithm.updates_per_iteration=5 callback@progress=none hydra.run.dir=imitated",
        folder=tmp_path,
    )
    assert "  genrl-example 0.3.1: " in listed[1]
    assert verified[0] == 0
    assert "green" in verified[1]
    assert imitated[0] == 0, imitated[2]

    straight, killed, resumed = (
        environment.run(str(KILLABLE), *words.split(), folder=tmp_path, GENRL_KILL=kill)
        for words, kill in (
            (f"train +experiment=example {TINY} hydra.run.dir=straight", "-1:never"),
            (
                f"train +experiment=example {TINY} hydra.run.dir=killed checkpoint.every=1 "
                "+callback@callbacks.killer=killer",
                "3:update",
            ),
            ("resume killed", "-1:never"),
        )
    )
    assert (straight.returncode, killed.returncode, resumed.returncode) == (0, -9, 0)
    ((code, _, errors),) = environment.genrl("evaluate killed n=64 w=0", folder=tmp_path)
    assert code == 0, errors
    for name in ("lowest_loss.json", "metrics.csv"):
        assert (tmp_path / "straight" / name).read_text() == (
            tmp_path / "killed" / name
        ).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_new_plugin_writes_is_installed_proves_itself_and_trains(
    kind: str, tmp_path: Path
) -> None:
    environment = PluginVenv(tmp_path / "venv")
    new_plugin("demo", kind, tmp_path / "demo")
    environment.install(tmp_path / "demo", tmp_path / "scratch")
    proved = environment.run("-m", "pytest", "-q", "demo", folder=tmp_path)
    assert proved.returncode == 0, proved.stdout
    typed = environment.run(
        *("-m", "mypy", "--strict", "--follow-imports=silent", "demo/src"),
        folder=tmp_path,
        MYPYPATH=str(EXAMPLE.parents[1]),
    )
    assert typed.returncode == 0, typed.stdout
    length = "env_steps=2048" if kind == "imitation_loss" else "updates=4"
    listed, trained, reported = environment.genrl(
        f"list {kind}",
        f"train +experiment=demo training.{length} callback@evaluation=none "
        "callback@progress=none hydra.run.dir=run",
        "report run",
        folder=tmp_path,
    )
    assert "[demo 0.1.0]" in listed[1]
    assert (trained[0], reported[0]) == (0, 0), trained[2] + reported[2]
    assert yaml.safe_load((tmp_path / "run/versions.yaml").read_text())["demo"] == "0.1.0"
