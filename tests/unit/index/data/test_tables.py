"""Tables in files and in memory: rows, ids and payload against what was written."""

import subprocess
import sys
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from tables_of_vectors import (
    IDS,
    ROWS,
    SOURCES,
    WRITERS,
    lists_of,
    source_of,
    table_of,
    write_parquet,
)

from gleann import data
from gleann.index.data import columns, vector_rows
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    MissingFileError,
)


@pytest.mark.parametrize("kind", SOURCES)
def test_rows_ids_and_payload_are_those_of_the_table(kind, tmp_path):
    table = table_of(lang=["en", None] * 10, year=list(range(20)))
    found = data.open(source_of(kind, table, tmp_path), columns=["year", "lang"])
    assert (len(found), found.dim, found.vectors.dtype) == (20, 3, np.float32)
    assert np.array_equal(found.vectors, ROWS)
    assert found.ids.tolist() == IDS
    assert found.payload().to_arrow().to_pydict() == {
        "year": list(range(20)),
        "lang": ["en", None] * 10,
    }
    assert found.table.names == ("id", "vector", "lang", "year")


@pytest.mark.parametrize("kind", [*WRITERS, "chunked", "dataset"])
def test_slices_in_any_order(kind, tmp_path):
    found = data.open(source_of(kind, table_of(), tmp_path))
    for start, stop in [(0, 3), (3, 9), (9, 20), (5, 6), (6, 19), (0, 20), (19, 30)]:
        assert np.array_equal(found.vectors[start:stop], ROWS[start:stop])
    assert found.vectors[4:4].shape == (0, 3)
    assert found.vectors[:-1].shape == (19, 3)


@pytest.mark.parametrize("kind", [".parquet", "chunked"])
@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(None, None, -1), 5])
def test_what_is_no_slice_of_rows_is_refused(kind, rows, tmp_path):
    vectors = data.open(source_of(kind, table_of(), tmp_path)).vectors
    with pytest.raises(InvalidInputError, match="slices without a step"):
        vectors[rows]


@pytest.mark.parametrize("kind", SOURCES)
def test_zero_rows(kind, tmp_path):
    table = table_of().slice(0, 0)
    if kind == "batch":
        pytest.skip("an empty table has no batches")
    found = data.open(source_of(kind, table, tmp_path))
    assert len(found) == 0
    assert len(found.ids) == 0
    assert list(found.batches()) == []


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float16()),
        pa.list_(pa.float64()),
        pa.large_list(pa.int8()),
        pa.list_(pa.uint8(), 3),
        pa.list_(pa.float32(), 3),
        pa.large_list(pa.int64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("source", [".parquet", ".feather", "chunked", "sliced"])
def test_lists_of_any_type_keep_their_dtype(kind, source, tmp_path):
    if source == ".parquet" and kind.value_type == pa.float16():
        pytest.importorskip("pyarrow", minversion="15", reason="half in parquet")
    rows = ROWS.astype(kind.value_type.to_pandas_dtype())
    table = pa.table({"vector": pa.array(rows.tolist(), kind)})
    found = data.open(source_of(source, table, tmp_path))
    assert found.vectors.dtype == rows.dtype
    assert np.array_equal(found.vectors, rows)
    assert found.vectors[18:][0].tolist() == rows[18].tolist()


def test_tensors_of_a_fixed_shape():
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(ROWS)
    found = data.open(pa.table({"vector": tensors}))
    assert np.array_equal(found.vectors, ROWS)


BAD = {
    "null": (None, InvalidInputError, "1 nulls in .* such as row 19"),
    "null inside": ([5.0, None, 1.0], InvalidInputError, "1 nulls inside .* row 19"),
    "short": ([5.0], DimensionMismatchError, "1 dimensions in row 19, expected 3"),
    "long": ([5.0] * 4, DimensionMismatchError, "4 dimensions in row 19, expected 3"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("row", "error", "says"), BAD.values(), ids=BAD.keys())
def test_a_row_that_is_no_vector_is_named(source, row, error, says, tmp_path):
    table = table_of([*ROWS[:19].tolist(), row])
    found = data.open(source_of(source, table, tmp_path))
    with pytest.raises(error, match=says):
        np.asarray(found.vectors)
    with pytest.raises(error, match=says):
        np.asarray(found.vectors)  # also the second time


ID_KINDS = {
    "string": (pa.array(IDS), IDS),
    "large_string": (pa.array(IDS, pa.large_string()), IDS),
    "string_view": (pa.array(IDS, pa.string_view()), IDS),
    "dictionary": (pa.array(IDS).dictionary_encode(), IDS),
    "int32": (pa.array(range(5, 25), pa.int32()), list(range(5, 25))),
    "uint64": (pa.array(range(5, 25), pa.uint64()), list(range(5, 25))),
    "uuid bytes": (
        pa.array([uuid.UUID(int=row).bytes for row in range(20)], pa.binary(16)),
        [str(uuid.UUID(int=row)) for row in range(20)],
    ),
    "uuid": (
        pa.array([uuid.UUID(int=row).bytes for row in range(20)], pa.binary(16)).cast(
            pa.uuid()
        ),
        [str(uuid.UUID(int=row)) for row in range(20)],
    ),
}
BAD_IDS = {
    "null": (pa.array([*IDS[:19], None]), "row 19: key is empty"),
    "empty": (pa.array([*IDS[:19], ""]), "row 19: key is empty"),
    "twice": (pa.array([*IDS[:19], IDS[0]]), "key has 'é00' "),
    "twice, coded": (pa.array([*IDS[:19], IDS[0]]).dictionary_encode(), "has 'é00' "),
    "float": (pa.array([1.5] * 20), "integers or texts as ids, got double"),
    "bytes": (pa.array([b"x"] * 20), "integers or texts as ids, got binary"),
    "negative": (pa.array([*range(19), -7]), "got -7"),
    "beyond": (
        pa.array([*range(19), 2**63], pa.uint64()),
        "row 19: key is 922337",
    ),
}


class TestIds:
    @pytest.mark.parametrize("source", [".parquet", ".feather", "chunked", "sliced"])
    @pytest.mark.parametrize(
        ("ids", "expected"), ID_KINDS.values(), ids=ID_KINDS.keys()
    )
    def test_of_any_type(self, source, ids, expected, tmp_path):
        table = pa.table({"key": ids, "vector": lists_of(ROWS)})
        found = data.open(source_of(source, table, tmp_path), ids="key")
        assert found.ids.tolist() == expected

    @pytest.mark.parametrize(("ids", "says"), BAD_IDS.values(), ids=BAD_IDS.keys())
    @pytest.mark.parametrize("source", [".parquet", "chunked"])
    def test_what_is_no_id_is_named(self, source, ids, says, tmp_path):
        table = pa.table({"key": ids, "vector": lists_of(ROWS)})
        with pytest.raises((InvalidInputError, DuplicateIdError), match=says):
            _ = data.open(source_of(source, table, tmp_path), ids="key").ids

    def test_a_column_id_is_taken_if_it_can_be(self):
        assert data.open(table_of()).ids.tolist() == IDS
        assert data.open(table_of(), ids="").held_ids is None
        scores = pa.table({"id": [0.5] * 20, "vector": lists_of(ROWS)})
        found = data.open(scores)
        assert found.held_ids is None
        assert found.note == "ids are row numbers, as column 'id' holds double"
        with pytest.raises(InvalidInputError, match="holds binary, and ids are"):
            data.open(pa.table({"id": [b"x"] * 20, "vector": lists_of(ROWS)}))

    def test_files_of_ids_of_two_kinds(self, tmp_path):
        write_parquet(table_of(ROWS[:2], [1, 2]), tmp_path / "1.parquet")
        write_parquet(table_of(ROWS[:2], ["a", "b"]), tmp_path / "2.parquet")
        with pytest.raises(
            InvalidInputError,
            match=r"2\.parquet.* strings as ids from row 0 on",
        ):
            _ = data.open(tmp_path).ids


def test_a_filtered_dataset_of_arrow_gives_the_rows_that_pass(tmp_path):
    write_parquet(table_of(year=list(range(20))), tmp_path / "d.parquet")
    late = pa.dataset.field("year") > 7
    some = pa.dataset.dataset(tmp_path / "d.parquet").filter(late)
    assert np.array_equal(data.open(some).vectors, ROWS[8:])


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(table_of(), path)
    found = data.open(path)
    pq.write_table(table_of().slice(0, 11), path)
    with pytest.raises((CorruptDataError, InvalidInputError, MissingFileError)):
        np.asarray(found.vectors)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_is_replaced_by_one_of_as_many_rows(suffix, tmp_path):
    """Ids of one file do not come with vectors of another."""
    path = tmp_path / f"t{suffix}"
    WRITERS[suffix](table_of(), path)
    found = data.open(path)
    assert found.ids.tolist() == IDS
    WRITERS[suffix](table_of(ROWS[::-1], IDS[::-1]), tmp_path / "new")
    (tmp_path / "new").rename(path)
    with pytest.raises(CorruptDataError, match="was changed while it was read"):
        found.vectors[:]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_of_other_bytes(suffix, tmp_path):
    (tmp_path / f"t{suffix}").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises((InvalidInputError, MissingFileError), match=f"t{suffix}"):
        data.open(tmp_path / f"t{suffix}")


@pytest.mark.parametrize("kind", [".parquet", ".feather", ".arrow"])
def test_slices_in_order_decode_each_row_once(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(vector_rows, "BLOCK_BYTES", 8 * 3 * 4)
    found = data.open(source_of(kind, table_of(), tmp_path))
    decoded = []
    whole = vector_rows.matrix_of

    def counted(lists, **words):
        decoded.append(len(lists))
        return whole(lists, **words)

    monkeypatch.setattr(vector_rows, "matrix_of", counted)
    for start in range(0, 20, 3):
        assert np.array_equal(found.vectors[start : start + 3], ROWS[start : start + 3])
    assert sum(decoded) == 20
    assert max(decoded) <= 4


def test_a_row_group_is_not_held_as_a_whole(tmp_path):
    numbers = pa.array(np.zeros(400_000 * 64, np.float32))
    table = pa.table({"vector": pa.FixedSizeListArray.from_arrays(numbers, 64)})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=400_000)
    script = """
import sys
import pyarrow as pa
from gleann import data

vectors = data.open(sys.argv[1]).vectors
read = sum(len(vectors[start : start + 5000]) for start in range(0, 400_000, 5000))
print(read, pa.default_memory_pool().max_memory())
"""
    words = [sys.executable, "-c", script, str(tmp_path / "v.parquet")]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    read, peak = map(int, said.split())
    assert read == 400_000
    assert peak < table.nbytes / 2


def test_what_payload_takes():
    table = table_of(lang=["en"] * 20, when=[None] * 20, pair=[{"a": 1}] * 20)
    assert data.open(table).schema.names == ()
    assert data.open(table).payload() is None
    assert data.open(table, columns="all").schema.names == ("lang",)
    with pytest.raises(InvalidInputError, match="no column 'x', only id, vector"):
        data.open(table, columns=["x"])
    with pytest.raises(InvalidInputError, match="'pair' has the Arrow type struct"):
        data.open(table, columns=["pair"])
    with pytest.raises(InvalidInputError, match="columns has 'vector', which has vec"):
        data.open(table, columns=["vector"])


@pytest.mark.parametrize("lines", [19, 21, 27])
@pytest.mark.parametrize("rows", [6, 20, 64])
def test_payload_of_another_number_of_rows(lines, rows, tmp_path, monkeypatch):
    """Batches refuse it too, before the last one is taken."""
    monkeypatch.setattr(columns, "PAYLOAD_ROWS", 10)  # a block ends with the vectors
    pq.write_table(pa.table({"year": range(lines)}), tmp_path / "p.parquet")
    found = data.open(ROWS, payload=tmp_path / "p.parquet")
    taken = []
    with pytest.raises(DimensionMismatchError, match=r"rows .* 20 vectors"):
        taken.extend(len(batch) for batch in found.batches(rows))
    assert sum(taken) < 20
    with pytest.raises(DimensionMismatchError, match=r"rows .* 20 vectors"):
        found.payload()


def test_a_column_of_payload_that_has_the_name_of_the_vectors():
    table = pa.table({"emb": lists_of(ROWS), "vector": ["x"] * 20})
    found = data.open(table, columns=["vector"])
    assert found.payload().schema.names == ("vector",)
    with pytest.raises(InvalidInputError, match="'vector', which is the name of the v"):
        found.to_arrow()


def test_to_arrow_of_lists_of_unknown_length():
    found = data.open(pa.table({"vector": pa.array([], pa.list_(pa.float16()))}))
    assert found.to_arrow()["vector"].type == pa.list_(pa.float16())
    assert found.to_arrow().num_rows == 0


def test_to_arrow_has_all_that_was_taken():
    found = data.open(table_of(lang=["en"] * 20), columns=["lang"]).to_arrow()
    assert found.column_names == ["id", "vector", "lang"]
    assert found["id"].to_pylist() == IDS
    assert found["vector"].type == pa.list_(pa.float32(), 3)
    assert np.array_equal(found["vector"].to_pylist(), ROWS)
    numbered = data.open(ROWS).to_arrow()
    assert numbered["id"].to_pylist() == list(range(20))
    assert data.open(found).to_arrow().equals(found.drop_columns("lang"))


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_a_name_that_is_no_text(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    WRITERS[suffix](table_of(surname=["x"] * 20), path)
    path.write_bytes(path.read_bytes().replace(b"surname", b"\x8durname"))
    with pytest.raises(InvalidInputError, match="cannot be understood: 'utf-8'"):
        data.open(path)
