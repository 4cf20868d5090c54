"""Grouping and compacting pairs of query and list, interpreted."""

from kernel_mode import interpreted_only

interpreted_only()

import device_world as world
import numpy as np
import pytest
import torch

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.steps.compaction import compact, counted
from gleann.index.engines.triton_kernels.scan import launch_group
from gleann.index.engines.triton_kernels.scanner import TritonScanner


@pytest.mark.parametrize("query_tile", [16, 32])
@pytest.mark.parametrize("span", [128, 8192])
def test_items_cover_every_pair_and_entry_once(monkeypatch, query_tile, span):
    """Of lists that several programs cut."""
    for name, value in (("CUT_LISTS", 2), ("LISTS_BEFORE", 4), ("COUNTED_PAIRS", 64)):
        monkeypatch.setattr(launch_group, name, value)
    data = world.sized_index([0, 1, 127, 128, 129, 300, 0], d=8)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    list_nos = torch.from_numpy(world.some_lists(70, 4, 7).astype(np.int64))
    list_nos[5, 2:] = -1
    items = launch_group.launch_group_pairs(
        list_nos, view, query_tile=query_tile, span=span
    )
    total = int(items.total)
    assert total <= len(items.fields)
    fields = items.fields[:total].tolist()
    starts = [start for start, *_ in fields]
    assert starts == sorted(starts)
    seen = set()
    for start, length, first, count, span_no, *_ in fields:
        assert 1 <= count <= query_tile
        assert 1 <= length <= span
        for slot in items.slots[first : first + count].tolist():
            list_no = int(list_nos.view(-1)[slot])
            assert start == int(view.starts[list_no]) + span_no * span
            for entry in range(start, start + length):
                assert (slot, entry) not in seen
                seen.add((slot, entry))
    lengths = view.lengths[list_nos[list_nos >= 0]]
    assert len(seen) == int(lengths.sum())


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("room", [1, 7, 200, 2000])
def test_flagged_pairs_are_compacted_as_by_torch(room, share):
    rng = np.random.default_rng(room)
    for nq, nprobe in ((1, 1), (40, 17), (700, 1)):
        flags = counted(torch.from_numpy(rng.random((nq, nprobe)) < share))
        list_nos = torch.from_numpy(rng.integers(0, 90, (nq, nprobe)))
        got = TritonScanner().compact(flags, list_nos, room=room)
        want = compact(flags, list_nos, room=room)
        for name in ("queries", "list_nos", "rows", "columns", "query_nos"):
            assert torch.equal(getattr(got, name), getattr(want, name)), name
