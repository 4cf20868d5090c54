"""Files that may be imported, and files that may not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import gleann
from gleann.index import SearchParams, errors
from gleann.index.data.fenced_folder import FencedFolder
from gleann.service.files import vector_files
from gleann.service.jobs import sealed_import
from gleann.service.jobs.sealed_import import SealedImport
from gleann.service.server import Server
from gleann.service.values import Imported


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, dtype: str, order: Any
) -> None:
    values = np.abs(rows * 10).astype(dtype)
    np.save(tmp_path / "v.npy", np.asarray(values, order=order))
    client.create_index("n", dim=8, metric="l2")
    imported = client.import_vectors("n", tmp_path / "v.npy").wait(timeout=60)
    assert imported.count == imported.index.count == len(rows)
    assert (imported.index.pending, imported.index.version) == (0, 1)
    got = client.get_vectors("n", np.arange(len(rows)))
    assert np.array_equal(got, values.astype(np.float32))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, np.str_])
def test_npy_with_ids(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, kind: type
) -> None:
    names = (np.arange(len(rows)) * 3).astype(kind)
    np.save(tmp_path / "v.npy", rows)
    np.save(tmp_path / "names.npy", names)
    client.create_index("n", dim=8, metric="l2")
    client.import_vectors(
        "n", tmp_path / "v.npy", ids_path=tmp_path / "names.npy"
    ).wait(timeout=60)
    found = client.search("n", rows, SearchParams(k=1))
    assert found.ids[:, 0].tolist() == names.tolist()


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("number", [pa.float32(), pa.float64(), pa.float16()])
def test_parquet(
    client: gleann.Client,
    rows: np.ndarray,
    tmp_path: Path,
    number: Any,
    fixed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 2000)
    values = rows.astype(number.to_pandas_dtype())
    lists = pa.list_(number, 8) if fixed else pa.list_(number)
    names = [f"word {i}" for i in range(len(rows))]
    table = pa.table(
        {"word": names, "other": names, "embedding": pa.array(list(values), lists)}
    )
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=50)
    client.create_index("n", dim=8, metric="l2")
    imported = client.import_vectors(
        "n", tmp_path / "v.parquet", id_column="word", vector_column="embedding"
    ).wait(timeout=60)
    assert imported.index.id_type == "string"
    got = client.get_vectors("n", names[::-1])
    assert np.array_equal(got, values[::-1].astype(np.float32))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1.0] * 8, None]), "1 nulls in 2 rows"),
        (pa.array([[1.0] * 8, [1.0] * 7 + [None]]), "nulls inside"),
        (pa.array([1.0, 2.0]), "lists of numbers"),
        (pa.array([["a"] * 8, ["b"] * 8]), "lists of numbers"),
    ],
)
def test_parquet_columns_that_are_no_vectors(
    client: gleann.Client, tmp_path: Path, column: Any, says: str
) -> None:
    pq.write_table(pa.table({"vector": column}), tmp_path / "v.parquet")
    client.create_index("n", dim=8)
    with pytest.raises(errors.InvalidInputError, match=says):
        client.import_vectors("n", tmp_path / "v.parquet").wait(timeout=60)
    assert client.get_index("n").count == 0


def test_an_import_replaces_what_has_the_same_ids(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", rows[:5])
    client.create_index("n", dim=8, metric="l2")
    client.upsert("n", [3, 100], rows[100:102])
    client.import_vectors("n", tmp_path / "v.npy").wait(timeout=60)
    assert client.get_index("n").count == 6
    assert np.array_equal(client.get_vectors("n", [3, 100]), rows[[3, 101]])


def test_a_server_without_roots_imports_nothing(
    start_server: Callable[..., Server], tmp_path: Path, rows: np.ndarray
) -> None:
    np.save(tmp_path / "v.npy", rows)
    with gleann.Client(start_server(import_roots=()).target) as client:
        client.create_index("n", dim=8)
        with pytest.raises(errors.ForbiddenPathError, match="GLEANN_IMPORT_ROOTS"):
            client.import_vectors("n", tmp_path / "v.npy")


def test_files_outside_the_roots(
    start_server: Callable[..., Server], tmp_path: Path, rows: np.ndarray
) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-not"
    root.mkdir()
    outside.mkdir()
    for folder in (root, outside):
        np.save(folder / "v.npy", rows)
    (root / "link.npy").symlink_to(outside / "v.npy")
    (root / "folder").symlink_to(outside)
    (root / "loop.npy").symlink_to(root / "loop.npy")
    forbidden = [
        outside / "v.npy",
        outside / "none.npy",
        root / "link.npy",
        root / "folder" / "v.npy",
        root / ".." / "root-not" / "v.npy",
        "/etc/passwd",
        "v.npy",
        "",
        "\0.npy",
    ]
    server = start_server(import_roots=(root,))
    with gleann.Client(server.target) as client:
        client.create_index("n", dim=8)
        for path in forbidden:
            with pytest.raises(errors.ForbiddenPathError):
                client.import_vectors("n", path)
        with pytest.raises((errors.ForbiddenPathError, errors.MissingFileError)):
            client.import_vectors("n", root / "loop.npy")
        with pytest.raises(errors.ForbiddenPathError):
            client.import_vectors("n", root / "v.npy", ids_path=outside / "v.npy")
        inside = client.import_vectors("n", root / "." / "v.npy")
        assert inside.wait(timeout=60).count == len(rows)


def test_a_file_that_changes_between_look_and_read(
    tmp_path: Path, rows: np.ndarray
) -> None:
    """The file is opened again before the data: a swapped one is no way in."""
    path = tmp_path / "v.npy"
    np.save(path, rows)
    place = FencedFolder(tmp_path)
    source = vector_files.NpyVectors.open(
        path, ids_path=None, dim=8, place=place, ids_place=place
    )
    np.save(path, np.array([[{}] * 8]), allow_pickle=True)
    with pytest.raises(errors.CorruptDataError, match="changed while it was read"):
        list(source.blocks())


def test_an_import_into_an_empty_index_is_sealed_and_searched_well(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", rows)
    client.create_index("n", dim=8, metric="l2")
    client.upsert("n", [7], rows[:1])
    client.delete_vectors("n", [7])
    info = client.import_vectors("n", tmp_path / "v.npy").wait(timeout=60).index
    assert (info.version, info.nlist, info.pending) == (1, 1, 0)
    found = client.search("n", rows, SearchParams(k=10))
    exact = client.search("n", rows, SearchParams(k=10, exact=True))
    assert np.array_equal(found.ids, exact.ids)
    assert found.stats.estimated_recall is not None
    built = client.build("n", gleann.BuildParams(metric="l2", nlist=4)).wait(timeout=60)
    assert (built.version, built.nlist, built.count) == (2, 4, len(rows))


@pytest.fixture
def sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of any size are sealed at once."""
    monkeypatch.setattr(sealed_import, "SEALED_BYTES", 0)
    monkeypatch.setattr(sealed_import, "SEALED_SHARE", 0)


@pytest.mark.usefixtures("sealing")
@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize("names", [np.arange, lambda n: np.arange(n).astype(np.str_)])
def test_a_large_import_joins_what_is_there(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, quick: Any, is_built: bool,
    names: Any,
) -> None:  # fmt: skip
    """Sealed rows, newer ones, removed ones, and ids that the file replaces."""
    ids = names(len(rows))
    client.create_index("n", dim=8, metric="l2")
    client.upsert("n", ids[:100], rows[:100])
    if is_built:
        client.build("n", quick).wait(timeout=60)
    client.upsert("n", ids[90:120], rows[90:120] + 1)
    client.delete_vectors("n", ids[:10])
    np.save(tmp_path / "v.npy", rows[110:] + 2)
    np.save(tmp_path / "ids.npy", ids[110:])
    imported = client.import_vectors(
        "n", tmp_path / "v.npy", ids_path=tmp_path / "ids.npy"
    ).wait(timeout=60)
    assert (imported.count, imported.index.count) == (130, 230)
    assert (imported.index.pending, imported.index.version) == (0, 1 + is_built)
    wanted = rows[10:].copy()
    wanted[80:100] += 1
    wanted[100:] += 2
    assert np.array_equal(client.get_vectors("n", ids[10:]), wanted)
    with pytest.raises(errors.UnknownIdError):
        client.get_vectors("n", ids[:1])
    found = client.search("n", wanted, SearchParams(k=1, exact=True))
    assert found.ids[:, 0].tolist() == ids[10:].tolist()


@pytest.mark.usefixtures("sealing")
def test_changes_during_an_import_stand(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One id of the file is replaced meanwhile, one is removed, and one is new."""
    np.save(tmp_path / "v.npy", rows)
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("n", dim=8, metric="l2")
        client.upsert("n", [5, 500], rows[:2] + 3)
        real = SealedImport.write

        def write(self: SealedImport, *arguments: Any) -> None:
            real(self, *arguments)
            client.upsert("n", [6, 600], rows[6:8] + 4)
            client.delete_vectors("n", [5])

        monkeypatch.setattr(SealedImport, "write", write)
        info = client.import_vectors("n", tmp_path / "v.npy").wait(timeout=60).index
        assert (info.count, info.pending) == (len(rows) - 1 + 2, 2)
    with gleann.Client(tmp_path / "data") as client:
        assert client.get_index("n").count == len(rows) + 1
        got = client.get_vectors("n", [6, 600, 500, 7])
        assert np.array_equal(got, [rows[6] + 4, rows[7] + 4, rows[1] + 3, rows[7]])
        with pytest.raises(errors.UnknownIdError):
            client.get_vectors("n", [5])


@pytest.mark.usefixtures("sealing")
def test_a_sealed_import_fails_whole(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", rows)
    np.save(tmp_path / "ids.npy", np.arange(len(rows)).astype(np.str_))
    spoilt = rows.copy()
    spoilt[-1, 3] = np.nan
    np.save(tmp_path / "spoilt.npy", spoilt)
    client.create_index("n", dim=8, metric="l2")
    client.upsert("n", [1000], rows[:1])
    with pytest.raises(errors.NonFiniteError, match="239"):
        client.import_vectors("n", tmp_path / "spoilt.npy").wait(timeout=60)
    with pytest.raises(errors.InvalidInputError, match="int64 ids, these are string"):
        client.import_vectors(
            "n", tmp_path / "v.npy", ids_path=tmp_path / "ids.npy"
        ).wait(timeout=60)
    info = client.get_index("n")
    assert (info.count, info.version, info.sequence) == (1, 0, 1)


COLUMNS = {"split": "string", "score": "float64", "year": "int64"}


def payload_table(n: int) -> pa.Table:
    return pa.table(
        {
            "split": ["train" if i % 3 else None for i in range(n)],
            "score": [i / 4 for i in range(n)],
            "year": [2000 + i % 20 for i in range(n)],
            "note": [f"row {i}" for i in range(n)],
        }
    )


def written(folder: Path, kind: str, rows: np.ndarray) -> dict[str, Any]:
    """Write vectors and payload; return the arguments that import them."""
    table = payload_table(len(rows))
    if kind == "one parquet":
        vectors = pa.array(list(rows), pa.list_(pa.float32(), 8))
        pq.write_table(table.append_column("vector", vectors), folder / "v.parquet")
        return {"path": folder / "v.parquet"}
    np.save(folder / "v.npy", rows)
    if kind == "parquet":
        pq.write_table(table, folder / "p.parquet")
    elif kind == "csv":
        csv.write_csv(table, folder / "p.csv")
    else:
        lines = [json.dumps(one) for one in table.to_pylist()]
        (folder / "p.jsonl").write_text("\n".join(lines))
    return {"path": folder / "v.npy", "payload_path": folder / f"p.{kind}"}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in many blocks."""
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 2000)


@pytest.mark.parametrize("kind", ["one parquet", "parquet", "csv", "jsonl"])
@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.usefixtures("small_blocks")
def test_payload_comes_with_the_vectors(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, kind: str, is_empty: bool,
    quick: Any,
) -> None:  # fmt: skip
    """Declared columns only; sealed at once, and staged."""
    client.create_index("n", dim=8, metric="l2", columns=COLUMNS)
    if not is_empty:
        client.upsert("n", [1000], rows[:1], payload={"year": [1]})
    given = written(tmp_path, kind, rows)
    info = client.import_vectors("n", given.pop("path"), **given).wait(timeout=60).index
    assert [one.name for one in info.columns] == list(COLUMNS)
    assert info.version == int(is_empty)

    def require_whole() -> None:
        ids = np.arange(len(rows))[::-1]
        held = client.get_payload("n", ids)
        wanted = payload_table(len(rows)).drop_columns(["note"]).take(ids)
        assert held.drop_columns(["id"]).to_pylist() == wanted.to_pylist()
        assert client.count("n", where="split IS NULL AND score < 100") == 80

    require_whole()
    client.build("n", quick).wait(timeout=60)
    require_whole()


@pytest.mark.usefixtures("sealing")
def test_a_large_import_keeps_the_payload_that_is_there(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, quick: Any
) -> None:
    client.create_index("n", dim=8, metric="l2", columns=COLUMNS)
    ids = np.arange(1000, 1100)
    client.upsert("n", ids, rows[:100], payload={"year": ids, "score": ids / 2})
    client.build("n", quick).wait(timeout=60)
    client.upsert("n", [1098, 1099, 1100], rows[:3], payload={"year": [7, 8, 9]})
    client.update_payload("n", {"split": ["test"]}, ids=[1000])
    client.delete_vectors("n", [1001])
    given = written(tmp_path, "csv", rows)
    info = client.import_vectors("n", given.pop("path"), **given).wait(timeout=60).index
    assert (info.count, info.pending, info.version) == (100 + len(rows), 0, 2)
    held = client.get_payload("n", [1000, 1002, 1099, 1100, 0])
    assert held.drop_columns(["id"]).to_pylist() == [
        {"split": "test", "score": 500.0, "year": 1000},
        {"split": None, "score": 501.0, "year": 1002},
        {"split": None, "score": None, "year": 8},
        {"split": None, "score": None, "year": 9},
        {"split": None, "score": 0.0, "year": 2000},
    ]


@pytest.mark.parametrize("is_empty", [True, False])
def test_columns_that_are_chosen_and_added(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path, is_empty: bool
) -> None:
    client.create_index("n", dim=8, metric="l2")
    if not is_empty:
        client.upsert("n", [1000], rows[:1])
    given = written(tmp_path, "parquet", rows)
    path = given.pop("path")
    says = (
        r"no column 'year'.*client\.indexes\.update\('n', add_columns=\{\"year\": \"int"
    )
    with pytest.raises(errors.InvalidInputError, match=says):
        client.import_vectors("n", path, columns=["year"], **given)
    with pytest.raises(errors.InvalidInputError, match="has no column 'none'"):
        client.import_vectors("n", path, columns=["none"], add_columns=True, **given)
    assert (
        client.import_vectors("n", path, **given).wait(timeout=60).index.columns == ()
    )
    first = client.import_vectors(
        "n", path, columns=["year"], add_columns=True, **given
    ).wait(timeout=60)
    assert [(one.name, one.type) for one in first.index.columns] == [("year", "int64")]
    every = client.import_vectors("n", path, add_columns=True, **given).wait(timeout=60)
    names = [one.name for one in every.index.columns]
    assert names == ["year", "split", "score", "note"]
    held = client.get_payload("n", [5])
    assert held.drop_columns(["id"]).to_pylist() == [
        {"year": 2005, "split": "train", "score": 1.25, "note": "row 5"}
    ]


def test_columns_that_are_not_taken_are_named(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", rows)
    n = len(rows)
    values = {"id": range(n), "yeer": range(n), "a b": range(n)}
    table = pa.table(values | {"about": [{"x": 1}] * n})
    pq.write_table(table, tmp_path / "p.parquet")
    client.create_index("n", dim=8, metric="l2", columns={"year": "int64"})

    def imported(**options: Any) -> Imported:
        options["payload_path"] = tmp_path / "p.parquet"
        operation = client.import_vectors("n", tmp_path / "v.npy", **options)
        return operation.wait(timeout=60)

    assert imported().ignored_columns == ("id", "yeer", "a b", "about")
    named = imported(columns=["yeer"], add_columns=True)
    assert named.ignored_columns == ()
    assert imported(add_columns=True).ignored_columns == ("id", "a b", "about")
    for name in ("a b", "about", "id"):
        with pytest.raises(errors.InvalidInputError, match=name):
            imported(columns=[name], add_columns=True)
    pq.write_table(
        table.append_column("vector", pa.array(list(rows))), tmp_path / "v.parquet"
    )
    whole = client.import_vectors("n", tmp_path / "v.parquet", id_column="id")
    assert whole.wait(timeout=60).ignored_columns == ("a b", "about")


def test_payload_that_does_not_fit(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    client.create_index("n", dim=8, metric="l2", columns={"score": "int64"})
    given = written(tmp_path, "csv", rows)
    path = given.pop("path")
    with pytest.raises(errors.InvalidInputError, match=r"score.*row 1"):
        client.import_vectors("n", path, **given).wait(timeout=60)
    (tmp_path / "short.csv").write_text("score\n1\n2\n")
    with pytest.raises(
        errors.DimensionMismatchError, match="2 rows of payload for 240"
    ):
        client.import_vectors("n", path, payload_path=tmp_path / "short.csv").wait(
            timeout=60
        )
    (tmp_path / "long.csv").write_text("score\n" + "1\n" * 241)
    with pytest.raises(errors.DimensionMismatchError, match="payload for 240"):
        client.import_vectors("n", path, payload_path=tmp_path / "long.csv").wait(
            timeout=60
        )
    with pytest.raises(errors.InvalidInputError, match="payload_path"):
        client.import_vectors("n", path, columns=["score"])
    assert client.get_index("n").count == 0
