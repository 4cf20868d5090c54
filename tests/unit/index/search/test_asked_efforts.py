"""The effort of each query once an index has learned from queries that were asked."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import available
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import exact_search_prepared
from gleann.index.operating.effort import Grants
from gleann.index.search.asked import LEAST_QUERIES, AskedQueries, AskedQuery

ENGINE = "native" if available() else "reference"
K, TARGET = 10, 0.97
EVEN = SearchParams(k=K, target_recall=TARGET)
BY_QUERY = replace(EVEN, effort="by_query")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(mixed):
    """Rows, sample queries, and two sets of queries like them."""
    return mixed(12_000), mixed(800), mixed(1000), mixed(1500)


@pytest.fixture(scope="module")
def built(data):
    rows, sample, _, _ = data
    params = BuildParams(metric="l2", nlist=400, spill="soar", tune_queries=800)
    return SoarIndex.build(rows, params, queries=sample, engine=ENGINE)


@pytest.fixture
def index(built):
    """One that has learned nothing."""
    return built.with_engine(ENGINE)


def asked_of(index, queries, *, found=None):
    """What exact search of each query teaches, and how many a search found of them."""
    asked = AskedQueries(index.data, index.operating_points, index.header.efforts)
    rows, near = exact_search_prepared(queries, index.vectors, metric="l2", k=100)
    answer = index.find_rows(queries, EVEN)
    hits = (answer.distances <= cut_at_k(near[:, :K])).mean(axis=1)
    for number in range(len(queries)):
        one = AskedQuery(
            query=queries[number : number + 1],
            rows=rows[number],
            distances=near[number],
            k=K,
            nprobe=answer.stats.nprobe,
            found=float(hits[number]) if found is None else found[number],
        )
        asked.add(one)
    return asked


def recall_of(index, queries, params):
    exact = index.search(queries, replace(EVEN, exact=True)).distances
    found = index.search(queries, params)
    return recall_at_k(found.distances, exact), found.stats


def test_queries_like_those_of_the_build_take_effort_still(index, data):
    _, _, taught, queries = data
    asked = asked_of(index, taught)
    index.learn(asked.points(), asked.efforts())
    recall, by_effort = recall_of(index, queries, BY_QUERY)
    _, even = recall_of(index, queries, EVEN)
    assert even.lists_probed == even.nprobe * len(queries)
    assert by_effort.lists_probed != by_effort.nprobe * len(queries)
    assert by_effort.entries_scanned < 0.93 * even.entries_scanned
    assert by_effort.rerank >= even.rerank
    assert by_effort.recall_low >= TARGET
    assert recall >= TARGET - 0.002


def test_what_is_counted_is_what_a_search_does(index, data):
    _, _, taught, _ = data
    counted = [p for p in asked_of(index, taught).efforts() if p.k == K]
    built = {(p.first, p.offset, p.slope, p.rerank): p for p in index.header.efforts}
    exact = index.search(taught, replace(EVEN, exact=True)).distances
    assert len(counted) > 10
    for point in counted[:: len(counted) // 5]:
        request = ScanRequest(k=K, rerank=60)
        found = index.engine.search_by_effort(taught, Grants.of(point), request)
        work = found.work
        assert work.lists_probed / len(taught) == pytest.approx(point.lists, rel=0.01)
        read = work.entries_scanned / len(taught)
        assert read == pytest.approx(point.entries, rel=0.05)
        recall = recall_at_k(found.distances, exact)
        assert point.recall <= recall + 0.003
        before = built[point.first, point.offset, point.slope, point.rerank]
        assert point.low <= before.low


def test_queries_unlike_the_rows_get_the_recall_they_asked_for(index, data):
    rows = data[0]
    rng = np.random.default_rng(3)
    chosen = rng.integers(len(rows), size=(900, 4))
    averages = rows[chosen].mean(axis=1).astype(np.float32)
    before, _ = recall_of(index, averages[400:], BY_QUERY)
    assert before < TARGET - 0.02
    asked = asked_of(index, averages[:400])
    index.learn(asked.points(), asked.efforts())
    after, stats = recall_of(index, averages[400:], BY_QUERY)
    assert after >= TARGET - 0.005
    assert stats.recall_low >= TARGET


def test_without_settings_for_them_all_scan_as_many_lists(index, data):
    _, _, taught, queries = data
    index.learn(asked_of(index, taught).points())
    assert index.search(queries, BY_QUERY).stats == index.search(queries, EVEN).stats
    index.learn(())
    stats = index.search(queries, BY_QUERY).stats
    assert stats.lists_probed != stats.nprobe * len(queries)


def test_too_little_is_known_of_the_re_ranking(index, data):
    taught = data[2][: LEAST_QUERIES + 20]
    unknown = [None] * 21 + [1.0] * (LEAST_QUERIES - 1)
    assert asked_of(index, taught, found=unknown).efforts() == ()
    known = [None] * 20 + [1.0] * LEAST_QUERIES
    assert len(asked_of(index, taught, found=known).efforts()) > 0


def test_what_the_re_ranking_loses_is_taken_off(index, data):
    taught = data[2]
    all_found = asked_of(index, taught, found=[1.0] * len(taught)).efforts()
    some_lost = asked_of(index, taught, found=[0.9] * len(taught)).efforts()
    for whole, less in zip(all_found, some_lost, strict=True):
        assert less.recall < whole.recall - 0.05
