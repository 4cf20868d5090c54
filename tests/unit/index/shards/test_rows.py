"""Rows of several files, indexed as one array is."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from gleann.index.errors import MissingFileError
from gleann.index.params import Keep
from gleann.index.shards.rows import FileRows, JoinedRows
from gleann.index.storage.row_layout import DTYPES, kept_rows

SIZES = (4, 0, 1, 7)
N, DIM = sum(SIZES), 3


def joined(folder: Path, rows: np.ndarray, keep: Keep = "f32") -> JoinedRows:
    parts, start = [], 0
    for number, size in enumerate(SIZES):
        part = kept_rows(rows[start : start + size], keep) if size else rows[:0]
        stored = getattr(part, "stored", part)
        file = folder / f"{number}.npy"
        np.save(file, np.asarray(stored).view(DTYPES[keep]))
        parts.append(FileRows(file, keep, (size, DIM)))
        start += size
    return JoinedRows(parts, dim=DIM)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32)


INDEXES = [
    slice(None),
    slice(2, 4),
    slice(3, 6),
    slice(0, 0),
    slice(5, 2),
    slice(-3, None),
    slice(1, 11, 3),
    slice(None, None, -2),
    np.array([11, 0, 4, 4, -1]),
    np.array([[0, 5], [11, 3]]),
    np.array([], np.int64),
    np.arange(N) % 3 == 0,
    7,
    [1, 2],
]


@pytest.mark.parametrize(
    "bad",
    [12, -13, np.ones(N - 1, np.bool_), np.ones((N, 1), np.bool_), np.array([1.5])],
)
def test_what_an_array_refuses_is_refused(
    tmp_path: Path, rows: np.ndarray, bad: object
) -> None:
    with pytest.raises(IndexError):
        joined(tmp_path, rows)[bad]


@pytest.mark.parametrize("at", range(len(INDEXES)))
def test_any_index_gives_what_an_array_gives(
    tmp_path: Path, rows: np.ndarray, at: int
) -> None:
    found, index = joined(tmp_path, rows), INDEXES[at]
    np.testing.assert_array_equal(found[index], rows[index])
    assert found[index].shape == rows[index].shape
    assert found[index].dtype == np.float32


@pytest.mark.parametrize("keep", ["f16", "bf16", "disk"])
def test_rows_are_widened(tmp_path: Path, rows: np.ndarray, keep: Keep) -> None:
    found = joined(tmp_path, rows, keep)
    kept = np.asarray(kept_rows(rows, keep))
    np.testing.assert_array_equal(np.asarray(found), kept)
    np.testing.assert_array_equal(found[[3, 9]], kept[[3, 9]])
    assert found.nbytes == N * DIM * (4 if keep == "disk" else 2)


def test_a_part_of_the_rows_is_numbered_from_0(
    tmp_path: Path, rows: np.ndarray
) -> None:
    whole = joined(tmp_path, rows)
    for first, stop in ((0, N), (2, 9), (5, 5), (4, 6)):
        part = whole.between(first, stop)
        assert part.shape == (stop - first, DIM)
        np.testing.assert_array_equal(np.asarray(part), rows[first:stop])
        every = np.arange(stop - first)[::-1]
        np.testing.assert_array_equal(part[every], rows[first:stop][::-1])
        inner = part.between(0, len(part))
        np.testing.assert_array_equal(inner[:], rows[first:stop])


def test_rows_outside_are_refused(tmp_path: Path, rows: np.ndarray) -> None:
    part = joined(tmp_path, rows).between(2, 5)
    for row in (3, -4):
        with pytest.raises(IndexError, match="not all within 3"):
            part[[row]]


def test_a_copy_has_no_rows_of_its_own(tmp_path: Path, rows: np.ndarray) -> None:
    found = joined(tmp_path, np.repeat(rows, 1, axis=0))
    found[:]
    packed = pickle.dumps(found)
    assert rows.tobytes()[:40] not in packed
    np.testing.assert_array_equal(pickle.loads(packed)[:], rows)
    (tmp_path / "0.npy").unlink()
    with pytest.raises(MissingFileError, match=r"0\.npy"):
        pickle.loads(packed)[0]


def test_no_rows_at_all() -> None:
    none = JoinedRows([], dim=5)
    assert none[:].shape == (0, 5)
    assert np.asarray(none).shape == (0, 5)
    assert len(none) == none.nbytes == 0
