"""Every command that a message advises installs packages that exist."""

import re
import tomllib
from pathlib import Path

from gleann.service.demo.words import PACKAGES, install_command

TOP = Path(__file__).parents[2]
COMMAND = re.compile(r"pip install ((?:[a-z][\w-]*)(?: [a-z][\w-]*)*)")


def packages_of_extras() -> set[str]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    needed = sum(project["optional-dependencies"].values(), project["dependencies"])
    return {re.split(r"[<>=;\[ ]", one)[0] for one in needed}


def advised(text: str) -> list[str]:
    return [name for found in COMMAND.findall(text) for name in found.split()]


def test_advised_packages_are_those_of_the_project() -> None:
    """gleann itself is on no package index yet, so no message may advise it."""
    known = packages_of_extras()
    texts = {
        file.relative_to(TOP): file.read_text()
        for room in ("index", "selection", "service")
        for file in (TOP / room).rglob("*.py")
    }
    found = {name for text in texts.values() for name in advised(text)}
    assert {"faiss-cpu", "faiss-gpu", "torch", "triton"} <= found
    assert found <= known
    assert not [f for f, text in texts.items() if "pip install 'gleann" in text]


def test_the_demo_names_its_packages() -> None:
    assert set(advised(install_command(PACKAGES))) <= packages_of_extras()
