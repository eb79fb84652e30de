"""Where components come from: genrl's own packages and the distributions that plug in.

A plugin is an installed distribution with an entry point in the group ``genrl.plugins`` that names
a module. Importing the module registers its components; a ``conf`` package beside it (experiments,
variants) joins Hydra's search path.
"""

import importlib
import importlib.resources
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.resources.abc import Traversable

from genrl.registry import ConfigurationError, registries

CORE_PACKAGES = (
    "genrl.networks",
    "genrl.diffusion",
    "genrl.rl",
    "genrl.imitation",
    "genrl.envs",
    "genrl.data",
    "genrl.evaluation",
    "genrl.callbacks",
)
CONFIG_PACKAGE = "genrl.conf"
ENTRY_POINTS = "genrl.plugins"


@dataclass(frozen=True)
class Plugin:
    """An installed distribution that adds components.

    Args:
        entry_point: its name.
        module: what is imported.
        distribution: name of the distribution.
        version: of the distribution.
    """

    entry_point: str
    module: str
    distribution: str
    version: str

    @property
    def config_package(self) -> str | None:
        """The package of YAML files, or None."""
        top = self.module.split(".")[0]
        is_package = hasattr(importlib.import_module(top), "__path__")
        package = f"{top}.conf"
        return package if is_package and importlib.util.find_spec(package) else None


@cache
def load_components() -> tuple[Plugin, ...]:
    """Import genrl's components and every plugin, once in a process.

    Raises:
        ConfigurationError: if a plugin cannot be imported or takes a name that exists; it says
            which plugin.
    """
    for package in CORE_PACKAGES:
        importlib.import_module(package)
    plugins: list[Plugin] = []
    for entry in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        distribution = entry.dist
        plugin = Plugin(
            entry.name,
            entry.module,
            distribution.name if distribution else "?",
            distribution.version if distribution else "?",
        )
        try:
            importlib.import_module(plugin.module)
            _require_new_configs(plugin, plugins)
        except (Exception, SystemExit) as error:
            kind = "" if isinstance(error, ConfigurationError) else f"{type(error).__name__}: "
            raise ConfigurationError(
                f"the plugin '{plugin.entry_point}' of {plugin.distribution} {plugin.version} "
                f"cannot be loaded: {kind}{error}. "
                f"Mend it or uninstall it: pip uninstall {plugin.distribution}"
            ) from error
        plugins.append(plugin)
    return tuple(plugins)


def config_files(package: str) -> dict[str, list[Traversable]]:
    """The YAML files of every config group of a package, those of Hydra itself left out."""
    files: dict[str, list[Traversable]] = {}
    for group in importlib.resources.files(package).iterdir():
        if group.is_dir() and group.name not in ("hydra", "__pycache__"):
            files[group.name] = [f for f in group.iterdir() if f.name.endswith(".yaml")]
    return files


def _require_new_configs(plugin: Plugin, others: Sequence[Plugin]) -> None:
    """Hydra takes the first file of a name that it finds, and a file before a component."""
    if plugin.config_package is None:
        return
    owners = [("genrl", CONFIG_PACKAGE)]
    owners += [(o.distribution, o.config_package) for o in others if o.config_package]
    for group, files in config_files(plugin.config_package).items():
        taken = {
            file.name: f"a file of {owner}"
            for owner, package in owners
            for file in config_files(package).get(group, [])
        }
        if group in registries():
            names = registries()[group].names()
            taken |= {f"{name}.yaml": f"the component {group}.{name}" for name in names}
        for file in files:
            if file.name in taken:
                raise ConfigurationError(
                    f"{group}/{file.name} has the name of {taken[file.name]}: give it another"
                )


def origin(component: type) -> tuple[str, str]:
    """Distribution and version that a component comes from, or its module where there is none."""
    top = component.__module__.split(".")[0]
    for plugin in load_components():
        if plugin.module.split(".")[0] == top:
            return plugin.distribution, plugin.version
    if top == "genrl":
        from genrl import __version__

        return "genrl", __version__
    return component.__module__, ""


def components() -> dict[str, dict[str, type]]:
    """Every component: kind -> name -> class."""
    load_components()
    return {
        kind: {name: registry.get(name) for name in registry.names()}
        for kind, registry in registries().items()
    }
