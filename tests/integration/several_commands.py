"""Runs commands of genrl in one process: exit code, output and errors of each as a line of JSON.

    python several_commands.py "list sampler" "train ..."

What processes that a command starts print counts as its own, so that files stand in for the
descriptors and not for Python's streams.
"""

import json
import os
import shlex
import sys
import tempfile

from genrl.cli import main


def run(words: list[str]) -> tuple[object, str, str]:
    """One command."""
    before = [os.dup(stream) for stream in (1, 2)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code: object = 0
        try:
            main(words)
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for kept, stream in zip(before, (1, 2), strict=True):
                os.dup2(kept, stream)
                os.close(kept)
        for file in (out, err):
            file.seek(0)
        return code, out.read(), err.read()


if __name__ == "__main__":
    for command in sys.argv[1:]:
        print(json.dumps(run(shlex.split(command))))
