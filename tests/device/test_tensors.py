"""A search that stays on the device: what `search` finds, and what it refuses."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.access import described
from gleann.index.errors import (
    DimensionMismatchError,
    EngineUnavailableError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    RecallWarning,
    ZeroVectorError,
)

torch = pytest.importorskip("torch", reason="torch is not installed")
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.torch_scanner import TorchScanner

CPU = torch.device("cpu")
METRICS = ["l2", "ip", "cosine"]


def rows_of(n=900, d=12, *, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def index_of(rows, metric="l2", *, nlist=9, ids=None):
    params = BuildParams(metric=metric, nlist=nlist, tune_queries=0)
    return SoarIndex.build(rows, params, engine="torch", ids=ids)


@pytest.fixture(scope="module", params=METRICS)
def index(request):
    return index_of(rows_of(), request.param)


@pytest.fixture(scope="module")
def flat():
    return index_of(rows_of())


def assert_same(index, asked, params):
    got = index.search_tensors(torch.from_numpy(asked), params)
    want = index.find_rows(asked, params)
    assert (got.rows.dtype, got.distances.dtype) == (torch.int64, torch.float32)
    np.testing.assert_array_equal(got.rows.numpy(), want.rows)
    np.testing.assert_array_equal(got.distances.numpy(), want.distances)
    assert got.stats == want.stats


@pytest.mark.parametrize("k", [1, 10, 150])
def test_what_is_found_is_what_search_finds(index, k):
    assert_same(index, 3 * rows_of(40, seed=1), SearchParams(k=k, nprobe=6))


@pytest.mark.parametrize("metric", METRICS)
def test_through_recordings_too(metric):
    class Repeats:
        def record(self, step, queries, live):
            return lambda: step(queries, live)

    index = index_of(rows_of(), metric)
    engine = DeviceEngine(
        index.data, scanner=TorchScanner(), device=CPU, recorder=Repeats()
    )
    recorded = index.served_by(engine)
    for seed, count in enumerate((40, 3, 300)):
        asked = rows_of(count, seed=seed)
        assert_same(recorded, asked, SearchParams(k=10, nprobe=3))
        assert_same(recorded, asked, SearchParams(k=10, nprobe=3, certain=False))


def test_queries_short_of_rows_are_completed():
    index = index_of(rows_of(100), nlist=20)
    params = SearchParams(k=60, nprobe=2)
    asked = rows_of(9, seed=3)
    assert index.find_rows(asked, params).stats.completed > 0
    assert_same(index, asked, params)


def test_arrays_of_other_libraries(flat):
    class Lent:
        """An array of a library that speaks DLPack and nothing else."""

        def __init__(self, array):
            self.array = array

        def __dlpack__(self, *args, **kwargs):
            return self.array.__dlpack__(*args, **kwargs)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    asked = rows_of(5, seed=2)
    params = SearchParams(k=4, nprobe=3)
    want = flat.find_rows(asked, params).rows
    sealed = asked.copy()
    sealed.flags.writeable = False
    for given in (asked, Lent(asked), sealed):
        got = flat.search_tensors(given, params)
        np.testing.assert_array_equal(got.rows.numpy(), want)


def test_any_strides_will_do(flat):
    asked = torch.from_numpy(rows_of(8, 24, seed=4))
    params = SearchParams(k=4, nprobe=3)
    views = [asked[::2, ::2], asked.T[:12].T, asked[:, 1:13].flip(0)]
    views.append(asked[:, :12].clone().requires_grad_())
    for view in views:
        got = flat.search_tensors(view, params)
        packed = view.detach().numpy().copy()
        want = flat.find_rows(packed, params)
        np.testing.assert_array_equal(got.rows.numpy(), want.rows)
        assert not got.distances.requires_grad


def test_the_queries_are_left_as_they_are(index):
    asked = torch.from_numpy(3 * rows_of(8, seed=5))
    before = asked.clone()
    index.search_tensors(asked, SearchParams(k=4, nprobe=3))
    assert torch.equal(asked, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.int8])
def test_another_dtype(flat, dtype):
    said = f"dtype float32 .* got {str(dtype)[6:]}$"
    with pytest.raises(InvalidInputError, match=said):
        flat.search_tensors(torch.zeros((3, 12), dtype=dtype))


def test_another_device(flat):
    there = torch.empty((3, 12), device="meta")
    with pytest.raises(InvalidInputError, match="on meta, and the index is on cpu"):
        flat.search_tensors(there)


@pytest.mark.parametrize(
    ("shape", "error", "said"),
    [
        ((12,), InvalidInputError, r"2 dimensions \(n, d\), got 1: \(12,\)"),
        ((2, 3, 4), InvalidInputError, "got 3"),
        ((3, 11), DimensionMismatchError, "11 dimensions, expected 12"),
        ((0, 12), InvalidInputError, "empty"),
    ],
)
def test_another_shape(flat, shape, error, said):
    with pytest.raises(error, match=said):
        flat.search_tensors(torch.zeros(shape))


def test_what_is_no_dense_array(flat):
    with pytest.raises(InvalidInputError, match="__dlpack__; got list"):
        flat.search_tensors([[0.0] * 12])
    with pytest.raises(InvalidInputError, match="dense, got layout"):
        flat.search_tensors(torch.eye(12).to_sparse())
    words = np.array([["a"] * 12])
    with pytest.raises(InvalidInputError, match="cannot be borrowed by DLPack"):
        flat.search_tensors(words)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(index, value):
    asked = torch.from_numpy(rows_of(60, seed=6))
    asked[41, 3] = value
    with pytest.raises(NonFiniteError, match=r"queries row 41 .*1 of 60"):
        index.search_tensors(asked, SearchParams(k=3, nprobe=2))


def test_queries_without_a_distance():
    cosine, l2 = index_of(rows_of(), "cosine"), index_of(rows_of(), "l2")
    asked = torch.from_numpy(rows_of(9, seed=6))
    asked[7] = 0
    params = SearchParams(k=3, nprobe=2)
    with pytest.raises(ZeroVectorError, match="row 7 is a zero vector"):
        cosine.search_tensors(asked, params)
    l2.search_tensors(asked, params)
    asked[5] = 1e19
    with pytest.raises(InvalidInputError, match="row 5 has squared length"):
        l2.search_tensors(asked, params)
    cosine.search_tensors(asked[:7], params)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_unit_vectors_of_any_length(scale):
    index = index_of(rows_of(), "cosine")
    asked = (rows_of(20, seed=8) * scale).astype(np.float32)
    assert_same(index, asked, SearchParams(k=3, nprobe=4))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (SearchParams(k=901), "k is 901, but the index has 900 rows"),
        (SearchParams(nprobe=10), "nprobe is 10, but the index has 9 lists"),
        (SearchParams(exact=True), "search looks at every row"),
        (SearchParams(target_recall=1.0), "search looks at every row"),
        (SearchParams(allowed=np.ones(900, bool)), "filter with search"),
    ],
)
def test_parameters_that_cannot_be(flat, params, said):
    with pytest.raises(InvalidParamsError, match=said):
        flat.search_tensors(torch.zeros((2, 12)), params)


def test_an_index_that_is_on_no_device(flat):
    host = flat.with_engine("reference")
    with pytest.raises(EngineUnavailableError, match=r"served by reference: .*triton"):
        host.search_tensors(torch.zeros((2, 12)))


def test_recall_that_was_not_measured_is_warned_of(monkeypatch, flat):
    monkeypatch.setattr(described, "shortfall", lambda stats, params: "too little")
    with pytest.warns(RecallWarning, match="too little") as warned:
        flat.search_tensors(rows_of(5, seed=9))
    assert warned[0].filename == __file__


def test_rows_lead_to_ids():
    index = index_of(rows_of(), ids=7 * np.arange(900)[::-1])
    asked = rows_of(5, seed=9)
    found = index.search_tensors(asked, SearchParams(k=3, nprobe=9))
    ids = index.ids[found.rows.numpy()]
    np.testing.assert_array_equal(
        ids, index.search(asked, SearchParams(k=3, nprobe=9)).ids
    )
