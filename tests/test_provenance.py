"""What a run notes of its plugins, and what it asks for when it is opened."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
import yaml

from genrl import provenance
from genrl.config import compose
from genrl.plugins import Plugin, load_components
from genrl.provenance import PACKAGES, chosen, recorded_plugins, require_plugins, versions
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder

CONFIG: dict[str, Any] = {
    "name": "digits",
    "network": {"name": "mlp", "features": 8},
    "student_sampler": {"name": "theirs", "steps": 3},
    "callbacks": {"first": {"name": "theirs_too"}},
    "optimizer": {"name": "no component"},
}


def test_what_a_config_chooses() -> None:
    assert list(chosen(CONFIG)) == [
        ("network", "mlp"),
        ("sampler", "theirs"),
        ("callback", "theirs_too"),
    ]
    assert list(chosen({"schedule": {"name": "zero_snr", "schedule": {"name": "linear"}}})) == [
        ("schedule", "zero_snr"),
        ("schedule", "linear"),
    ]


@pytest.mark.parametrize("experiment", ["cfg_distill", "gail"])
def test_a_real_config_needs_no_plugin(experiment: str) -> None:
    config = compose([f"+experiment={experiment}"])
    assert len(list(chosen(config))) >= 10
    assert set(versions(config)) == set(PACKAGES)
    require_plugins(Path("run"), config, {"genrl": "0.1.0", "unused_plugin": "3.0"})


def test_what_is_missing_is_named_with_the_command(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {**compose([]), **CONFIG}).path
    RunFolder.open(run)  # no plugin is noted: whatever is wrong, it is no missing plugin
    recorded = yaml.safe_load((run / "versions.yaml").read_text())
    (run / "versions.yaml").write_text(yaml.safe_dump({**recorded, "demo": "0.1.0"}))
    with pytest.raises(ConfigurationError) as caught:
        RunFolder.open(run)
    assert str(caught.value) == (
        f"{run} uses sampler 'theirs', callback 'theirs_too' of the plugin demo 0.1.0, which is "
        "not installed: pip install demo==0.1.0"
    )


def test_two_plugins_are_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"plugins a 1, b 2\+x, .*: pip install a==1 b==2"):
        require_plugins(Path("run"), CONFIG, {"a": "1", "b": "2+x"})


@pytest.mark.parametrize(
    ("name", "version"), [("a; rm -rf ~", "1"), ("-r evil", "1"), ("a", "1 b")]
)
def test_no_command_is_made_of_what_is_no_distribution(name: str, version: str) -> None:
    """A run may come from somebody else."""
    assert recorded_plugins({"genrl": "0.1.0", name: version, "demo": "0.1.0"}) == {"demo": "0.1.0"}


@pytest.mark.parametrize("entry_point", ["their_envs.walk:Walk", gymnasium.Env])
def test_a_plugin_that_has_only_an_environment(
    entry_point: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module tells gymnasium of it, by the place of its class or by the class itself."""
    config = {"env": {"name": "gymnasium", "id": "Walk-v0"}}
    plugins = {"their-envs": "1.2"}
    with pytest.raises(ConfigurationError, match=r"uses env 'Walk-v0' of the plugin their-envs"):
        require_plugins(Path("run"), config, plugins)
    assert "their-envs" not in versions(config)

    module = "their_envs" if isinstance(entry_point, str) else "gymnasium"
    plugin = Plugin("their_envs", f"{module}.more", "their-envs", "1.2")
    monkeypatch.setattr(provenance, "load_components", lambda: (*load_components(), plugin))
    gymnasium.register("Walk-v0", entry_point)
    try:
        assert versions(config)["their-envs"] == "1.2"
        require_plugins(Path("run"), config, plugins)
    finally:
        del gymnasium.registry["Walk-v0"]
