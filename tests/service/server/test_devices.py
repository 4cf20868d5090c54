"""`--device`: who searches where there is no GPU, too small a one, or one that fails.

The GPU here is the reference engine with a switch: it fails when it is told to.
"""

import logging
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from weakref import WeakSet

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, SoarIndex, soar_index
from gleann.index.build.host import HostKernels
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
    InvalidParamsError,
)
from gleann.selection import coreset
from gleann.selection.coreset import problem
from gleann.selection.coreset.distance.choose import make_points
from gleann.service.config import Config, load_config
from gleann.service.devices import devices
from gleann.service.devices.devices import Devices

TOO_LARGE = DeviceMemoryError("the lists take 9.00 GiB, and cuda:0 has 1.00 GiB")
LOST = DeviceLostError("cuda:0 failed and is lost to this process: CUDA error")
BUSY = DeviceMemoryError("a query takes 2.00 GiB of keys, and cuda:0 has 1.00 GiB free")


class FakeEngine(ReferenceEngine):
    name = "fake-gpu"

    def __init__(self, data, gpu):
        super().__init__(data)
        self.data = data
        self._gpu = gpu

    def search(self, queries, *, nprobe, request):
        self._gpu.asked += 1
        if self._gpu.failure is not None:
            raise self._gpu.failure
        return super().search(queries, nprobe=nprobe, request=request)


class FakeGpu:
    """Attributes say what goes wrong."""

    name = "fake:0"

    def __init__(self, *, reason="", refusal=None, rows=10**9):
        self._reason = reason
        self.room = rows
        self._there = WeakSet()
        self.refusal = refusal
        self.failure = None
        self.runs_out = lambda data: False
        self.asked = 0

    def reason(self):
        return self._reason

    @property
    def rows(self):
        """Of all indexes on it."""
        return sum(len(engine.data.vectors) for engine in self._there)

    def has_room(self, data):
        if LOST in (self.failure, self.refusal):
            raise LOST
        return self.rows + len(data.vectors) <= self.room

    def engine(self, data):
        if self.refusal is not None:
            raise self.refusal
        if not self.has_room(data):
            raise TOO_LARGE
        engine = FakeEngine(data, self)
        self._there.add(engine)
        if self.runs_out(data):
            try:
                raise RuntimeError("CUDA out of memory")
            except RuntimeError as error:
                raise DeviceMemoryError(str(TOO_LARGE)) from error
        return engine


@pytest.fixture(scope="module")
def index(rows, quick):
    return SoarIndex.build(rows, quick, engine="native")


def search(index, rows):
    return index.search(rows[:20], SearchParams(k=5, nprobe=8))


ON_GPU = ["auto", "cuda", "require-cuda"]


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
    deadline = monotonic() + 30
    while not happened():
        assert monotonic() < deadline


def test_a_search_under_way_is_waited_for(monkeypatch, index, rows):
    gpu = FakeGpu()
    placed = Devices("cuda", gpu=gpu).place(index)
    begun, go_on = Event(), Event()
    scan = FakeEngine.search

    def slow(engine, queries, **asked):
        begun.set()
        assert go_on.wait(30)
        return scan(engine, queries, **asked)

    monkeypatch.setattr(FakeEngine, "search", slow)
    found = []
    try:
        asking = Thread(target=lambda: found.append(search(placed, rows)))
        asking.start()
        assert begun.wait(30)
        leaving = Thread(target=placed.engine.leave)
        leaving.start()
        leaving.join(0.05)
        assert leaving.is_alive()
        assert gpu.rows == len(rows)
        # Meanwhile the CPU answers whoever asks.
        wait_until(lambda: placed.engine_name != "fake-gpu")
        search(placed, rows)
        go_on.set()
        asking.join(30)
        leaving.join(30)
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


def filled(client, rows, quick):
    client.create_index("a", dim=rows.shape[1], metric="l2")
    client.upsert("a", np.arange(len(rows)), rows)
    client.build("a", quick).wait(timeout=60)


@pytest.fixture
def fake(monkeypatch):
    """A GPU that builds and measures as the host does, and counts how often."""
    gpu = FakeGpu()
    gpu.built, gpu.measured = [], []
    monkeypatch.setattr(devices, "TritonGpu", lambda: gpu)

    def kernels(device, *, threads):
        gpu.built.append(device)
        if device is not None and gpu.refusal is not None:
            raise gpu.refusal
        return HostKernels(threads)

    def points(vectors, *, device):
        gpu.measured.append(device)
        if device is not None and gpu.refusal is not None:
            raise gpu.refusal
        return make_points(vectors)

    monkeypatch.setattr(soar_index, "kernels_on", kernels)
    monkeypatch.setattr(problem, "make_points", points)
    return gpu


@pytest.mark.parametrize("device", ON_GPU)
@pytest.mark.parametrize("engine", ["faiss-gpu", "torch", "triton"])
def test_an_engine_that_is_no_spare(tmp_path, engine, device):
    """It would hold the index on the GPU a second time."""
    said = f"engine is '{engine}' and device is '{device}'"
    with pytest.raises(InvalidParamsError, match=said):
        Config(data_dir=tmp_path, engine=engine, device=device)
    assert Config(data_dir=tmp_path, engine=engine).device == "cpu"
    assert Config(data_dir=tmp_path, engine="native", device=device).engine == "native"


def test_a_server_builds_and_selects_on_a_gpu(fake, start_server, rows, quick):
    with gleann.Client(start_server(device="cuda").target) as client:
        filled(client, rows, quick)
        assert fake.built == ["fake:0"]
        chosen = client.coresets.farthest_first("a", k=6, seed=2).wait(timeout=60)
        # Once for the choice and its baselines.
        assert fake.measured == ["fake:0"]
        want = coreset.k_center(rows, k=6, seed=2)
        assert chosen.ids.tolist() == want.rows.tolist()
        fake.refusal = TOO_LARGE
        fake.measured.clear()
        again = client.coresets.farthest_first("a", k=6, seed=2).wait(timeout=60)
        assert again.ids.tolist() == want.rows.tolist()
        assert fake.measured == ["fake:0", None]
        client.build("a", replace(quick, seed=1)).wait(timeout=60)
        assert fake.built == ["fake:0", "fake:0", None]
        assert client.get_index("a").engine.startswith("native")


def test_jobs_that_must_not_fall_back_fail_alone(fake, start_server, rows, quick):
    with gleann.Client(start_server(device="require-cuda").target) as client:
        filled(client, rows, quick)
        fake.refusal = TOO_LARGE
        build = client.build("a", replace(quick, seed=1))
        for job in (build, client.coresets.farthest_first("a", k=6)):
            with pytest.raises(DeviceMemoryError, match=r"9\.00 GiB.* 1\.00 GiB"):
                job.wait(timeout=60)
        found = client.search("a", rows[:20], SearchParams(k=1, nprobe=8))
        assert found.stats.engine == "fake-gpu"
        assert found.ids[:, 0].tolist() == list(range(20))


def test_a_version_that_the_gpu_refuses_leaves_nothing(
    fake, start_server, rows, quick, tmp_path
):
    server = start_server(device="require-cuda")
    with gleann.Client(server.target) as client:
        filled(client, rows, quick)
        fake.runs_out = lambda data: True
        with pytest.raises(DeviceMemoryError, match=r"9\.00 GiB"):
            client.build("a", replace(quick, seed=1)).wait(timeout=60)
    (kept,) = (tmp_path / "server").rglob("versions/*")
    assert kept.name == "1"


def test_an_index_that_is_refused_is_not_held(fake, start_server, rows, quick):
    server = start_server()
    with gleann.Client(server.target) as client:
        filled(client, rows, quick)
    server.stop()
    fake.runs_out = lambda data: True
    with gleann.Client(start_server(device="require-cuda").target) as client:
        for _ in range(2):
            with pytest.raises(DeviceMemoryError, match=r"'a' cannot be.*9\.00 GiB"):
                client.get_vectors("a", [0])
            assert "9.00 GiB" in client.get_index("a").broken
            assert fake.rows == 0


def test_a_new_version_takes_the_place_of_the_old(fake, start_server, rows, quick):
    fake.room = len(rows)
    with gleann.Client(start_server(device="require-cuda").target) as client:
        filled(client, rows, quick)
        for seed in (1, 2):
            client.build("a", replace(quick, seed=seed)).wait(timeout=60)
            assert client.get_index("a").engine == "fake-gpu"
            assert fake.rows == len(rows)


def test_a_server_on_a_gpu(fake, start_server, rows, quick):
    """Placed on the GPU at the build and at the next start."""
    with gleann.Client(start_server(device="cuda").target) as client:
        filled(client, rows, quick)
        assert client.get_index("a").engine == "fake-gpu"
        found = client.search("a", rows[:20], SearchParams(k=1, nprobe=8))
        assert found.ids[:, 0].tolist() == list(range(20))
        fake.failure = BUSY
        with pytest.raises(DeviceMemoryError, match=r"2\.00 GiB.* 1\.00 GiB free"):
            client.search("a", rows[:20], SearchParams(k=1, nprobe=8))
        fake.failure = LOST
        with pytest.raises(DeviceLostError, match="lost to this process"):
            client.search("a", rows[:20], SearchParams(k=1, nprobe=8))


def test_an_index_too_large_for_the_gpu_is_refused_alone(
    fake, start_server, rows, quick
):
    server = start_server()
    with gleann.Client(server.target) as client:
        filled(client, rows, quick)
    server.stop()
    fake.refusal = TOO_LARGE
    with gleann.Client(start_server(device="require-cuda").target) as client:
        with pytest.raises(DeviceMemoryError, match=r"'a' cannot be.*9\.00 GiB.*1\.00"):
            client.search("a", rows[:2])
        client.create_index("b", dim=3, metric="l2")
        broken = {info.name: info.broken for info in client.list_indexes()}
        assert broken["b"] is None
        assert "9.00 GiB" in broken["a"]


def test_too_little_memory_is_resource_exhausted():
    import grpc

    from gleann.service.status import code_of

    assert code_of(TOO_LARGE) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert code_of(LOST) is grpc.StatusCode.FAILED_PRECONDITION


def test_a_server_that_requires_a_gpu_does_not_start(tmp_path: Path):
    if not devices.device_reason():
        pytest.skip("there is a CUDA device")
    from gleann.service.server import serve

    config = Config(data_dir=tmp_path, listen="127.0.0.1:0", device="require-cuda")
    with pytest.raises(EngineUnavailableError, match="device is 'require-cuda', but"):
        serve(config)


def test_the_setting():
    environ = {"GLEANN_DATA_DIR": "d", "GLEANN_DEVICE": "auto"}
    assert load_config(environ=environ).device == "auto"
    assert Config(data_dir=Path("d")).device == "cpu"
    with pytest.raises(InvalidParamsError, match=r"GLEANN_DEVICE must be .*'tpu'"):
        load_config(environ=environ | {"GLEANN_DEVICE": "tpu"})
