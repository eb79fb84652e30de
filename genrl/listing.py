"""``genrl list`` and ``genrl show``: components as text, read off their classes."""

import inspect

from genrl.plugins import components, config_files, load_components, origin
from genrl.registry import ConfigurationError, registries, suggest


def describe_all() -> str:
    """Every kind with its components' names."""
    kinds = components()
    width = max(map(len, kinds))
    lines = [f"{kind:<{width}}  {', '.join(names)}" for kind, names in kinds.items() if names]
    return "\n".join([*lines, *_plugins(), "", "More: genrl list KIND, genrl show KIND.NAME"])


def _plugins() -> list[str]:
    """A line for each plugin with what it adds, below a heading."""
    lines = []
    for plugin in load_components():
        package = plugin.config_package
        added = [
            f"{kind}.{name}"
            for kind, names in components().items()
            for name, component in names.items()
            if origin(component) == (plugin.distribution, plugin.version)
        ]
        added += [
            f"{group}/{file.name.removesuffix('.yaml')}"
            for group, files in (config_files(package) if package else {}).items()
            for file in files
        ]
        lines.append(f"  {plugin.distribution} {plugin.version}: {', '.join(added) or 'nothing'}")
    return ["", "Plugins:", *lines] if lines else []


def describe_kind(kind: str) -> str:
    """The components of a kind with their parameters, first line and origin.

    Raises:
        ConfigurationError: if there is no such kind.
    """
    classes = _kind(kind)
    width = max(map(len, classes))
    lines = []
    for name, component in classes.items():
        lines.append(f"{name:<{width}}  {_first_line(component)}  [{' '.join(origin(component))}]")
        parameters = [
            p.name if p.default is ... else f"{p.name}={_plain(p.default)}"
            for p in registries()[kind].parameters(name)
        ]
        if parameters:
            lines.append(f"{'':<{width}}    {', '.join(parameters)}")
    return "\n".join(lines)


def describe_component(path: str) -> str:
    """A component's documentation, parameters, types, defaults and origin.

    Raises:
        ConfigurationError: if there is none of that kind and name.
    """
    kind, _, name = path.partition(".")
    if not name:
        kinds = components()
        owners = [known for known, classes in kinds.items() if kind in classes]
        example = f"{owners[0]}.{kind}" if owners else f"{kind}.{next(iter(_kind(kind)))}"
        raise ConfigurationError(f"write KIND.NAME, for example {example}")
    _kind(kind)
    component = registries()[kind].get(name)
    parameters = registries()[kind].parameters(name)
    lines = [
        f"{kind}.{name}: {component.__module__}.{component.__qualname__}  "
        f"[{' '.join(origin(component))}]",
        "",
        inspect.getdoc(component) or "",
        "",
    ]
    module = inspect.getmodule(component)
    if module is not None and module.__doc__:
        lines += [inspect.cleandoc(module.__doc__), ""]
    for p in parameters:
        default = "(must be given)" if p.default is ... else f"= {_plain(p.default)}"
        lines.append(f"  {kind}.{p.name}: {p.type_name} {default}")
    lines.append("" if parameters else "  (no parameters)")
    lines.append(f"Choose it with: {kind}={name}")
    return "\n".join(lines)


def _kind(kind: str) -> dict[str, type]:
    kinds = components()
    if kind not in kinds:
        raise ConfigurationError(
            f"there is no kind '{kind}'.{suggest(kind, kinds)} Kinds: {', '.join(kinds)}"
        )
    return kinds[kind]


def _first_line(component: type) -> str:
    return (inspect.getdoc(component) or "").splitlines()[0]


def _plain(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
