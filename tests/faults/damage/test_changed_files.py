"""Files of an index that something changes while it is open."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.arrays import HeldIds
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.files.vector_files import NpyVectors, ParquetVectors

N, DIM = 400, 8
EVERY = SearchParams(k=5, nprobe=10)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((N, DIM)).astype(np.float32)


@pytest.fixture
def folder(rows: np.ndarray, tmp_path: Path) -> Path:
    params = BuildParams(metric="l2", nlist=10, tune_queries=0, spill="soar")
    SoarIndex.build(rows, params).save(tmp_path / "i")
    return tmp_path / "i"


def file_of(folder: Path, name: str) -> Path:
    return next(folder.glob(f"data-*/{name}.npy"))


def test_numbers_that_kernels_follow_are_not_read_again(
    folder: Path, rows: np.ndarray
) -> None:
    index = SoarIndex.load(folder)
    before = index.search_rows(rows[:20], EVERY)
    for name in ("entry_rows", "entry_others", "list_offsets", "list_mids", "ids"):
        with file_of(folder, name).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(128)
            file.write(b"\x7f" * (size - 128))
    after = index.search_rows(rows[:20], EVERY)
    for now, then in zip(after, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert index.with_engine("reference").search(rows[:3]).ids[:, 0].tolist() == [
        0,
        1,
        2,
    ]
    index.save(folder.with_name("copy"))
    assert len(SoarIndex.load(folder.with_name("copy"))) == N


@pytest.mark.parametrize("length", [0, 128, 4096, -1, 10**6])
def test_a_file_of_another_length_is_refused_and_ends_no_process(
    folder: Path, rows: np.ndarray, length: int
) -> None:
    index = SoarIndex.load(folder)
    file = file_of(folder, "vectors")
    was = file.stat().st_size
    os.truncate(file, length if length >= 0 else was + length)
    for use in (
        lambda: index.search(rows[:2], EVERY),
        lambda: index.search(rows[:2], SearchParams(k=5, exact=True)),
        lambda: index.vectors,
        lambda: index.data,
        lambda: index.data_hash,
        lambda: index.with_engine("reference"),
        lambda: index.save(folder.with_name("copy")),
        lambda: gleann.knn_graph(index, k=3),
    ):
        with pytest.raises(errors.CorruptDataError, match=rf"vectors\.npy.*{was} when"):
            use()
    assert not folder.with_name("copy").exists()


def test_codes_that_were_cut_are_refused_by_who_reads_them(
    folder: Path, rows: np.ndarray
) -> None:
    index = SoarIndex.load(folder, engine="reference")
    os.truncate(file_of(folder, "codes"), 200)
    assert index.search(rows[:1], EVERY).ids[0, 0] == 0
    with pytest.raises(errors.CorruptDataError, match=r"codes\.npy"):
        index.with_engine("reference")


def test_a_file_that_is_replaced_stays_as_it_was(
    folder: Path, rows: np.ndarray
) -> None:
    """As by a save onto the same directory: the old files are open still."""
    index = SoarIndex.load(folder)
    before = index.search_rows(rows[:20], EVERY)
    SoarIndex.build(rows[::-1]).save(folder)
    np.testing.assert_array_equal(index.search_rows(rows[:20], EVERY)[0], before[0])


def write_parquet(path: Path, n: int, first: float = 0) -> None:
    values = first + np.arange(n * DIM, dtype=np.float32).reshape(n, DIM)
    table = pa.table({"vector": list(values), "id": np.arange(100, 100 + n)})
    pq.write_table(table, path)


@pytest.mark.parametrize("settings", [{"id_column": "id"}, {}], ids=["ids", "numbers"])
@pytest.mark.parametrize("after", ["open", "ids"])
@pytest.mark.parametrize("n", [4, 20])
def test_a_parquet_file_that_is_replaced_while_it_is_imported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    after: str,
    settings: dict[str, str],
) -> None:
    path, real = tmp_path / "v.parquet", ParquetVectors.ids
    write_parquet(path, 10)

    def replacing(source: ParquetVectors) -> HeldIds:
        if after == "open":
            write_parquet(path, n)
        ids = real(source)
        write_parquet(path, n)
        return ids

    with gleann.Client(tmp_path / "d") as client:
        client.create_index("a", dim=DIM, metric="l2")
        client.upsert("a", [7], np.ones((1, DIM), np.float32))
        with monkeypatch.context() as patched:
            patched.setattr(ParquetVectors, "ids", replacing)
            with pytest.raises(
                errors.CorruptDataError,
                match=r"^v\.parquet was changed while it was read",
            ):
                client.import_vectors("a", path, **settings).wait(timeout=60)
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").count == 1
        assert client.get_vectors("a", [7]).tolist() == [[1.0] * DIM]
        assert client.import_vectors("a", path, **settings).wait(timeout=60).count == n


@pytest.mark.parametrize("kind", ["parquet", "npy", "names"])
def test_a_file_that_is_replaced_by_one_with_as_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Or the ids of one file would name the vectors of the other."""
    path = tmp_path / ("v.parquet" if kind == "parquet" else "v.npy")
    names = tmp_path / "names.npy"
    write_parquet(tmp_path / "v.parquet", 10)
    np.save(tmp_path / "v.npy", np.ones((10, DIM), np.float32))
    np.save(names, np.arange(10))
    reader = ParquetVectors if kind == "parquet" else NpyVectors
    real = reader.ids

    def replacing(source: Any) -> HeldIds:
        ids = real(source)
        new = tmp_path / "new.npy"
        if kind == "parquet":
            write_parquet(new, 10, first=0.5)
        else:
            np.save(new, np.load(names if kind == "names" else path)[::-1])
        new.replace(names if kind == "names" else path)
        return ids

    settings = {"id_column": "id"} if kind == "parquet" else {"ids_path": names}
    with gleann.Client(tmp_path / "d") as client:
        client.create_index("a", dim=DIM, metric="l2")
        with monkeypatch.context() as patched:
            patched.setattr(reader, "ids", replacing)
            says = "names" if kind == "names" else "v"
            with pytest.raises(
                errors.CorruptDataError, match=rf"^{says}\.\w+ was changed while"
            ):
                client.import_vectors("a", path, **settings).wait(timeout=60)
        assert client.get_index("a").count == 0
        assert client.import_vectors("a", path, **settings).wait(timeout=60).count == 10


def test_a_change_of_unequal_parts_is_never_logged(tmp_path: Path) -> None:
    application = Application(Config(data_dir=tmp_path / "d"))
    application.create_index("a", dim=DIM, metric="l2")
    registry = application.registry
    ids, vectors = np.arange(2), np.ones((3, DIM), np.float32)
    says = "2 ids, but 3 vectors"
    with pytest.raises(errors.DimensionMismatchError, match=says):
        registry.upsert("a", ids, vectors)
    with pytest.raises(errors.DimensionMismatchError, match=says):
        registry.stage("a", "operations/1", ids, vectors)
    assert registry.view("a").sequence == 0
    application.close()
