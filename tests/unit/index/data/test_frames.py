"""Tables and arrays of other packages, real ones where they are installed."""

import numpy as np
import pyarrow as pa
import pytest

from gleann import SoarIndex, data
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    MissingFileError,
)

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = ["a", "b", "ç", "d"]
COLUMNS = {"id": IDS, "vector": ROWS.tolist(), "year": [1, 2, 3, 4]}


def by_polars(kind):
    polars = pytest.importorskip("polars", reason="needs polars, 170 MB")
    frame = polars.DataFrame(COLUMNS)
    if kind == "lazy":
        return frame.lazy()
    if kind == "array":
        return frame.with_columns(
            polars.col("vector").cast(polars.Array(polars.Float32, 3))
        )
    return frame


def by_pandas(kind):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame(COLUMNS)
    if kind == "arrays":
        frame["vector"] = list(ROWS)
    return frame[::-1][::-1] if kind == "reordered" else frame


def by_duckdb(kind):
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb, 60 MB")
    held = pa.table(COLUMNS)
    sort = "FLOAT[3]" if kind == "array" else "FLOAT[]"
    return (
        duckdb.connect().from_arrow(held).project(f"id, vector::{sort} AS vector, year")
    )


def by_datasets(kind):
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    held = datasets.Dataset.from_dict(COLUMNS)
    if kind == "chosen":
        return datasets.concatenate_datasets([held, held]).select([4, 1, 6, 3])
    return held.with_format("numpy") if kind == "formatted" else held


class Capsule:
    """A table that only Arrow's interface shows."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class BatchCapsule(Capsule):
    __arrow_c_stream__ = None

    def __arrow_c_array__(self, requested_schema=None):
        (batch,) = self._table.combine_chunks().to_batches()
        return batch.__arrow_c_array__(requested_schema)


del BatchCapsule.__arrow_c_stream__


def by_narwhals(kind):
    narwhals = pytest.importorskip("narwhals")
    frame = narwhals.from_native(pa.table(COLUMNS))
    return frame.lazy() if kind == "lazy" else frame


MAKERS = [
    *[(by_polars, kind) for kind in ("plain", "lazy", "array")],
    *[(by_pandas, kind) for kind in ("plain", "arrays", "reordered")],
    *[(by_duckdb, kind) for kind in ("list", "array")],
    *[(by_datasets, kind) for kind in ("plain", "chosen", "formatted")],
    *[(by_narwhals, kind) for kind in ("plain", "lazy")],
    (lambda _: Capsule(pa.table(COLUMNS)), "stream"),
    (lambda _: dict(COLUMNS), "lists"),
    (lambda _: COLUMNS | {"vector": ROWS}, "matrix"),
    (lambda _: COLUMNS | {"vector": np.asfortranarray(ROWS, ">f8")}, "big-endian"),
    (lambda _: COLUMNS | {"year": np.arange(1, 5, dtype=">i2")}, "big-endian payload"),
    (lambda _: COLUMNS | {"id": np.array(IDS)}, "array of ids"),
]


@pytest.mark.parametrize(
    ("make", "kind"), MAKERS, ids=[f"{make.__name__}-{kind}" for make, kind in MAKERS]
)
def test_tables_of_other_packages(make, kind):
    found = data.open(make(kind), columns=["year"])
    assert np.array_equal(found.vectors, ROWS)
    assert np.array_equal(found.vectors[1:3], ROWS[1:3])
    assert found.ids.tolist() == IDS
    assert found.payload().to_arrow()["year"].to_pylist() == [1, 2, 3, 4]


def test_an_index_of_pandas_that_has_a_name_is_a_column():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame(COLUMNS)
    named = data.open(frame.set_index("id"), columns=["year"])
    assert named.ids.tolist() == IDS
    assert np.array_equal(named.vectors, ROWS)
    by_year = data.open(frame.set_index("year"), columns=["year"])
    assert by_year.payload().to_arrow()["year"].to_pylist() == [1, 2, 3, 4]
    assert data.open(frame[1:]).table.names == ("id", "vector", "year")
    numbers = pandas.DataFrame(ROWS, index=pandas.Index(IDS, name="id"))
    assert SoarIndex.build(numbers).dim == 3


@pytest.mark.parametrize("split", [None, "train", "test"])
def test_a_folder_of_datasets(split, tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    whole = datasets.Dataset.from_dict(COLUMNS)
    if split is None:
        whole.save_to_disk(tmp_path / "set", num_shards=2)
        found = data.open(tmp_path / "set", columns=["year"])
    else:
        parts = {"train": whole.select([3, 0, 1, 2]), "test": whole}
        datasets.DatasetDict(parts).save_to_disk(tmp_path / "set")
        with pytest.raises(InvalidInputError, match=r"2 splits \(train, test\)"):
            data.open(tmp_path / "set")
        found = data.open(tmp_path / "set", columns=["year"], split=split)
    order = [3, 0, 1, 2] if split == "train" else [0, 1, 2, 3]
    assert np.array_equal(found.vectors, ROWS[order])
    assert found.ids.tolist() == [IDS[row] for row in order]
    assert found.payload().to_arrow()["year"].to_pylist() == [row + 1 for row in order]


def forged(folder, state, splits=None):
    """A folder as `save_to_disk` lays it out."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_text(json.dumps(state))
    if splits is not None:
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": splits}))
    with pa.ipc.new_stream(folder / "data.arrow", pa.table(COLUMNS).schema) as writer:
        writer.write_table(pa.table(COLUMNS), max_chunksize=3)
    return folder


def test_the_layout_of_datasets_without_the_package(tmp_path):
    named = {"_data_files": [{"filename": "data.arrow"}]}
    found = data.open(forged(tmp_path / "set", named))
    assert np.array_equal(found.vectors, ROWS)
    assert found.ids.tolist() == IDS
    for name in ("../data.arrow", "/etc/passwd", 3):
        with pytest.raises(InvalidInputError, match="names a file"):
            data.open(forged(tmp_path / "bad", {"_data_files": [{"filename": name}]}))
    chosen = named | {"_indices_data_files": [{"filename": "i.arrow"}]}
    with pytest.raises(InvalidInputError, match="flatten_indices"):
        data.open(forged(tmp_path / "chosen", chosen))
    gone = {"_data_files": [{"filename": "gone.arrow"}]}
    with pytest.raises(MissingFileError, match=r"gone\.arrow"):
        data.open(forged(tmp_path / "gone", gone))


def test_a_split_that_is_a_path_is_refused(tmp_path):
    inner = forged(tmp_path / "set" / "train", {"_data_files": [{"filename": "x"}]})
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["../../etc"]}')
    assert inner.is_dir()
    with pytest.raises(InvalidInputError, match="names a split"):
        data.open(tmp_path / "set")


class TestArrays:
    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", ">f4", "i8"])
    def test_numpy(self, dtype):
        rows = ROWS.astype(dtype)
        for given in (rows, np.asfortranarray(rows), np.repeat(rows, 2, 0)[::2]):
            found = data.open(given)
            assert found.vectors.dtype == rows.dtype
            assert np.array_equal(found.vectors, rows)
        assert np.shares_memory(data.open(rows).vectors, rows)

    def test_lists(self):
        assert np.array_equal(data.open(ROWS.tolist()).vectors, ROWS)
        with pytest.raises(DimensionMismatchError, match=r"2 dimensions in row 1.* 3"):
            data.open([[1, 2, 3], [1, 2], [1, 2, 3]])

    def test_columns_of_lists(self):
        for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 3)):
            assert np.array_equal(
                data.open(pa.array(ROWS.tolist(), kind)).vectors, ROWS
            )
            column = pa.chunked_array([pa.array(ROWS[:1].tolist(), kind)] * 2)
            assert np.array_equal(data.open(column).vectors, ROWS[[0, 0]])

    def test_dlpack_and_array(self):
        class Shared:
            def __init__(self, array):
                self._array = array

            def __dlpack_device__(self):
                return self._array.__dlpack_device__()

            def __dlpack__(self, **words):
                return self._array.__dlpack__(**words)

        class Arrayed:
            def __array__(self, dtype=None, copy=None):
                return np.asarray(ROWS, dtype)

        for given in (Shared(ROWS.copy()), Arrayed()):
            assert np.array_equal(data.open(given).vectors, ROWS)

    @pytest.mark.parametrize("way", ["cpu", "get"])
    def test_a_device(self, way):
        class OnDevice:
            def __dlpack_device__(self):
                return 2, 0

            def __dlpack__(self, **words):
                raise BufferError("not on this host")

        setattr(OnDevice, way, lambda self: ROWS)
        assert np.array_equal(data.open(OnDevice()).vectors, ROWS)

    def test_a_device_that_gives_nothing(self):
        class OnDevice:
            def __dlpack_device__(self):
                return 2, 0

            def cpu(self):
                raise RuntimeError("the device is lost")

        with pytest.raises(InvalidInputError, match="OnDevice makes no array: the dev"):
            data.open(OnDevice())

    def test_torch(self):
        torch = pytest.importorskip("torch", reason="needs torch (make test-kernels)")
        found = data.open(torch.from_numpy(ROWS.copy()).t().contiguous().t())
        assert np.array_equal(found.vectors, ROWS)
        half = data.open(torch.from_numpy(ROWS.copy()).half())
        assert half.vectors.dtype == np.float16
        for bad in (
            torch.ones(2, 3, requires_grad=True),
            torch.ones(2, 3, dtype=torch.bfloat16),
        ):
            with pytest.raises(InvalidInputError, match="Tensor makes no array"):
                data.open(bad)

    def test_ids_and_payload_beside(self, tmp_path):
        (tmp_path / "p.csv").write_text("year\n1\n2\n3\n4\n")
        found = data.open(ROWS, ids=IDS, payload=tmp_path / "p.csv")
        assert found.ids.tolist() == IDS
        assert found.payload().to_arrow()["year"].to_pylist() == [1, 2, 3, 4]


def test_a_dataset_is_its_own_source():
    found = data.open(ROWS)
    assert data.open(found) is found
    assert "4, 3" in repr(found)


@pytest.mark.parametrize(
    ("source", "words", "says"),
    [
        (data.open(ROWS), {"ids": IDS}, "ids is .*, but the source is opened already"),
        (data.open(ROWS), {"columns": ["x"]}, "columns is .* is opened already"),
        (ROWS, {"vectors": "x"}, "vectors is 'x', but the source has no columns"),
        (ROWS, {"split": "test"}, "split is 'test', but the source is no path"),
        (dict(COLUMNS), {"store": object()}, "store is .* is no path"),
        (dict(COLUMNS), {"columns": "year"}, "columns is 'year': give a list"),
    ],
)
def test_what_would_not_be_read_is_refused(source, words, says):
    with pytest.raises(InvalidInputError, match=says):
        data.open(source, **words)


def test_a_split_of_what_has_none(tmp_path):
    np.save(tmp_path / "v.npy", ROWS)
    for source in (tmp_path, tmp_path / "v.npy"):
        with pytest.raises(InvalidInputError, match="split is 'a', but .* has no spl"):
            data.open(source, split="a")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "path of the vectors is empty"),
        ("v\0.npy", "path of the vectors has a null character"),
        ({"vector": ROWS, "id": [1]}, "vectors cannot be understood"),
        ({"vector": [object()]}, "column 'vector' cannot be understood"),
        (object(), r"vectors must have 2 dimensions \(n, d\), got 0"),
        (np.ones(3), r"got 1: \(3,\)"),
        (np.array([["a"]]), "vectors must hold numbers, got <U1"),
        (np.ones((2, 2), bool), "vectors must hold numbers, got bool"),
        ([1.0, [2.0]], "vectors makes no array"),
    ],
)
def test_what_holds_no_vectors(given, says):
    with pytest.raises(InvalidInputError, match=says):
        data.open(given)
