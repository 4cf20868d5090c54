"""Arrays are read as they were written, whatever their order in memory."""

from pathlib import Path

import numpy as np
import pytest

from gleann.index.shards.whole import write_array

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "array",
    [ROWS, ROWS.T, np.asfortranarray(ROWS), ROWS[::2, ::-1], ROWS[:0], ROWS[0, 0]],
    ids=["rows", "columns", "by columns", "strided", "none", "one number"],
)
def test_an_array_is_read_as_it_was_written(tmp_path: Path, array: np.ndarray) -> None:
    with (tmp_path / "array.npy").open("wb") as handle:
        write_array(handle, array)
    found = np.load(tmp_path / "array.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array, strict=True)
