"""What gleann takes in with it may be passed on with it: licences of all requirements.

Of the packages that are installed here, those of extras included where they are.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WITH_GLEANN = ("cpu", "report", "trace", "cloud", "hdf5")
"""Extras of users; the others are for tests, benches and demos."""

PERMISSIVE = re.compile(
    r"\b(apache|bsd|mit|isc|zlib|hpnd|python software foundation|psf|0bsd|cc0|unlicense"
    r"|mpl|mozilla public license)\b",
    re.IGNORECASE,
)
"""All may be used and passed on by whoever uses or passes on gleann; MPL asks for the
source of its own files alone."""

COPYLEFT = re.compile(r"\b(a?gpl|affero|gnu general public)", re.IGNORECASE)
EXCEPTION = re.compile(r"GPL-3\.0-or-later WITH GCC-exception-3\.1|GCC-exception")
"""The runtime of the compiler, which wheels of NumPy and SciPy carry."""


def _requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *(one for e in WITH_GLEANN for one in extras[e])]
    return [Requirement(text) for text in texts]


def _taken_in() -> Iterator[Distribution]:
    """All installed packages that the requirements lead to, each once."""
    waiting, seen = _requirements(), set[str]()
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in seen or (
            wanted.marker and not wanted.marker.evaluate({"extra": ""})
        ):
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed
        yield found
        waiting += [Requirement(text) for text in found.requires or ()]


PACKAGES = {one.metadata["Name"]: one for one in _taken_in()}


def _licence_of(package: Distribution) -> str:
    """What a package says of its licence, in the way that it says it."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier") or []
    named = [one for one in classifiers if one.startswith("License ::")]
    return " ".join(named) or (metadata.get("License") or "")[:200]


def test_every_requirement_is_looked_at() -> None:
    names = {re.sub(r"[-_.]+", "-", one).lower() for one in PACKAGES}
    needed = {Requirement(text).name.lower() for text in PROJECT["dependencies"]}
    assert needed <= names


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_licence_is_permissive(name: str) -> None:
    licence = _licence_of(PACKAGES[name])
    assert PERMISSIVE.search(licence), f"{name}: {licence!r}"
    assert not COPYLEFT.search(EXCEPTION.sub("", licence)), f"{name}: {licence!r}"
