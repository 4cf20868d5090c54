"""Files that hold arrays alone: every format against what NumPy wrote."""

import gc
import resource
import struct
from pathlib import Path

import numpy as np
import pytest

from gleann import data
from gleann.index.data.sliced_rows import BLOCK_BYTES
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    GleannError,
    InvalidInputError,
    MissingFileError,
)

ROWS = np.arange(42).reshape(14, 3)


def write_npy(path, rows):
    np.save(path, rows)


def write_vecs(path, rows):
    with path.open("wb") as file:
        for row in rows:
            file.write(struct.pack("<i", len(row)))
            file.write(row.astype(row.dtype.newbyteorder("<")).tobytes())


def write_bin(path, rows):
    heading = np.array(rows.shape, "<u4").tobytes()
    path.write_bytes(heading + rows.astype(rows.dtype.newbyteorder("<")).tobytes())


def write_hdf5(path, rows):
    h5py = pytest.importorskip("h5py", reason="needs h5py (extra hdf5)")
    with h5py.File(path, "w") as file:
        file["train"] = rows
        file["test"] = rows[:1]
        file["neighbors"] = np.zeros((1, 2), np.int32)


FORMATS = {
    ".npy": ("f4", write_npy),
    ".fvecs": ("f4", write_vecs),
    ".bvecs": ("u1", write_vecs),
    ".ivecs": ("i4", write_vecs),
    ".fbin": ("f4", write_bin),
    ".u8bin": ("u1", write_bin),
    ".i8bin": ("i1", write_bin),
    ".ibin": ("i4", write_bin),
    ".hdf5": ("f4", write_hdf5),
    ".h5": ("f8", write_hdf5),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_are_those_that_were_written(suffix, tmp_path):
    dtype, write = FORMATS[suffix]
    rows = ROWS.astype(dtype)
    write(tmp_path / f"v{suffix}", rows)
    found = data.open(tmp_path / f"v{suffix}")
    assert (len(found), found.dim) == rows.shape
    assert found.vectors.dtype == rows.dtype
    assert np.array_equal(found.vectors, rows)
    for part in (slice(0, 1), slice(3, 9), slice(9, 14), slice(13, 99), slice(5, 5)):
        assert np.array_equal(found.vectors[part], rows[part])
    assert found.held_ids is None
    assert found.ids.tolist() == list(range(14))


NO_SLICES = [slice(None, None, 2), slice(None, None, -1), 5, np.ones(14, np.bool_)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_no_slice_of_rows_is_refused(suffix, tmp_path):
    """A step that is passed over would give other rows."""
    dtype, write = FORMATS[suffix]
    write(tmp_path / f"v{suffix}", ROWS.astype(dtype))
    vectors = data.open(tmp_path / f"v{suffix}").vectors
    assert np.array_equal(vectors[2:4:1], ROWS[2:4])
    for rows in NO_SLICES:
        with pytest.raises(InvalidInputError, match="slices without a step"):
            vectors[rows]


def test_what_is_no_slice_of_several_files_is_refused(tmp_path):
    for part in range(2):
        np.save(tmp_path / f"{part}.npy", ROWS)
    vectors = data.open(tmp_path).vectors
    for rows in NO_SLICES:
        with pytest.raises(InvalidInputError, match="slices without a step"):
            vectors[rows]


def test_links_of_hdf5_that_lead_nowhere(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py (extra hdf5)")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["gone"] = h5py.SoftLink("/nothing")
        file["rows"] = ROWS
    assert np.array_equal(data.open(tmp_path / "v.h5").vectors, ROWS)
    with pytest.raises(InvalidInputError, match="no array 'gone', only rows"):
        data.open(tmp_path / "v.h5", vectors="gone")


def test_digits_that_no_number_has_in_names_of_files(tmp_path):
    np.save(tmp_path / "b1²2.npy", ROWS)
    np.save(tmp_path / "a1²2.npy", ROWS + 1)
    assert np.array_equal(data.open(tmp_path).vectors, np.concatenate([ROWS + 1, ROWS]))


@pytest.mark.parametrize("suffix", [s for s in FORMATS if s not in (".hdf5", ".h5")])
def test_a_file_that_was_cut_or_grew_is_refused_with_both_sizes(suffix, tmp_path):
    dtype, write = FORMATS[suffix]
    path = tmp_path / f"v{suffix}"
    write(path, ROWS.astype(dtype))
    whole = path.read_bytes()
    for wrong in (whole[:-1], whole + b"\0"):
        path.write_bytes(wrong)
        with pytest.raises(CorruptDataError, match=f"has {len(wrong)} bytes"):
            data.open(path)


@pytest.mark.parametrize("suffix", [".npy", ".fvecs", ".fbin"])
def test_a_file_that_is_cut_after_it_was_opened(suffix, tmp_path):
    path = tmp_path / f"v{suffix}"
    FORMATS[suffix][1](path, ROWS.astype("f4"))
    found = data.open(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CorruptDataError, match="was cut while it was read"):
        found.vectors[10:14]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_is_missing_or_empty(suffix, tmp_path):
    if suffix in (".hdf5", ".h5"):
        pytest.importorskip("h5py")
    path = tmp_path / f"v{suffix}"
    with pytest.raises(MissingFileError, match="No such file"):
        data.open(path)
    path.write_bytes(b"")
    with pytest.raises(GleannError, match=path.name):
        data.open(path)


def test_a_vector_of_another_length_in_fvecs(tmp_path):
    rows = [np.ones(3, "f4"), np.ones(3, "f4"), np.ones(1, "f4"), np.ones(1, "f4")]
    path = tmp_path / "v.fvecs"
    write_vecs(path, rows)  # two short ones are as long as one
    assert path.stat().st_size % 16 == 0
    with pytest.raises(DimensionMismatchError, match="1 dimensions in row 2, expected"):
        np.asarray(data.open(path).vectors)


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_below_one_in_fvecs(length, tmp_path):
    (tmp_path / "v.fvecs").write_bytes(struct.pack("<i", length) + bytes(8))
    with pytest.raises(InvalidInputError, match=f"first vector has {length} numbers"):
        data.open(tmp_path / "v.fvecs")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", ">f4", ">f8", ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_dtype_and_order(dtype, order, tmp_path):
    rows = np.asarray(ROWS, dtype, order=order)
    np.save(tmp_path / "v.npy", rows)
    found = data.open(str(tmp_path / "v.npy"))
    assert found.vectors.dtype == rows.dtype
    assert np.array_equal(found.vectors[2:7], rows[2:7])
    assert np.array_equal(found.vectors, rows)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.float32(3), "no rows"),
        (np.array([{}, {}], object), "pickled objects"),
    ],
)
def test_npy_without_rows_of_numbers(array, says, tmp_path):
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(InvalidInputError, match=says):
        data.open(tmp_path / "v.npy")


def test_zero_rows(tmp_path):
    np.save(tmp_path / "v.npy", np.empty((0, 3), np.float32))
    found = data.open(tmp_path / "v.npy")
    assert (len(found), found.dim) == (0, 3)
    assert np.asarray(found.vectors).shape == (0, 3)
    assert list(found.batches()) == []


def test_more_rows_than_a_block(tmp_path):
    rows = np.random.default_rng(0).random((BLOCK_BYTES // 400 + 7, 100), np.float32)
    write_vecs(tmp_path / "v.fvecs", rows[:50])
    write_bin(tmp_path / "v.fbin", rows)
    assert np.array_equal(data.open(tmp_path / "v.fbin").vectors, rows)
    assert np.array_equal(data.open(tmp_path / "v.fvecs").vectors, rows[:50])


class TestNpz:
    def test_the_only_matrix_and_its_ids(self, tmp_path):
        ids = np.array([f"é{row}" for row in range(14)])
        np.savez(tmp_path / "v.npz", ids=ids, vectors=ROWS.astype("f4"))
        found = data.open(tmp_path / "v.npz")
        assert np.array_equal(found.vectors, ROWS)
        assert found.ids.tolist() == ids.tolist()
        assert data.open(tmp_path / "v.npz", ids="").held_ids is None

    def test_two_matrices_need_a_name(self, tmp_path):
        np.savez(tmp_path / "v.npz", a=ROWS.astype("f4"), b=ROWS.astype("f8") + 1)
        with pytest.raises(InvalidInputError, match=r"2 arrays of shape .* a \(14"):
            data.open(tmp_path / "v.npz")
        assert data.open(tmp_path / "v.npz", vectors="b").vectors.dtype == "f8"
        with pytest.raises(InvalidInputError, match="no array 'c', only a, b"):
            data.open(tmp_path / "v.npz", vectors="c")

    def test_what_is_no_archive(self, tmp_path):
        (tmp_path / "v.npz").write_bytes(b"PK\3\4 and more")
        with pytest.raises(InvalidInputError, match=r"v\.npz is no \.npz file"):
            data.open(tmp_path / "v.npz")


class TestHdf5:
    def test_arrays_by_name(self, tmp_path):
        write_hdf5(tmp_path / "v.hdf5", ROWS.astype("f4"))
        test = data.open(tmp_path / "v.hdf5", vectors="test")
        assert np.array_equal(test.vectors, ROWS[:1])
        with pytest.raises(InvalidInputError, match=r"'x', only neighbors \(1, 2\), t"):
            data.open(tmp_path / "v.hdf5", vectors="x")

    def test_what_is_no_hdf5(self, tmp_path):
        pytest.importorskip("h5py")
        (tmp_path / "v.hdf5").write_bytes(b"HDF5?")
        with pytest.raises(InvalidInputError, match=r"v\.hdf5 is no HDF5 file"):
            data.open(tmp_path / "v.hdf5")


class TestFolders:
    def test_shards_in_natural_order(self, tmp_path):
        for number in (10, 2, 1):
            np.save(tmp_path / f"part-{number}.npy", np.full((number, 2), number, "f4"))
        (tmp_path / "_SUCCESS").touch()
        (tmp_path / "README.md").touch()
        expected = [1] + [2] * 2 + [10] * 10
        for source in (tmp_path, f"{tmp_path}/part-*.npy", f"{tmp_path}/**/*.npy"):
            found = data.open(source)
            assert np.asarray(found.vectors)[:, 0].tolist() == expected
            assert found.vectors[2:4][:, 0].tolist() == [2, 10]

    def test_shards_of_different_dtypes_take_the_one_that_holds_both(self, tmp_path):
        np.save(tmp_path / "1.npy", np.ones((1, 2), "f4"))
        np.save(tmp_path / "2.npy", np.full((1, 2), 1 + 1e-12))
        found = data.open(tmp_path)
        assert found.vectors.dtype == np.float64
        assert found.vectors[1:2][0, 0] == 1 + 1e-12

    def test_shards_of_different_dimensions(self, tmp_path):
        np.save(tmp_path / "1.npy", np.ones((1, 2)))
        np.save(tmp_path / "2.npy", np.ones((1, 3)))
        with pytest.raises(DimensionMismatchError, match=r"2\.npy has .*3.*1\.npy .*2"):
            data.open(tmp_path)

    def test_files_of_two_kinds(self, tmp_path):
        np.save(tmp_path / "1.npy", np.ones((1, 2)))
        write_bin(tmp_path / "2.fbin", np.ones((1, 2), "f4"))
        with pytest.raises(InvalidInputError, match=r"2 kinds \(1 .fbin, 1 .npy\)"):
            data.open(tmp_path)

    def test_nothing_to_read(self, tmp_path):
        with pytest.raises(MissingFileError, match="none of 0 files"):
            data.open(tmp_path)
        with pytest.raises(MissingFileError, match="none of 0 files"):
            data.open(f"{tmp_path}/*.npy")

    def test_a_name_with_the_signs_of_a_glob(self, tmp_path):
        np.save(tmp_path / "v[1].npy", np.ones((1, 2)))
        assert len(data.open(tmp_path / "v[1].npy")) == 1

    def test_an_unknown_suffix(self, tmp_path):
        (tmp_path / "v.bin").touch()
        with pytest.raises(InvalidInputError, match=r"from \.npy.* not '\.bin'"):
            data.open(tmp_path / "v.bin")


class TestIds:
    @pytest.mark.parametrize("given", ["array", "path", "list", "name"])
    def test_beside_an_array(self, given, tmp_path):
        ids = np.array(["a", "b", "ç"])
        np.save(tmp_path / "v.npy", np.ones((3, 2)))
        np.save(tmp_path / "ids.npy", ids)
        path = tmp_path / "ids.npy"
        forms = {"array": ids, "path": path, "list": list(ids), "name": str(path)}
        found = data.open(tmp_path / "v.npy", ids=forms[given])
        assert found.ids.tolist() == ids.tolist()

    def test_of_another_number(self, tmp_path):
        np.save(tmp_path / "v.npy", np.ones((3, 2)))
        found = data.open(tmp_path / "v.npy", ids=[1, 2])
        with pytest.raises(DimensionMismatchError, match="2 ids for 3 vectors"):
            _ = found.ids


class TestPayload:
    def test_a_csv_file_beside_npy(self, tmp_path):
        np.save(tmp_path / "v.npy", np.ones((3, 2)))
        (tmp_path / "p.csv").write_text("lang,year\nen,2020\nde,2021\n,\n")
        found = data.open(tmp_path / "v.npy", payload=tmp_path / "p.csv")
        assert found.schema.names == ("lang", "year")
        assert found.payload().to_arrow().to_pydict() == {
            "lang": ["en", "de", None],
            "year": [2020, 2021, None],
        }
        batches = list(found.batches(2))
        assert [len(batch) for batch in batches] == [2, 1]
        assert batches[1].payload.to_arrow().to_pydict()["lang"] == [None]
        table = found.to_arrow()
        assert table.column_names == ["id", "vector", "lang", "year"]
        assert table["vector"].to_pylist() == [[1.0, 1.0]] * 3

    def test_columns_without_a_table(self, tmp_path):
        np.save(tmp_path / "v.npy", np.ones((3, 2)))
        with pytest.raises(InvalidInputError, match="has no columns, but columns is"):
            data.open(tmp_path / "v.npy", columns=["lang"])
        with pytest.raises(InvalidInputError, match="has no columns, but vectors is"):
            data.open(tmp_path / "v.npy", vectors="v")


def test_more_files_than_may_be_open(tmp_path):
    """Each stays open: the system's limit is an error that names a file."""
    for part in range(40):
        np.save(tmp_path / f"{part}.npy", np.ones((2, 3), np.float32))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # else files that other tests forgot are closed meanwhile
    taken = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(1000) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[8], hard))
    try:
        with pytest.raises(MissingFileError, match=r"\.npy: Too many open files"):
            data.open(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(data.open(tmp_path)) == 80
