"""The folder of a sweep: its runs, and the command that began it.

``multirun.yaml`` is written when a sweep begins, and holds its overrides; job i gets the folder
``i`` beside it.
"""

import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from genrl.config import read_yaml
from genrl.files import existing
from genrl.foreign import require_own_files
from genrl.registry import ConfigurationError

FILE = "multirun.yaml"

# A sweep may come from somebody else: what could start a program, such as a launcher's shell
# commands, or write elsewhere, is not taken from its file.
_PLAIN = re.compile(
    r"hydra/(launcher|sweeper)=\w+"
    r"|hydra\.sweep\.subdir='?\$\{hydra\.job\.(num|id)\}'?"
    r"|hydra\.(launcher|sweeper)\.(n_jobs|n_trials|seed|sampler|direction|objective"
    r"|max_batch_size|timeout_min|cpus_per_task|gpus_per_node|tasks_per_node|mem_gb|nodes|partition"
    r"|qos|account|constraint|array_parallelism)=[\w.,+-]*"
)
_RENEWED = ("hydra.mode=", "hydra.sweep.dir=")


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (path / FILE).is_file()


def resume_words(path: Path) -> list[str]:
    """The words of ``genrl train`` that go on with a sweep: those that began it, and its folder.

    Raises:
        ConfigurationError: if ``multirun.yaml`` is damaged, or holds what could run a program; if a
            link leads out of the folder.
    """
    file = path / FILE
    require_own_files(path)
    content = read_yaml(file)
    try:
        hydra = content["hydra"]
        task, own = ([str(w) for w in hydra["overrides"][key]] for key in ("task", "hydra"))
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is no sweep of Hydra's: {error}") from error
    own = [word for word in own if not word.startswith(_RENEWED)]
    for word in own:
        if not re.fullmatch(_PLAIN, word):
            raise ConfigurationError(
                f"{file} asks for {word}, which is not taken from a file, for it could run a "
                "program: go on with the command that began the sweep and "
                f"hydra.sweep.dir={path}"
            )
    for word in task:
        if re.match(r"[+~]*hydra\b", word) or word.startswith("-"):
            raise ConfigurationError(f"{file}: {word} is no override of a run")
    try:
        OverridesParser.create().parse_overrides(task)
    except HydraException as error:
        raise ConfigurationError(
            f"{file}: the sweep's overrides are damaged: {str(error).splitlines()[0]}"
        ) from error
    return ["-m", *own, *task, f"hydra.sweep.dir={quoted(path)}"]


def runs(path: Path) -> list[Path]:
    """The run folders that a word of the command line means: a run itself, or those of a sweep.

    Raises:
        ConfigurationError: if no job of a sweep became a run.
    """
    existing(path, "run folder")
    if not is_sweep(path):
        return [path]
    found = [file.parent for file in path.glob("*/config.yaml")]
    if not found:
        raise ConfigurationError(
            f"no job of the sweep {path} has become a run: go on with genrl resume {path}"
        )
    return sorted(found, key=lambda run: (len(run.name), run.name))


def quoted(path: Path) -> str:
    """A path as the value of an override, whatever characters it has."""
    # A backslash is one, but before a quote.
    text = re.sub(r"(\\+)('|$)", r"\1\1\2", str(path)).replace("'", "\\'")
    return f"'{text}'"
