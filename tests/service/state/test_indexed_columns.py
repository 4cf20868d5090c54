"""Columns that become indexed, or come, when rows are sealed already."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.index.payload.schema import Column

N, DIM = 30, 4
VECTORS = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
BUILD = BuildParams(metric="l2", nlist=2, tune_queries=0)
PLAIN = Column("tenant", "string")
INDEXED = Column("tenant", "string", indexed=True)
TENANTS = [f"t{row % 3}" for row in range(N)]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory with a built index without columns."""
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("a", dim=DIM, metric="l2")
        client.upsert("a", range(N), VECTORS)
        client.build("a", BUILD).wait(timeout=60)
    return tmp_path / "data"


def ids_of(client: gleann.Client, where: str, *parameters: object) -> list[int]:
    """The ids of a condition, as scroll, count and an exact search have them."""
    pages = client.scroll("a", where=where, parameters=parameters)
    ids = [int(name) for page in pages for name in page.ids]
    assert client.count("a", where, parameters) == len(ids)
    params = SearchParams(k=N, exact=True)
    found = client.search(
        "a", VECTORS[:1], params, where=where, parameters=parameters
    ).ids[0]
    assert sorted(found[found >= 0].tolist()) == ids
    return ids


@pytest.mark.parametrize("before", [None, "string", "int64"])
def test_an_indexed_column_that_the_sealed_rows_lack(
    data: Path, before: str | None
) -> None:
    """It is null in them until it is set, also where one of its name was dropped."""
    with gleann.Client(data) as client:
        if before is not None:
            values = TENANTS if before == "string" else list(range(N))
            client.update_index("a", add_columns=[Column("tenant", before)])  # type: ignore[arg-type]
            client.update_payload("a", {"tenant": values}, ids=range(N))
            client.build("a", BUILD).wait(timeout=60)
            client.update_index("a", drop_columns="tenant")
        client.update_index("a", add_columns=[INDEXED])
        assert ids_of(client, "tenant = 't0'") == []
        client.update_payload("a", {"tenant": ["t0", "t0"]}, ids=[3, 7])
        client.upsert("a", [N], VECTORS[:1], {"tenant": ["t0"]})
        client.delete_vectors("a", [7])
    for _ in range(2):
        with gleann.Client(data) as client:
            assert ids_of(client, "tenant = 't0'") == [3, N]
            assert ids_of(client, "tenant = $1 AND id < 10", "t0") == [3]
            assert ids_of(client, "tenant = 't1'") == []
            client.build("a", BUILD).wait(timeout=60)


def test_a_column_that_is_there_is_indexed_with_its_values(data: Path) -> None:
    """So is one that an import added; over a restart and a build."""
    with gleann.Client(data) as client:
        client.update_index("a", add_columns=[PLAIN])
        client.update_payload("a", {"tenant": TENANTS}, ids=range(N))
        client.build("a", BUILD).wait(timeout=60)
        before = client.get_index("a").sequence
        assert client.update_index("a", add_columns=[INDEXED]).columns == (INDEXED,)
        assert client.get_index("a").sequence == before + 1
    for _ in range(2):
        with gleann.Client(data) as client:
            assert client.get_index("a").columns == (INDEXED,)
            assert ids_of(client, "tenant = 't1'") == list(range(1, N, 3))
            rows = client.get_payload("a", range(N)).column("tenant").to_pylist()
            assert rows == TENANTS
            client.build("a", BUILD).wait(timeout=60)


def test_what_is_no_change_of_a_column(data: Path) -> None:
    """An index of values stays until its column is dropped; types never change."""
    with gleann.Client(data) as client:
        client.update_index("a", add_columns=[INDEXED, Column("score", "float64")])
        before = client.get_index("a")
        assert client.update_index("a", add_columns=[PLAIN]) == before
        assert client.update_index("a", add_columns=[INDEXED]) == before
        whole = Column("tenant", "int64", indexed=True)
        with pytest.raises(errors.InvalidInputError, match="of type string already"):
            client.update_index("a", add_columns=[whole])
        assert client.get_index("a") == before
        info = client.update_index("a", drop_columns="tenant", add_columns=[PLAIN])
        assert info.columns == (Column("score", "float64"), PLAIN)


def test_a_snapshot_has_the_column_as_it_is(data: Path) -> None:
    with gleann.Client(data) as client:
        client.update_index("a", add_columns=[PLAIN])
        client.update_payload("a", {"tenant": TENANTS}, ids=range(N))
        client.build("a", BUILD).wait(timeout=60)
        client.update_index("a", add_columns=[INDEXED])
        name = client.snapshots.create("a").wait(timeout=60).name
        client.snapshots.restore(name, "b").wait(timeout=60)
        assert client.get_index("b").columns == (INDEXED,)
        assert client.count("b", "tenant = 't2'") == N // 3
