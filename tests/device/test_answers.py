"""Answers on their way from the device: decoded as the device would, buffers shared."""

import numpy as np
import pytest

from gleann.index.engines.contract import ScanRequest, Work
from gleann.index.engines.reference import ReferenceEngine

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device import answers as module
from gleann.index.engines.device import recorded
from gleann.index.engines.device.answers import (
    BUFFERS,
    HostAnswers,
    Staging,
    TensorAnswers,
    decode,
)
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.steps.keys import NONE, make_keys
from gleann.index.engines.device.steps.packed import COUNTS, OPEN
from gleann.index.engines.device.steps.rerank import answer
from gleann.index.engines.device.torch_scanner import TorchScanner

CPU = torch.device("cpu")


def keys_of(distances, rows):
    return make_keys(torch.tensor(distances), torch.tensor(rows))


def block_of(keys, *, counts=(1, 2, 3, 0)):
    return torch.cat([torch.tensor(counts), keys.reshape(-1)])


def test_keys_are_decoded_as_on_the_device():
    least = np.finfo(np.float32).smallest_subnormal
    most = np.finfo(np.float32).max
    given = [-most, -3.5, -least, -0.0, 0.0, least, 1.5, float(most), 2.0, 7.0]
    numbers = [0, 1, (1 << 31) - 1, 3, 4, 5, 6, 7, 8, 9]
    keys = keys_of(given, numbers).view(2, 5)
    keys[1, 4] = NONE
    rows, distances = np.empty((2, 5), np.int64), np.empty((2, 5), np.float32)
    decode(keys.numpy(), rows, distances)
    want = [part.numpy() for part in answer(keys)]
    np.testing.assert_array_equal(rows, want[0])
    np.testing.assert_array_equal(distances.view(np.int32), want[1].view(np.int32))
    assert (rows[1, 4], distances[1, 4]) == (-1, np.inf)


def test_blocks_arrive_in_order_and_only_what_counts():
    staging = Staging(CPU)
    found = HostAnswers(staging, count=7, k=1)
    shared = torch.zeros(COUNTS + 3, dtype=torch.int64)
    for first, count in ((0, 3), (3, 3), (6, 1)):
        # One tensor for all blocks, as a recording returns: the next overwrites it.
        numbers = [first, first + 1, first + 2]
        shared.copy_(block_of(keys_of([float(n) for n in numbers], numbers)))
        found.take(shared, count)
    assert found.unanswered().tolist() == []
    scanned = found.scanned
    assert scanned.rows[:, 0].tolist() == list(range(7))
    assert scanned.distances[:, 0].tolist() == list(range(7))
    assert scanned.work == Work(3, 6, 9, 9)
    assert scanned.short == 0


@pytest.mark.parametrize("sort", ["host", "tensor"])
def test_queries_without_an_answer_are_named_and_replaced(sort):
    if sort == "host":
        found = HostAnswers(Staging(CPU), count=4, k=2)
    else:
        found = TensorAnswers(torch.tensor(False), k=2)
    keys = keys_of([1.0, 2.0] * 4, list(range(8))).view(4, 2)
    keys[1] = NONE
    keys[2, 0] = keys[3, 0] = OPEN
    keys[3, 1] = NONE
    found.take(block_of(keys, counts=(4, 40, 8, 2)), 4)
    numbers = found.unanswered()
    assert numbers.tolist() == [2, 3]
    others = found.like(2)
    again = keys_of([5.0, 6.0, 7.0, 8.0], [50, 60, 70, 80]).view(2, 2)
    again[1, 1] = NONE
    others.take(block_of(again, counts=(2, 20, 3, 0)), 2)
    found.replace(numbers, others)
    if sort == "host":
        rows, short, work = found.scanned.rows, found.scanned.short, found.scanned.work
    else:
        rows, short, work = found.nearest[0].numpy(), found.short, found.work
    assert rows.tolist() == [[0, 1], [-1, -1], [50, 60], [70, -1]]
    assert short == 2
    assert work == Work(6, 60, 11, 11)


def test_two_blocks_on_their_way_never_share_a_buffer():
    staging = Staging(CPU)
    first, second = staging.buffer(0, 10), staging.buffer(1, 10)
    assert first.data_ptr() != second.data_ptr()
    assert staging.buffer(BUFFERS, 8).data_ptr() == first.data_ptr()
    assert staging.buffer(BUFFERS + 1, 12).data_ptr() != second.data_ptr()


def test_large_buffers_are_not_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_STAGED", 80)
    staging = Staging(CPU)
    small, large = staging.buffer(0, 10), staging.buffer(0, 11)
    assert large.data_ptr() != small.data_ptr()
    assert staging.buffer(0, 10).data_ptr() == small.data_ptr()


def test_a_search_waits_once_a_block(monkeypatch):
    """And not before the next block was handed to the device, nor for the counts."""
    data = world.random_index(integers=True)
    engine = DeviceEngine(
        data, scanner=TorchScanner(), device=CPU, recorder=world.Repeats()
    )
    monkeypatch.setattr(recorded, "size_within", lambda _: 32)
    events = []
    take = HostAnswers.take
    monkeypatch.setattr(
        HostAnswers,
        "take",
        lambda found, *block: (events.append("take"), take(found, *block)),
    )
    monkeypatch.setattr(
        module,
        "decode",
        lambda *block: (events.append("arrive"), decode(*block)),
    )
    asked = world.integer_queries(100, 16)
    request = ScanRequest(k=2, rerank=40)
    got = engine.search(asked, nprobe=3, request=request)
    blocks = events.count("take")
    assert blocks >= 3
    assert events[:4] == ["take", "take", "take", "arrive"]
    assert events.count("arrive") == blocks
    want = ReferenceEngine(data).search(asked, nprobe=3, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)
