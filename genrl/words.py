"""The options of a command: ``key=value`` words, checked against a dataclass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from omegaconf.errors import OmegaConfBaseException

from genrl.registry import ConfigurationError, plain_reason, suggest


def split(
    words: Sequence[str], schema: type[Any], usage: str, kinds: Sequence[str] = ()
) -> tuple[list[Path], Any]:
    """Paths and the typed options of a command.

    Args:
        words: after the command.
        schema: dataclass of its options.
        usage: for a complaint.
        kinds: of components, of which ``kind=name`` and ``kind.parameter=value`` are gathered in
            the option ``components``.

    Raises:
        ConfigurationError: on a wrong number of paths, or an option of the wrong name or type.
    """
    paths = [Path(word) for word in words if "=" not in word]
    if len(paths) != 1:
        raise ConfigurationError(f"usage: {usage}")
    from omegaconf import OmegaConf

    options = OmegaConf.structured(schema)
    known = [*(name for name in schema.__dataclass_fields__ if name != "components"), *kinds]
    components: dict[str, dict[str, Any]] = {}
    for word in words:
        if "=" not in word:
            continue
        key, _, value = word.partition("=")
        kind, _, parameter = key.partition(".")
        if key not in known and kind not in kinds:
            raise ConfigurationError(
                f"there is no option '{key}'.{suggest(key, known)} Options: {', '.join(known)}"
            )
        try:
            parsed = _value(value)
            if kind in kinds:
                components.setdefault(kind, {})[parameter or "name"] = parsed
                continue
            if _takes_list(schema, key) and not isinstance(parsed, list | None):
                parsed = [_value(part) for part in value.split(",")]
            options[key] = parsed
        except (OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{plain_reason(error)} (option '{key}')") from error
    if kinds:
        options.components = components
    try:
        return paths, OmegaConf.to_object(options)
    except OmegaConfBaseException as error:  # a value that refers to what is not there
        key = str(error.full_key).partition("[")[0].removeprefix("components.")
        raise ConfigurationError(f"{plain_reason(error)} (option '{key}')") from error


def _value(text: str) -> Any:
    """A value as YAML writes it; an alias, by which it could hold itself, is refused."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise ValueError("a value cannot refer to another")
    return yaml.safe_load(text)


def _takes_list(schema: type[Any], key: str) -> bool:
    annotation = get_type_hints(schema)[key]
    return any(get_origin(option) is list for option in (annotation, *get_args(annotation)))
