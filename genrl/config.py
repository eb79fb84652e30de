"""Composing a run's config with Hydra, and its saved form: plain YAML.

Options of a config group are the registered components of that kind; their schemas are stored in
Hydra's ConfigStore, so that types and names are checked by Hydra and nothing is written twice. YAML
under ``conf/`` holds what is chosen.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrl.complaints import check_words, explain
from genrl.foreign import require_finite
from genrl.options import config_names, yaml_files
from genrl.plugins import load_components, origin
from genrl.registry import ConfigurationError, registries
from genrl.schemas import ROOTS, require_seed

_STORED: dict[tuple[str, str], type] = {}  # what Hydra knows: storing costs more than composing


class _SearchPath(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for plugin in load_components():
            if plugin.config_package:
                search_path.append(plugin.distribution, f"pkg://{plugin.config_package}")


def register_configs() -> None:
    """Store the schema of every component, plugins included, for Hydra."""
    load_components()
    store = ConfigStore.instance()
    for root, schema in ROOTS.items():
        store.store(name=f"{root}_schema", node=schema, provider="genrl")
    for kind, registry in registries().items():
        for name in registry.names():
            component = registry.get(name)
            if _STORED.get((kind, name)) is component:
                continue
            _STORED[kind, name] = component
            provider, _ = origin(component)
            store.store(group=kind, name=name, node=registry.schema(name), provider=provider)
    Plugins.instance().register(_SearchPath)


def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The plain config of ``genrl train OVERRIDES``, for scripts, notebooks and tests.

    Raises:
        ConfigurationError: if an override names what does not exist or has the wrong type.
    """
    register_configs()
    check_words(overrides, config_names())
    try:
        with initialize_config_module("genrl.conf", version_base="1.3"):
            return plain(hydra_compose(root_config(overrides), list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(explain(error, config_names())) from error


def root_config(overrides: Sequence[str]) -> str:
    """The top-level config that the chosen experiments belong to: ``diffusion`` or ``agent``.

    An experiment says so by its key ``task``; without an experiment it is ``diffusion``.

    Raises:
        ConfigurationError: if a sweep mixes experiments of both.
    """
    tasks: dict[str, str] = {}
    files = {file.name.removesuffix(".yaml"): file for file in yaml_files().get("experiment", [])}
    for word in overrides:
        match = re.fullmatch(r"\+?experiment=([\w,]+)", word)
        for name in match[1].split(",") if match else []:
            if name in files:
                content = yaml.safe_load(files[name].read_text()) or {}
                tasks[name] = str(content.get("task", "diffusion"))
    if len(set(tasks.values())) > 1:
        listed = ", ".join(f"{name} ({task})" for name, task in tasks.items())
        raise ConfigurationError(f"one sweep cannot join experiments of two tasks: {listed}")
    return next(iter(tasks.values()), "diffusion")


def plain(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The resolved config as plain dicts, lists and scalars.

    Raises:
        ConfigurationError: if a mandatory value is missing, or the seed is out of range.
    """
    if not isinstance(config, DictConfig):
        return dict(config)
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigurationError(f"'{missing[0]}' has no value: give {missing[0]}=...")
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    found = {str(key): value for key, value in values.items()}
    require_seed(found)
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigurationError: if it is missing or broken.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} does not exist") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"{path} is not readable YAML: {reason}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} does not hold a mapping")
    require_finite(values, path)
    return values


T = TypeVar("T")
ALLOWED_TARGETS = ("lightning.", "torch.optim.")


def instantiate(config: Mapping[str, Any], kind: type[T], *args: Any, **more: Any) -> T:
    """Construct a foreign class named by ``_target_``: a trainer, a logger or an optimizer.

    Nothing else is constructed or called, whoever wrote the config: its other values are arguments
    as they stand.

    Args:
        config: ``_target_`` and arguments.
        kind: of which the class must be.
        args: further arguments.
        more: further arguments by name.

    Raises:
        ConfigurationError: if the target lies outside of `ALLOWED_TARGETS`, does not exist, is of
            another kind, or refuses its arguments.
        ModuleNotFoundError: if the class needs a package that is not installed.
    """
    arguments = {key: value for key, value in config.items() if key != "_target_"}
    target = str(config.get("_target_", ""))
    if not target.startswith(ALLOWED_TARGETS):
        raise ConfigurationError(
            f"_target_ '{target}' is not allowed; "
            f"it must begin with one of: {', '.join(ALLOWED_TARGETS)}"
        )
    for key, value in arguments.items():
        if isinstance(value, Mapping) and "_target_" in value:
            raise ConfigurationError(f"{target}: '{key}' must be a value, not another _target_")
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"_target_ '{target}' does not exist") from error
    if not (isinstance(factory, type) and issubclass(factory, kind)):
        raise ConfigurationError(f"_target_ '{target}' is no {kind.__name__}")
    try:
        return factory(*args, **arguments, **more)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # a foreign class may refuse with any type
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{target}: {reason}") from error
