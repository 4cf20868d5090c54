"""Every command that a message advises installs packages that exist."""

import ast
import re
import tomllib
from pathlib import Path

from gleann.service.demo.words import PACKAGES, install_command

TOP = Path(__file__).parents[2]
GLEANN = r"pip install '?gleann|gleann\["
COMMAND = re.compile(r"pip install ((?:[a-z][\w-]*)(?: [a-z][\w-]*)*)")


def packages_of_extras() -> set[str]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    needed = sum(project["optional-dependencies"].values(), project["dependencies"])
    return {re.split(r"[<>=;\[ ]", one)[0] for one in needed}


def advised(text: str) -> list[str]:
    return [name for found in COMMAND.findall(text) for name in found.split()]


def spoken(code: str) -> list[str]:
    """The texts of a module, whole where the source breaks them into lines."""
    texts = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            parts = (
                part.value for part in node.values if isinstance(part, ast.Constant)
            )
            texts.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return texts


def test_texts_are_joined() -> None:
    assert (
        "pip install 'x[y]'" in spoken('f"{1} not there: pip install" " \'x[y]\'"')[0]
    )


def test_advised_packages_are_those_of_the_project() -> None:
    """gleann itself is on no package index yet, so no message may advise it."""
    known = packages_of_extras()
    texts = {
        file.relative_to(TOP): "\n".join(spoken(file.read_text()))
        for room in ("index", "selection", "service")
        for file in (TOP / room).rglob("*.py")
    }
    found = {name for text in texts.values() for name in advised(text)}
    assert {"faiss-cpu", "faiss-gpu", "torch", "triton"} <= found
    assert found <= known
    assert not [f for f, text in texts.items() if re.search(GLEANN, text)]


def test_the_demo_names_its_packages() -> None:
    assert set(advised(install_command(PACKAGES))) <= packages_of_extras()
