"""Where components come from: genrl's own packages and the distributions that plug in.

A plugin is an installed distribution with an entry point in the group ``genrl.plugins`` that names
a module. Importing the module registers its components; a ``conf`` package beside it (experiments,
variants) joins Hydra's search path.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib import metadata

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
        package = f"{self.module.split('.')[0]}.conf"
        return package if importlib.util.find_spec(package) else None


@cache
def load_components() -> tuple[Plugin, ...]:
    """Import genrl's components and every plugin, once in a process.

    Raises:
        ConfigurationError: if a plugin cannot be imported or takes a name that exists; it says
            which plugin.
    """
    for package in CORE_PACKAGES:
        importlib.import_module(package)
    plugins = []
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
        except Exception as error:
            raise ConfigurationError(
                f"the plugin '{plugin.entry_point}' of {plugin.distribution} {plugin.version} "
                "cannot be loaded: "
                f"{type(error).__name__}: {error}. "
                f"Mend it or uninstall it: pip uninstall {plugin.distribution}"
            ) from error
        plugins.append(plugin)
    return tuple(plugins)


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
