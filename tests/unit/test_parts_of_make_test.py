"""`make test` runs every test in one of its parts, and fails if one of them fails."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"cluster"}
"""Folders of tests with a lane of their own."""

WITHOUT_TESTS = {"slow", "support", "__pycache__"}
MARKED = """
import pytest

def test_plain(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.alone
def test_alone(): pass

@pytest.mark.long
def test_long(): pass

@pytest.mark.long
@pytest.mark.alone
def test_long_and_alone(): pass
"""
PYTHON = """#!/bin/sh
echo "ran $*"
case "$*" in *"$FAILS"*) exit 1;; esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def made(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run make in the project, as if from a shell of its own."""
    plain = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=ROOT,
        env=plain | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def parts() -> list[list[str]]:
    """The words after `python` of each command that `make test` runs."""
    ran = made("-n", "test")
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.replace("\\\n", " ")
    commands = re.findall(r"^\S*/python (-m pytest .*)$", said, re.M)
    return [shlex.split(command) for command in commands]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folders of the tests, each with a test of every kind."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in (ROOT / "tests").iterdir():
        if folder.is_dir() and folder.name not in WITHOUT_TESTS:
            (tmp_path / "tests" / folder.name).mkdir(parents=True)
            (tmp_path / "tests" / folder.name / "test_marked.py").write_text(MARKED)
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")
    return tmp_path


def collected(project: Path, words: list[str]) -> list[str]:
    """The tests that a command of pytest takes."""
    ran = subprocess.run(
        [sys.executable, *words, "--collect-only", "-q"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [line for line in ran.stdout.splitlines() if "::" in line]


def test_every_test_is_in_one_part(project: Path) -> None:
    """But for the long ones, and those of a lane of their own."""
    library, served, alone = (collected(project, words) for words in parts())
    every = [file.parent for file in project.glob("tests/*/test_marked.py")]
    expected = {
        f"tests/{folder.name}/test_marked.py::test_{kind}"
        for folder in every
        if folder.name not in ELSEWHERE
        for kind in ("plain", "slow", "alone")
    }
    assert len(every) > 10
    assert Counter([*library, *served, *alone]) == Counter(expected)
    assert {one for one in expected if one.endswith("_alone")} == set(alone)
    assert len(served) >= 2 * 3


def test_long_tests_run_where_they_are_asked_for(project: Path) -> None:
    found = collected(project, ["-m", "pytest", "-m", "long", "tests/faults"])
    assert [one.rpartition("::")[2] for one in found] == [
        "test_long",
        "test_long_and_alone",
    ]


@pytest.mark.parametrize("fails", ["", "--ignore=tests/service", "served", "-m alone"])
def test_one_part_that_fails_fails_the_whole(tmp_path: Path, fails: str) -> None:
    """And the others run all the same."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(PYTHON)
    (tmp_path / "bin/python").chmod(0o755)
    for installed in (".python", ".test"):
        (tmp_path / installed).touch()
    given = (f"VENV={tmp_path}", f"PYTHON={sys.executable}")
    ran = made("test", *given, FAILS=fails or "nothing fails")
    assert len(re.findall(r"^ran -m pytest ", ran.stdout, re.M)) == 3, ran.stderr
    assert (ran.returncode == 0) == (not fails), ran.stdout + ran.stderr
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("ran -m pytest -m alone")
