"""What is imported when: bounds on modules, which no machine's speed changes.

The seconds are in docs/packaging.md.
"""

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

NO_MORE_THAN = 40
"""Modules that `import gleann` may load beyond those of Python's own start."""

HEAVY = {
    "click",
    "faiss",
    "google",
    "grpc",
    "h5py",
    "matplotlib",
    "narwhals",
    "pandas",
    "prometheus_client",
    "pyarrow",
    "scipy",
    "sklearn",
    "sqlglot",
    "torch",
    "tqdm",
    "triton",
}


def loaded_by(words: str) -> set[str]:
    """Modules that `words` load, in a Python of their own."""
    line = (
        f"import sys; before = set(sys.modules)\n{words}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def packages_of(modules: Collection[str]) -> set[str]:
    """The packages among HEAVY that they belong to."""
    return {name.partition(".")[0] for name in modules} & HEAVY


def test_gleann_alone_loads_next_to_nothing() -> None:
    loaded = loaded_by("import gleann")
    assert not packages_of(loaded)
    assert "numpy" not in loaded
    assert len(loaded) <= NO_MORE_THAN, sorted(loaded)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("import gleann; gleann.SoarIndex", set()),
        ("import gleann; gleann.SearchParams; gleann.BuildParams", set()),
        ("import gleann; gleann.Client", {"google", "grpc"}),
        ("from gleann.service.client import remote", {"google", "grpc"}),
        ("from gleann import selection", {"scipy"}),
        ("from gleann.service.cli.main import cli", {"click"}),
        ("from gleann.service.cli.main import run; run(['--version'])", {"click"}),
    ],
)
def test_only_what_is_used_is_loaded(words: str, allowed: set[str]) -> None:
    assert packages_of(loaded_by(words)) <= allowed


WITHOUT_FAISS = """
import sys
sys.modules["faiss"] = None  # as if it were not installed
import numpy as np
import gleann
from gleann import selection

rows = np.random.default_rng(0).normal(size=(600, 16)).astype("f4")
index = gleann.SoarIndex.build(rows, gleann.BuildParams(metric="l2", nlist=8))
found = index.search(rows[:5], gleann.SearchParams(k=1, exact=True))
assert (found.ids[:, 0] == np.arange(5)).all()
assert gleann.knn_graph_of(rows, k=3).to_scipy().nnz == 1800
assert len(selection.k_center(rows, k=5).rows) == 5
with gleann.Client(sys.argv[1]) as client:
    client.create_index("words", dim=16, metric="l2")
    client.upsert("words", np.arange(600), rows)
    client.build("words").wait()
    assert client.search("words", rows[:1]).ids[0, 0] == 0
    assert len(client.coresets.farthest_first("words", k=4).wait().ids) == 4
assert sys.modules["faiss"] is None
"""


def test_it_builds_searches_and_selects_without_faiss(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FAISS, tmp_path / "data"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


OTHER_SYSTEM = """
import sys
for name in ("fcntl", "resource", "termios", "pwd", "grp", "gleann.index._native"):
    sys.modules[name] = None  # as on Windows
import os
for name in ("sched_getaffinity", "sysconf", "fork", "getuid"):
    delattr(os, name)
for name in ("pyarrow", "narwhals", "scipy", "sklearn", "sqlglot", "tqdm", "click"):
    sys.modules[name] = None  # a client alone
import numpy as np
import gleann
from gleann.index.errors import InvalidParamsError

rows = np.random.default_rng(0).normal(size=(60, 4)).astype("f4")
with gleann.Client(sys.argv[1]) as client:
    client.create_index("words", dim=4, metric="l2")
    client.upsert("words", np.arange(60), rows)
    client.build("words").wait()
    found = client.search("words", rows[:3])
    assert found.ids[:, 0].tolist() == [0, 1, 2]
try:
    gleann.Client(sys.argv[2])
except InvalidParamsError as error:
    assert "POSIX file locks" in str(error), error
else:
    raise AssertionError("a directory was opened")
"""


def test_a_client_needs_neither_linux_nor_the_engine(tmp_path: Path) -> None:
    """As far as one can tell on Linux: modules of other systems only are taken away."""
    from server_process import ServerProcess

    server = ServerProcess(tmp_path / "data")
    try:
        done = subprocess.run(
            [sys.executable, "-c", OTHER_SYSTEM, server.target(), tmp_path / "folder"],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "folder").exists()
