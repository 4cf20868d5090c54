"""Modules and names that docstrings, comments and documents cite exist."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["bench", "index", "selection", "service"]
CITING = [*PACKAGES, "docs", "proto", "tests"]
SUFFIXES = {".cpp", ".hpp", ".md", ".proto", ".py"}
REFERENCE = re.compile(r"`(?:gleann\.)?((?!gleann\.)(?:[a-z_0-9]+\.){2,}\w+)`")
"""A dotted name of three parts or more, such as `device.steps.merge.merge`."""


@cache
def modules():
    """The text of each module, by its dotted name; of a package, its `__init__`."""
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py*"):
            if file.suffix in {".py", ".pyi"}:
                parts = file.relative_to(ROOT).with_suffix("").parts
                name = ".".join(parts).removesuffix(".__init__")
                found[name] = file.read_text("utf-8")
    return found


def texts_of(name):
    """Texts of the modules that `name` may mean: its end, where it is not whole."""
    return [
        text
        for module, text in modules().items()
        if module == name or module.endswith(f".{name}")
    ]


def exists(reference):
    """Whether it is a module, or a name in one, or an attribute of such a name."""
    if texts_of(reference):
        return True
    home, *names = reference.rsplit(".", 1)
    while home:
        if texts := texts_of(home):
            return any(
                all(re.search(rf"\b{name}\b", text) for name in names) for text in texts
            )
        home, _, name = home.rpartition(".")
        names.append(name)
    return False


def begins_in_a_package(reference):
    first = reference.split(".")[0]
    return any(first in module.split(".") for module in modules())


def cited():
    files = [file for file in ROOT.glob("*.md") if file.name != "CHANGELOG.md"]
    for folder in CITING:
        files += (ROOT / folder).rglob("*")
    for file in sorted(files):
        generated = "_pb2" in file.name or file == Path(__file__).resolve()
        if file.suffix in SUFFIXES and not generated:
            for reference in REFERENCE.findall(file.read_text("utf-8")):
                yield f"{file.relative_to(ROOT)}: {reference}", reference


def test_what_is_cited_by_module_exists():
    references = [
        (where, reference)
        for where, reference in cited()
        if begins_in_a_package(reference)
    ]
    assert len(references) > 20
    assert [where for where, reference in references if not exists(reference)] == []


def test_a_name_that_moved_is_found_out():
    assert exists("device.steps.merge.merge")
    assert not exists("device.merge.merge")
    assert not exists("device.steps.merge.nothing_of_that_name")
