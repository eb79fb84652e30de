"""``genrl new-plugin``: a package of one component that can be installed, proved and trained with.

Its files are those of ``templates``: what every package has, and for each kind a component, its
test and, where it is not the common one, its experiment.
"""

import importlib.resources
import importlib.util
import keyword
import re
from pathlib import Path
from string import Template

from genrl import __version__
from genrl.files import write_text
from genrl.options import config_names
from genrl.registry import ConfigurationError, suggest

LONGEST = 24  # letters of a name, so that lines stay short
# Kind -> the command that shows at once what the component does.
KINDS = {
    "sampler": "genrl verify sampler=$name",
    "schedule": "genrl verify schedule=$name",
    "weighting": "genrl verify weighting=$name",
    "time_grid": "genrl verify time_grid=$name",
    "network": "genrl train +experiment=cfg_distill network=$name distill=none",
    "imitation_loss": "genrl train +experiment=imitate imitation_loss=$name",
    "callback": "genrl train +experiment=ppo +callback@callbacks.$name=$name",
}


def new_plugin(name: str, kind: str, folder: Path) -> list[str]:
    """Write the package and say what to type next.

    Args:
        name: of the distribution, the package, the component and the experiment.
        kind: of the component, one of `KINDS`.
        folder: that will hold it; it must not exist.

    Raises:
        ConfigurationError: if the kind is unknown, the name is none or taken, or the folder exists.
    """
    _check(name, kind, folder)
    words = {
        "name": name,
        "kind": kind,
        "A_kind": _with_article(kind).capitalize(),
        "Class": "".join(part.capitalize() for part in f"{name}_{kind}".split("_")),
        "version": __version__,
    }
    words["try_it"] = Template(KINDS[kind]).substitute(words)
    for path, template in _files(name, kind).items():
        write_text(folder / path, Template(template).substitute(words))
    return [
        f"wrote {folder}: {_with_article(kind)} called '{name}', an experiment and tests. Next:",
        f"  pip install -e {folder}",
        f"  genrl show {kind}.{name}",
        f"  {words['try_it']}",
        f"  genrl train +experiment={name}",
        f"  pytest {folder}",
    ]


def _check(name: str, kind: str, folder: Path) -> None:
    if kind not in KINDS:
        raise ConfigurationError(
            f"there is no template of the kind '{kind}'.{suggest(kind, KINDS)} "
            f"Kinds: {', '.join(KINDS)}"
        )
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        near = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_0123456789")
        hint = f", such as {near}" if near and not keyword.iskeyword(near) else ""
        raise ConfigurationError(
            f"'{name}' is no name of a package: begin with a lowercase letter, go on with those, "
            f"digits and underscores{hint}"
        )
    if len(name) > LONGEST:
        raise ConfigurationError(f"'{name}' is longer than {LONGEST} letters: choose a shorter one")
    names = config_names()
    for group in (kind, "experiment"):
        if name in names[group]:
            raise ConfigurationError(
                f"there is {_with_article(group)} '{name}' already: choose another name"
            )
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already: choose another name or folder")
    if importlib.util.find_spec(name) is not None:
        raise ConfigurationError(f"there is a Python module '{name}' already: choose another name")


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind.replace('_', ' ')}"


def _files(name: str, kind: str) -> dict[str, str]:
    """Path in the package -> template."""
    folder = importlib.resources.files("genrl") / "templates"
    common, own = folder / "common", folder / kind
    experiment = own / "experiment.yaml.tmpl"
    if not experiment.is_file():
        experiment = common / "diffusion.yaml.tmpl"
    templates = {
        "pyproject.toml": common / "pyproject.toml.tmpl",
        "README.md": common / "README.md.tmpl",
        f"src/{name}/__init__.py": common / "init.py.tmpl",
        f"src/{name}/{kind}.py": own / "component.py.tmpl",
        f"src/{name}/conf/__init__.py": common / "conf.py.tmpl",
        f"src/{name}/conf/experiment/{name}.yaml": experiment,
        f"tests/test_{name}.py": own / "test.py.tmpl",
    }
    texts = {path: template.read_text(encoding="utf-8") for path, template in templates.items()}
    return {**texts, f"src/{name}/py.typed": ""}
