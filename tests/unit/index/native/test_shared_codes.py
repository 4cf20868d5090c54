"""Codes that both entries of a row share: answers as of copies, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.newer.lists import NewerLists
from gleann.index.params import BuildParams
from gleann.index.search.list_stats import ListStats
from tests.support.native_oracle import make_data, make_queries, probe_some

TIERS = [*native.tiers(), native.EMULATED_TIER] if native.available() else []
METRICS = ["l2", "cosine", "ip"]

pytestmark = pytest.mark.skipif(not TIERS, reason=native.unavailable_reason())


def both(data, tier, threads=1):
    shared = replace(data, entry_codes="shared")
    return (
        NativeEngine(data, tier=tier, threads=threads),
        NativeEngine(shared, tier=tier, threads=threads),
    )


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work == want.work


@pytest.mark.parametrize("d", [1, 4, 21, 64, 100])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("tier", TIERS)
def test_answers_are_those_of_copies(tier, metric, d):
    data = make_data(metric, n=700, d=d, nlist=13, offset=3.0 if d == 21 else 0.0)
    queries = make_queries(data, 70)
    copied, shared = both(data, tier)
    allowed = np.random.default_rng(5).random(700) < 0.4
    for count in (1, 2, 5, 70):
        lists = probe_some(data, count, 6)
        for segments in ("both", "primary"):
            for mask in (None, allowed):
                request = ScanRequest(k=9, rerank=30, segments=segments, allowed=mask)
                some = queries[:count]
                assert_same(
                    shared.scan(some, lists, request), copied.scan(some, lists, request)
                )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("tier", TIERS)
def test_answers_depend_on_neither_batch_nor_threads(tier, threads):
    data = make_data("l2", n=2000, d=37, nlist=40)
    queries = make_queries(data, 150)
    request = ScanRequest(k=5, rerank=25)
    copied, shared = both(data, tier, threads)
    whole = shared.search(queries, nprobe=9, request=request)
    assert_same(whole, copied.search(queries, nprobe=9, request=request))
    for first in range(0, 40, 7):
        alone = shared.search(queries[first : first + 1], nprobe=9, request=request)
        np.testing.assert_array_equal(alone.rows[0], whole.rows[first])
        np.testing.assert_array_equal(alone.distances[0], whole.distances[first])


@pytest.mark.parametrize("tier", TIERS)
def test_newer_rows_are_found_beside_shared_codes(tier):
    data = make_data("l2", n=900, d=24, nlist=12)
    newer = make_queries(data, 200, seed=7)
    queries, request = make_queries(data, 33), ScanRequest(k=6, rerank=30)
    answers = []
    for engine in both(data, tier):
        lists = NewerLists(
            data, BuildParams(metric="l2"), stats=ListStats(data), engine=engine
        )
        lists.assign(newer)
        joined = lists.rows(newer).joined
        answers.append(
            [
                engine.search_newer(some, nprobe=4, request=request, newer=joined)
                for some in (queries, queries[:1])
            ]
        )
    for want, got in zip(*answers, strict=True):
        assert_same(got, want)
        assert (got.rows >= 900).any()


def test_float32_codes_are_copied_anyway():
    data = make_data("l2", n=300, d=8, nlist=5, kind="float32")
    copied, shared = both(data, TIERS[0])
    assert shared.nbytes == copied.nbytes


def test_codes_are_held_once():
    data = make_data("l2", n=3000, d=64, nlist=20)
    copied, shared = both(data, TIERS[0])
    spilled = data.lists.entries - 3000
    assert shared.nbytes["codes"] == 3000 * 64 + 4 * spilled + 8 * 20
    assert copied.nbytes["codes"] >= data.lists.entries * 64
