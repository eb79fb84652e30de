"""Another sampler or guidance for a trained run: ``genrl sample RUN guidance=cfg_interval``."""

from collections.abc import Mapping
from typing import Any

from genrl.registry import ConfigurationError
from genrl.tasks.build import Config

SAMPLING_KINDS = ("guidance", "sampler", "thresholding", "time_grid")
_KEYS = {"sampler": ("sampler", "student_sampler")}


def with_components(config: Config, chosen: Mapping[str, Mapping[str, Any]]) -> Config:
    """The config with other components for sampling.

    Args:
        config: of the run.
        chosen: for each kind what is changed: parameters, and ``name`` where it is another
            component, whose own defaults then replace the run's parameters.
    """
    changed = dict(config)
    for kind, given in chosen.items():
        for key in _KEYS.get(kind, (kind,)):
            current = config[key] or {}
            is_other = given.get("name", current.get("name")) != current.get("name")
            changed[key] = {**({} if is_other else current), **given}
    return changed


def require_no_guidance(stage: str, chosen: Mapping[str, Any]) -> None:
    """Refuse another guidance for a student that has learned one.

    Raises:
        ConfigurationError: if there is a choice of guidance.
    """
    if "guidance" in chosen:
        raise ConfigurationError(
            f"the stage '{stage}' has learned its guidance and takes w as an input: guidance= is "
            "for a teacher, give stage=teacher"
        )
