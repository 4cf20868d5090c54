"""Examples of Hypothesis have no deadline: a busy machine is no fault of the code."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def deadlines(file: Path) -> dict[str, bool]:
    """Whether each test with `@given` is without a deadline, by its name."""
    found = {}
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            lines = [ast.unparse(one) for one in node.decorator_list]
            if any(line.startswith("given(") for line in lines):
                found[node.name] = any("deadline=None" in line for line in lines)
    return found


def test_every_test_with_examples_is_without_a_deadline() -> None:
    files = [
        f for f in TESTS.rglob("test_*.py") if "hypothesis" in f.read_text("utf-8")
    ]
    found = {
        f"{f.name}::{name}": ok for f in files for name, ok in deadlines(f).items()
    }
    assert len(found) > 15
    assert [name for name, is_without in found.items() if not is_without] == []
