"""Indexes built from data are, byte for byte, those built from arrays."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann import BuildParams, SoarIndex, data
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)

N, DIM = 600, 8
ROWS = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
IDS = [f"é{row:03}" for row in range(N)]
LANGS = [["en", "de", None][row % 3] for row in range(N)]
PARAMS = BuildParams(nlist=8, metric="l2", seed=1)


def table():
    return pa.table({"id": IDS, "vector": ROWS.tolist(), "lang": LANGS})


@pytest.fixture
def parts(tmp_path):
    """Three parquet files of the table."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        some = table().slice(200 * part, 200)
        pq.write_table(some, folder / f"{part}.parquet", row_group_size=64)
    return folder


def bytes_of(folder):
    """Hashes of all arrays of a saved index."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("data-*/*")
        if file.is_file()
    }


@pytest.fixture
def expected(tmp_path):
    index = SoarIndex.build(ROWS, PARAMS, ids=IDS, payload={"lang": LANGS})
    index.save(tmp_path / "expected")
    return bytes_of(tmp_path / "expected")


class TestInMemory:
    @pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
    def test_a_dataset_brings_ids_and_payload(self, metric, parts):
        params = BuildParams(nlist=8, metric=metric, seed=1)
        plain = SoarIndex.build(ROWS, params, ids=IDS, payload={"lang": LANGS})
        index = SoarIndex.build(data.open(parts, columns=["lang"]), params)
        assert index.data_hash == plain.data_hash
        assert index.ids.tolist() == IDS
        assert index.payload.to_arrow()["lang"].to_pylist() == LANGS

    def test_tables_and_paths(self, parts):
        plain = SoarIndex.build(ROWS, PARAMS)
        for source in (table(), str(parts), parts, table().to_reader()):
            index = SoarIndex.build(source, PARAMS)
            assert index.data_hash == plain.data_hash
            assert index.ids.tolist() == IDS
            assert index.payload is None

    def test_what_is_given_beside_takes_its_place(self, parts):
        ids = list(range(N))
        years = {"year": ids}
        index = SoarIndex.build(
            data.open(parts, columns=["lang"]), PARAMS, ids=ids, payload=years
        )
        assert index.ids.tolist() == ids
        assert index.schema.names == ("year",)

    def test_a_table_of_numbers_alone_is_a_matrix(self):
        numbers = pa.table({f"x{d}": ROWS[:, d] for d in range(DIM)})
        index = SoarIndex.build(numbers, PARAMS)
        assert index.data_hash == SoarIndex.build(ROWS, PARAMS).data_hash

    def test_a_callers_array_is_not_kept(self):
        rows = ROWS.copy()
        index = SoarIndex.build(data.open(rows), PARAMS)
        rows[:] = 0
        assert index.data_hash == SoarIndex.build(ROWS, PARAMS).data_hash


class TestOnDisk:
    def test_the_files_are_the_same(self, parts, expected, tmp_path):
        found = data.open(parts, columns=["lang"])
        SoarIndex.build_on_disk(found, tmp_path / "built", PARAMS)
        assert bytes_of(tmp_path / "built") == expected

    def test_by_a_path(self, parts, tmp_path):
        SoarIndex.build_on_disk(str(parts), tmp_path / "built", PARAMS)
        index = SoarIndex.load(tmp_path / "built")
        assert index.ids.tolist() == IDS
        assert index.data_hash == SoarIndex.build(ROWS, PARAMS).data_hash

    @pytest.mark.parametrize(
        ("row", "error", "says"),
        [
            ([1.0] * 7, DimensionMismatchError, "7 dimensions in row 5, expected 8"),
            ([1.0] * 7 + [np.nan], NonFiniteError, "row 405 has NaN"),
            ([1.0] * 7 + [None], InvalidInputError, "1 nulls inside .* row 5"),
            (None, InvalidInputError, "1 nulls in .* row 5"),
        ],
    )
    def test_a_bad_row_is_named_and_nothing_is_left(
        self, row, error, says, parts, tmp_path
    ):
        rows = ROWS[400:].tolist()
        rows[5] = row
        bad = table().slice(400).set_column(1, "vector", pa.array(rows))
        pq.write_table(bad, parts / "2.parquet")
        with pytest.raises(error, match=says):
            SoarIndex.build_on_disk(data.open(parts), tmp_path / "built", PARAMS)
        assert not (tmp_path / "built").exists()


def test_payload_of_a_client_takes_batches(parts, tmp_path):
    import gleann

    source = data.open(parts, columns=["lang"])
    with gleann.Client(tmp_path / "library") as client:
        client.create_index("docs", dim=DIM, metric="l2", columns={"lang": "string"})
        assert client.upload("docs", source.batches(256)) == N
        assert client.count("docs", "lang = 'en'") == LANGS.count("en")
        assert client.upsert_table("docs", source) == N
        assert np.array_equal(client.get_vectors("docs", [IDS[7]]), ROWS[7:8])
