"""Every test that the list of faults names exists, and every row names one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tests" / "faults" / "README.md"
ROWS = 26
_ROW = re.compile(
    r"^\| (?P<number>\d+) \| (?P<fault>[^|]+) \| (?P<tests>[^|]+) \|$", re.M
)
_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<name>\w+))?`")

FOUND = list(_ROW.finditer(LIST.read_text("utf-8")))


def names_of_tests(file: Path) -> set[str]:
    """Names of the test functions of a file."""
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def has_long_tests(file: Path) -> bool:
    """Whether a file marks anything as long, in code and not in a text."""
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node).endswith("mark.long")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
    )


def test_all_long_tests_run_in_a_slow_lane() -> None:
    """As the list says of them; `test-slow` needs each lane with `-m long`."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (slow,) = re.findall(r"^test-slow: (.+)$", makefile, re.M)
    lanes = {
        folder
        for name in slow.split()
        for folder in re.findall(
            rf"^{name}: .*\n(?:\t.*\\\n)*\t.*-m long.* (tests/\S+)$", makefile, re.M
        )
    }
    marked = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        if has_long_tests(file)
    ]
    assert len(marked) >= 5
    left = [f for f in marked if not any((f + "/").startswith(x + "/") for x in lanes)]
    assert not left


def test_all_rows_are_there() -> None:
    assert [int(row["number"]) for row in FOUND] == list(range(1, ROWS + 1))


@pytest.mark.parametrize("row", FOUND, ids=lambda row: row["number"])
def test_the_named_tests_exist(row: "re.Match[str]") -> None:
    named = list(_TEST.finditer(row["tests"]))
    assert named
    for test in named:
        file = ROOT / test["file"]
        assert file.is_file(), test["file"]
        names = names_of_tests(file)
        assert names, test["file"]
        if test["name"] is not None:
            assert test["name"] in names, test[0]
