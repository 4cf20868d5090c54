"""`.npy` files are read, never mapped: what their owners do to them ends no process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gleann.index import errors
from gleann.index.data.files import THIS_MACHINE
from gleann.index.data.npy_file import NpyFile
from gleann.service.files.vector_files import NpyVectors


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 3, 2), (0, 4), (5, 0)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "|u1", "<f2", "<U3", "?"])
def test_slices_are_those_of_the_array(tmp_path, order, shape, dtype):
    array = np.random.default_rng(0).integers(0, 99, shape).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    file = NpyFile(tmp_path / "a.npy")
    assert (file.shape, file.dtype, len(file)) == (shape, array.dtype, len(array))
    for rows in (slice(0, 3), slice(2, 99), slice(None), slice(4, 4), slice(6, 2)):
        np.testing.assert_array_equal(file[rows], array[rows])
    np.testing.assert_array_equal(np.asarray(file), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_header(tmp_path, version):
    with (tmp_path / "a.npy").open("wb") as out:
        np.lib.format.write_array(out, np.arange(6), version=version)
    assert np.asarray(NpyFile(tmp_path / "a.npy")).tolist() == [0, 1, 2, 3, 4, 5]


HEADER = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': "


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
        b"PK\x03\x04 a zip",
        HEADER + b"((((" * 20,
        HEADER + b"(2, 2), }".ljust(200),
        HEADER + b"(-2, 2), }".ljust(64),
        HEADER + b"(), }".ljust(65) + b"\0" * 4,
        HEADER.replace(b"<f4", b"|V0") + b"(2,), }".ljust(64),
        HEADER.replace(b"'<f4'", b"[('a', '<f4')") + b"(2,), }".ljust(64),
    ],
)
def test_what_is_no_array_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises((errors.InvalidInputError, errors.CorruptDataError)):
        NpyFile(tmp_path / "a.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_is_cut_while_it_is_read(tmp_path, order):
    rows = np.zeros((4000, 5), np.float32, order=order)
    np.save(tmp_path / "a.npy", rows)
    file = NpyFile(tmp_path / "a.npy")
    os.truncate(tmp_path / "a.npy", 40_000)
    with pytest.raises(errors.CorruptDataError, match=r"a\.npy was cut while it was"):
        file[3000:4000]
    with pytest.raises(errors.CorruptDataError, match="was cut"):
        np.asarray(file)


def test_a_file_that_is_replaced_is_read_as_it_was(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10))
    file = NpyFile(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(3))
    (tmp_path / "b.npy").replace(tmp_path / "a.npy")
    assert file[8:].tolist() == [8, 9]


def test_an_import_notices_other_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("gleann.service.files.vector_files.BLOCK_BYTES", 4 * 8 * 10)
    path = tmp_path / "v.npy"
    np.save(path, np.ones((100, 8), np.float32))
    source = NpyVectors.open(
        path, ids_path=None, dim=8, place=THIS_MACHINE, ids_place=THIS_MACHINE
    )
    blocks = source.blocks()
    assert next(blocks).shape == (10, 8)
    os.truncate(path, 1000)
    with pytest.raises(errors.CorruptDataError, match="was cut"):
        list(blocks)
    np.save(path, np.ones((90, 8), np.float32))
    with pytest.raises(errors.CorruptDataError, match=r"\(90, 8\), and had \(100, 8\)"):
        next(source.blocks())


BUILD_A_FILE_THAT_IS_CUT = """
import os, sys
import numpy as np
from gleann.index.build import on_disk
from gleann.service.cli.main import run
from gleann.index.data.npy_file import NpyFile
on_disk.BLOCK_BYTES = 4 * 8 * 1000
read = NpyFile.__getitem__
def cut_first(source, block):
    if block.start == 3000:
        os.truncate("v.npy", 4096)
    return read(source, block)
NpyFile.__getitem__ = cut_first
sys.exit(run(["build", "v.npy", "out.gleann", "--metric", "l2"]))
"""


def test_a_build_of_a_file_that_is_cut_ends_in_words(tmp_path: Path):
    rows = np.random.default_rng(0).standard_normal((20_000, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", rows)
    ran = subprocess.run(
        [sys.executable, "-c", BUILD_A_FILE_THAT_IS_CUT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.startswith("gleann: error: v.npy was cut while it was read")
    assert not (tmp_path / "out.gleann").exists()
