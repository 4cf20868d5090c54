"""Fixtures of the service tests: a client in process, and one through a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams
from gleann.service.client.remote import connect
from gleann.service.client.target import REMOTE_SCHEME
from gleann.service.config import Config
from gleann.service.local import open_directory
from gleann.service.monitoring.probe import RecallProbe
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.server import Server, serve
from gleann.service.stubs import Stubs

N, DIM = 240, 8
QUICK = BuildParams(metric="l2", nlist=8, tune_queries=0)


@pytest.fixture(autouse=True)
def nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No compaction and no look at recall starts by itself, however slow the machine.

    The first search of an index is always a sample of its recall: the exact search of
    a thread of its own, which a test that listens to searches would hear too.
    """
    monkeypatch.setattr(Optimizer, "open", lambda _: None)
    monkeypatch.setattr(RecallProbe, "offer", lambda *_, **__: None)


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    """(240, 8), clustered; do not write into it."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(6, DIM))
    noise = 0.3 * rng.normal(size=(N, DIM))
    return (centres[rng.integers(6, size=N)] + noise).astype(np.float32)


@pytest.fixture(scope="session")
def quick() -> BuildParams:
    """A build that takes milliseconds."""
    return QUICK


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers on free loopback ports; they are stopped after the test."""
    servers: list[Server] = []

    def start(directory: str = "server", **settings: Any) -> Server:
        settings = {"import_roots": (tmp_path,), "rpc_threads": 4} | settings
        settings.setdefault("listen", "127.0.0.1:0")
        config = Config(data_dir=tmp_path / directory, **settings)
        servers.append(serve(config))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(grace=1)


@pytest.fixture(params=["local", "remote"])
def stubs(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    start_server: Callable[..., Server],
) -> Iterator[Stubs]:
    """What `client` calls, for requests that it never makes."""
    if request.param == "local":
        opened = open_directory(tmp_path / "local")
    else:
        address = start_server().target.removeprefix(REMOTE_SCHEME)
        opened = connect(address, api_key=None, timeout=None)
    yield opened
    opened.close()


@pytest.fixture
def client(stubs: Stubs) -> Iterator[gleann.Client]:
    """A client in process, and one through gRPC."""
    with gleann.Client.of_stubs(stubs) as client:
        yield client


@pytest.fixture
def built(client: gleann.Client, rows: np.ndarray) -> gleann.Client:
    """A client whose index "built" holds `rows` under the ids 0, 10, 20, ..."""
    client.create_index("built", dim=DIM, metric="l2")
    client.upsert("built", np.arange(N) * 10, rows)
    client.build("built", QUICK).wait(timeout=60)
    return client


@pytest.fixture
def labels_of(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """An oracle by id: the sign of the first number of the row."""

    def label(ids: np.ndarray) -> np.ndarray:
        return (rows[np.asarray(ids) // 10, 0] > 0).astype(np.int64)

    return label
