"""Vectors in columns of lists of Arrow, polars and pandas: right, or refused by row."""

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import SearchParams, SoarIndex, as_vectors
from gleann.index.errors import DimensionMismatchError, InvalidInputError

ROWS = np.random.default_rng(3).standard_normal((12, 4)).astype(np.float32)
LISTS = ROWS.tolist()


def objects(values):
    """A one-dimensional array of objects, as a column of pandas is to NumPy."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


FLAT = pa.array(ROWS.ravel())
COLUMNS = {
    "fixed": pa.FixedSizeListArray.from_arrays(FLAT, 4),
    "fixed slice": pa.FixedSizeListArray.from_arrays(
        pa.array(np.concatenate([ROWS[:2].ravel(), ROWS.ravel()])), 4
    )[2:],
    "list": pa.array(LISTS, pa.list_(pa.float32())),
    "large list": pa.array(LISTS, pa.large_list(pa.float32())),
    "float64": pa.array(LISTS),
    "chunked": pa.chunked_array(
        [
            pa.array(LISTS[:5], pa.list_(pa.float32(), 4)),
            pa.array(LISTS[5:], pa.list_(pa.float32(), 4)),
        ]
    ),
    "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(ROWS),
    "objects": objects([row.copy() for row in ROWS]),
    "lists as objects": objects(LISTS),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_the_matrix_of_its_lists(name):
    assert as_vectors(COLUMNS[name]).tolist() == ROWS.tolist()


def test_float32_in_one_piece_is_not_copied_from_arrow():
    made = as_vectors(COLUMNS["fixed"])
    assert np.shares_memory(made, FLAT.to_numpy())


def test_an_index_is_built_and_searched_by_columns():
    index = SoarIndex.build(COLUMNS["chunked"])
    whole = SoarIndex.build(ROWS)
    params = SearchParams(k=3)
    found = index.search(COLUMNS["fixed"], params)
    assert found.ids.tolist() == whole.search(ROWS, params).ids.tolist()
    assert index.data_hash == whole.data_hash


def test_a_number_type_of_arrow_that_float32_holds_is_cast():
    column = pa.array([[1, 2], [3, 4]], pa.list_(pa.int64()))
    assert as_vectors(column).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InvalidInputError, match="vectors row 1 has 16777217"):
        as_vectors(pa.array([[1, 2], [3, 2**24 + 1]]))


@pytest.mark.parametrize(
    ("column", "error", "says"),
    [
        (
            pa.array([[1.0], None, [2.0]]),
            InvalidInputError,
            "1 nulls in 3 rows, such as row 1",
        ),
        (
            pa.array([[1.0, 2], [3, None]]),
            InvalidInputError,
            "nulls inside its lists, such as in row 1",
        ),
        (
            pa.array([[1.0, 2], [3.0]]),
            DimensionMismatchError,
            "1 dimensions in row 1, expected 2",
        ),
        (pa.array([["a"]]), InvalidInputError, "row 0 is no list of numbers"),
        (
            pa.array([], pa.list_(pa.float32())),
            InvalidInputError,
            r"empty: shape \(0, 0\)",
        ),
        (pa.array([1.0, 2.0]), InvalidInputError, r"got 1: \(2,\)"),
        (
            objects([[1.0, 2.0], [3.0]]),
            DimensionMismatchError,
            "1 dimensions in row 1, expected 2",
        ),
        (
            objects([[1.0, 2.0], None]),
            InvalidInputError,
            "row 1 is no list of numbers: NoneType",
        ),
        (
            objects([[1.0, 2.0], [[3.0], 4.0]]),
            InvalidInputError,
            "row 1 makes no array",
        ),
        (objects(["ab", "cd"]), InvalidInputError, "row 0 is no list of numbers: str"),
    ],
)
def test_what_is_no_column_of_vectors_is_refused_by_row(column, error, says):
    with pytest.raises(error, match=says):
        as_vectors(column)


def test_polars_and_its_arrays_of_fixed_width():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    lists = polars.Series("v", LISTS, dtype=polars.List(polars.Float32))
    assert as_vectors(lists).tolist() == ROWS.tolist()
    assert (
        as_vectors(lists.cast(polars.Array(polars.Float32, 4))).tolist()
        == ROWS.tolist()
    )
    with pytest.raises(InvalidInputError, match="such as row 1"):
        as_vectors(polars.Series("v", [[1.0], None]))


def test_pandas_and_its_arrow_columns():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert as_vectors(pandas.Series(LISTS)).tolist() == ROWS.tolist()
    kept = pandas.Series(COLUMNS["list"], dtype=pandas.ArrowDtype(COLUMNS["list"].type))
    assert as_vectors(kept).tolist() == ROWS.tolist()
    assert as_vectors(pandas.DataFrame(ROWS)).tolist() == ROWS.tolist()
