"""A registry of interchangeable components, with a parameter schema made from each constructor.

A kind of component (schedule, sampler, ...) has one `Registry`. Positional constructor arguments
are collaborators that code passes; keyword-only arguments are parameters that a config may set.
Nothing else describes a component: types, defaults, config groups, error messages and ``genrl
list`` all come from the constructor. Imports no torch.
"""

import copy
import dataclasses
import difflib
import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

T = TypeVar("T")
C = TypeVar("C", bound=type)

_REGISTRIES: dict[str, "Registry[Any]"] = {}


class ConfigurationError(ValueError):
    """A mistake in what the user asked for; its message is one line that says how to mend it."""


def suggest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, with a leading space, or nothing."""
    near = nearest(word, known)
    return f" Did you mean '{near}'?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another, or None where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return near[0] if near else None


def registries() -> dict[str, "Registry[Any]"]:
    """Every kind of component that has been imported, by kind."""
    return dict(sorted(_REGISTRIES.items()))


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A keyword-only constructor argument; its default is ``...`` where it must be given."""

    name: str
    annotation: Any
    default: Any = ...

    @property
    def type_name(self) -> str:
        """The annotation as one would write it."""
        if isinstance(self.annotation, type) and not typing.get_args(self.annotation):
            return self.annotation.__name__
        return str(self.annotation).replace("typing.", "")


class Registry(Generic[T]):
    """The components of one kind, by name.

    Args:
        kind: singular noun; also the name of the config group.

    Raises:
        ValueError: if the kind exists already.
    """

    def __init__(self, kind: str) -> None:
        if kind in _REGISTRIES:
            raise ValueError(f"the kind '{kind}' has a registry already")
        self.kind = kind
        self._components: dict[str, type[T]] = {}
        _REGISTRIES[kind] = self

    def register(self, name: str) -> Callable[[C], C]:
        """Class decorator that makes the class available under a name.

        Raises:
            ConfigurationError: if another class has that name, or a parameter cannot be stored in
                a config.
        """

        def decorate(component: C) -> C:
            other = self._components.get(name)
            if other is not None and _path(other) != _path(component):
                raise ConfigurationError(
                    f"{self.kind} '{name}' is registered twice: "
                    f"by {_path(other)} and by {_path(component)}; "
                    "one of them needs another name"
                )
            _require_storable(self.kind, name, _parameters(component))
            self._components[name] = component
            return component

        return decorate

    def names(self) -> list[str]:
        """The registered names in alphabetical order."""
        return sorted(self._components)

    def get(self, name: str) -> type[T]:
        """The class registered under a name.

        Raises:
            ConfigurationError: if there is none; the message names the nearest.
        """
        if name not in self._components:
            raise ConfigurationError(
                f"no {self.kind} is called '{name}'.{suggest(name, self.names())} "
                f"Available: {', '.join(self.names())}"
            )
        return self._components[name]

    def name_of(self, component: type[T]) -> str:
        """The name that a class is registered under."""
        return next(name for name, known in self._components.items() if known is component)

    def parameters(self, name: str) -> list[Parameter]:
        """The parameters of a component in the order of its constructor."""
        return _parameters(self.get(name))

    def schema(self, name: str) -> type[Any]:
        """A dataclass with the component's ``name`` and parameters, for OmegaConf and Hydra."""
        fields: list[Any] = [("name", str, dataclasses.field(default=name))]
        fields += [_field(parameter) for parameter in self.parameters(name)]
        return dataclasses.make_dataclass(f"{self.get(name).__name__}Config", fields)

    def build(self, config: Mapping[str, Any] | DictConfig | str, *collaborators: Any) -> T:
        """Construct a component from its config.

        Args:
            config: a name, or a mapping with ``name`` and parameters.
            collaborators: the positional arguments of the constructor.

        Raises:
            ConfigurationError: on an unknown name or parameter, a value of the wrong type, a
                missing value, or a value that the constructor refuses.
        """
        name, given = self._split(config)
        component, parameters = self.get(name), self.parameters(name)
        known = [parameter.name for parameter in parameters]
        for key in given:
            if key not in known:
                raise ConfigurationError(
                    f"{self.kind} '{name}' has no parameter '{key}'.{suggest(str(key), known)} "
                    f"Parameters: {', '.join(known) or 'none'}"
                )
        values = self._typed(name, given)
        arguments = {p.name: _checked(self.kind, name, p, values[p.name]) for p in parameters}
        try:
            return component(*collaborators, **arguments)
        except ValueError as error:
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"{self.kind} '{name}': {error}") from error
        except ArithmeticError as error:
            raise ConfigurationError(
                f"{self.kind} '{name}': a parameter is too large or too small to be computed with "
                f"({type(error).__name__}); given: {given}"
            ) from error

    def _split(self, config: Mapping[str, Any] | DictConfig | str) -> tuple[str, dict[str, Any]]:
        if isinstance(config, str):
            return config, {}
        plain = OmegaConf.to_container(config) if isinstance(config, DictConfig) else config
        if not isinstance(plain, Mapping) or "name" not in plain:
            raise ConfigurationError(
                f"the {self.kind} has no name; choose one of: {', '.join(self.names())}"
            )
        given = {str(key): value for key, value in plain.items()}
        return str(given.pop("name")), given

    def _typed(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        merged = OmegaConf.structured(self.schema(name))
        for key, value in given.items():
            if isinstance(value, tuple):
                value = list(value)
            try:
                OmegaConf.update(merged, key, value, merge=False)
            except OmegaConfBaseException as error:
                raise ConfigurationError(
                    f"{self.kind} '{name}': {plain_reason(error)} (parameter '{key}')"
                ) from error
            if OmegaConf.is_interpolation(merged, key):
                raise ConfigurationError(
                    f"{self.kind} '{name}': '{value}' must be a value, not a reference to one "
                    f"(parameter '{key}')"
                )
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigurationError(
                f"{self.kind} '{name}' needs a value for '{missing[0]}': "
                f"give {self.kind}.{missing[0]}=..."
            )
        values = OmegaConf.to_container(merged)
        assert isinstance(values, dict)
        return {str(key): value for key, value in values.items()}


def _path(component: type) -> str:
    return f"{component.__module__}.{component.__qualname__}"


def _parameters(component: type) -> list[Parameter]:
    constructor = component.__init__  # type: ignore[misc]
    hints = typing.get_type_hints(constructor)
    return [
        Parameter(
            argument.name,
            hints.get(argument.name, Any),
            ... if argument.default is inspect.Parameter.empty else argument.default,
        )
        for argument in inspect.signature(constructor).parameters.values()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def _field(parameter: Parameter) -> tuple[str, Any, Any]:
    """The parameter as a field of a dataclass that OmegaConf understands."""
    value = "???" if parameter.default is ... else parameter.default
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, list | dict):
        field: Any = dataclasses.field(default_factory=functools.partial(copy.deepcopy, value))
    else:
        field = dataclasses.field(default=value)
    return parameter.name, _storable(parameter.annotation), field


def _require_storable(kind: str, name: str, parameters: list[Parameter]) -> None:
    if any(parameter.name == "name" for parameter in parameters):
        raise ConfigurationError(
            f"{kind} '{name}': a parameter cannot be called 'name', which names the component"
        )
    # All at once: a class for each of them would cost every command half a second.
    if _refusal(parameters) is None:
        return
    for parameter in parameters:
        if error := _refusal([parameter]):
            raise ConfigurationError(
                f"{kind} '{name}': the parameter '{parameter.name}' has a type or a default that "
                f"no config can hold: {parameter.type_name} = {parameter.default!r}"
            ) from error


def _refusal(parameters: list[Parameter]) -> Exception | None:
    """What OmegaConf has against a config with these parameters."""
    try:
        OmegaConf.structured(dataclasses.make_dataclass("Schema", map(_field, parameters)))
    except Exception as error:
        return error
    return None


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _storable(annotation: Any) -> Any:
    """The nearest type that OmegaConf can check: it knows no Literal and no fixed tuple."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return type(arguments[0])
    if origin is tuple:
        return list[_storable(arguments[0])]  # type: ignore[misc]
    if _is_union(annotation):
        return functools.reduce(operator.or_, [_storable(a) for a in arguments])
    return annotation


def _checked(kind: str, name: str, parameter: Parameter, value: Any) -> Any:
    """The value with tuples restored; literals are compared with their choices."""
    options = typing.get_args(parameter.annotation) if _is_union(parameter.annotation) else ()
    annotations = [a for a in options if a is not type(None)] or [parameter.annotation]
    if value is None:
        return None
    for annotation in annotations:
        if typing.get_origin(annotation) is tuple and isinstance(value, list):
            return tuple(value)
        if typing.get_origin(annotation) is typing.Literal and value not in typing.get_args(
            annotation
        ):
            choices = [str(choice) for choice in typing.get_args(annotation)]
            raise ConfigurationError(
                f"{kind} '{name}': '{value}' is not a value of '{parameter.name}'."
                f"{suggest(str(value), choices)} Values: {', '.join(choices)}"
            )
    return value


def plain_reason(error: Exception) -> str:
    """OmegaConf's reason in the words of a person: one line without class names."""
    reason = str(error).splitlines()[0]
    if match := re.match(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", reason):
        article = "an" if match[2][0].lower() in "aeiou" else "a"
        return f"value '{match[1]}' could not be converted to {article} {match[2].lower()}"
    if match := re.match(r"Value '(.*)' is not a valid bool", reason):
        return f"value '{match[1]}' is neither true nor false"
    if "is not a ListConfig, list or tuple" in reason or "with ListConfig" in reason:
        return "a list is needed, such as [1,2]"
    if "is not Optional" in reason or "NoneType is not a subclass" in reason:
        return "null is no value of it"
    return reason[0].lower() + reason[1:]
