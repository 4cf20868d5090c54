"""Batches padded to few sizes and replayed: the logic of CUDA graphs, on a CPU.

`world.Repeats` runs what a graph would replay, into memory that stays the same; so it
shows what a graph would get wrong, except the capture itself.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device import engine as engine_module
from gleann.index.engines.device.answers import Staging
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.plan.planner import MOST_QUERIES
from gleann.index.engines.device.recording import (
    MOST_RECORDED,
    RECORDED_SHARE,
    CudaGraphs,
    Recordings,
    padded_size,
    size_within,
)
from gleann.index.engines.device.torch_scanner import TorchScanner

CPU = torch.device("cpu")


class Counted(world.Repeats):
    """Counts what is recorded, and of which size."""

    def __init__(self):
        self.sizes = []

    def record(self, step, queries, live):
        self.sizes.append(len(queries))
        return super().record(step, queries, live)


def engines(data):
    """Step by step, recorded, and what counts the recordings."""
    recorder = Counted()
    made = [
        DeviceEngine(data, scanner=TorchScanner(), device=CPU, recorder=given)
        for given in (None, recorder)
    ]
    return *made, recorder


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert (got.short, got.work) == (want.short, want.work)


def test_sizes():
    counts = [1, 2, 8, 9, 100, 200, 1000, 1025, 2048, 2049, 10_000, MOST_QUERIES]
    padded = [1, 8, 8, 32, 128, 256, 1024, 2048, 2048, 4096, 10_240, MOST_QUERIES]
    assert [padded_size(count) for count in counts] == padded
    most = [1, 7, 8, 2047, 2048, 5000, 10**9]
    assert [size_within(m) for m in most] == [1, 1, 8, 1024, 2048, 4096, MOST_QUERIES]
    for count in range(1, 5000, 7):
        assert size_within(padded_size(count)) == padded_size(count) >= count


def test_padded_batches_are_answered_as_bare_ones():
    data = world.random_index(integers=True)
    plain, padded, recorder = engines(data)
    request = ScanRequest(k=10, rerank=40)
    for seed, count in enumerate([5, 8, 3, 40, 1, 33, 8]):
        asked = world.integer_queries(count, 16, seed=seed)
        got = padded.search(asked, nprobe=4, request=request)
        assert_same(got, plain.search(asked, nprobe=4, request=request))
    assert recorder.sizes == [8, 128, 1]


def test_certificates_of_padded_batches_lead_to_second_scans(monkeypatch):
    data = world.random_index(n=4000, integers=True, d=8, nlist=2)
    _, padded, _ = engines(data)
    request = ScanRequest(k=10, rerank=10)

    def distances(seed):
        asked = world.integer_queries(50, 8, seed=seed)
        found = padded.search(asked, nprobe=1, request=request)
        want = ReferenceEngine(data).search(asked, nprobe=1, request=request)
        return found.distances, want.distances

    for seed in (1, 2):
        np.testing.assert_array_equal(*distances(seed))
    request = replace(request, certain=False)
    got, want = distances(2)
    assert (got != want).any()  # buckets do lose neighbours here


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_every_metric(metric):
    data = world.random_index(metric="ip", seed=4)
    rows = data.vectors / np.linalg.norm(data.vectors, axis=1, keepdims=True)
    first, second = world.assignments(data)
    data = world.index_of(rows, first, second, metric=metric, nlist=9)
    plain, padded, _ = engines(data)
    asked = np.random.default_rng(5).normal(size=(20, 16)).astype(np.float32)
    request = ScanRequest(k=10, rerank=40)
    got = padded.search(asked, nprobe=4, request=request)
    assert_same(got, plain.search(asked, nprobe=4, request=request))


def test_other_requests_are_recorded_apart():
    data = world.random_index(integers=True)
    plain, padded, recorder = engines(data)
    asked = world.integer_queries(6, 16)
    for nprobe, k, segments in ((3, 5, "both"), (3, 5, "primary"), (4, 5, "both")):
        request = ScanRequest(k=k, rerank=40, segments=segments)
        got = padded.search(asked, nprobe=nprobe, request=request)
        assert_same(got, plain.search(asked, nprobe=nprobe, request=request))
    assert recorder.sizes == [8, 8, 8]


def test_filters_are_not_recorded():
    """Their masks differ from call to call, and would fill the memory."""
    data = world.random_index(integers=True)
    plain, padded, recorder = engines(data)
    asked = world.integer_queries(6, 16)
    for seed in (1, 2):
        allowed = np.random.default_rng(seed).random(len(data.vectors)) < 0.5
        request = ScanRequest(k=5, rerank=40, allowed=allowed)
        got = padded.search(asked, nprobe=3, request=request)
        assert_same(got, plain.search(asked, nprobe=3, request=request))
    assert recorder.sizes == []


def test_lists_are_ranked_for_blocks_of_queries(monkeypatch):
    """A filter's search records nothing: its coarse step is bounded all the same."""
    sizes = []

    class Ranked(TorchScanner):
        def likely(self, ranking, queries, *, nprobe):
            sizes.append(len(queries))
            best, doubted = super().likely(ranking, queries, nprobe=nprobe)
            best[-1], doubted[-1] = -1, True
            return best, doubted

    monkeypatch.setattr(engine_module, "MOST_QUERIES", 7)
    data = world.random_index(integers=True)
    asked = world.integer_queries(20, 16)
    request = ScanRequest(k=5, rerank=40, allowed=np.arange(len(data.vectors)) % 2 == 0)
    engine = DeviceEngine(data, scanner=Ranked(), device=CPU)
    got = engine.search(asked, nprobe=3, request=request)
    assert sizes == [7, 7, 6]
    want = ReferenceEngine(data).search(asked, nprobe=3, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.mark.parametrize("default", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_the_default_dtype_of_the_process_is_none_of_ours(kind, default):
    """Callers set it for their models: queries must not be rounded to it."""
    data = world.random_index(n=900)
    asked = np.random.default_rng(8).normal(size=(20, 16)).astype(np.float32)
    request = ScanRequest(k=10, rerank=40)

    def search():
        engine = DeviceEngine(
            data, scanner=TorchScanner(), device=CPU, kind=kind, recorder=Counted()
        )
        return engine.search(asked, nprobe=4, request=request)

    want = search()
    torch.set_default_dtype(default)
    try:
        assert_same(search(), want)
    finally:
        torch.set_default_dtype(torch.float32)


def test_modes_of_the_caller_are_left_while_searching():
    """Recordings made under them serve searches without, and the other way about."""
    data = world.random_index(n=900)
    asked = np.random.default_rng(9).normal(size=(20, 16)).astype(np.float32)
    request = ScanRequest(k=10, rerank=40)
    _, engine, _ = engines(data)
    want = DeviceEngine(data, scanner=TorchScanner(), device=CPU).search(
        asked, nprobe=4, request=request
    )
    with torch.inference_mode():
        assert_same(engine.search(asked, nprobe=4, request=request), want)
    assert_same(engine.search(asked, nprobe=4, request=request), want)


def test_autocast_of_the_caller_rounds_no_product():
    data = world.random_index(n=3000, d=64, nlist=200)
    asked = np.random.default_rng(9).normal(size=(300, 64)).astype(np.float32)
    engine = DeviceEngine(data, scanner=TorchScanner(), device=CPU)
    want = engine.rank_lists(asked, nprobe=5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(engine.rank_lists(asked, nprobe=5), want)


def test_the_default_device_of_the_process_is_none_of_ours():
    torch.set_default_device("meta")
    try:
        assert Staging(CPU).buffer(0, 10).device == CPU
        data = world.random_index(n=900)
        plain, padded, _ = engines(data)
        asked = np.random.default_rng(9).normal(size=(20, 16)).astype(np.float32)
        request = ScanRequest(k=10, rerank=40)
        got = padded.search(asked, nprobe=4, request=request)
        assert_same(got, plain.search(asked, nprobe=4, request=request))
    finally:
        torch.set_default_device(None)


def test_no_queries_and_many_neighbours():
    data = world.random_index(n=3000, integers=True)
    plain, padded, _ = engines(data)
    for count, k in ((0, 5), (4, 200)):
        asked = world.integer_queries(count, 16)
        request = ScanRequest(k=k, rerank=4 * k)
        got = padded.search(asked, nprobe=6, request=request)
        assert_same(got, plain.search(asked, nprobe=6, request=request))


def test_a_small_budget_cuts_a_batch_into_recorded_sizes(monkeypatch):
    data = world.random_index(integers=True)
    plain, padded, recorder = engines(data)
    asked = world.integer_queries(100, 16)
    request = ScanRequest(k=5, rerank=40)
    want = plain.search(asked, nprobe=3, request=request)
    monkeypatch.setattr(
        memory.FreeMemory, "budget", lambda _, a_query: 40 * RECORDED_SHARE * a_query
    )
    assert_same(padded.search(asked, nprobe=3, request=request), want)
    assert recorder.sizes
    assert max(recorder.sizes) <= 128
    assert len(asked) % max(recorder.sizes) or len(recorder.sizes) == 1


def test_the_oldest_recording_makes_room():
    kept = Recordings(recorder := Counted(), CPU)
    queries = torch.ones((3, 2))
    for key in [*range(MOST_RECORDED + 1), 0, MOST_RECORDED]:
        (doubled,) = kept.run(lambda block, live: (2 * block,), queries, key=key)
        assert torch.equal(doubled[:3], 2 * queries)
    assert len(kept) == MOST_RECORDED
    assert len(recorder.sizes) == MOST_RECORDED + 2  # 0 was let go, the last was not


def test_what_counts_is_what_came_last():
    kept = Recordings(world.Repeats(), CPU)

    def step(block, live):
        counts = torch.arange(len(block)) < live
        return (torch.where(counts, block[:, 0], -1.0),)

    for values in ([1.0, 2.0, 3.0], [4.0]):
        (got,) = kept.run(step, torch.tensor(values)[:, None], key="one size")
        padding = [-1.0] * (len(got) - len(values))
        assert got.tolist() == values + padding


def test_recordings_share_a_stream_to_warm_up_on_and_one_to_capture_on(monkeypatch):
    """Both of the device of the engine: cuBLAS keeps memory for each stream."""
    cuda = MagicMock()
    cuda.Stream.side_effect = lambda device: MagicMock(device=device)
    monkeypatch.setattr(torch, "cuda", cuda)
    device = torch.device("cuda", 1)
    graphs = CudaGraphs(device)
    for _ in range(3):
        graphs.record(lambda queries, live: (queries, live), None, None)
    warmed = {id(call.args[0]) for call in cuda.stream.call_args_list}
    captured = [call.kwargs["stream"] for call in cuda.graph.call_args_list]
    assert [stream.device for stream in captured] == [device] * 3
    assert len({id(stream) for stream in captured}) == len(warmed) == 1
    assert warmed != {id(captured[0])}


def test_threads_take_turns():
    """All share the memory of one recording: mixed up, answers would be others'."""
    data = world.random_index(integers=True)
    plain, padded, _ = engines(data)
    request = ScanRequest(k=5, rerank=40)
    batches = [world.integer_queries(8, 16, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        got = list(
            pool.map(lambda b: padded.search(b, nprobe=3, request=request), batches)
        )
    for batch, found in zip(batches, got, strict=True):
        assert_same(found, plain.search(batch, nprobe=3, request=request))
