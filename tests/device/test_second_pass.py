"""The second pass with fixed room: the same answers, whatever is flagged."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device import engine as engine_module
from gleann.index.engines.device import recorded
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.planner import Plan
from gleann.index.engines.device.steps import passes
from gleann.index.engines.device.steps.certificate import (
    rescanned,
    rescanned_within,
)
from gleann.index.engines.device.torch_scanner import TorchScanner

CPU = torch.device("cpu")
NQ, NPROBE, KEEP = 40, 3, 10


def first_pass_of(data, asked, request, *, nprobe):
    engine = DeviceEngine(data, scanner=TorchScanner(), device=CPU)
    task = engine.task(request, queries=len(asked), nprobe=nprobe)
    queries = torch.from_numpy(asked)
    best = engine.ranking.best(queries, nprobe=nprobe)
    return passes.first_pass(queries, best, parts=engine.parts, task=task)


def flags(kind):
    """bool (NQ, NPROBE): made up, since any pair may be scanned again."""
    out = torch.zeros((NQ, NPROBE), dtype=torch.bool)
    if kind == "few":
        out[3, 1] = out[3, 2] = out[17, 0] = out[NQ - 1, 2] = True
    elif kind == "half":
        rng = np.random.default_rng(1)
        out = torch.from_numpy(rng.random((NQ, NPROBE)) < 0.5)
    elif kind == "all":
        out[:] = True
    return out


@pytest.mark.parametrize("kind", ["none", "few", "half", "all"])
@pytest.mark.parametrize("room", [1, 3, 4, 5, 30, NQ * NPROBE, 200])
def test_as_many_as_fit_are_scanned_as_step_by_step(kind, room):
    data = world.random_index(n=3000, integers=True, d=8, nlist=5)
    asked = world.integer_queries(NQ, 8)
    passed = first_pass_of(data, asked, ScanRequest(k=5, rerank=KEEP), nprobe=NPROBE)
    violated = flags(kind)
    got = rescanned_within(
        TorchScanner(), passed.keys, violated, passed.probe, keep=KEEP, room=room
    )
    upto = violated.sum(dim=1).cumsum(0)
    flagged = violated.any(dim=1)
    assert torch.equal(got.done, flagged & (upto <= room))
    assert torch.equal(got.left, flagged & (upto > room))
    assert got.candidates.shape == (room, KEEP)
    numbers = got.done.nonzero()[:, 0]
    if len(numbers):
        want = rescanned(
            TorchScanner(),
            passed.keys[numbers],
            violated[numbers],
            passed.probe.take(numbers),
            keep=KEEP,
        )
        assert torch.equal(got.candidates[got.places[numbers]], want)
        assert torch.equal(got.query_nos[: len(numbers)], numbers)


def crowded(d=8, n=3000):
    """One list, and near each query three rows that share a bucket."""
    return world.random_index(n=n, integers=True, d=d, nlist=2)


def recorded_and_steps(data, scanner):
    steps = DeviceEngine(data, scanner=TorchScanner(), device=CPU)
    engine = DeviceEngine(data, scanner=scanner, device=CPU, recorder=world.Repeats())
    return engine, steps


@pytest.fixture
def asked_again(monkeypatch):
    counted = []
    best = engine_module.DeviceRanking.best

    def spy(self, queries, *, nprobe):
        counted.append(len(queries))
        return best(self, queries, nprobe=nprobe)

    monkeypatch.setattr(engine_module.DeviceRanking, "best", spy)
    return counted


@pytest.mark.parametrize("spare", [-20, -1, 0, 5])
def test_the_answers_are_one_whether_the_room_suffices(monkeypatch, asked_again, spare):
    data = crowded()
    asked = world.integer_queries(100, 8, seed=5)
    request = ScanRequest(k=16, rerank=16)
    violated = first_pass_of(data, asked, request, nprobe=1).violated
    pairs = int(violated.sum())
    assert 20 < pairs < 100
    room = pairs + spare
    monkeypatch.setattr(engine_module, "room_for", lambda *_, **__: room)
    monkeypatch.setattr(recorded, "ROOM_SHARE", 1)
    engine, steps = recorded_and_steps(data, TorchScanner())
    del asked_again[:]
    got = engine.search(asked, nprobe=1, request=request)
    assert asked_again == ([] if spare >= 0 else [-spare])
    want = steps.search(asked, nprobe=1, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert (got.short, got.work) == (want.short, want.work)
    exact = ReferenceEngine(data).search(asked, nprobe=1, request=request)
    np.testing.assert_array_equal(got.distances, exact.distances)


@pytest.mark.parametrize("share", [0, 1, 16])
def test_batch_after_batch_through_one_recording(monkeypatch, share):
    """What one batch leaves in the room is nothing to the next."""
    data = crowded()
    monkeypatch.setattr(passes, "ROOM_SHARE", share or 10**9)
    engine, steps = recorded_and_steps(data, TorchScanner())
    for seed, (count, k) in enumerate([(100, 10), (90, 3), (128, 10), (70, 1)]):
        asked = world.integer_queries(count, 8, seed=seed)
        request = ScanRequest(k=k, rerank=max(10, k))
        got = engine.search(asked, nprobe=2, request=request)
        want = steps.search(asked, nprobe=2, request=request)
        np.testing.assert_array_equal(got.rows, want.rows)
        np.testing.assert_array_equal(got.distances, want.distances)
        assert got.work == want.work


def test_without_certainty_nothing_is_scanned_again(asked_again):
    class Never(TorchScanner):
        def exact(self, queries, list_nos, view, *, keep):
            pytest.fail("scanned again")

    data = crowded()
    asked = world.integer_queries(100, 8, seed=5)
    request = ScanRequest(k=10, rerank=10, certain=False)
    violated = first_pass_of(data, asked, request, nprobe=1).violated
    assert violated.any()
    likely, _ = recorded_and_steps(data, Never())
    steps = DeviceEngine(data, scanner=Never(), device=CPU)
    del asked_again[:]
    got = likely.search(asked, nprobe=1, request=request)
    assert asked_again == []
    want = steps.search(asked, nprobe=1, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    certain = ReferenceEngine(data).search(asked, nprobe=1, request=request)
    right = (got.distances == certain.distances).mean()
    assert 0.9 < right < 1  # what the second pass is for, and what it costs to skip
    again = likely.search  # the same engine still has certain answers
    with pytest.raises(BaseException, match="scanned again"):
        again(asked, nprobe=1, request=replace(request, certain=True))


def test_how_much_room_there_is():
    how = Plan(
        selection="buckets",
        bucketing=Bucketing(buckets=32, span=8192),
        block=10_240,
        again=10_240,
    )
    plenty = 1 << 31

    def room(queries, longest, budget=plenty, planned=how):
        return passes.room_for(planned, queries=queries, longest=longest, budget=budget)

    assert room(10_240, 1500) == 640
    assert [room(count, 1500) for count in (1, 8, 32, 128)] == [0, 0, 2, 8]
    assert room(10_240, 10_000_000) == 0  # an exhaustive search by one list
    assert room(10_240, 100_000) == passes.MOST_ROOM_KEYS // 100_000
    # A quarter of the budget, of four copies of eight bytes a key.
    assert room(10_240, 1500, budget=4 * 4 * 8 * 1500 * 7) == 7
    assert room(10_240, 1500, planned=replace(how, selection="exact")) == 0
    # Many lists and a deep pool: what their queries take to be merged again.
    assert room(10_240, 1500, planned=replace(how, again=100)) == 25
