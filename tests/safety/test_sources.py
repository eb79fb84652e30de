"""No module of genrl opens a file in a way that can run code: read off its syntax."""

import ast
from pathlib import Path

import pytest
import torch

import genrl
from genrl.plugins import load_components

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load",
    "yaml.full_load", "yaml.unsafe_load", "torch.jit.load", "torch.hub.load",
    "hydra.utils.instantiate",
}  # fmt: skip
NEEDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.AST]]:
    """Imports and calls of all modules, each with its place."""
    root = Path(genrl.__file__).parent
    return [
        (f"{path.relative_to(root)}:{node.lineno}", node)
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
    ]


def test_nothing_that_unpickles_is_imported(nodes: list[tuple[str, ast.AST]]) -> None:
    found = []
    for where, node in nodes:
        if isinstance(node, ast.Import):
            found += [where for name in node.names if name.name in FORBIDDEN_MODULES]
        if isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            found += [where for name in node.names if name.name != "UnpicklingError"]
    assert found == []


def test_nothing_is_called_that_runs_what_a_file_says(nodes: list[tuple[str, ast.AST]]) -> None:
    found, counted = [], 0
    for where, node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FORBIDDEN_CALLS:
            found.append(f"{where} {name}")
        if name in NEEDED:
            counted += 1
            keyword, value = NEEDED[name]
            given = {k.arg: k.value for k in node.keywords}
            argument = given.get(keyword)
            if not (isinstance(argument, ast.Constant) and argument.value is value):
                found.append(f"{where} {name} without {keyword}={value}")
    assert found == []
    assert counted >= 5


def test_no_class_was_added_to_those_that_a_checkpoint_may_name() -> None:
    """Torch allows some of its own, and Python's exceptions."""
    load_components()
    allowed = torch.serialization.get_safe_globals()
    assert {a.__module__.partition(".")[0] for a in allowed} <= {"torch", "builtins", "traceback"}
    functions = [a.__name__ for a in allowed if not isinstance(a, type)]
    assert set(functions) <= {"_rebuild_njt"}
