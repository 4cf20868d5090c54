"""A client is installed without most packages: what needs one says what installs it."""

import builtins
import json
import os
import subprocess
import sys
import types
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import scipy

import gleann
from gleann._needed import PACKAGES, missing_packages, needing, package_of
from gleann.index.errors import EngineUnavailableError, MissingPackageError
from gleann.service.cli.completion import VARIABLE
from gleann.service.cluster import engine
from tests.packaging.test_dependencies import DISTRIBUTION, NEEDED

ABSENT = (
    "click",
    "grpc_reflection",
    "joblib",
    "narwhals",
    "prometheus_client",
    "pyarrow",
    "scipy",
    "sklearn",
    "sqlglot",
    "tqdm",
)
"""Modules that docs/packaging.md does not install for a client alone."""

CASES = {
    "import gleann.data": "pyarrow",
    "gleann.data": "pyarrow",
    "from gleann import data": "pyarrow",
    "import gleann.sklearn": "scikit-learn",
    "from gleann.sklearn import GleannNeighbors": "scikit-learn",
    "from gleann import selection; selection.ActiveSession": "scipy",
    "from gleann.selection.estimate import estimate": "scipy",
    "from gleann.selection.estimate.means.joint import estimate_means": "scipy",
    "import gleann.selection.active": "scipy",
    "import gleann.selection.rounds": "scipy",
    "import gleann.selection.promises": "scipy",
    "gleann.SoarIndex.build(rows)": "scipy",
    "gleann.SoarIndex.build('rows.npy')": "pyarrow",
    "gleann.SoarIndex.build(rows, ids=list('ab'))": "pyarrow",
    "gleann.SoarIndex.build(rows, payload={'n': [1, 2]})": "pyarrow",
    "gleann.Condition('n > 1').bound(gleann.Schema())": "sqlglot",
    "gleann.Client(folder)": "pyarrow",
    "gleann.AsyncClient(folder)": "pyarrow",
    "gleann.SoarIndex.load(with_payload)": "pyarrow",
    "gleann.SoarIndex.load(with_texts).ids": "pyarrow",
    "found.to_arrow()": "pyarrow",
    "found.to_csv('found.csv')": "pyarrow",
    "graph.to_scipy()": "scipy",
    "from gleann.service.server import serve": "grpcio-reflection",
}
"""What is written, and the package that it lacks first."""

SCRIPT = """
import json, sys
absent, cases, folder = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
plain, with_payload, with_texts = sys.argv[4:]
for name in absent:
    sys.modules[name] = None
import numpy as np
import gleann
rows = np.eye(2, dtype="f4")
index = gleann.SoarIndex.load(plain)
found = index.search(rows, gleann.SearchParams(k=1))
graph = gleann.knn_graph(index, k=1)
said = {}
for words in cases:
    try:
        exec(words)
    except ImportError as error:
        said[words] = type(error).__name__, str(error)
    except Exception as error:
        said[words] = type(error).__name__, str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each case ends in, in a Python without these packages."""
    folder = tmp_path_factory.mktemp("missing")
    rows, saved = np.eye(2, dtype=np.float32), []
    for more in ({}, {"payload": {"n": [1, 2]}}, {"ids": ["a", "b"]}):
        saved.append(folder / f"{len(saved)}.gleann")
        gleann.SoarIndex.build(rows, **more).save(saved[-1])
    words = [json.dumps(ABSENT), json.dumps(list(CASES)), folder / "data", *saved]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not (folder / "data").exists()
    return json.loads(done.stdout)


@pytest.mark.parametrize("words", CASES)
def test_it_says_what_installs_the_package(said, words):
    kind, message = said[words]
    assert kind == "MissingPackageError"
    needed = f"needs the package {CASES[words]}, which is not installed: pip install"
    assert f"{needed} {CASES[words]} (all that" in message


def test_it_names_all_that_is_missing(said):
    _, message = said["gleann.Client(folder)"]
    listed = message.rpartition("pip install ")[2].rstrip(")").split()
    assert set(listed) == {PACKAGES[name] for name in ABSENT}
    assert message.startswith("a client that opens a directory needs")


@pytest.mark.parametrize("absent", ["click", "tqdm", "pyarrow"])
def test_the_command_line_says_it_in_one_line(tmp_path: Path, absent: str) -> None:
    script = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from gleann.service.cli.main import main\n"
        "sys.argv = ['gleann', 'search', 'a.gleann', 'b.npy', '--out', sys.argv[1]]\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "found.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.splitlines()
    begin = "the command line" if absent == "click" else "gleann search"
    needed = f"needs the package {absent}, which is not installed: pip install {absent}"
    assert line == f"gleann: error: {begin} {needed}"


def test_completion_says_it_in_one_line() -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from gleann.service.cli.main import main\n"
        "main()"
    )
    line = {"COMP_WORDS": "gleann build ", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **line, VARIABLE: "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    needed = "the command line needs the package pyarrow, which is not installed"
    assert done.stderr.startswith(f"gleann: error: {needed}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_every_dependency_has_its_module():
    assert set(PACKAGES.values()) == NEEDED
    for module, package in PACKAGES.items():
        assert DISTRIBUTION.get(module, module) == package
    assert missing_packages() == []


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("scipy.sparse.csgraph", "scipy"),
        ("ray.util.scheduling_strategies", "ray[data]"),
        ("google.rpc.status_pb2", "googleapis-common-protos"),
        ("google.longrunning", "googleapis-common-protos"),
        ("google", "protobuf"),
        ("scipython", None),
        ("gleann.gone", None),
        ("", None),
    ],
)
def test_the_package_of_a_module(module, package):
    assert package_of(module) == package


def test_an_extra_that_is_missing_or_too_old_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError) as raised:
        engine.loaded()
    said = "work on a cluster needs the package ray, which is not installed: pip inst"
    assert str(raised.value) == f"{said}all 'ray[data]'"
    old = types.ModuleType("ray")
    old.__spec__ = ModuleSpec("ray", None)
    monkeypatch.setitem(sys.modules, "ray", old)
    monkeypatch.setattr(metadata, "requires", lambda _: [RAY])
    monkeypatch.setattr(metadata, "version", {"ray": "2.9"}.get)
    with pytest.raises(MissingPackageError) as raised:
        engine.loaded()
    said = "work on a cluster needs the package ray 2.60 or newer, but 2.9 is installed"
    assert str(raised.value) == f"{said}: pip install 'ray[data]>=2.60'"


def test_an_extra_that_lacks_a_package_of_its_own_is_told(monkeypatch):
    def fail(name, *rest):
        if name == "ray":
            raise ModuleNotFoundError("No module named 'msgpack'", name="msgpack")
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(EngineUnavailableError, match=r"cannot be imported: .*msgpack"):
        engine.loaded()


def test_extras_are_not_among_what_all_lack(said):
    assert "ray" not in said["gleann.Client(folder)"][1]


def test_other_modules_and_other_errors_stay():
    with pytest.raises(ModuleNotFoundError) as raised, needing("it"):
        import gleann.gone  # noqa: F401
    assert type(raised.value) is ModuleNotFoundError
    with pytest.raises(ImportError) as other, needing("it"):
        from numpy import gone  # noqa: F401
    assert type(other.value) is ImportError


RAY = "ray[data]>=2.60; extra == 'cluster'"
NEEDS = ["numpy>=1.26", "scipy>=99.1; python_version > '3'", "tqdm>=4.66"]


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'scipy.newer'", name="scipy.newer"),
        ImportError("cannot import name 'newer' from 'scipy'", name="scipy"),
    ],
)
def test_a_package_that_is_too_old_is_told_with_both_versions(monkeypatch, error):
    monkeypatch.setattr(metadata, "requires", lambda _: NEEDS)
    with pytest.raises(MissingPackageError) as raised, needing("it"):
        raise error
    said = f"it needs the package scipy 99.1 or newer, but {scipy.__version__} is"
    assert str(raised.value) == f"{said} installed: pip install 'scipy>=99.1'"


@pytest.mark.parametrize(
    ("found", "least"), [("1.26", "1.26"), ("1.26.0", "1.26"), ("2.0rc1", "1.30")]
)
def test_a_package_that_is_new_enough_fails_as_it_did(monkeypatch, found, least):
    monkeypatch.setattr(metadata, "requires", lambda _: [f"scipy>={least}"])
    monkeypatch.setattr(metadata, "version", lambda _: found)
    with pytest.raises(ModuleNotFoundError) as raised, needing("it"):
        raise ModuleNotFoundError(name="scipy.newer")
    assert type(raised.value) is ModuleNotFoundError


def test_a_gleann_without_metadata_tells_no_versions(monkeypatch):
    def refuse(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", refuse)
    with pytest.raises(ImportError) as raised, needing("it"):
        raise ImportError("cannot import name 'newer'", name="scipy")
    assert type(raised.value) is ImportError


def test_the_inner_door_says_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with (
        pytest.raises(MissingPackageError, match=r"^inside needs") as raised,
        needing("outside"),
        needing("inside"),
    ):
        raise ModuleNotFoundError(name="scipy.special")
    assert raised.value.name == "scipy.special"
    assert isinstance(raised.value, EngineUnavailableError)
