"""Effort per query: every native tier grants the lists that the oracle grants."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.engines.choose import make_engine
from gleann.index.engines.contract import GrantsLists, ScanRequest
from gleann.index.engines.reference import ReferenceEngine, granted_lists
from gleann.index.errors import NonFiniteError
from gleann.index.metric import prepare
from gleann.index.operating.effort import Grants

NLIST = 60


@pytest.fixture(scope="module")
def built():
    cache = {}

    def build(metric, codes="int8", spill="soar"):
        key = metric, codes, spill
        if key not in cache:
            rng = np.random.default_rng(5)
            centres = rng.normal(size=(20, 16))
            rows = centres[rng.integers(20, size=3000)] + rng.normal(size=(3000, 16))
            params = BuildParams(
                metric=metric, codes=codes, spill=spill, nlist=NLIST, tune_queries=0
            )
            cache[key] = SoarIndex.build(
                rows.astype(np.float32), params, engine="reference"
            )
        return cache[key]

    return build


def grants(deep_rows, first=4, most=40, seed=3):
    """A table in which other depths grant other numbers of lists."""
    rng = np.random.default_rng(seed)
    budgets = rng.integers(0, most + 1, deep_rows * first.bit_length() + 1)
    return Grants(
        first=first, deep_rows=deep_rows, budgets=budgets.astype(np.int32), most=most
    )


def queries_for(index, count):
    rng = np.random.default_rng(9)
    return rng.normal(size=(count, index.dim)).astype(np.float32) * 1.5


@pytest.fixture
def engine_of(engine_name):
    def make(data, threads=1):
        engine = make_engine(data, name=engine_name, threads=threads)
        if not isinstance(engine, GrantsLists):
            pytest.skip(f"{engine_name} grants no lists")
        return engine

    return make


@pytest.mark.parametrize("spill", ["soar", "none"])
@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_engines_grant_what_the_oracle_grants(built, engine_of, metric, codes, spill):
    data = built(metric, codes, spill).data
    queries = queries_for(built(metric, codes, spill), 70)
    reference, engine = ReferenceEngine(data), engine_of(data)
    for k, first in ((1, 2), (10, 4), (20, 9), (5, 1), (10, 40)):
        request = ScanRequest(k=k, rerank=4 * k)
        granted = grants(k, first)
        want = reference.search_by_effort(queries, granted, request)
        got = engine.search_by_effort(queries, granted, request)
        assert got.work.lists_probed == want.work.lists_probed
        assert got.work.entries_scanned == want.work.entries_scanned
        # Queries differ in their lists: else this would be a search without effort.
        prepared = prepare(queries, metric)
        ranked = reference.rank_lists(prepared, nprobe=granted.most)
        lists = granted_lists(data, prepared, ranked, granted)
        counts = np.unique((lists >= 0).sum(axis=1))
        assert len(counts) > 1 or first in (1, granted.most)
        # And answers are those of a scan of the same lists.
        scanned = engine.scan(prepared, lists, request)
        np.testing.assert_array_equal(got.rows, scanned.rows)
        np.testing.assert_array_equal(got.distances, scanned.distances)


def test_batches_and_threads_change_nothing(built, engine_of):
    data = built("cosine").data
    queries = queries_for(built("cosine"), 90)
    request, granted = ScanRequest(k=10, rerank=20), grants(10)
    whole = engine_of(data).search_by_effort(queries, granted, request)
    for size, threads in ((1, 1), (3, 4), (90, 3)):
        engine = engine_of(data, threads)
        parts = [
            engine.search_by_effort(queries[at : at + size], granted, request)
            for at in range(0, len(queries), size)
        ]
        rows = np.concatenate([part.rows for part in parts])
        np.testing.assert_array_equal(rows, whole.rows)
        read = sum(part.work.entries_scanned for part in parts)
        assert read == whole.work.entries_scanned


def test_fewer_neighbours_are_those_of_the_same_lists(built, engine_of):
    data, queries = built("ip").data, queries_for(built("ip"), 40)
    engine, granted = engine_of(data), grants(10)
    ten = engine.search_by_effort(queries, granted, ScanRequest(k=10, rerank=15))
    three = engine.search_by_effort(queries, granted, ScanRequest(k=3, rerank=15))
    np.testing.assert_array_equal(three.rows, ten.rows[:, :3])
    assert three.work.entries_scanned == ten.work.entries_scanned


@pytest.mark.parametrize("layout", [{"entry_codes": "shared"}, {"keep": "f16"}])
def test_layouts_grant_the_same_lists(layout, engine_of, engine_name):
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(2000, 16)).astype(np.float16).astype(np.float32)
    params = BuildParams(metric="l2", nlist=NLIST, spill="soar", tune_queries=0)
    usual = SoarIndex.build(rows, params, engine="reference").data
    other = SoarIndex.build(rows, replace(params, **layout), engine="reference").data
    queries, granted = rows[:50] + np.float32(0.1), grants(10)
    request = ScanRequest(k=10, rerank=20)
    want = engine_of(usual).search_by_effort(queries, granted, request)
    got = engine_of(other).search_by_effort(queries, granted, request)
    np.testing.assert_array_equal(got.rows, want.rows)
    assert got.work == want.work


def test_no_row_is_found_twice(built, engine_of):
    """A copy among the first lists counts, and its primary not in a later one."""
    data = built("l2").data
    queries = queries_for(built("l2"), 200)
    granted = grants(50, first=6, most=30)
    request = ScanRequest(k=50, rerank=50)
    got = engine_of(data).search_by_effort(queries, granted, request)
    for row in got.rows:
        found = row[row >= 0]
        assert len(np.unique(found)) == len(found)


def test_rows_that_are_lacking_count_as_deep(engine_of):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 8)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=30, spill="none", tune_queries=0)
    data = SoarIndex.build(rows, params, engine="reference").data
    granted = grants(20, first=5, most=30)
    request = ScanRequest(k=20, rerank=40)
    want = ReferenceEngine(data).search_by_effort(rows[:9], granted, request)
    got = engine_of(data).search_by_effort(rows[:9], granted, request)
    assert got.work == want.work._replace(
        survivors=got.work.survivors, reranked=got.work.reranked
    )
    np.testing.assert_array_equal(got.rows, want.rows)


def test_bad_queries_are_named(built, engine_of):
    queries = queries_for(built("cosine"), 3)
    queries[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="row 1"):
        engine_of(built("cosine").data).search_by_effort(
            queries, grants(5), ScanRequest(k=5, rerank=9)
        )


def test_no_queries(built, engine_of):
    empty = np.empty((0, 16), np.float32)
    got = engine_of(built("l2").data).search_by_effort(
        empty, grants(5), ScanRequest(k=5, rerank=9)
    )
    assert got.rows.shape == (0, 5)
    assert got.work.lists_probed == 0
