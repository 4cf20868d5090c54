"""Changes of all kinds to a data directory, and what it holds after them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gleann
from gleann.index import BuildParams, SearchParams

PARAMS = BuildParams(metric="l2", nlist=3, tune_queries=0)
WAIT = 4 if os.environ.get("FAIL_STAYS") else 60
"""Seconds: on a disk that stays full not even the end of an operation is recorded."""
State = dict[str, dict[int, tuple[list[float], Any]]]
"""By index and id: the vector, and the payload; by curation and id: the distance, and
whether the vector is kept."""


def rows_of(ids: range | list[int], generation: int) -> np.ndarray:
    numbers = np.asarray(ids)[:, None] * 0.37 + generation
    return np.sin(numbers + np.arange(4)).astype(np.float32)


def source_in(folder: Path) -> Path:
    """A file to import, of 25 rows under the ids 0 to 24."""
    file = folder / "rows.npy"
    if not file.exists():
        np.save(file, rows_of(range(25), 3))
    return file


def steps(client: gleann.Client, out: Path, source: Path) -> Iterator[None]:
    """Changes of all kinds; each is acknowledged when the next begins.

    Args:
        client: of an empty data directory.
        out: an empty folder, for what is exported.
        source: of `source_in`; it stays, as an import may run again.
    """
    client.indexes.create("c", dim=4, metric="l2", columns={"n": "int64"})
    yield
    first = {"n": list(range(40))}
    client.vectors.upsert("c", range(40), rows_of(range(40), 0), payload=first)
    yield
    client.build("c", PARAMS).wait(timeout=WAIT)
    yield
    client.vectors.upsert("c", range(30, 50), rows_of(range(30, 50), 1))
    yield
    client.payload.update("c", {"n": -1}, where="n < 5")
    yield
    client.vectors.delete("c", where="n = 20 OR id = 45")
    yield
    client.indexes.update("c", add_columns={"word": "string"})
    yield
    client.indexes.optimize("c", kind="fold").wait(timeout=WAIT)
    yield
    yield from _copies(client, out / "c.tar")
    client.vectors.upsert("copy", [7], rows_of([7], 2), payload={"word": ["seven"]})
    yield
    yield from _imports(client, source)
    client.curation.near_duplicates("copy", radius=0.05).wait(timeout=WAIT)
    yield
    client.indexes.delete("c")
    yield


def _copies(client: gleann.Client, archive: Path) -> Iterator[None]:
    """A snapshot, out of the directory and back, and an index made of it."""
    made = client.snapshots.create("c").wait(timeout=WAIT)
    yield
    client.snapshots.export_to(made.name, archive).wait(timeout=WAIT)
    yield
    client.snapshots.delete(made.name)
    yield
    made = client.snapshots.import_from(archive).wait(timeout=WAIT)
    yield
    client.snapshots.restore(made.name, "copy").wait(timeout=WAIT)
    yield


def _imports(client: gleann.Client, source: Path) -> Iterator[None]:
    """A file into an index with rows, by the log; and into an empty one, at once."""
    client.import_vectors("copy", source).wait(timeout=WAIT)
    yield
    client.indexes.create("brought", dim=4, metric="l2")
    yield
    client.import_vectors("brought", source).wait(timeout=WAIT)
    yield


def state_of(client: gleann.Client) -> State:
    """All rows of all indexes and of all stored curations."""
    state: State = {}
    for made in client.curation.list():
        table = client.curation.get(made.name).table("rows")
        key = f"{made.method} of {made.index}"
        assert key not in state, "it is stored twice"
        state[key] = {
            line["id"]: ([line["distance"]], line["kept"]) for line in table.to_pylist()
        }
    for info in client.list_indexes():
        assert info.broken is None, info.broken
        pages = client.vectors.scroll(info.name, columns="*", with_vectors=False)
        listed = [row for page in pages for row in page.to_arrow().to_pylist()]
        rows = {row.pop("id"): row for row in listed}
        assert len(rows) == info.count
        vectors = client.vectors.get(info.name, sorted(rows)) if rows else []
        state[info.name] = {
            name: (vector.tolist(), rows[name])
            for name, vector in zip(sorted(rows), vectors, strict=True)
        }
        if rows:
            found = client.search(info.name, vectors, SearchParams(k=1, exact=True))
            assert found.ids[:, 0].tolist() == sorted(rows)
    return state
