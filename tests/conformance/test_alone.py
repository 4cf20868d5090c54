"""A query on its own is scanned another way than a batch; the answers are the same."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import EMULATED_TIER, NativeEngine, available, tiers

pytestmark = pytest.mark.skipif(not available(), reason="the kernels are not built")

N, DIM, NLIST, QUERIES = 4000, 24, 6, 9
HIT_ROOM = 512
"""kHitRoom of index/native: more hits than that do not wait for the next list."""


@pytest.fixture(scope="module", params=["cosine", "l2", "ip"])
def index(request: pytest.FixtureRequest) -> SoarIndex:
    rows = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
    params = BuildParams(
        metric=request.param, nlist=NLIST, spill="soar", tune_queries=0, seed=0
    )
    return SoarIndex.build(rows, params, threads=1)


def make_requests() -> dict[str, ScanRequest]:
    """Re-ranking few, more than fit in the wait for the next list, and all."""
    third = np.arange(N) % 3 == 0
    few = ScanRequest(k=10, rerank=12)
    return {
        "few": few,
        "many": ScanRequest(k=10, rerank=2 * HIT_ROOM),
        "all": ScanRequest(k=10, rerank=N),
        "primary": replace(few, segments="primary"),
        "filtered": replace(few, allowed=third),
    }


@pytest.mark.parametrize("name", make_requests())
@pytest.mark.parametrize("tier", [*tiers(), EMULATED_TIER] if available() else [])
def test_alone_as_in_a_batch(index: SoarIndex, tier: str, name: str) -> None:
    assert int(np.diff(index.data.lists.offsets).max()) > HIT_ROOM
    queries = np.random.default_rng(4).normal(size=(QUERIES, DIM)).astype(np.float32)
    request = make_requests()[name]
    engine = NativeEngine(index.data, tier=tier, threads=1)
    for nprobe in (1, 2, NLIST):
        together = engine.search(queries, nprobe=nprobe, request=request)
        alone = [
            engine.search(queries[q : q + 1], nprobe=nprobe, request=request)
            for q in range(QUERIES)
        ]
        np.testing.assert_array_equal(
            np.concatenate([found.rows for found in alone]), together.rows
        )
        assert (
            np.concatenate([found.distances for found in alone]).tobytes()
            == together.distances.tobytes()
        )
        for count in ("lists_probed", "entries_scanned", "reranked"):
            of_alone = sum(getattr(found.work, count) for found in alone)
            assert of_alone == getattr(together.work, count), count


@pytest.mark.parametrize("name", make_requests())
def test_alone_does_the_same_work_on_every_tier(index: SoarIndex, name: str) -> None:
    query = np.random.default_rng(5).normal(size=(1, DIM)).astype(np.float32)
    works = {
        tier: NativeEngine(index.data, tier=tier, threads=1)
        .search(query, nprobe=4, request=make_requests()[name])
        .work
        for tier in (*tiers(), EMULATED_TIER)
    }
    assert len(set(works.values())) == 1, works


def test_one_query_without_its_batch_dimension(index: SoarIndex) -> None:
    query = np.random.default_rng(6).normal(size=DIM).astype(np.float32)
    flat, row = index.search(query), index.search(query[None])
    np.testing.assert_array_equal(flat.ids, row.ids)
    np.testing.assert_array_equal(flat.distances, row.distances)
