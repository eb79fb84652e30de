"""Which distributions a run is made of: noted where it begins, asked for where it is opened.

``versions.yaml`` holds the versions of the packages that can change a result and of the plugins
whose components or environment the run uses. Runs of older versions of genrl list every plugin that
was installed, so that a plugin counts as missing only where a component is.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from genrl.plugins import load_components, origin
from genrl.registry import ConfigurationError, registries

PACKAGES = ("genrl", "torch", "torchvision", "lightning", "hydra-core", "omegaconf", "numpy")
# Keys of the config whose component is of a kind with another name.
KINDS = {
    "student_sampler": "sampler",
    "ema": "callback",
    "evaluation": "callback",
    "checkpoint": "callback",
    "progress": "callback",
}


def versions(config: Mapping[str, Any]) -> dict[str, str]:
    """The version of each package that can change a run's result, its plugins included."""
    found = {package: metadata.version(package) for package in PACKAGES}
    ours = {plugin.distribution for plugin in load_components()}
    for kind, name in chosen(config):
        if name in registries()[kind].names():
            distribution, version = origin(registries()[kind].get(name))
            if distribution in ours:
                found[distribution] = version
    _, module = _environment(config)
    for plugin in load_components():
        if plugin.module.partition(".")[0] == module:
            found[plugin.distribution] = plugin.version
    return found


def _environment(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Id of gymnasium's environment that a run is in, and the package that has its code.

    A plugin may do no more than tell gymnasium of environments.
    """
    env = config.get("env")
    name = env.get("id") if isinstance(env, Mapping) else None
    if not isinstance(name, str):
        return None, None
    load_components()  # which tell it
    import gymnasium  # not for runs without environments, whose start it would delay

    spec = gymnasium.registry.get(name.rpartition(":")[2])
    if spec is None:
        return name, None
    code = spec.entry_point
    module = code if isinstance(code, str) else getattr(code, "__module__", None)
    return name, None if module is None else module.partition(":")[0].partition(".")[0]


def chosen(config: Mapping[str, Any], kind: str | None = None) -> Iterator[tuple[str, str]]:
    """Kind and name of every component that a plain config names, at any depth.

    Args:
        config: of a run, or a part of one.
        kind: of the components that stand under keys of their own, as callbacks do.
    """
    load_components()
    for key, value in config.items():
        if not isinstance(value, Mapping):
            continue
        found = kind or KINDS.get(key, key)
        if found in registries() and isinstance(value.get("name"), str):
            yield found, value["name"]
        yield from chosen(value, "callback" if key == "callbacks" else None)


def recorded_plugins(recorded: Mapping[str, Any]) -> dict[str, str]:
    """Distribution and version of the plugins in a ``versions.yaml``.

    They will be told to be typed, and a file may come from somebody else: what cannot be a
    distribution or a version is left out.
    """
    return {
        name: version
        for name, version in recorded.items()
        if name not in PACKAGES
        and re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(name), re.ASCII)
        and re.fullmatch(r"\d[\w.+!-]*", str(version), re.ASCII)
    }


def require_plugins(path: Path, config: Mapping[str, Any], plugins: Mapping[str, str]) -> None:
    """Refuse a run whose components or environment are not there because their plugin is not.

    Args:
        path: of the run's folder.
        config: of the run.
        plugins: that it notes, with their versions.

    Raises:
        ConfigurationError: if so, with the components, the plugins' versions and the command.
    """
    installed = {plugin.distribution: plugin.version for plugin in load_components()}
    missing = {name: v for name, v in plugins.items() if installed.get(name) != v}
    absent = dict.fromkeys(
        f"{kind} '{name}'"
        for kind, name in chosen(config)
        if name not in registries()[kind].names()
    )
    env, module = _environment(config)
    if env is not None and module is None and ":" not in env:  # it names another module
        absent[f"env '{env}'"] = None
    if missing and absent:
        listed = ", ".join(f"{name} {version}" for name, version in missing.items())
        command = " ".join(f"{name}=={version}" for name, version in missing.items())
        what, verb = ("plugin", "is") if len(missing) == 1 else ("plugins", "are")
        raise ConfigurationError(
            f"{path} uses {', '.join(absent)} of the {what} {listed}, which {verb} not installed: "
            f"pip install {command}"
        )
