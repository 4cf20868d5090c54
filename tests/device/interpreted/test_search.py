"""A whole search with interpreted kernels, and its packed answers."""

from kernel_mode import interpreted_only

interpreted_only()

import device_world as world
import numpy as np
import pytest
import torch
from interpreted_world import SIZES

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.steps.keys import NONE
from gleann.index.engines.device.steps.packed import Block, packed
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.triton_kernels.scanner import TritonScanner


@pytest.mark.parametrize(("nq", "k"), [(1, 1), (40, 3), (32, 20)])
@pytest.mark.parametrize("nprobe", [1, 4, 17])
def test_answers_are_packed_as_by_torch(nq, k, nprobe):
    data = world.sized_index([5, 0, 130, 1] * 5, d=16)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    rng = np.random.default_rng(nq)

    def keys(width):
        made = torch.from_numpy(rng.integers(-(1 << 62), 1 << 62, (nq, width)))
        made[torch.from_numpy(rng.random((nq, width)) < 0.3)] = NONE
        return made

    list_nos = world.some_lists(nq, nprobe, 20).astype(np.int64)
    list_nos[rng.random((nq, nprobe)) < 0.2] = -1
    for segments in ("both", "primary"):
        block = Block(
            near=keys(k),
            candidates=keys(2 * k + 15),
            list_nos=torch.from_numpy(list_nos),
            view=view_for(lists, ScanRequest(k=k, rerank=k, segments=segments)),
        )
        for share in (0.0, 0.3, 1.0):
            unanswered = torch.from_numpy(rng.random(nq) < share)
            got = TritonScanner().pack(block, unanswered)
            assert torch.equal(got, packed(block, unanswered))


@pytest.mark.parametrize("recorder", [None, world.Repeats()], ids=["steps", "recorded"])
@pytest.mark.parametrize("count", [2, 7])
def test_a_whole_search(count, recorder):
    """With two queries lists are hardly shared, with seven they are: both kernels."""
    data = world.sized_index(SIZES, d=16)
    asked = world.integer_queries(count, 16)
    request = ScanRequest(k=3, rerank=12)
    engine = DeviceEngine(
        data,
        scanner=TritonScanner(),
        device=torch.device("cpu"),
        kind="fp32",
        recorder=recorder,
    )
    got = engine.search(asked, nprobe=2, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=2, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.work.entries_scanned
