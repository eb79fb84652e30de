"""What can be chosen for each config group: registered components and YAML files."""

from importlib.resources.abc import Traversable

from genrl.plugins import CONFIG_PACKAGE, config_files, load_components
from genrl.registry import registries


def config_names() -> dict[str, list[str]]:
    """The options of every config group: registered components and YAML files, plugins included."""
    load_components()
    names = {kind: set(registry.names()) for kind, registry in registries().items()}
    for group, files in yaml_files().items():
        names.setdefault(group, set()).update(file.name.removesuffix(".yaml") for file in files)
    return {group: sorted(options) for group, options in names.items()}


def yaml_files() -> dict[str, list[Traversable]]:
    """The YAML files of every config group, those of Hydra itself left out."""
    files: dict[str, list[Traversable]] = {}
    plugins = [p.config_package for p in load_components() if p.config_package]
    for package in (CONFIG_PACKAGE, *plugins):
        for group, chosen in config_files(package).items():
            files.setdefault(group, []).extend(chosen)
    return files
