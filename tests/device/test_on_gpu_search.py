"""A search around its kernels on a real GPU: layouts, recordings, answers, tensors."""

import os

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import InvalidInputError, NonFiniteError

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)

import device_world as world

from gleann.index.engines.device import engine as engine_module
from gleann.index.engines.device import recorded
from gleann.index.engines.device.answers import Staging
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.steps.compaction import compact, counted
from gleann.index.engines.device.steps.keys import NONE
from gleann.index.engines.device.steps.packed import Block, packed
from gleann.index.engines.device.steps.rerank import DeviceRows
from gleann.index.engines.triton import triton_engine
from gleann.index.engines.triton_kernels.scanner import TritonScanner

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
D = 96


@pytest.fixture(scope="module")
def crowded():
    """Two lists of integers: many pairs are flagged, and every score is exact."""
    return world.random_index(n=6000, integers=True, d=D, nlist=2)


@pytest.fixture(scope="module")
def index():
    rows = np.random.default_rng(0).normal(size=(20_000, D)).astype(np.float32)
    params = BuildParams(metric="cosine", nlist=64, tune_queries=0)
    return SoarIndex.build(rows, params, engine="triton")


def normal(count, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, D)).astype(np.float32)


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32", "int8"])
def test_layouts_are_those_of_the_host(kind, metric):
    data = world.random_index(n=3000, d=D, nlist=8, metric=metric)
    rows = DeviceRows(data.vectors, CUDA).vectors
    np.testing.assert_array_equal(rows.cpu().numpy(), data.vectors)
    there = lay_out(data, kind=kind, device=CUDA, resident=rows)
    sent = lay_out(data, kind=kind, device=CUDA)
    here = lay_out(data, kind=kind, device=CPU)
    for lists in (there, sent):
        assert lists.exponent == here.exponent
        assert torch.equal(lists.vectors.cpu(), here.vectors)
        assert torch.equal(lists.factors.cpu(), here.factors)
        # Sums of squares are made in another order.
        assert torch.allclose(lists.biases.cpu(), here.biases, rtol=1e-6, atol=0)


@pytest.mark.parametrize("room", [0, 4, 64, 5000])
def test_the_second_pass_in_the_graph(monkeypatch, crowded, room):
    """Whether the room suffices or not, answers are those of single steps."""
    monkeypatch.setattr(engine_module, "room_for", lambda *_, **__: room)
    monkeypatch.setattr(recorded, "ROOM_SHARE", 1)
    graphs = triton_engine(crowded, kind="bf16")
    steps = DeviceEngine(crowded, scanner=TritonScanner(), device=CUDA, kind="bf16")
    request = ScanRequest(k=10, rerank=40)
    for seed, count in enumerate([100, 128, 7, 90, 1500]):
        asked = world.integer_queries(count, D, seed=seed)
        got = graphs.search(asked, nprobe=2, request=request)
        want = steps.search(asked, nprobe=2, request=request)
        assert_same(got, want)
        assert got.work == want.work
        exact = ReferenceEngine(crowded).search(asked, nprobe=2, request=request)
        np.testing.assert_array_equal(got.distances, exact.distances)


def test_a_request_without_certainty_is_recorded_apart(crowded):
    engine = triton_engine(crowded, kind="bf16")
    asked = world.integer_queries(300, D)
    want = ReferenceEngine(crowded).search(
        asked, nprobe=2, request=ScanRequest(k=10, rerank=40)
    )
    for certain in (True, False, True):
        request = ScanRequest(k=10, rerank=40, certain=certain)
        got = engine.search(asked, nprobe=2, request=request)
        right = (got.distances == want.distances).mean()
        assert right == 1 if certain else right > 0.9


@pytest.mark.parametrize("room", [2, 64, 5000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_flagged_pairs_are_compacted_as_by_torch(room, share):
    rng = np.random.default_rng(room)
    flags = counted(torch.from_numpy(rng.random((3000, 15)) < share).to(CUDA))
    list_nos = torch.from_numpy(rng.integers(0, 900, (3000, 15))).to(CUDA)
    got = TritonScanner().compact(flags, list_nos, room=room)
    want = compact(flags, list_nos, room=room)
    for name in ("queries", "list_nos", "rows", "columns", "query_nos"):
        assert torch.equal(getattr(got, name), getattr(want, name)), name


@pytest.mark.parametrize("nq", [1, 3000])
def test_answers_are_packed_as_by_torch(nq):
    lists = lay_out(world.random_index(nlist=64), kind="fp32", device=CUDA)
    rng = np.random.default_rng(nq)

    def keys(width):
        made = torch.from_numpy(rng.integers(-(1 << 62), 1 << 62, (nq, width)))
        made[torch.from_numpy(rng.random((nq, width)) < 0.3)] = NONE
        return made.to(CUDA)

    block = Block(
        near=keys(10),
        candidates=keys(40),
        list_nos=torch.from_numpy(rng.integers(-1, 64, (nq, 15))).to(CUDA),
        view=view_for(lists, ScanRequest(k=10, rerank=40)),
    )
    for share in (0.0, 0.3, 1.0):
        unanswered = torch.from_numpy(rng.random(nq) < share).to(CUDA)
        got = TritonScanner().pack(block, unanswered)
        assert torch.equal(got, packed(block, unanswered))


def test_answers_arrive_in_page_locked_memory():
    staging = Staging(CUDA)
    first, second = staging.buffer(0, 1000), staging.buffer(1, 1000)
    assert first.is_pinned()
    assert second.is_pinned()
    assert first.data_ptr() != second.data_ptr()


def test_block_after_block_without_a_wait_between(monkeypatch, index):
    """Each is decoded while the next runs: none may be overwritten before."""
    monkeypatch.setattr(recorded, "size_within", lambda _: 256)
    asked = normal(3000, 1)
    params = SearchParams(k=10, nprobe=8)
    fresh = index.served_by(triton_engine(index.data))
    got = fresh.find_rows(asked, params)
    steps = DeviceEngine(index.data, scanner=TritonScanner(), device=CUDA)
    want = index.served_by(steps).find_rows(asked, params)
    assert (got.rows == want.rows).mean() > 0.999
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 33, 3000])
def test_tensors_in_tensors_out(index, count):
    asked = 3 * normal(count, 2)
    params = SearchParams(k=10, nprobe=8)
    found = index.search_tensors(torch.from_numpy(asked).to(CUDA), params)
    want = index.find_rows(asked, params)
    assert found.rows.device == found.distances.device == CUDA
    # Unit vectors may differ in the last bit.
    assert (found.rows.cpu().numpy() == want.rows).mean() > 0.999
    np.testing.assert_allclose(
        found.distances.cpu().numpy(), want.distances, rtol=1e-5, atol=1e-6
    )


def test_tensors_in_modes_of_the_caller(index):
    """Such as around the model that made the queries; recorded in them and replayed."""
    params = SearchParams(k=10, nprobe=8)
    asked = torch.from_numpy(normal(300, 8)).to(CUDA)
    want = index.search_tensors(asked, params).rows
    fresh = index.served_by(triton_engine(index.data))
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16):
        assert torch.equal(fresh.search_tensors(asked, params).rows, want)
    assert torch.equal(fresh.search_tensors(asked, params).rows, want)


def test_tensors_on_a_stream_of_the_caller(index):
    """Queries are made on it just before, and answers read on it just after."""
    params = SearchParams(k=10, nprobe=8)
    asked = torch.from_numpy(normal(2000, 3)).to(CUDA)
    want = index.search_tensors(asked, params).rows.clone()
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        late = torch.zeros_like(asked)
        # Some 10 ms before the queries are there; torch has no public way to wait.
        torch.cuda._sleep(20_000_000)  # noqa: SLF001
        late += asked
        got = index.search_tensors(late, params).rows + 0
    stream.synchronize()
    assert torch.equal(got, want)


def test_tensors_that_are_refused(index):
    with pytest.raises(InvalidInputError, match="on cpu, and the index is on cuda:0"):
        index.search_tensors(torch.zeros((2, D)))
    with pytest.raises(InvalidInputError, match=r"dtype float32 .* got float16"):
        index.search_tensors(torch.zeros((2, D), dtype=torch.float16, device=CUDA))
    asked = torch.from_numpy(normal(50, 4)).to(CUDA)
    asked[41, 3] = torch.nan
    with pytest.raises(NonFiniteError, match=r"queries row 41 .*1 of 50"):
        index.search_tensors(asked)
    asked[41, 3] = 1.0
    rows = index.search_tensors(asked[:, :], SearchParams(k=3, nprobe=4)).rows
    assert (rows >= 0).all()


def test_a_search_does_not_ask_for_free_memory(monkeypatch, index):
    engine = triton_engine(index.data)
    request = ScanRequest(k=10, rerank=40)
    engine.search(normal(100, 5), nprobe=4, request=request)
    asked = []
    monkeypatch.setattr(memory, "free_bytes", lambda device: asked.append(1))
    engine.search(normal(90, 6), nprobe=4, request=request)
    assert asked == []


def test_recordings_leave_no_more_than_what_they_return(index):
    """Temporaries of all recordings share memory, which the budget allows for."""
    engine = triton_engine(index.data)
    request = ScanRequest(k=10, rerank=40)
    before = torch.cuda.memory_allocated(CUDA)
    for count in (1, 8, 100, 200, 500, 1000, 2000, 4000):
        engine.search(normal(count, count), nprobe=8, request=request)
    held = torch.cuda.memory_allocated(CUDA) - before
    # Queries and answers of eight recordings, and what cuBLAS keeps of two streams.
    assert held < 128 << 20
