"""Configs read from a run, which nothing has composed."""

from pathlib import Path
from typing import Any

import pytest

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.schemas import completed

FILE = Path("runs/x/config.yaml")


@pytest.mark.parametrize("experiment", ["cfg_distill", "sac"])
def test_what_was_composed_is_whole(experiment: str) -> None:
    config = compose([f"+experiment={experiment}"])
    assert completed(config, FILE) == config


def test_keys_that_a_run_is_too_old_for_have_their_defaults() -> None:
    config = compose(["+experiment=cfg_distill"])
    old = {key: value for key, value in config.items() if key not in ("compile", "time_grid")}
    old["training"] = {k: v for k, v in config["training"].items() if k != "max_skipped"}
    assert completed(old, FILE) == config
    assert "compile" not in old


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task": "difusion"}, "task must be one of diffusion, agent, not 'difusion'"),
        ({"task": ["agent"]}, "task must be one of"),
        ({"seed": [3]}, "seed cannot be [3]"),
        ({"seed": True}, "seed cannot be True"),
        ({"seed": -1}, "seed must be at least 0 and below 2**32, not -1"),
        ({"device": "${oc.env:HOME}"}, "device cannot be '${oc.env:HOME}'"),
        ({"teacher": 3}, "teacher cannot be 3"),
        ({"compile": 1}, "compile cannot be 1"),
        ({"training": [1]}, "training cannot be [1]"),
        ({"training": {"updates": "many"}}, "training.updates cannot be 'many'"),
        ({"data": None}, "data cannot be None"),
        ({"trainer": "cpu"}, "trainer cannot be 'cpu'"),
        ({"callbacks": []}, "callbacks cannot be []"),
        ({"objective": {"name": {"a": 1}}}, "the objective has no name"),
    ],
)
def test_other_types_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        completed({**compose(["+experiment=cfg_distill"]), **change}, FILE)
    assert reason in str(caught.value)


def test_a_key_without_a_default_is_missed() -> None:
    config = compose(["+experiment=sac"])
    del config["algorithm"]
    with pytest.raises(ConfigurationError, match="it has no 'algorithm', so it is not a run's"):
        completed(config, FILE)
