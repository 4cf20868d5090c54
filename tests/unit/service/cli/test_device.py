"""`--device` of the commands that work at once: build, graph, select.

The GPU here builds, searches and measures as the host does, and says that it was asked.
"""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex, soar_index
from gleann.index.build.host import HostKernels
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import DeviceMemoryError
from gleann.selection.coreset import problem
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.parallel import coordinator, shards
from gleann.service.cli.main import run
from gleann.service.devices import devices

TOO_LARGE = DeviceMemoryError("the lists take 9.00 GiB, and cuda:0 has 1.00 GiB")


class FakeEngine(ReferenceEngine):
    name = "fake-gpu"


class FakeGpu:
    name = "fake:0"
    full = False

    def __init__(self):
        self.asked = []

    def reason(self):
        return ""

    def has_room(self, data):
        return not self.full

    def engine(self, data):
        self.asked.append("engine")
        if self.full:
            raise TOO_LARGE
        return FakeEngine(data)

    def works_for(self, what, device):
        self.asked.append((what, device))
        if self.full and device is not None:
            raise TOO_LARGE


@pytest.fixture
def gpu(monkeypatch):
    gpu = FakeGpu()

    def kernels(device, *, threads):
        gpu.works_for("build", device)
        return HostKernels(threads)

    def points(vectors, *, device):
        gpu.works_for("measure", device)
        return make_points(vectors)

    monkeypatch.setattr(devices, "TritonGpu", lambda: gpu)
    monkeypatch.setattr(soar_index, "kernels_on", kernels)
    for module in (problem, coordinator, shards):
        monkeypatch.setattr(module, "make_points", points)
    return gpu


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    rows = np.random.default_rng(8).normal(size=(250, 7)).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    params = BuildParams(metric="l2", nlist=8, tune_queries=0, seed=2)
    SoarIndex.build(rows, params).save(folder / "index")
    return folder


def results(out):
    return json.loads(out.with_name(out.name + ".manifest.json").read_text())["results"]


@pytest.mark.parametrize("full", [False, True])
def test_build(gpu, folder, tmp_path, full, caplog):
    gpu.full = full
    out = tmp_path / "index"
    asked = ["build", str(folder / "rows.npy"), str(out), "--device", "cuda"]
    assert run(asked) == 0
    where = [("build", "fake:0")] + [("build", None)] * full
    assert gpu.asked == where
    assert results(out)["device"] == ("cpu" if full else "fake:0")
    assert len(SoarIndex.load(out)) == 250
    assert ("9.00 GiB" in caplog.text) == full


@pytest.mark.parametrize("full", [False, True])
def test_graph(gpu, folder, tmp_path, full):
    gpu.full = full
    out = tmp_path / "graph.npz"
    asked = ["graph", str(folder / "index"), "--k", "5", "--out", str(out)]
    assert run([*asked, "--device", "auto"]) == 0
    assert gpu.asked == ["engine"]
    engine = SoarIndex.load(folder / "index").engine_name if full else "fake-gpu"
    assert results(out)["engine"] == engine


def test_graph_with_an_engine_that_is_no_spare(gpu, folder, tmp_path, capsys):
    asked = ["graph", str(folder / "index"), "--out", str(tmp_path / "graph.npz")]
    assert run([*asked, "--engine", "triton", "--device", "cuda"]) != 0
    assert "engine is 'triton' and device is 'cuda'" in capsys.readouterr().err
    assert gpu.asked == []


@pytest.mark.parametrize(
    "method", ["farthest-first", "random", "weighted-k-center", "margin"]
)
@pytest.mark.parametrize("grouped", [False, True])
def test_select_measures_where_it_is_told(gpu, folder, tmp_path, method, grouped):
    np.save(tmp_path / "costs.npy", np.linspace(0, 1, 250))
    np.save(tmp_path / "groups.npy", np.arange(250) % 2)
    asked = ["select", method, str(folder / "rows.npy"), "--k", "9"]
    if method in ("weighted-k-center", "margin"):
        asked += ["--costs", str(tmp_path / "costs.npy")]
    if grouped:
        asked += ["--groups", str(tmp_path / "groups.npy")]
    picks = []
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.parquet"
        assert run([*asked, "--device", device, "--out", str(out)]) == 0
        assert {where for _, where in gpu.asked} == {
            None if device == "cpu" else gpu.name
        }
        gpu.asked.clear()
        assert results(out)["device"] == ("cpu" if device == "cpu" else gpu.name)
        picks.append(pq.read_table(out)["id"].to_pylist())
    assert picks[0] == picks[1]


@pytest.mark.parametrize("full", [False, True])
def test_select_in_shards(gpu, folder, tmp_path, full):
    """The manifest says where it was done in the end."""
    gpu.full = full
    np.save(tmp_path / "costs.npy", np.linspace(0, 1, 250))
    asked = ["select", "weighted-k-center", str(folder / "rows.npy"), "--k", "9"]
    asked += ["--costs", str(tmp_path / "costs.npy"), "--shards", "3"]
    out = tmp_path / "picks.parquet"
    assert run([*asked, "--device", "cuda", "--out", str(out)]) == 0
    where = [where for what, where in gpu.asked if what == "measure"]
    assert len(where) > 9
    assert set(where) == ({"fake:0", None} if full else {"fake:0"})
    assert results(out)["device"] == ("cpu" if full else "fake:0")


@pytest.mark.parametrize(
    "command",
    [
        ["build", "rows.npy", "out"],
        ["graph", "index", "--out", "out.npz"],
        ["select", "farthest-first", "rows.npy", "--k", "5", "--out", "out.csv"],
    ],
    ids=lambda command: command[0],
)
def test_what_must_be_on_a_gpu_that_is_full(gpu, folder, monkeypatch, command, capsys):
    monkeypatch.chdir(folder)
    gpu.full = True
    assert run([*command, "--device", "require-cuda"]) == 1
    said = capsys.readouterr().err
    assert said.endswith(f"gleann: error: {TOO_LARGE}\n")
    assert not list(folder.glob("out*"))


def test_without_a_gpu(folder, tmp_path, monkeypatch, capsys, caplog):
    gpu = FakeGpu()
    monkeypatch.setattr(devices, "TritonGpu", lambda: gpu)
    monkeypatch.setattr(gpu, "reason", lambda: "torch sees 0 CUDA devices")
    asked = ["build", str(folder / "rows.npy"), str(tmp_path / "index"), "--device"]
    assert run([*asked, "require-cuda"]) == 1
    said = "gleann: error: device is 'require-cuda', but torch sees 0 CUDA devices\n"
    assert capsys.readouterr().err == said
    assert not list(tmp_path.iterdir())
    assert run([*asked, "cuda"]) == 0
    assert "the CPU is used: torch sees 0 CUDA devices" in caplog.text
    assert results(tmp_path / "index")["device"] == "cpu"
