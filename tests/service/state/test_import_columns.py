"""Columns that imports read, check and add."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event, current_thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.index.data import jsonl_payload, payload_files
from gleann.index.payload.payload import Payload
from gleann.service.client.operation import Operation
from gleann.service.jobs import sealed_import
from gleann.service.values import Imported


@pytest.fixture
def late(tmp_path: Path, rows: np.ndarray) -> Path:
    """Vectors beside 20,000 rows of JSON, with a number and a moment late in a column.

    The last row has a column of its own.
    """
    n = 20_000
    np.save(tmp_path / "v.npy", np.resize(rows, (n, 8)))
    lines = [{"year": 2000 + row % 50} for row in range(n)]
    lines[-2]["year"] = 0.5
    lines[-1]["about"] = "the last one"
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_text_is_not_read_whole_in_the_request(
    client: gleann.Client, late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows are; what later ones need, the job finds."""
    readers = []
    real = json.loads

    def loads(text: str, **options: Any) -> object:
        readers.append(current_thread().name)
        return real(text, **options)

    monkeypatch.setattr(jsonl_payload, "json", SimpleNamespace(loads=loads))
    client.create_index("n", dim=8, metric="l2")
    operation = client.import_vectors(
        "n", late / "v.npy", payload_path=late / "p.jsonl", add_columns=True
    )
    done = operation.wait(timeout=60)
    in_request = [name for name in readers if not name.endswith("jobs")]
    assert 0 < len(in_request) <= 1_000
    assert [(one.name, one.type) for one in done.index.columns] == [
        ("year", "float64"),
        ("about", "string"),
    ]
    held = client.get_payload("n", [0, 19_998, 19_999]).to_pydict()
    assert held["year"] == [2000.0, 0.5, 2049.0]
    assert held["about"] == [None, None, "the last one"]


def test_the_request_refuses_what_the_first_rows_show(
    client: gleann.Client, late: Path
) -> None:
    client.create_index("n", dim=8, metric="l2", columns={"Late": "int64"})

    def asked(**options: Any) -> Operation[Imported]:
        path = late / "v.npy"
        return client.import_vectors(
            "n", path, payload_path=late / "p.jsonl", **options
        )

    with pytest.raises(errors.InvalidInputError, match="no column 'year': add_columns"):
        asked(columns=["year"])
    with pytest.raises(errors.InvalidInputError, match="'id'"):
        asked(columns=["id", "about"])
    # These, rows after the first ones might have.
    for names, told in [(["about"], "add_columns"), (["none"], "only year, about")]:
        operation = asked(columns=names)
        with pytest.raises(errors.InvalidInputError, match=told):
            operation.wait(timeout=60)
    assert client.get_index("n").count == 0
    (late / "p.jsonl").write_text("[1]\n" * 20_000)
    with pytest.raises(errors.InvalidInputError, match="row 0 is no JSON object"):
        asked()


@pytest.fixture(params=["sealed", "staged"])
def wide(
    request: pytest.FixtureRequest,
    client: gleann.Client,
    rows: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A file of 240 rows with a column that index "n", of 5 rows, does not have."""
    monkeypatch.setattr(sealed_import, "SEALED_BYTES", 1)
    monkeypatch.setattr(
        sealed_import, "SEALED_SHARE", 0 if "seal" in request.param else 99
    )
    np.save(tmp_path / "v.npy", rows)
    table = pa.table({"new": range(len(rows)), "old": range(len(rows))})
    pq.write_table(table, tmp_path / "p.parquet")
    client.create_index("n", dim=8, metric="l2", columns={"old": "int64"})
    client.upsert("n", np.arange(900, 905), rows[:5], payload={"old": [7] * 5})
    return tmp_path


def import_wide(client: gleann.Client, folder: Path) -> Operation[Imported]:
    return client.import_vectors(
        "n", folder / "v.npy", payload_path=folder / "p.parquet", add_columns=True
    )


def columns_of(client: gleann.Client) -> list[tuple[str, str]]:
    return [(one.name, one.type) for one in client.get_index("n").columns]


@pytest.mark.parametrize("how", ["fails", "cancelled"])
def test_columns_of_an_import_that_fails_are_not_added(
    client: gleann.Client, wide: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nobody sees them before its rows."""
    seen: list[list[tuple[str, str]]] = []
    operations: list[Operation[Imported]] = []
    started = Event()
    real = payload_files.PayloadFile.blocks

    def blocks(*arguments: Any, **named: Any) -> Iterator[Payload]:
        started.wait(60)
        seen.append(columns_of(client))
        if how == "cancelled":
            operations[0].cancel()
        yield from real(*arguments, **named)
        if how == "fails":
            raise errors.InvalidInputError("the last row is bad")

    with monkeypatch.context() as patched:
        patched.setattr(payload_files.PayloadFile, "blocks", blocks)
        operations.append(import_wide(client, wide))
        started.set()
        with pytest.raises((errors.InvalidInputError, errors.CancelledError)):
            operations[0].wait(timeout=60)
    assert seen == [[("old", "int64")]]
    assert columns_of(client) == [("old", "int64")]
    assert client.get_index("n").count == 5
    done = import_wide(client, wide).wait(timeout=60)
    assert columns_of(client) == [("old", "int64"), ("new", "int64")]
    assert (done.count, done.index.count) == (240, 245)
    assert [one.name for one in done.index.columns] == ["old", "new"]
    held = client.get_payload("n", [239, 900]).to_pydict()
    assert (held["old"], held["new"]) == ([239, 7], [239, None])


@pytest.mark.parametrize(
    ("meanwhile", "kept"),
    [
        ({"new": "int64"}, [("old", "int64"), ("new", "int64")]),
        ({"more": "string"}, [("more", "string"), ("new", "int64"), ("old", "int64")]),
        ({"new": "string"}, None),
    ],
    ids=["the same", "another", "another type"],
)
def test_columns_that_are_added_during_an_import(
    meanwhile: dict[str, str],
    kept: list[tuple[str, str]] | None,
    client: gleann.Client,
    rows: np.ndarray,
    wide: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of the same type become one; changes acknowledged since stand."""
    real = payload_files.PayloadFile.blocks

    def blocks(*arguments: Any, **named: Any) -> Iterator[Payload]:
        client.indexes.update("n", add_columns=meanwhile)
        (name, kind), *_ = meanwhile.items()
        value = 1234 if kind == "int64" else "1234"
        client.upsert("n", [3], rows[3:4], payload={name: [value]})
        yield from real(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(payload_files.PayloadFile, "blocks", blocks)
        operation = import_wide(client, wide)
        if kept is None:
            with pytest.raises(errors.InvalidInputError, match="'new'"):
                operation.wait(timeout=60)
            assert columns_of(client) == [("old", "int64"), ("new", "string")]
            assert client.get_index("n").count == 6
            return
        operation.wait(timeout=60)
    assert sorted(columns_of(client)) == sorted(kept)
    held = client.get_payload("n", [2, 3, 900]).to_pydict()
    (name,) = meanwhile
    assert held["old"] == [2, None, 7]
    assert held["new"] == [2, 1234 if name == "new" else None, None]
    if name == "more":
        assert held["more"] == [None, "1234", None]


def test_columns_of_an_import_survive_a_restart(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "v.npy", rows)
    pq.write_table(pa.table({"new": range(240)}), tmp_path / "p.parquet")
    for share in (0, 99):
        monkeypatch.setattr(sealed_import, "SEALED_BYTES", 1)
        monkeypatch.setattr(sealed_import, "SEALED_SHARE", share)
        with gleann.Client(tmp_path / str(share)) as client:
            client.create_index("n", dim=8, metric="l2")
            client.upsert("n", [900], rows[:1])
            import_wide(client, tmp_path).wait(timeout=60)
            client.upsert("n", [901], rows[:1], payload={"new": [5]})
        for _ in range(2):
            with gleann.Client(tmp_path / str(share)) as client:
                assert client.get_index("n").broken is None
                assert columns_of(client) == [("new", "int64")]
                held = client.get_payload("n", [7, 900, 901]).to_pydict()
                assert held["new"] == [7, None, 5]
