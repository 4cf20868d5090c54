"""What is done where a device is too small: torch on the CPU, with a figure of memory.

The figure counts what engines hold, as CUDA's would.
"""

from weakref import WeakSet

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import DeviceMemoryError
from gleann.selection import farthest_first

torch = pytest.importorskip("torch", reason="torch is not installed")

from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.steps.rerank import DeviceRows
from gleann.index.engines.torch import torch_engine
from gleann.selection.coreset.distance import device as on_device
from gleann.service.devices.devices import Devices

CPU = torch.device("cpu")
PARAMS = BuildParams(metric="l2", nlist=8, tune_queries=0)
CHOICES = ["auto", "cuda", "require-cuda"]


def taken_by(data):
    return memory.footprint(data, kind="fp32", rows_on_device=True).total


class SmallGpu:
    """The CPU by torch, with so many bytes for indexes."""

    name = "cpu"

    def __init__(self, monkeypatch, room):
        self._room = room
        self.there = WeakSet()
        monkeypatch.setattr(memory, "free_bytes", lambda _: self.free)

    @property
    def free(self):
        held = sum(taken_by(engine.data) for engine in self.there)
        return memory.RESERVE + self._room - held

    def reason(self):
        return ""

    def has_room(self, data):
        return memory.fits(data, device=CPU)

    def engine(self, data):
        engine = torch_engine(data, device="cpu")
        engine.data = data
        self.there.add(engine)
        return engine


def index_of(n, *, seed):
    rows = np.random.default_rng(seed).normal(size=(n, 12)).astype(np.float32)
    return SoarIndex.build(rows, PARAMS, engine="reference")


@pytest.fixture(scope="module")
def old():
    return index_of(500, seed=1)


@pytest.fixture(scope="module")
def new():
    return index_of(520, seed=2)


def search(index):
    return index.search(index.vectors[:9], SearchParams(k=4, nprobe=8))


def assert_right(index):
    """Found what any engine finds in all lists."""
    by_hand = index.with_engine("reference")
    np.testing.assert_array_equal(search(index).ids, search(by_hand).ids)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_old_version_leaves_for_the_new(monkeypatch, choice, old, new):
    """Lists alone would fit beside it, and rows then stay in host memory for good."""
    room = taken_by(old.data) + taken_by(new.data) - 1
    gpu = SmallGpu(monkeypatch, room)
    placing = Devices(choice, gpu=gpu)
    before = placing.place(old)
    assert not gpu.has_room(new.data)
    with placing.replacing(before, new) as placed:
        assert before.engine_name == "reference"
        assert_right(before)
        assert placed.engine_name == "torch/cpu/fp32"
        assert gpu.free == memory.RESERVE + room - taken_by(new.data)
    (engine,) = gpu.there
    assert isinstance(engine.parts.rows, DeviceRows)
    assert_right(placed)


@pytest.mark.parametrize("choice", CHOICES)
def test_an_index_larger_than_the_device(monkeypatch, caplog, choice, old, new):
    gpu = SmallGpu(monkeypatch, taken_by(old.data) // 3)
    placing = Devices(choice, gpu=gpu)
    lists = memory.footprint(new.data, kind="fp32", rows_on_device=False).total
    said = f"take {lists:,} bytes .* and cpu has {taken_by(old.data) // 3:,} bytes "
    if choice == "require-cuda":
        with pytest.raises(DeviceMemoryError, match=said):
            placing.place(new)
        return
    placed = placing.place(new)
    assert placed is new
    assert_right(placed)
    assert f"{lists:,} bytes" in caplog.text


def test_the_old_version_comes_back_where_the_new_is_too_large(monkeypatch, old):
    gpu = SmallGpu(monkeypatch, taken_by(old.data))
    placing = Devices("require-cuda", gpu=gpu)
    before = placing.place(old)
    with (
        pytest.raises(DeviceMemoryError, match=r"lists take [\d,]+ bytes"),
        placing.replacing(before, index_of(2000, seed=3)),
    ):
        pytest.fail("it was placed")
    assert before.engine_name == "torch/cpu/fp32"
    assert_right(before)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("enough", [True, False])
def test_picking(monkeypatch, choice, enough, old):
    made = []
    upload = on_device.upload
    monkeypatch.setattr(
        on_device,
        "upload",
        lambda vectors, device: made.append(1) or upload(vectors, device),
    )
    gpu = SmallGpu(monkeypatch, (1 << 31) if enough else 0)
    work = on_device.WORK_BYTES + 500 * (8 * 12 + on_device.ROW_BYTES)

    def pick(device):
        return farthest_first(old.vectors, k=20, seed=1, device=device).rows

    if choice == "require-cuda" and not enough:
        said = f"takes {work:,} bytes .* cpu has {memory.RESERVE:,} bytes "
        with pytest.raises(DeviceMemoryError, match=said):
            Devices(choice, gpu=gpu).run(pick)
        return
    np.testing.assert_array_equal(Devices(choice, gpu=gpu).run(pick), pick(None))
    assert len(made) == enough


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("enough", [True, False])
def test_building(monkeypatch, tmp_path, choice, enough, old):
    """What was begun on the device and did not fit leaves nothing behind."""
    gpu = SmallGpu(monkeypatch, 1 << 20 if enough else -1)
    asked = []

    def build(device):
        asked.append(device)
        return SoarIndex.build_on_disk(
            old.vectors, tmp_path / "i", PARAMS, device=device
        )

    if choice == "require-cuda" and not enough:
        with pytest.raises(DeviceMemoryError, match=r"training on 500 rows of 12 .*"):
            Devices(choice, gpu=gpu).run(build)
        assert not list(tmp_path.iterdir())
        return
    Devices(choice, gpu=gpu).run(build)
    assert asked == (["cpu"] if enough else ["cpu", None])
    assert_right(SoarIndex.load(tmp_path / "i", engine="reference"))
