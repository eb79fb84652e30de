"""Configs of runs that somebody has edited: what ``genrl resume`` builds of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import altered, explore, refused_or

from genrl.config import compose
from genrl.run_folder import RunFolder
from genrl.tasks.build import build_data, build_module, build_stages
from genrl.tasks.build_agent import build_agent
from genrl.tasks.guidance import guidance_sources
from genrl.tasks.train import on_devices

# Building takes a twentieth of a second.
CASES = pytest.mark.parametrize("cases", [25, pytest.param(10_000, marks=pytest.mark.slow)])

SMALL = ["network.channels=8", "network.head_channels=8", "device=cpu"]
RUNS = {
    "ladder": ["+experiment=cfg_distill", *SMALL],
    "sac": ["+experiment=sac", "env=pendulum"],
    "smiling": ["+experiment=smiling", "env=pendulum"],
}


def build(folder: RunFolder) -> Any:
    """All that a run is made of before its first update."""
    config = on_devices(folder.config(), {})
    if config["task"] == "agent":
        return build_agent(config, lambda path: None)
    data, stages = build_data(config), build_stages(config, has_teacher=bool(config["teacher"]))
    sources = guidance_sources(config, data.spec, folder)
    return build_module(config, data.spec, stages, sources, lambda line: None)


@CASES
@pytest.mark.parametrize("run", RUNS)
def test_a_changed_config_builds_or_is_refused(run: str, cases: int, tmp_path: Path) -> None:
    config = compose(RUNS[run])
    folder = RunFolder.create(tmp_path, config)
    assert build(folder) is not None

    def check(changed: Any) -> None:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(changed))
        refused_or(lambda: build(folder))

    explore(check, altered(config), cases)
