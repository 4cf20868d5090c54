"""What a device engine says of devices and data that it cannot use."""

import gc
import weakref

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.contract import ScanRequest
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
    NonFiniteError,
)

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.plan.choice import require_cuda
from gleann.index.engines.device.torch_scanner import TorchScanner
from gleann.index.engines.device.turns import turn_on
from gleann.index.engines.triton import device_reason

CPU = torch.device("cpu")
CUDA = torch.device("cuda", 0)
REQUEST = ScanRequest(k=5, rerank=40)


class Failing(TorchScanner):
    """Raises what it is given, once."""

    failure = None

    def merge(self, keys, lists, probed, *, keep):
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return super().merge(keys, lists, probed, keep=keep)


def failing(failure):
    scanner = Failing()
    scanner.failure = failure
    return DeviceEngine(world.random_index(), scanner=scanner, device=CPU)


@pytest.mark.parametrize(
    "failure",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was met\nHint"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("Triton Error [CUDA]: unspecified launch failure"),
    ],
    ids=["torch", "cublas", "triton"],
)
def test_a_device_that_fails_is_lost(failure):
    engine = failing(failure)
    said = r"^cpu failed and is lost to this process: (CUDA|Triton) [^\n]*$"
    with pytest.raises(DeviceLostError, match=said):
        engine.search(world.integer_queries(3, 16), nprobe=2, request=REQUEST)
    # The turn was given back: whoever asks next is not left waiting.
    found = engine.search(world.integer_queries(3, 16), nprobe=2, request=REQUEST)
    assert (found.rows >= 0).all()


def test_memory_that_runs_out_all_the_same():
    engine = failing(torch.OutOfMemoryError("Tried to allocate 2 GiB; 1 GiB is free"))
    with pytest.raises(DeviceMemoryError, match=r"out of memory: Tried.*2 GiB.*1 GiB"):
        engine.search(world.integer_queries(3, 16), nprobe=2, request=REQUEST)


@pytest.mark.parametrize(
    "failure",
    [
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublas`"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
    ids=["torch", "cublas", "triton"],
)
def test_want_of_memory_is_not_taken_for_a_lost_device(failure):
    engine = failing(failure)
    said = r"^cpu is out of memory: (CUDA|Triton) [^\n]*$"
    with pytest.raises(DeviceMemoryError, match=said):
        engine.search(world.integer_queries(3, 16), nprobe=2, request=REQUEST)


def test_memory_that_ran_out_is_free_once_the_error_is_gone():
    """Without the collector, which may be long in coming."""

    def work():
        batch = torch.zeros(8)
        held.append(weakref.ref(batch))
        raise torch.OutOfMemoryError("Tried to allocate 2 GiB; 1 GiB is free")

    held = []
    gc.disable()
    try:
        with pytest.raises(DeviceMemoryError, match="2 GiB") as caught, turn_on(CPU):
            work()
        del caught
        assert held[0]() is None
    finally:
        gc.enable()


def test_room_is_counted_once_cycles_are_gone(monkeypatch):
    class Holder:
        pass

    first, second = Holder(), Holder()
    first.other, second.other = second, first
    there = weakref.ref(first)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 0 if there() else 1 << 30)
    del first, second
    assert memory.room_on(CUDA) == 1 << 30


def test_other_errors_are_bugs_and_pass():
    engine = failing(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match=r"^shapes differ$"):
        engine.search(world.integer_queries(3, 16), nprobe=2, request=REQUEST)


def test_a_device_that_is_too_old(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    said = r"Tesla T4 has compute capability 7\.5.* needs at least 8\.0"
    with pytest.raises(EngineUnavailableError, match=said):
        require_cuda(CUDA)


def test_the_oldest_device_that_will_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    require_cuda(CUDA)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_reason_is_that_of_the_engine():
    pytest.importorskip("triton", reason="triton is not installed")
    assert "torch sees 0 CUDA devices" in device_reason()
    assert "torch sees 0 CUDA devices" in device_reason("cuda:3")


def test_an_index_larger_than_the_device(monkeypatch):
    data = world.random_index()
    lists = memory.footprint(data, kind="int8", rows_on_device=False).lists
    room = memory.RESERVE + lists // 2
    monkeypatch.setattr(memory, "free_bytes", lambda device: room)
    with pytest.raises(DeviceMemoryError, match=r"int8.*cpu has.*native engine"):
        memory.admit(data, kinds=("bf16", "int8"), device=CPU)


class Driver:
    """Says how much is free, and counts how often it is asked."""

    def __init__(self, monkeypatch, free):
        self.free = free
        self.asked = 0
        monkeypatch.setattr(memory, "free_bytes", self.answer)

    def answer(self, device):
        self.asked += 1
        return self.free


def test_the_driver_is_asked_at_load_and_after_each_recording(monkeypatch):
    driver = Driver(monkeypatch, 1 << 40)
    scanner = Failing()
    engine = DeviceEngine(
        world.random_index(), scanner=scanner, device=CPU, recorder=world.Repeats()
    )
    loaded = driver.asked
    assert loaded >= 1
    for count in (3, 5, 3, 8, 20, 3):  # padded to 8, 8, 8, 8, 32, 8
        engine.search(world.integer_queries(count, 16), nprobe=2, request=REQUEST)
        engine.scan(
            world.integer_queries(count, 16),
            world.some_lists(count, 2, 9),
            REQUEST,
        )
    assert driver.asked == loaded + 2


def test_memory_that_others_took_is_seen_once_an_allocation_fails(monkeypatch):
    driver = Driver(monkeypatch, 1 << 40)
    scanner = Failing()
    engine = DeviceEngine(world.random_index(), scanner=scanner, device=CPU)
    queries = world.integer_queries(3, 16)
    loaded = driver.asked
    driver.free = 1000  # and nothing says so
    engine.search(queries, nprobe=2, request=REQUEST)
    assert driver.asked == loaded
    scanner.failure = torch.OutOfMemoryError("Tried to allocate 2 GiB; 0 is free")
    with pytest.raises(DeviceMemoryError, match="Tried to allocate"):
        engine.search(queries, nprobe=2, request=REQUEST)
    with pytest.raises(DeviceMemoryError, match=r"a query takes .* cpu has 1,000 byt"):
        engine.search(queries, nprobe=2, request=REQUEST)
    driver.free = 1 << 40  # given back: asked again before a search is refused
    found = engine.search(queries, nprobe=2, request=REQUEST)
    assert (found.rows >= 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(value):
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=4, tune_queries=0)
    index = SoarIndex.build(rows, params, engine="torch")
    spoilt = rows.copy()
    spoilt[41, 3] = value
    with pytest.raises(NonFiniteError, match="row 41"):
        SoarIndex.build(spoilt, params, engine="torch")
    with pytest.raises(NonFiniteError, match="row 41"):
        index.search(spoilt, SearchParams(k=3, nprobe=2))
