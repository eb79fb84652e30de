"""Composing a run's config with Hydra, and its saved form: plain YAML.

Options of a config group are the registered components of that kind; their schemas are stored in
Hydra's ConfigStore, so that types and names are checked by Hydra and nothing is written twice. YAML
under ``conf/`` holds what is chosen.
"""

import importlib
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrl.plugins import load_components, origin
from genrl.registry import ConfigurationError, plain_reason, registries, suggest
from genrl.schemas import ROOTS, SCHEMAS

PACKAGES = ("genrl", "torch", "torchvision", "lightning", "hydra-core", "omegaconf", "numpy")


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
            provider, _ = origin(registry.get(name))
            store.store(group=kind, name=name, node=registry.schema(name), provider=provider)
    Plugins.instance().register(_SearchPath)


def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The plain config of ``genrl train OVERRIDES``, for scripts, notebooks and tests.

    Raises:
        ConfigurationError: if an override names what does not exist or has the wrong type.
    """
    register_configs()
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
    files = {file.name.removesuffix(".yaml"): file for file in _yaml_files().get("experiment", [])}
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
        ConfigurationError: if a mandatory value is missing.
    """
    if not isinstance(config, DictConfig):
        return dict(config)
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigurationError(f"'{missing[0]}' has no value: give {missing[0]}=...")
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def versions() -> dict[str, str]:
    """The version of each package that can change a result, plugins included."""
    found = {package: metadata.version(package) for package in PACKAGES}
    found |= {plugin.distribution: plugin.version for plugin in load_components()}
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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"{path} is not readable YAML: {reason}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} does not hold a mapping")
    return values


def explain(error: Exception, config_names: Mapping[str, list[str]]) -> str:
    """Hydra's complaint about the command line in one line, with the nearest name.

    Args:
        error: raised while the config was composed.
        config_names: config group -> options.
    """
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = f"{error}\n{cause}"
    if isinstance(error, OverrideParseException):
        help_ = "write KEY=VALUE (genrl train --help shows examples)"
        return f"'{error.override}' is no override: {help_}"
    if match := re.search(r"Could not find '([\w@.]+)/([^']*)'", text):
        return _unknown_option(match[1].split("@")[0], match[2], config_names)
    if match := re.search(r"In '[^']*': Could not find '([^'/]+)'", text):
        return f"no config is called '{match[1]}'"
    if match := re.search(r"Could not delete from config. '(\S+)' does not exist", text):
        return unknown_word(match[1], config_names)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1], str(cause), config_names)
    if match := re.search(r"already at '([^']+)'|Multiple values for (\S+)\. To", text):
        taken = match[1] or match[2]
        return f"'{taken}' is in the config already: write {taken}=... without the +"
    if match := re.search(r"full_key: (\S+)", str(cause)):
        return _wrong_value(match[1], cause)
    return " ".join(str(error).split())


def _unknown_option(group: str, option: str, config_names: Mapping[str, list[str]]) -> str:
    options = config_names.get(group, [])
    available = f" Available: {', '.join(options)}" if options else ""
    return f"no {group} is called '{option}'.{suggest(option, options)}{available}"


def _unknown_key(key: str, reason: str, config_names: Mapping[str, list[str]]) -> str:
    full_key = re.search(r"full_key: (\S+)", reason)
    parent, _, name = (full_key[1] if full_key else key).rpartition(".")
    if not parent:
        return unknown_word(name, config_names)
    if match := re.search(r"not in '(\w+)'", reason):
        component, known = _owner(match[1])
        owner = f"{parent} '{component}'" if component else parent
    else:
        # A foreign class, whose YAML names only what genrl chooses.
        owner, known = parent, _chosen_keys(parent)
    return (
        f"{owner} has no parameter '{name}'.{suggest(name, known)} "
        f"Parameters: {', '.join(known) or 'none'}"
    )


def unknown_word(word: str, config_names: Mapping[str, list[str]]) -> str:
    """What to say of a word that is neither a config group nor a key of the top level."""
    return f"the config has no key '{word}'.{suggest(word, top_level(config_names))}"


def top_level(config_names: Mapping[str, list[str]]) -> list[str]:
    """Config groups and keys of the top level."""
    keys = {key for schema in ROOTS.values() for key in schema.__dataclass_fields__}
    return sorted({*config_names, *keys})


def _wrong_value(key: str, cause: BaseException) -> str:
    assert isinstance(cause, Exception)
    parent, _, name = key.rpartition(".")
    schema = re.search(r"object_type=(\w+)", str(cause))
    component, _ = _owner(schema[1] if schema else "")
    if component is None:
        return f"{plain_reason(cause)} (parameter '{key}')"
    return f"{parent} '{component}': {plain_reason(cause)} (parameter '{name}')"


def _owner(schema_name: str) -> tuple[str | None, list[str]]:
    """The component whose schema has this name, or None, and the schema's parameters."""
    for registry in registries().values():
        for name in registry.names():
            if registry.schema(name).__name__ == schema_name:
                return name, [parameter.name for parameter in registry.parameters(name)]
    for schema in SCHEMAS:
        if schema.__name__ == schema_name:
            return None, list(schema.__dataclass_fields__)
    return None, []


def _chosen_keys(group: str) -> list[str]:
    keys: set[str] = set()
    for file in _yaml_files().get(group, []):
        keys |= set(yaml.safe_load(file.read_text()) or ()) - {"defaults", "_target_"}
    return sorted(keys)


ALLOWED_TARGETS = ("lightning.", "torch.optim.")


def instantiate(config: Mapping[str, Any], *args: Any, **more: Any) -> Any:
    """Construct a foreign class named by ``_target_``: a trainer, a logger or an optimizer.

    Raises:
        ConfigurationError: if the target lies outside of `ALLOWED_TARGETS`, does not exist, or
            refuses its arguments.
    """
    arguments = {key: value for key, value in config.items() if key != "_target_"}
    target = str(config.get("_target_", ""))
    if not target.startswith(ALLOWED_TARGETS):
        raise ConfigurationError(
            f"_target_ '{target}' is not allowed; "
            f"it must begin with one of: {', '.join(ALLOWED_TARGETS)}"
        )
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"_target_ '{target}' does not exist") from error
    if not isinstance(factory, type):
        raise ConfigurationError(f"_target_ '{target}' is no class")
    try:
        return factory(*args, **arguments, **more)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{target}: {error}") from error


def config_names() -> dict[str, list[str]]:
    """The options of every config group: registered components and YAML files, plugins included."""
    names = {kind: set(registry.names()) for kind, registry in registries().items()}
    for group, files in _yaml_files().items():
        names.setdefault(group, set()).update(file.name.removesuffix(".yaml") for file in files)
    return {group: sorted(options) for group, options in names.items()}


def _yaml_files() -> dict[str, list[Traversable]]:
    """The YAML files of every config group, those of Hydra itself left out."""
    files: dict[str, list[Traversable]] = {}
    packages = ["genrl.conf", *(p.config_package for p in load_components() if p.config_package)]
    for package in packages:
        for group in importlib.resources.files(package).iterdir():
            if group.is_dir() and group.name not in ("hydra", "__pycache__"):
                chosen = [file for file in group.iterdir() if file.name.endswith(".yaml")]
                files.setdefault(group.name, []).extend(chosen)
    return files
