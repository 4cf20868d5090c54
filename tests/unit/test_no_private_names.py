"""Tests go by what is public: what ruff's SLF001 does not see, strings and imports."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BY_NAME = {"setattr", "getattr", "delattr", "hasattr", "object", "interrupted"}
OURS = ("gleann", "bench")


def is_private(name: object) -> bool:
    if not isinstance(name, str):
        return False
    last = name.rpartition(".")[2]
    return last.isidentifier() and last.startswith("_") and not last.endswith("__")


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def reached(source: str) -> list[str]:
    """Private names that are imported, or given to setattr and its like."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in OURS:
                found += [one.name for one in node.names if is_private(one.name)]
        elif isinstance(node, ast.Call) and called(node) in BY_NAME:
            given = [one.value for one in node.args if isinstance(one, ast.Constant)]
            found += [one for one in given if is_private(one)]
    return found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from gleann.index.exact import _rough, exact_search", ["_rough"]),
        ("from grpc._cython import cygrpc", []),
        ("patch.setattr(Jobs, '_row', row)", ["_row"]),
        ("patch.setattr('gleann.index._rough', None)", ["gleann.index._rough"]),
        ("patch.setattr(Walk, '__init__', begin); getattr(x, 'y')", []),
    ],
)
def test_what_is_found(source: str, names: list[str]) -> None:
    assert reached(source) == names


def test_no_private_name_is_reached() -> None:
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 200
    found = {str(one.relative_to(TESTS)): reached(one.read_text()) for one in files}
    assert {file: names for file, names in found.items() if names} == {}
