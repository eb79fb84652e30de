"""Mistakes on the command line in the words of a person: one line, with the nearest name.

Some are found before Hydra composes; of the others Hydra's and OmegaConf's complaints are told.
"""

import re
from collections.abc import Mapping, Sequence

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException

from genrl.options import yaml_files
from genrl.registry import ConfigurationError, plain_reason, registries, suggest
from genrl.schemas import ROOTS, SCHEMAS

_SEVERAL = ("logger", "experiment")  # groups of which several may be chosen at once


def check_words(words: Sequence[str], config_names: Mapping[str, list[str]]) -> None:
    """Find a misspelt key or option before Hydra composes.

    Args:
        words: overrides, possibly with flags among them.
        config_names: config group -> options.

    Raises:
        ConfigurationError: on the first one; the message names the nearest.
    """
    known_words = [*top_level(config_names), "hydra"]
    parser = OverridesParser.create()
    for word in words:
        added = re.match(r"\++(\w+)", word)
        if added and added[1] not in known_words:
            raise ConfigurationError(unknown_word(added[1], config_names))
        if re.match(r"\+*(evaluation|checkpoint|progress)=\w", word):
            raise ConfigurationError(f"to choose another callback, write 'callback@{word}'")
        match = re.fullmatch(r"\+?([\w]+)(?:@[\w.]+)?=(\[?[\w,./ -]+\]?)", word)
        if match and match[1] in config_names:
            for option in match[2].strip("[]").replace(" ", "").split(","):
                if option == "null":
                    raise ConfigurationError(f"to choose no {match[1]}, write '~{match[1]}'")
                if option not in config_names[match[1]]:
                    raise ConfigurationError(_unknown_option(match[1], option, config_names))
        _refuse_other_than_names(parser, word, config_names)


def _refuse_other_than_names(
    parser: OverridesParser, word: str, config_names: Mapping[str, list[str]]
) -> None:
    """Numbers choose no option of a group, nor do several names; Hydra tells a programmer so."""
    try:
        override = parser.parse_override(word)
    except HydraException:
        return  # a flag, or what `explain` tells of
    group = override.key_or_group
    if not group:
        raise ConfigurationError(f"'{word}' names nothing before its '=': write KEY=VALUE")
    is_group = group == "hydra" or "/" in group or group in config_names
    if not is_group or override.is_sweep_override():
        return
    value = override.value()
    if isinstance(value, list) and not override.is_delete():
        is_name = all(isinstance(part, str) for part in value)
    else:
        is_name = isinstance(value, str | dict) or (value is None and override.is_delete())
    if not is_name:
        raise ConfigurationError(f"'{word}': {group} takes the name of an option")
    takes_one = group in config_names and group not in _SEVERAL
    if takes_one and isinstance(value, list) and len(value) > 1:
        raise ConfigurationError(
            f"'{word}': there is one {group} at a time; to compare several, "
            f"write genrl train -m {group}={','.join(value)}"
        )


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
    if match := re.search(r"Could not find '(hydra/\w+)/([^']*)'", text):
        return (
            f"{match[1]}={match[2]} is not installed (genrl[sweep] brings joblib, submitit_local "
            "and submitit_slurm as launchers, and optuna as sweeper)"
        )
    if match := re.search(r"Could not find '([\w@.]+)/([^']*)'", text):
        return _unknown_option(match[1].split("@")[0], match[2], config_names)
    if match := re.search(r"In '[^']*': Could not find '([^'/]+)'", text):
        return f"no config is called '{match[1]}'"
    if match := re.search(
        r"Could not delete from config. '(\S+)' does not exist|Could not delete '(\S+)'\. No", text
    ):
        word = match[1] or match[2]
        if word in top_level(config_names):
            return f"this config has no {word} that could be taken away"
        return unknown_word(word, config_names)
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
    elif parent in registries():
        return (
            f"no {parent} is chosen, so that '{key}' has nothing to set: give {parent}=NAME too. "
            f"Available: {', '.join(config_names[parent])}"
        )
    else:
        # A foreign class, whose YAML names only what genrl chooses.
        owner, known = parent, _chosen_keys(parent.split(".")[0])
        if parent == "logger" and name in config_names[parent]:
            return f"the logger '{name}' is not chosen: give logger={name} too"
        if name in known:
            return (
                f"the {parent} that is chosen, if any, has no '{name}': give {parent}=NAME too "
                f"(one of: {', '.join(config_names[parent])}), or write +{key}=..."
            )
    return (
        f"{owner} has no parameter '{name}'.{suggest(name, known)} "
        f"Parameters: {', '.join(known) or 'none'}"
    )


def unknown_word(word: str, config_names: Mapping[str, list[str]]) -> str:
    """What to say of a word that is neither a config group nor a key of the composed top level."""
    tasks = [task for task, schema in ROOTS.items() if word in schema.__dataclass_fields__]
    if tasks:
        example = {"diffusion": "cfg_distill", "agent": "ppo"}[tasks[0]]
        return (
            f"'{word}' is a key of {tasks[0]} runs, which this is not: choose an experiment of "
            f"that kind, such as +experiment={example}"
        )
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
    if match := re.search(r"In '((\w*tuning)/\w+)': \w*KeyError", str(cause)):
        return (
            f"{match[1]} sets '{key}', which {parent} '{component}' does not have: leave these "
            f"numbers out with ~{match[2]}"
        )
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
    for file in yaml_files().get(group, []):
        keys |= set(yaml.safe_load(file.read_text()) or ()) - {"defaults", "_target_"}
    return sorted(keys)
