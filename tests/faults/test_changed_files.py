"""Files of an index that something changes while it is open."""

import os
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors

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
