"""A throw-away virtual environment that sees this one's packages, to install plugins into."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
COMMANDS = Path(__file__).with_name("several_commands.py")
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q")


class PluginVenv:
    """Nothing is installed into it but what a test asks for.

    Args:
        folder: of the environment; it must not exist.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        (packages,) = folder.glob("lib/python*/site-packages")
        shared = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
        (packages / "shared.pth").write_text(f"import site; {shared}\n")

    def pip(self, *words: str) -> None:
        """Run this environment's pip on that one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def install(self, source: Path, scratch: Path, *, editable: bool = False) -> None:
        """Build and install a package; as a wheel from a copy, or in place."""
        if editable:
            self.pip("install", *OFFLINE, "-e", str(source))
            return
        copy = scratch / source.name
        shutil.copytree(source, copy)
        self.pip("wheel", *OFFLINE, "-w", str(scratch / "wheels"), str(copy))
        (wheel,) = (scratch / "wheels").glob("*.whl")
        self.pip("install", *OFFLINE[:2], *OFFLINE[3:], str(wheel))

    def run(self, *words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Python with some words, in a folder and with more variables."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
        return subprocess.run(
            [str(self.python), *words],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=900,
            check=False,
        )

    def genrl(self, *commands: str, folder: Path) -> list[tuple[int, str, str]]:
        """Several commands in one process: exit code, output and errors of each."""
        done = self.run(str(COMMANDS), *commands, folder=folder)
        assert done.returncode == 0, done.stderr
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
