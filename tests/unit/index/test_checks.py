import numpy as np
import pytest

from gleann.index import (
    BuildParams,
    SearchParams,
    SoarIndex,
    errors,
    exact_search,
    extension,
)
from gleann.index.checks import as_mask, as_vectors
from gleann.index.engines import native
from gleann.index.graph.knn_graph import knn_graph
from gleann.index.ids.checks import as_id_array, as_ids


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8"])
def test_numeric_dtypes_become_float32(dtype):
    got = as_vectors(np.arange(6).reshape(2, 3).astype(dtype))
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_integers_that_float32_holds_are_cast(dtype):
    rows = np.array([[0, 1], [2, 2**14]]).astype(dtype)
    assert as_vectors(rows).tolist() == [[0.0, 1.0], [2.0, 2.0**14]]
    assert as_vectors([[2**24, -(2**24)]]).tolist() == [[2.0**24, -(2.0**24)]]


def test_float32_is_not_copied():
    rows = np.ones((4, 3), np.float32)
    assert as_vectors(rows) is rows


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (np.ones((2, 2), complex), errors.InvalidInputError, "complex128"),
        (np.ones((2, 2), bool), errors.InvalidInputError, "or integers; got bool"),
        (
            [[1, 2], [3, 2**24 + 1]],
            errors.InvalidInputError,
            "row 1 has 16777217: .*1 of 2",
        ),
        ([[1, 2], [-(2**53), 0]], errors.InvalidInputError, "row 1 has -90071992547"),
        (np.full((2, 1), 2**63, np.uint64), errors.InvalidInputError, "row 0 .*2 of 2"),
        (np.array([["a"]]), errors.InvalidInputError, "<U1"),
        (np.ones(3, np.float32), errors.InvalidInputError, r"got 1: \(3,\)"),
        (np.ones((0, 3), np.float32), errors.InvalidInputError, r"empty.*\(0, 3\)"),
        (np.ones((3, 0), np.float32), errors.InvalidInputError, r"empty.*\(3, 0\)"),
        ([[1.0, np.nan]], errors.NonFiniteError, "row 0 .*1 of 1"),
        ([[1.0, 2.0], [np.inf, 0]], errors.NonFiniteError, "row 1 .*1 of 2"),
        ([[1e300, 0.0]], errors.NonFiniteError, "row 0"),
    ],
)
def test_bad_vectors(values, error, says):
    with pytest.raises(error, match=says):
        as_vectors(values)


def test_infinities_that_cancel_are_still_found():
    with pytest.raises(errors.NonFiniteError, match="row 0"):
        as_vectors([[np.inf, -np.inf], [1.0, 2.0]])


def test_large_finite_numbers_pass():
    assert as_vectors(np.full((3, 2), 3e38, np.float32)).shape == (3, 2)


def test_dimension_mismatch_has_both_numbers():
    with pytest.raises(errors.DimensionMismatchError, match="3 dimensions, expected 4"):
        as_vectors(np.ones((2, 3)), dim=4)


@pytest.mark.parametrize(
    ("ids", "error", "says"),
    [
        ([1, 2], errors.DimensionMismatchError, "2 entries for 3 rows"),
        ([1, 2, 2], errors.DuplicateIdError, "2 2 times"),
        (["a", "b", "a"], errors.DuplicateIdError, "'a'.* 2 times"),
        ([1, 2, -3], errors.InvalidInputError, "got -3"),
        (["a", "", "b"], errors.InvalidInputError, "empty string"),
        ([1.5, 2, 3], errors.InvalidInputError, r"row 0 is 1.5 \(float\)"),
        ([[1, 2, 3]], errors.InvalidInputError, "one-dimensional"),
        ([1, "a", 3.5], errors.InvalidInputError, None),
    ],
)
def test_bad_ids(ids, error, says):
    values = np.array(ids, object) if ids == [1, "a", 3.5] else ids
    with pytest.raises(error, match=says):
        as_ids(values, n=3)


def test_good_ids():
    assert as_ids([3, 1, 2], n=3).dtype == np.int64
    assert as_ids(np.array([3, 1], np.uint8), n=2).dtype == np.int64
    assert as_ids(["x", "yy"], n=2).tolist() == ["x", "yy"]
    assert as_ids(np.array(["x", "yy"], object), n=2).dtype.kind == "U"
    assert as_id_array([2, 2]).tolist() == [2, 2]


def test_bad_masks():
    with pytest.raises(errors.InvalidInputError, match="int64"):
        as_mask(np.array([0, 1]), n=2)
    with pytest.raises(errors.DimensionMismatchError, match=r"\(2,\), expected \(3,\)"):
        as_mask(np.array([True, False]), n=3)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"metric": "hamming"}, "ip, cosine, l2; got 'hamming'"),
        ({"spill": "twice"}, "soar, naive, none; got 'twice'"),
        ({"nlist": 0}, "nlist must be at least 1, got 0"),
        ({"nlist": 2.5}, "nlist must be an integer, got 2.5"),
        ({"nlist": "many"}, "nlist must be an integer, got 'many'"),
        ({"spill_lambda": -1.0}, "got -1.0"),
        ({"spill_lambda": float("nan")}, "got nan"),
        ({"kmeans_iterations": 0}, "kmeans_iterations"),
        ({"tune_queries": -1}, "tune_queries"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_build_params(kwargs, says):
    with pytest.raises(errors.InvalidParamsError, match=says):
        BuildParams(**kwargs)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"k": True}, "k must be an integer, got True"),
        ({"nprobe": 0}, "nprobe must be at least 1, got 0"),
        ({"k": 10, "rerank": 9}, "rerank must be at least k = 10, got 9"),
        ({"target_recall": 0.0}, "target_recall"),
        ({"target_recall": 1.2}, "target_recall"),
        ({"target_recall": 0.9, "nprobe": 3}, "nprobe=3, target_recall=0.9"),
        ({"segments": "spilled"}, "segments"),
    ],
)
def test_bad_search_params(kwargs, says):
    with pytest.raises(errors.InvalidParamsError, match=says):
        SearchParams(**kwargs)


@pytest.fixture(scope="module")
def small():
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    return SoarIndex.build(rows, BuildParams(nlist=6), engine="reference")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"nprobe": 7}, "nprobe is 7, but the index has 6 lists"),
    ],
)
def test_search_beyond_the_index(small, params, says):
    with pytest.raises(errors.InvalidParamsError, match=says):
        small.search(np.ones((1, 4)), SearchParams(**params))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("rerank", [None, 61, 200])
def test_neighbours_beyond_the_rows_there_are_are_none(small, exact, rerank):
    queries = small.vectors[:3]
    wide = small.search(queries, SearchParams(k=61, exact=exact, rerank=rerank))
    all_rows = small.search(queries, SearchParams(k=60, exact=True))
    assert wide.ids.shape == wide.distances.shape == (3, 61)
    assert wide.ids[:, :60].tolist() == all_rows.ids.tolist()
    assert wide.ids[:, 60].tolist() == [-1, -1, -1]
    assert np.isposinf(wide.distances[:, 60]).all()
    assert np.isfinite(wide.distances[:, :60]).all()


def test_more_candidates_than_rows_are_all_rows(small):
    few = small.search(small.vectors[:3], SearchParams(k=5, rerank=61))
    assert few.ids.shape == (3, 5)
    assert few.ids[:, 0].tolist() == [0, 1, 2]


def test_one_query_is_a_batch_of_one(small):
    one = small.search(small.vectors[7], SearchParams(k=3))
    assert (
        one.ids.tolist()
        == small.search(small.vectors[7:8], SearchParams(k=3)).ids.tolist()
    )
    assert one.ids.shape == (1, 3)
    rows, _ = exact_search(small.vectors[7].tolist(), small.vectors, metric="l2", k=1)
    assert rows.tolist() == [[7]]
    with pytest.raises(errors.DimensionMismatchError, match="3 dimensions, expected 4"):
        small.search(np.ones(3))
    with pytest.raises(errors.InvalidInputError, match="2 dimensions"):
        small.search(np.float32(1))
    with pytest.raises(errors.InvalidInputError, match="empty"):
        small.search([])


def test_bad_queries(small):
    with pytest.raises(errors.DimensionMismatchError, match="5 dimensions, expected 4"):
        small.search(np.ones((1, 5)))
    with pytest.raises(errors.ZeroVectorError, match="row 1 is a zero vector"):
        small.search([[1.0, 0, 0, 0], [0.0, 0, 0, 0]])
    with pytest.raises(errors.NonFiniteError, match="queries row 0"):
        small.search([[np.nan, 0, 0, 0]])


def test_bad_builds():
    rows = np.ones((5, 3), np.float32)
    with pytest.raises(errors.InvalidParamsError, match="nlist is 6, but there are 5"):
        SoarIndex.build(rows, BuildParams(nlist=6))
    with pytest.raises(errors.ZeroVectorError, match="1 of 2 rows"):
        SoarIndex.build([[0.0, 0.0], [1.0, 0.0]], BuildParams(metric="cosine"))
    with pytest.raises(errors.DuplicateIdError):
        SoarIndex.build(rows, BuildParams(nlist=1), ids=[1, 2, 3, 4, 4])
    with pytest.raises(errors.InvalidParamsError, match="engine must be one of"):
        SoarIndex.build(rows, BuildParams(nlist=1), engine="abacus")


def test_zero_vectors_are_fine_under_l2_and_ip():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], np.float32)
    for metric in ("l2", "ip"):
        index = SoarIndex.build(rows, BuildParams(metric=metric, nlist=1))
        found = index.search(rows[:1], SearchParams(k=3, nprobe=1))
        assert sorted(found.ids[0].tolist()) == [0, 1, 2]


def test_every_exception_stands_in_the_tree():
    """The tree at the top of errors.py names every class, and only those."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.GleannError)
    }
    drawn = {
        word for word in errors.__doc__.replace("(", " ").split() if "Error" in word
    }
    assert classes == {w for w in drawn if w.endswith("Error")} - {"ValueError"} or (
        classes <= drawn
    )
    assert all(name in errors.__doc__ for name in classes)


def unaligned(array):
    """The same numbers, beginning one byte after where they should."""
    room = np.empty(array.nbytes + 1, np.uint8)
    moved = room[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("copy", [True, False])
def test_arrays_that_begin_anywhere_are_taken(engine, copy):
    rows = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=4, tune_queries=0)
    index = SoarIndex.build(unaligned(rows), params, engine=engine, copy=copy)
    assert index.vectors.flags.aligned
    search = SearchParams(k=1, nprobe=4)
    found = index.search(unaligned(rows), search)
    assert found.ids[:, 0].tolist() == list(range(200))
    assert as_vectors(unaligned(rows)).flags.aligned


@pytest.mark.skipif(not native.available(), reason="needs the kernels")
def test_kernels_refuse_arrays_that_begin_anywhere():
    centroids = np.ones((3, 4), np.float32)
    biases = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="not aligned"):
        extension.compiled.Assigner(
            centroids=unaligned(centroids), biases=biases, tier="portable"
        )
    assigner = extension.compiled.Assigner(
        centroids=centroids, biases=biases, tier="portable"
    )
    with pytest.raises(ValueError, match="not aligned"):
        assigner.assign(
            unaligned(centroids), rule="none", spill_lambda=0, zero=0, threads=1
        )
    with pytest.raises(ValueError, match="not aligned"):
        extension.compiled.unit_rows(unaligned(centroids), tier="portable", threads=1)


class TooMany:
    """2**31 rows, if anybody read them."""

    dtype = np.dtype(np.float32)
    shape = (1 << 31, 4)

    def __getitem__(self, rows):
        raise AssertionError("refused before work")


def test_more_rows_than_int32_numbers_are_refused_before_work(tmp_path):
    with pytest.raises(errors.InvalidInputError, match="2147483648 rows, at most 2147"):
        SoarIndex.build_on_disk(TooMany(), tmp_path / "i", BuildParams(nlist=4))
    many = np.broadcast_to(np.int8(1), TooMany.shape)
    with pytest.raises(errors.InvalidInputError, match="2147483648 rows"):
        SoarIndex.build(many, BuildParams(nlist=4))
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize("threads", [-1, 1.5, True, 1025, 10**30, "2"])
def test_threads_that_cannot_be_are_refused(threads, tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(nlist=2, tune_queries=0))
    index.save(tmp_path / "saved")
    for call in (
        lambda: SoarIndex.build(rows, BuildParams(), threads=threads),
        lambda: SoarIndex.build_on_disk(
            rows, tmp_path / "new", BuildParams(), threads=threads
        ),
        lambda: SoarIndex.load(tmp_path / "saved", threads=threads),
        lambda: knn_graph(index, k=3, threads=threads),
    ):
        with pytest.raises(errors.InvalidParamsError, match="threads must be"):
            call()
    assert not (tmp_path / "new").exists()
