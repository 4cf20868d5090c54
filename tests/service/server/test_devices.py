"""`--device`: who searches where there is no GPU, too small a one, or one that fails.

The GPU here is the reference engine with a switch: it fails when it is told to.
"""

import logging
from threading import Event, Thread
from time import monotonic

import numpy as np
import pytest
from fake_gpu import BUSY, LOST, ON_GPU, TOO_LARGE, FakeEngine, FakeGpu

from gleann.index import SearchParams, SoarIndex
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
    InvalidParamsError,
)
from gleann.service.config import Config
from gleann.service.devices.devices import Devices


@pytest.fixture(scope="module")
def index(rows, quick):
    return SoarIndex.build(rows, quick, engine="native")


def search(index, rows):
    return index.search(rows[:20], SearchParams(k=5, nprobe=8))


def test_the_cpu_does_not_look_for_a_gpu(index):
    class Untouchable:
        def reason(self):
            raise AssertionError

    assert Devices("cpu", gpu=Untouchable()).place(index) is index


@pytest.mark.parametrize("choice", ON_GPU)
def test_a_usable_gpu_serves(choice, index, rows):
    gpu = FakeGpu()
    placed = Devices(choice, gpu=gpu).place(index)
    found = search(placed, rows)
    np.testing.assert_array_equal(found.ids, search(index, rows).ids)
    assert (placed.engine_name, found.stats.engine) == ("fake-gpu", "fake-gpu")
    assert gpu.asked == 1


def test_without_a_gpu(index, caplog):
    """auto says nothing, cuda warns, require-cuda does not begin."""
    gpu = FakeGpu(reason="torch sees 0 CUDA devices")
    with caplog.at_level(logging.WARNING):
        assert Devices("auto", gpu=gpu).place(index) is index
        assert caplog.records == []
        assert Devices("cuda", gpu=gpu).place(index) is index
    assert "torch sees 0 CUDA devices" in caplog.text
    with pytest.raises(EngineUnavailableError, match=r"require-cuda.*0 CUDA devices"):
        Devices("require-cuda", gpu=gpu)


@pytest.mark.parametrize("choice", ON_GPU)
def test_an_index_that_does_not_fit(choice, index, caplog):
    placing = Devices(choice, gpu=FakeGpu(refusal=TOO_LARGE))
    if choice == "require-cuda":
        with pytest.raises(DeviceMemoryError, match=r"9\.00 GiB.* 1\.00 GiB"):
            placing.place(index)
        return
    assert placing.place(index) is index
    assert "9.00 GiB" in caplog.text


@pytest.mark.parametrize("choice", ON_GPU)
def test_a_lost_gpu(choice, index, rows, caplog):
    """auto answers that very search, and asks the GPU no more; others say so."""
    gpu = FakeGpu()
    placed = Devices(choice, gpu=gpu).place(index)
    gpu.failure = LOST
    if choice != "auto":
        for _ in range(2):
            with pytest.raises(DeviceLostError, match="lost"):
                search(placed, rows)
        return
    want = search(index, rows)
    for _ in range(3):
        found = search(placed, rows)
        np.testing.assert_array_equal(found.ids, want.ids)
        np.testing.assert_array_equal(found.distances, want.distances)
        assert found.stats.engine == index.engine_name
    assert gpu.asked == 1
    assert placed.engine_name == index.engine_name
    assert len(caplog.records) == 1


def test_threads_share_what_is_known_of_the_gpu(index, rows):
    gpu = FakeGpu()
    placed = Devices("auto", gpu=gpu).place(index)
    other = placed.engine.with_threads(1)
    gpu.failure = LOST
    search(placed, rows)
    assert other.name.startswith("native")


@pytest.mark.parametrize("choice", ON_GPU)
def test_a_batch_that_does_not_fit(choice, index, rows):
    """It is over once memory is free again: the GPU is asked for the next."""
    gpu = FakeGpu()
    placed = Devices(choice, gpu=gpu).place(index)
    gpu.failure = BUSY
    if choice == "auto":
        assert search(placed, rows).stats.engine == index.engine_name
    else:
        with pytest.raises(DeviceMemoryError, match=r"2\.00 GiB.* 1\.00 GiB free"):
            search(placed, rows)
    gpu.failure = None
    assert search(placed, rows).stats.engine == "fake-gpu"
    assert gpu.asked == 2


def test_an_index_lost_at_loading_is_served_by_the_cpu_under_auto_only(index):
    gpu = FakeGpu(refusal=LOST)
    assert Devices("auto", gpu=gpu).place(index) is index
    with pytest.raises(DeviceLostError):
        Devices("cuda", gpu=gpu).place(index)


class Broken(Exception):
    pass


def other_index(rows, quick):
    return SoarIndex.build(rows[::-1].copy(), quick, engine="native")


@pytest.mark.parametrize("choice", ON_GPU)
def test_both_versions_fit(choice, index, rows, quick):
    gpu = FakeGpu(rows=2 * len(rows))
    placing = Devices(choice, gpu=gpu)
    old = placing.place(index)
    with placing.replacing(old, other_index(rows, quick)) as new:
        assert gpu.rows == 2 * len(rows)
        assert (old.engine_name, new.engine_name) == ("fake-gpu", "fake-gpu")
    assert gpu.rows == len(rows)
    assert old.engine_name == index.engine_name
    # Who still holds the old version, such as a session, gets its answers.
    np.testing.assert_array_equal(search(old, rows).ids, search(index, rows).ids)


@pytest.mark.parametrize("choice", ON_GPU)
def test_the_old_version_makes_room(choice, index, rows, quick):
    gpu = FakeGpu(rows=len(rows))
    placing = Devices(choice, gpu=gpu)
    old = placing.place(index)
    with placing.replacing(old, other_index(rows, quick)) as new:
        np.testing.assert_array_equal(search(old, rows).ids, search(index, rows).ids)
        assert old.engine_name == index.engine_name
        assert new.engine_name == "fake-gpu"
    assert gpu.rows == len(rows)
    assert search(new, rows).stats.engine == "fake-gpu"


@pytest.mark.parametrize("choice", ON_GPU)
def test_a_new_version_that_does_not_fit_by_itself(choice, index, rows, quick):
    gpu = FakeGpu(rows=len(rows))
    placing = Devices(choice, gpu=gpu)
    old = placing.place(index)
    new = SoarIndex.build(np.concatenate([rows, rows + 1]), quick, engine="native")
    if choice == "require-cuda":
        with pytest.raises(DeviceMemoryError), placing.replacing(old, new):
            pass
        assert search(old, rows).stats.engine == "fake-gpu"  # it is back
        return
    with placing.replacing(old, new) as placed:
        assert placed is new
    assert gpu.rows == 0


def test_the_old_version_comes_back_after_the_memory_ran_out(index, rows, quick):
    """What was half copied is held by the error that says so."""
    gpu = FakeGpu(rows=len(rows))
    placing = Devices("require-cuda", gpu=gpu)
    old = placing.place(index)
    new = other_index(rows, quick)
    gpu.runs_out = lambda data: data is new.data
    with (
        pytest.raises(DeviceMemoryError, match=r"9\.00 GiB") as caught,
        placing.replacing(old, new),
    ):
        pytest.fail("it was placed")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert gpu.rows == len(rows)
    assert search(old, rows).stats.engine == "fake-gpu"


@pytest.mark.parametrize("choice", ON_GPU)
def test_a_version_in_place_of_one_on_a_lost_gpu(choice, index, rows, quick):
    gpu = FakeGpu(rows=2 * len(rows))
    placing = Devices(choice, gpu=gpu)
    old, new = placing.place(index), other_index(rows, quick)
    gpu.failure = LOST
    if choice != "auto":
        with pytest.raises(DeviceLostError), placing.replacing(old, new):
            pytest.fail("it was placed")
        return
    with placing.replacing(old, new) as placed:
        assert placed is new
    np.testing.assert_array_equal(search(old, rows).ids, search(index, rows).ids)


@pytest.mark.parametrize("room", [1, 2])
def test_a_version_that_is_not_published(room, index, rows, quick):
    gpu = FakeGpu(rows=room * len(rows))
    placing = Devices("cuda", gpu=gpu)
    old = placing.place(index)
    with (
        pytest.raises(Broken),
        placing.replacing(old, other_index(rows, quick)) as new,
    ):
        raise Broken
    assert search(old, rows).stats.engine == "fake-gpu"
    assert new.engine_name == index.engine_name
    assert gpu.rows == len(rows)


def wait_until(happened):
    deadline = monotonic() + 60
    while not happened():
        assert monotonic() < deadline


def test_a_search_under_way_is_waited_for(monkeypatch, index, rows):
    gpu = FakeGpu()
    placed = Devices("cuda", gpu=gpu).place(index)
    begun, go_on = Event(), Event()
    scan = FakeEngine.search

    def slow(engine, queries, **asked):
        begun.set()
        assert go_on.wait(60)
        return scan(engine, queries, **asked)

    monkeypatch.setattr(FakeEngine, "search", slow)
    found = []
    try:
        asking = Thread(target=lambda: found.append(search(placed, rows)))
        asking.start()
        assert begun.wait(60)
        leaving = Thread(target=placed.engine.leave)
        leaving.start()
        leaving.join(0.05)
        assert leaving.is_alive()
        assert gpu.rows == len(rows)
        # Meanwhile the CPU answers whoever asks.
        wait_until(lambda: placed.engine_name != "fake-gpu")
        search(placed, rows)
        go_on.set()
        asking.join(60)
        leaving.join(60)
    finally:
        go_on.set()
    assert gpu.rows == 0
    np.testing.assert_array_equal(found[0].ids, search(index, rows).ids)
    assert found[0].stats.engine == "fake-gpu"  # it answered, and has left since


@pytest.mark.parametrize("choice", ON_GPU)
@pytest.mark.parametrize("error", [TOO_LARGE, LOST], ids=["too large", "lost"])
def test_work_that_the_gpu_cannot_do(choice, error, caplog):
    asked = []

    def work(device):
        asked.append(device)
        if device is not None:
            raise error
        return "done"

    placing = Devices(choice, gpu=FakeGpu())
    if choice == "require-cuda" or (choice == "cuda" and error is LOST):
        with pytest.raises(type(error)):
            placing.run(work)
        assert asked == ["fake:0"]
        return
    assert placing.run(work) == "done"
    assert asked == ["fake:0", None]
    assert str(error) in caplog.text


def test_other_errors_are_not_tried_again():
    def work(device):
        raise InvalidParamsError(f"on {device}")

    with pytest.raises(InvalidParamsError, match="on fake:0"):
        Devices("auto", gpu=FakeGpu()).run(work)


def test_work_on_an_index(index, rows):
    gpu = FakeGpu()
    placing = Devices("auto", gpu=gpu)
    assert placing.run_on(index, lambda it: it.engine_name) == "fake-gpu"
    gpu.failure = BUSY
    found = placing.run_on(index, lambda it: search(it, rows))
    assert found.stats.engine == index.engine_name
    assert Devices("cpu").run_on(index, lambda it: it) is index


@pytest.mark.parametrize("device", ON_GPU)
@pytest.mark.parametrize("engine", ["faiss-gpu", "torch", "triton"])
def test_an_engine_that_is_no_spare(tmp_path, engine, device):
    """It would hold the index on the GPU a second time."""
    said = f"engine is '{engine}' and device is '{device}'"
    with pytest.raises(InvalidParamsError, match=said):
        Config(data_dir=tmp_path, engine=engine, device=device)
    assert Config(data_dir=tmp_path, engine=engine).device == "cpu"
    assert Config(data_dir=tmp_path, engine="native", device=device).engine == "native"
