"""That what the planner chooses is what the engine does."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.torch import torch_engine
from gleann.index.errors import DeviceMemoryError

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device import engine as engines
from gleann.index.engines.device.plan import choice, memory
from gleann.index.engines.device.plan.planner import usual_batch


def test_the_kind_is_chosen_for_the_usual_batch_of_the_index(monkeypatch):
    asked = []

    def kinds(device, batch):
        asked.append((device.type, batch))
        return ("int8",)

    monkeypatch.setattr(memory, "default_kinds", kinds)
    data = world.random_index()
    engine = torch_engine(data, device="cpu")
    entries = data.lists.entries
    assert asked == [("cpu", usual_batch(nlist=9, entries=entries, dim=16))]
    assert engine.name == "torch/cpu/int8"
    assert torch_engine(data, device="cpu", kind="bf16").name == "torch/cpu/bf16"
    assert len(asked) == 1  # a kind that is given is not chosen


@pytest.mark.parametrize(
    ("nlist", "entries", "dim", "kinds"),
    [
        (2048, 2_000_000, 768, ("int8",)),  # bound by memory
        (64, 2_000_000, 8, ("bf16", "int8")),  # bound by selecting
    ],
)
def test_kinds_on_cuda_follow_the_roofline(monkeypatch, nlist, entries, dim, kinds):
    monkeypatch.setattr(choice, "programs_on", lambda device: 132)
    batch = usual_batch(nlist=nlist, entries=entries, dim=dim)
    assert choice.default_kinds(torch.device("cuda", 0), batch) == kinds
    assert choice.default_kinds(torch.device("cpu"), batch) == ("fp32",)


def test_segments_are_chosen_by_the_size_of_the_batch():
    data = world.random_index(n=1500, d=512, nlist=9, spilled=1.0)
    engine = torch_engine(data, device="cpu", kind="int8")
    # Few lists are read; all are, and copies make them longer; pairs cost more yet.
    assert engine.choose_segments(both=2, primary=5, queries=1) == "both"
    assert engine.choose_segments(both=2, primary=5, queries=20) == "primary"
    assert engine.choose_segments(both=2, primary=5, queries=1000) == "both"


def test_an_index_on_a_device_reads_what_its_engine_chooses(monkeypatch):
    """Through `SoarIndex`: entries scanned tell which segments were."""
    rows = np.random.default_rng(0).normal(size=(3000, 12)).astype(np.float32)
    params = BuildParams(metric="l2", spill="soar", nlist=60, seed=1)
    index = SoarIndex.build(rows, params, engine="torch")
    primaries = np.diff(
        np.stack([index.data.lists.offsets[:-1], index.data.lists.mids]), axis=0
    )[0]
    for chosen in ("both", "primary"):
        monkeypatch.setattr(engines, "choose_segments", lambda *_, c=chosen, **__: c)
        stats = index.search(rows[:50], SearchParams(k=10, target_recall=0.9)).stats
        list_nos = ReferenceEngine(index.data).rank_lists(
            rows[:50], nprobe=stats.nprobe
        )
        lengths = (
            primaries if chosen == "primary" else np.diff(index.data.lists.offsets)
        )
        assert stats.entries_scanned == lengths[list_nos].sum()
        index = index.served_by(index.engine)  # forgets its last plan


def test_one_query_more_than_fits_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 40)
    lay_out = engines.lay_out

    def crowded(*data, **settings):
        monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 10)
        return lay_out(*data, **settings)

    monkeypatch.setattr(engines, "lay_out", crowded)
    engine = torch_engine(world.random_index(), device="cpu")
    asked = world.integer_queries(3, 16)
    with pytest.raises(
        DeviceMemoryError, match=r"query takes [\d,]+ bytes.* 1,024 bytes"
    ):
        engine.search(asked, nprobe=9, request=ScanRequest(k=10, rerank=40))
