"""The example in Node searches a server by TLS, with a key, from the protos alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.service.config import Config
from gleann.service.config.security import SecuritySettings
from gleann.service.server import serve

pytest.importorskip("trustme", reason="needs trustme (pip install '.[test]')")
pytest.importorskip("grpc_tools", reason="needs grpcio-tools (pip install '.[test]')")
from certificates import Authority
from node_packages import install_packages

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs/examples/node"
KEY = "a-key-of-the-example"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's folder with its packages and the unpacked protos.

    GLEANN_NODE_MODULES names a folder of packages. `make test-wheels`, which may use
    the network, installs them.
    """
    if shutil.which("node") is None:
        pytest.skip("needs node")
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, folder)
    packages = os.environ.get("GLEANN_NODE_MODULES")
    if packages is not None:
        (folder / "node_modules").symlink_to(packages)
    elif "GLEANN_DIST" in os.environ and shutil.which("npm") is not None:
        install_packages(folder)
    else:
        pytest.skip("needs grpc-js: npm install, and GLEANN_NODE_MODULES")
    archive = folder / "protos.zip"
    words = [sys.executable, ROOT / "proto/archive.py", archive]
    subprocess.run(words, check=True, capture_output=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / "protos")
    return folder


@dataclass(frozen=True)
class Served:
    """A server with TLS and a key, and indexes of 3 dimensions.

    Attributes:
        port: where it listens on this machine.
        ca: the authority of its certificate.
        rows: float32 (50, 3), in "numbers" under ids from 100 on, in "texts" under
            "page 0 é" and so on.
    """

    port: int
    ca: Path
    rows: Any


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    server = serve(
        Config(
            data_dir=tmp_path / "data",
            listen="127.0.0.1:0",
            api_key=KEY,
            security=SecuritySettings(tls_cert=pair.cert, tls_key=pair.key),
        )
    )
    rows = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    tls = gleann.Tls(ca=authority.file)
    try:
        with gleann.Client(server.target, api_key=KEY, tls=tls) as client:
            for name, ids in (
                ("numbers", np.arange(100, 150)),
                ("texts", [f"page {row} é" for row in range(50)]),
            ):
                client.create_index(name, dim=3, metric="l2")
                client.upsert(name, ids, rows)
        (tmp_path / "app.key").write_text(KEY + "\n")
        yield Served(server.port, authority.file, rows)
    finally:
        server.stop(grace=1)


@pytest.fixture
def search(
    example: Path, served: Served, tmp_path: Path
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run the example for the row 7 of an index."""

    def run(index: str) -> subprocess.CompletedProcess[str]:
        numbers = ",".join(str(number) for number in served.rows[7])
        where = f"localhost:{served.port}"
        words = [where, served.ca, tmp_path / "app.key", index, numbers]
        return subprocess.run(
            ["node", "search.js", *words],
            cwd=example,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("index", "id_of"), [("numbers", "{}"), ("texts", "page {} é")]
)
def test_it_finds_what_brute_force_finds(
    index: str,
    id_of: str,
    search: Callable[[str], subprocess.CompletedProcess[str]],
    served: Served,
) -> None:
    done = search(index)
    assert done.returncode == 0, done.stderr
    squares = ((served.rows - served.rows[7]) ** 2).sum(axis=1)
    nearest = np.argsort(squares)[:3]
    first = 100 if index == "numbers" else 0
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == [id_of.format(row + first) for row in nearest]
    found = [float(distance) for _, distance in lines]
    np.testing.assert_allclose(found, squares[nearest], rtol=1e-5, atol=1e-6)


def test_it_says_what_the_server_refuses(
    search: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    done = search("nothing")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert "5:" in done.stderr  # NOT_FOUND
