"""Files below a folder: links out of it are refused, whenever they are made."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index.data.fenced_folder import FencedFolder, fenced_files
from gleann.index.data.open import open_files
from gleann.index.errors import (
    CorruptDataError,
    ForbiddenPathError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.storage.regular_file import open_without_links

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture
def home(tmp_path):
    """A folder that may be read, beside one that may not."""
    for name in ("open", "secret"):
        (tmp_path / name / "deep").mkdir(parents=True)
        np.save(tmp_path / name / "deep/v.npy", ROWS if name == "open" else -ROWS)
    return tmp_path


def rows_of(path, fence):
    return np.asarray(open_files(fenced_files(str(path), fence)).vectors)


@pytest.mark.parametrize("name", ["deep/v.npy", "deep/*.npy", "**/*.npy", "deep", ""])
def test_rows(home, name):
    assert np.array_equal(rows_of(f"{home}/open/{name}", home / "open"), ROWS)


def test_a_fence_of_one_file(home):
    file = home / "open/deep/v.npy"
    assert np.array_equal(rows_of(file, file), ROWS)
    with pytest.raises(ForbiddenPathError, match="leads out"):
        rows_of(file.parent, file)


@pytest.mark.parametrize("name", ["v1.2", "model.e5", "x.tar"])
def test_a_folder_may_be_named_as_a_file_of_no_kind(home, name):
    (home / "open/deep").rename(home / "open" / name)
    assert np.array_equal(rows_of(home / "open" / name, home / "open"), ROWS)


def test_a_file_of_no_kind_is_told(home):
    (home / "open/v.xyz").write_text("x")
    with pytest.raises(InvalidInputError, match=r"vectors are read from .*not '\.xyz'"):
        rows_of(home / "open/v.xyz", home / "open")


def test_a_folder_that_is_a_link_is_not_listed(home):
    (home / "open/more").symlink_to(home / "secret/deep")
    assert np.array_equal(rows_of(home / "open", home / "open"), ROWS)


def test_a_table_of_parts(home):
    for part in range(2):
        folder = home / f"open/parts/lang={part}"
        folder.mkdir(parents=True)
        some = {"vector": ROWS[part * 10 : part * 10 + 10].tolist()}
        pq.write_table(pa.table(some), folder / "0.parquet")
    found = rows_of(home / "open/parts", home / "open")
    assert np.array_equal(found, ROWS)


@pytest.mark.parametrize("name", ["deep/w.npy", "out/v.npy"])
def test_links_out(home, name):
    (home / "open/deep/w.npy").symlink_to(home / "secret/deep/v.npy")
    (home / "open/out").symlink_to(home / "secret/deep")
    with pytest.raises(ForbiddenPathError, match="leads out of what may be read"):
        rows_of(home / "open" / name, home / "open")


def test_a_link_that_is_made_between_the_look_and_the_opening(home):
    """The path was resolved; then its file, or its folder, becomes a link."""
    file = home / "open/deep/v.npy"
    file.rename(home / "open/kept.npy")
    file.symlink_to(home / "secret/deep/v.npy")
    with pytest.raises(ForbiddenPathError, match="was made a link while it was opened"):
        open_without_links(file, "v.npy")
    (home / "open/deep").rename(home / "open/old")
    (home / "open/deep").symlink_to(home / "secret/deep")
    with pytest.raises(MissingFileError, match="Not a directory"):
        open_without_links(file, "v.npy")


def test_a_file_that_is_replaced(home):
    place, name = FencedFolder(home / "open"), str(home / "open/deep/v.npy")
    place.byte_file(name)
    place.byte_file(name)
    np.save(home / "new.npy", ROWS)
    (home / "new.npy").replace(name)
    with pytest.raises(
        CorruptDataError, match=r"^v\.npy was changed while it was read"
    ):
        place.byte_file(name)


def test_what_is_no_file(home):
    os.mkfifo(home / "open/pipe.npy")
    with pytest.raises(MissingFileError, match="not a regular file"):
        rows_of(home / "open/pipe.npy", home / "open")
    with pytest.raises(MissingFileError, match="No such file"):
        rows_of(home / "open/gone.npy", home / "open")
