"""A disk that fills during a curation: an error, nothing left, the same answer later.

On a real file system of a few megabytes, where this process may mount one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import MIB, fill, mounted, until

import gleann
from gleann.index import BuildParams, errors
from gleann.service.config import Config
from gleann.service.config.storage import StorageSettings
from gleann.service.jobs.curation import pool
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.optimizer_params import OptimizerParams
from gleann.service.server import Server, serve

N, DIM, RADIUS = 15_000, 8, 0.01
RNG = np.random.default_rng(6)
ROWS = RNG.normal(size=(N, DIM)).astype(np.float32)
ROWS[N // 2 :] = ROWS[: N // 2] + RNG.normal(scale=0.005, size=(N // 2, DIM))
PARAMS = BuildParams(metric="l2", nlist=16, tune_queries=0)

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    with mounted(tmp_path / "disk", mib=48) as folder:
        yield folder


@pytest.fixture
def server(small_disk: Path) -> Iterator[Server]:
    config = Config(
        data_dir=small_disk / "data",
        listen="127.0.0.1:0",
        storage=StorageSettings(min_free_bytes=MIB),
        optimizer=OptimizerParams(enabled=False),
    )
    with serve(config) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[gleann.Client]:
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=DIM, metric="l2")
        client.upload("words", [(np.arange(N), ROWS)])
        client.build("words", PARAMS).wait(timeout=60)
        yield client


def asked(client: gleann.Client) -> Any:
    return client.curation.near_duplicates("words", radius=RADIUS)


def stored(disk: Path) -> list[str]:
    return sorted(path.name for path in (disk / "data" / "curations").iterdir())


def filling(real: Callable[..., Any], disk: Path) -> Callable[..., Any]:
    """A function that fills the disk first, but for the record of an end."""

    def call(*arguments: Any, **named: Any) -> Any:
        if not (disk / "ballast").exists():
            fill(disk, leaving=300_000)
        return real(*arguments, **named)

    return call


@pytest.mark.parametrize("newer", [False, True], ids=["stored", "copied"])
def test_a_disk_that_fills_meanwhile(
    client: gleann.Client,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    newer: bool,
) -> None:
    """While the answer is stored, and while newer vectors are copied before."""
    if newer:
        client.upsert("words", [3], ROWS[:1])
    spare, whole = (asked(client).wait(timeout=60) for _ in range(2))
    rows, pairs = whole.table("rows"), whole.table("pairs")
    before = stored(small_disk)
    with monkeypatch.context() as patched:
        if newer:
            real = pool.write_index_of
            patched.setattr(pool, "write_index_of", filling(real, small_disk))
        else:
            patched.setattr(Shelf, "add", filling(Shelf.add, small_disk))
        job = asked(client)
        with pytest.raises(errors.StorageError, match="No space left on device"):
            job.wait(timeout=60)
    assert stored(small_disk) == before
    until("read-only", client)
    with pytest.raises(errors.StorageError, match="the server is read-only"):
        asked(client)
    assert whole.table("rows").equals(rows)
    client.curation.delete(spare.name)  # that makes room
    (small_disk / "ballast").unlink()
    until("serving", client)
    again = job.retry().wait(timeout=60)
    assert again.table("rows").equals(rows)
    assert again.table("pairs").equals(pairs)
    assert stored(small_disk) == sorted(
        one.name.removeprefix("curations/") for one in (whole, again)
    )


def test_a_copy_that_does_not_fit_is_refused_with_the_numbers(
    client: gleann.Client, small_disk: Path
) -> None:
    client.upsert("words", [3], ROWS[:1])
    needed = N * (5 * DIM + 64)
    assert needed > MIB
    fill(small_disk, leaving=needed - 50_000)
    job = asked(client)
    words = f"a copy of the {N} vectors of 'words' takes about {needed} bytes"
    with pytest.raises(errors.StorageError, match=words):
        job.wait(timeout=60)
    assert stored(small_disk) == []
