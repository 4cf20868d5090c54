"""A server on a GPU: what it holds there, and what happens where the GPU refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_gpu import BUSY, LOST, TOO_LARGE, FakeGpu

import gleann
from gleann.index import SearchParams, soar_index
from gleann.index.build.host import HostKernels
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
