"""Every benchmark of this folder by one command, each in a process of its own.

    python tools/bench                       all of them, minutes to an hour
    python tools/bench --list                their names
    python tools/bench training rl.sac       some: a file, or one benchmark of a file
    python tools/bench --json FILE           also write the figures, by file

Exits with 0 where every goal is met, 1 where one is missed, 2 where something could not run. A file
that this machine cannot run (no GPU) is passed over unless it is named. Studies take hours and
arguments of their own and run by themselves.
"""

import argparse
import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import MISSED

FOLDER = Path(__file__).parent
CANNOT = 2
PARTS = {"__main__", "figures", "finished"}


def described() -> dict[str, tuple[str, bool]]:
    """First line of each file's docstring, and whether it is a study; none is imported."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem in PARTS:
            continue
        tree = ast.parse(path.read_text())
        names = [
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        doc = ast.get_docstring(tree) or ""
        found[path.stem] = (doc.splitlines()[0] if doc else "", "BENCHMARKS" not in names)
    return found


def listing() -> str:
    """For people."""
    lines = []
    for name, (line, is_study) in described().items():
        lines.append(f"{name:18}{line}")
        if is_study:
            lines.append(f"{'':18}a study: python tools/bench/{name}.py --help")
    return "\n".join(lines)


def chosen(words: list[str]) -> dict[str, list[str]]:
    """Files and the benchmarks of each that were asked for; none means all.

    Raises:
        ValueError: if there is no such file, or it is a study.
    """
    known = {name: is_study for name, (_, is_study) in described().items()}
    if not words:
        return {name: [] for name, is_study in known.items() if not is_study}
    files: dict[str, list[str]] = {}
    for word in words:
        name, _, benchmark = word.partition(".")
        if name not in known:
            raise ValueError(f"no benchmark is called {name}; there are {', '.join(known)}")
        if known[name]:
            raise ValueError(f"{name} is a study: python tools/bench/{name}.py --help")
        files.setdefault(name, []).extend([benchmark] if benchmark else [])
    return files


def main() -> int:
    """Run the benchmarks named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python tools/bench",
        description=(__doc__ or "").splitlines()[0],
        epilog=f"files:\n{listing()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="FILE or FILE.BENCHMARK")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--rounds", type=int, help="turns of each side; each file has its default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    arguments = parser.parse_args()
    if arguments.list:
        print(listing())
        return 0
    try:
        files = chosen(arguments.names)
    except ValueError as error:
        parser.error(str(error))
    results: dict[str, list[dict[str, object]]] = {}
    code = 0
    for name, benchmarks in files.items():
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            more = [] if arguments.rounds is None else ["--rounds", str(arguments.rounds)]
            path = str(FOLDER / f"{name}.py")
            command = [sys.executable, path, *benchmarks, *more, "--json", str(out)]
            end = subprocess.run(command, check=False).returncode
            if out.exists():
                results[name] = json.loads(out.read_text())
            elif arguments.names or end != CANNOT:
                code = CANNOT
        if name in results and end == MISSED:
            code = code or MISSED
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
