"""The torch engine beyond the contract that `tests/conformance` checks."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.codes import Encoding, fit_center, quantise
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.torch import torch_engine
from gleann.index.errors import (
    DeviceMemoryError,
    EngineUnavailableError,
    InvalidParamsError,
)
from gleann.index.metric import prepare

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device import engine as engine_module
from gleann.index.engines.device import turns
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.layout import layout
from gleann.index.engines.device.layout.layout import lay_out, shuffled
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.plan.bucketing import slot_table
from gleann.index.engines.device.steps import passes, queries, scan
from gleann.index.engines.device.torch_scanner import TorchScanner

index_of, random_index = world.index_of, world.random_index
integer_queries, some_lists = world.integer_queries, world.some_lists

KINDS = ["bf16", "fp16", "fp32", "int8"]


def on_cpu(data, kind="fp32"):
    return torch_engine(data, device="cpu", kind=kind)


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_rows_far_from_the_origin(metric, kind):
    """Every kind of number reads rows without what they have in common."""
    rng = np.random.default_rng(7)
    rows = prepare((rng.normal(size=(1500, 24)) + 40).astype(np.float32), metric)
    encoding = Encoding(metric=metric, kind="int8", center=fit_center(rows, metric))
    primary = rng.integers(9, size=1500)
    secondary = np.where(rng.random(1500) < 0.5, (primary + 1) % 9, -1)
    data = index_of(rows, primary, secondary, metric=metric, encoding=encoding)
    asked = rows[::20]
    list_nos = some_lists(len(asked), 5, 9)
    request = ScanRequest(k=10, rerank=60)
    got = on_cpu(data, kind).scan(asked, list_nos, request)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    assert (got.distances == want.distances).mean() > 0.99


def test_float32_codes_are_scanned_as_fp32_only():
    data = random_index()
    whole = replace(data.encoding, kind="float32")
    data = replace(data, encoding=whole, codes=whole.encode(data.vectors))
    assert torch_engine(data, device="cpu").name == "torch/cpu/fp32"
    with pytest.raises(InvalidParamsError, match="scanned as fp32, not bf16"):
        on_cpu(data, "bf16")


@pytest.mark.parametrize("far", [1e-3, 1.0, 1e12])
def test_differences_do_not_depend_on_where_the_query_is(far):
    """Rows and queries share a unit, however far apart they are."""
    data = random_index(d=3)
    whole = replace(data.encoding, kind="float32")
    data = replace(data, encoding=whole, codes=whole.encode(data.vectors))
    asked = (data.vectors[:40] * np.float32(far)).astype(np.float32)
    list_nos = some_lists(40, 4, 9)
    request = ScanRequest(k=5, rerank=20)
    got = on_cpu(data).scan(asked, list_nos, request)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-6)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("seed", range(4))
def test_integer_data_is_answered_as_by_the_reference(metric, kind, seed):
    """Every score is exact there, so the certificate makes rows and ties equal."""
    data = random_index(metric=metric, seed=seed, integers=True)
    asked = integer_queries(60, 16, seed=seed)
    list_nos = some_lists(60, 5, 9, seed=seed)
    request = ScanRequest(k=10, rerank=400)
    got = on_cpu(data, kind).scan(asked, list_nos, request)
    assert_same(got, ReferenceEngine(data).scan(asked, list_nos, request))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_every_kind_of_number_finds_the_neighbours(kind, metric):
    data = random_index(metric=metric, d=40, seed=3)
    asked = np.random.default_rng(4).normal(size=(100, 40)).astype(np.float32)
    list_nos = some_lists(100, 4, 9)
    request = ScanRequest(k=10, rerank=40)
    got = on_cpu(data, kind).scan(asked, list_nos, request)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    assert (got.rows == want.rows).mean() >= 0.999


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_no_magnitude_is_too_small_or_too_large(kind, scale):
    data = random_index(metric="l2", d=24, seed=5)
    vectors = (data.vectors * np.float32(scale)).astype(np.float32)
    data = replace(data, vectors=vectors, codes=data.encoding.encode(vectors))
    asked = np.random.default_rng(6).normal(size=(30, 24)) * scale
    asked = asked.astype(np.float32)
    list_nos = some_lists(30, 4, 9)
    request = ScanRequest(k=5, rerank=40)
    got = on_cpu(data, kind).scan(asked, list_nos, request)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    assert (got.rows == want.rows).mean() >= 0.99


@pytest.mark.parametrize("kind", ["fp32", "int8"])
@pytest.mark.parametrize("d", [8, 100, 1041, 4096])
def test_dimensions(kind, d):
    data = random_index(n=300, d=d, nlist=4, seed=d)
    asked = np.random.default_rng(7).normal(size=(10, d)).astype(np.float32)
    request = ScanRequest(k=5, rerank=60)
    list_nos = some_lists(10, 3, 4)
    got = on_cpu(data, kind).scan(asked, list_nos, request)
    assert_same(got, ReferenceEngine(data).scan(asked, list_nos, request))


@pytest.mark.parametrize("k", [100, 101, 1024])
def test_many_neighbours(k):
    data = random_index(n=3000, integers=True)
    asked = integer_queries(8, 16)
    list_nos = some_lists(8, 6, 9)
    request = ScanRequest(k=k, rerank=min(3000, 4 * k))
    got = on_cpu(data).scan(asked, list_nos, request)
    assert_same(got, ReferenceEngine(data).scan(asked, list_nos, request))


def test_fewer_rows_than_neighbours_and_empty_lists():
    data = index_of(
        np.eye(5, 8), [0, 0, 2, 2, 5], [2, -1, 0, -1, 2], nlist=7, metric="ip"
    )
    asked = np.ones((2, 8), np.float32)
    list_nos = np.array([[0, 1, 2], [3, 4, -1]], np.int32)
    got = on_cpu(data).scan(asked, list_nos, ScanRequest(k=9, rerank=12))
    assert got.rows.tolist() == [[0, 1, 2, 3, 4] + [-1] * 4, [-1] * 9]
    assert got.short == 2
    assert got.work.entries_scanned == 7  # five rows, two of them twice


def three_in_one_bucket(d=16, n=256):
    """One list whose three rows nearest to zero share a bucket."""
    far = np.random.default_rng(0).normal(size=(n, d)) + 8
    data = index_of(far, np.zeros(n), np.full(n, -1))
    near = data.lists.rows[shuffled(data)[slot_table(32)[0][:3]]]
    vectors = data.vectors.copy()
    vectors[near] = 0.1 * np.arange(1, 4)[:, None]
    return index_of(vectors, np.zeros(n), np.full(n, -1)), near


class CountingScanner(TorchScanner):
    """Counts the pairs that are scanned again."""

    again = 0

    def exact(self, queries, list_nos, view, *, keep):
        self.again += len(list_nos)
        return super().exact(queries, list_nos, view, keep=keep)


def test_three_neighbours_in_one_bucket_are_scanned_again(monkeypatch):
    data, near = three_in_one_bucket()
    scanner = CountingScanner()
    engine = DeviceEngine(data, scanner=scanner, device=torch.device("cpu"))
    asked = np.zeros((1, 16), np.float32)
    list_nos = np.zeros((1, 1), np.int32)
    request = ScanRequest(k=3, rerank=12)
    assert_same(
        engine.scan(asked, list_nos, request),
        ReferenceEngine(data).scan(asked, list_nos, request),
    )
    assert scanner.again == 1
    engine.scan(asked, list_nos, replace(request, k=2))
    assert scanner.again == 1  # two fit into a bucket

    monkeypatch.setattr(
        passes, "violations", lambda bounds, *_, k: torch.zeros(bounds.shape[:2]) > 0
    )
    uncertified = engine.scan(asked, list_nos, request)
    assert set(uncertified.rows[0]) != set(near.tolist())  # without it, one is lost


def test_where_nothing_is_violated_nothing_is_missing():
    """The certificate is sound: pairs it passes agree with an exhaustive scan."""
    data = random_index(n=4000, integers=True, d=8, nlist=5)
    engine = on_cpu(data)
    list_nos = torch.from_numpy(some_lists(80, 3, 5).astype(np.int64))
    asked = torch.from_numpy(integer_queries(80, 8))
    task = engine.task(ScanRequest(k=10, rerank=10), queries=80, nprobe=3)
    passed = passes.first_pass(asked, list_nos, parts=engine.parts, task=task)
    violated = passed.violated.any(dim=1)
    exact = passes.exact_candidates(TorchScanner(), passed.probe, keep=10)
    assert 0 < int(violated.sum()) < 80
    assert torch.equal(passed.candidates[~violated], exact[~violated])


def test_codes_are_those_of_numpy():
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(200, 33)).astype(np.float32)
    rows[0] = 0
    rows[1] = 1e-45
    rows[2, :4] = [127, 0.5, 1.5, 2.5]  # halves go to the even code
    rows[2, 4:] = 0
    codes, scales = queries.quantise(torch.from_numpy(rows))
    want = quantise(rows)
    np.testing.assert_array_equal(codes.numpy(), want.values)
    np.testing.assert_array_equal(scales.numpy(), want.scales)


@pytest.mark.parametrize(("free", "where"), [(1 << 40, "DeviceRows"), (0, "HostRows")])
def test_rows_stay_behind_where_only_lists_fit(monkeypatch, free, where):
    data = random_index()
    lists = memory.footprint(data, kind="fp32", rows_on_device=False).total
    room = free or memory.RESERVE + lists
    monkeypatch.setattr(memory, "free_bytes", lambda device: room)
    engine = on_cpu(data)
    assert type(engine.parts.rows).__name__ == where
    asked = integer_queries(5, 16)
    list_nos = some_lists(5, 4, 9)
    request = ScanRequest(k=10, rerank=40)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    assert_same(engine.scan(asked, list_nos, request), want)


def test_half_the_bytes_where_all_of_them_do_not_fit(monkeypatch):
    data = random_index(d=64)
    whole = memory.footprint(data, kind="int8", rows_on_device=True).total
    cpu = torch.device("cpu")
    for room, kind, rows in ((1 << 40, "bf16", True), (whole, "int8", True)):
        free = memory.RESERVE + room
        monkeypatch.setattr(memory, "free_bytes", lambda device, free=free: free)
        chosen, taken = memory.admit(data, kinds=("bf16", "int8"), device=cpu)
        assert (chosen, taken.rows > 0) == (kind, rows)


def test_too_little_memory_is_said_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: memory.RESERVE + 5)
    said = r"take [\d,]{6,} bytes \(0\.00 GiB\) as fp32, and cpu has 5 bytes"
    with pytest.raises(DeviceMemoryError, match=said):
        on_cpu(random_index())


@pytest.mark.parametrize("name", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(EngineUnavailableError, match=name):
        torch_engine(random_index(), device=name)


def test_the_order_in_lists_is_seeded_and_keeps_segments():
    data = random_index()
    order = shuffled(data)
    np.testing.assert_array_equal(order, shuffled(data))
    assert (order != np.arange(len(order))).any()
    for j in range(data.lists.nlist):
        first, mid, last = (
            data.lists.offsets[j],
            data.lists.mids[j],
            data.lists.offsets[j + 1],
        )
        assert sorted(order[first:mid]) == list(range(first, mid))
        assert sorted(order[mid:last]) == list(range(mid, last))


def test_small_blocks_answer_as_large_ones(monkeypatch):
    data = random_index(integers=True)
    asked, list_nos = integer_queries(50, 16), some_lists(50, 5, 9)
    request = ScanRequest(k=10, rerank=400)
    engine = on_cpu(data)
    whole = engine.scan(asked, list_nos, request)
    monkeypatch.setattr(memory.FreeMemory, "budget", lambda _, a_query: 1)
    assert_same(engine.scan(asked, list_nos, request), whole)


def test_scores_are_those_the_docstring_says():
    data = random_index(n=200, d=24, nlist=2, seed=11)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    asked = np.random.default_rng(12).normal(size=(6, 24)).astype(np.float32)
    coded = queries.code_queries(torch.from_numpy(asked), lists)
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    entries = slice(0, data.lists.entries)
    got = scan.score(view, entries, coded).numpy()
    rows = data.vectors[lists.rows[entries].numpy()].astype(np.float64)
    true = np.square(rows).sum(axis=1)[:, None] / 2 - rows @ asked.T.astype(np.float64)
    ratio = (got / true)[np.abs(true) > 0.1].reshape(-1)
    assert np.allclose(np.log2(ratio), np.round(np.log2(ratio)), atol=1e-4)


def test_the_order_of_entries_is_found_while_others_use_the_device(monkeypatch):
    data = world.random_index(n=200)
    in_turn = []

    def find(asked):
        in_turn.append(turns.turn_lock("cpu").locked())
        return shuffled(asked)

    for module in (engine_module, layout):
        monkeypatch.setattr(module, "shuffled", find)
    DeviceEngine(data, scanner=TorchScanner(), device=torch.device("cpu"))
    assert in_turn == [False]
