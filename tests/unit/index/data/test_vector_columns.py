"""The one reader of columns of vectors: an import and the command line refuse alike."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index.data.fenced_folder import FencedFolder
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.service.cli.files.inputs import read_vectors
from gleann.service.files.vector_files import ParquetVectors

GOOD = [[1.0, 2.0], [3.0, 4.0]]
BAD = {
    "null": (None, InvalidInputError, "1 nulls in 3 rows, such as row 2"),
    "null inside": ([5.0, None], InvalidInputError, "1 nulls inside .* row 2"),
    "short": ([5.0], DimensionMismatchError, "1 dimensions in row 2, expected 2"),
}


def by_the_cli(path):
    return np.asarray(read_vectors(path, vectors_column="word").vectors)


def by_an_import(path):
    place = FencedFolder(path.parent)
    file = ParquetVectors.open(
        path, vector_column="word", id_column=None, dim=2, place=place
    )
    return np.concatenate(list(file.blocks()))


READERS = pytest.mark.parametrize("read", [by_the_cli, by_an_import])


@READERS
@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.large_list(pa.int8()), pa.list_(pa.float64(), 2)],
)
def test_lists_of_numbers_keep_their_dtype(read, kind, tmp_path):
    pq.write_table(pa.table({"word": pa.array(GOOD, kind)}), tmp_path / "v.parquet")
    found = read(tmp_path / "v.parquet")
    assert found.tolist() == GOOD
    assert found.dtype == kind.value_type.to_pandas_dtype()


@READERS
@pytest.mark.parametrize(("row", "error", "says"), BAD.values(), ids=BAD.keys())
def test_errors_name_file_column_and_row(read, row, error, says, tmp_path):
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"word": pa.array([*GOOD, row])}), path)
    with pytest.raises(error, match=f"v.parquet: column 'word' has {says}"):
        read(path)


def test_rows_are_counted_over_the_blocks_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("gleann.service.files.vector_files.BLOCK_BYTES", 16)
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"word": pa.array([*GOOD, *GOOD, [1.0]])}), path)
    with pytest.raises(DimensionMismatchError, match="1 dimensions in row 4"):
        by_an_import(path)


@READERS
def test_a_column_that_is_missing_or_of_numbers(read, tmp_path):
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"other": GOOD, "more": GOOD}), path)
    with pytest.raises(InvalidInputError, match="no column 'word', only other, more"):
        read(path)
    pq.write_table(pa.table({"word": [1.0, 2.0]}), path)
    with pytest.raises(
        InvalidInputError, match=r"'word' must hold lists .* got double"
    ):
        read(path)
