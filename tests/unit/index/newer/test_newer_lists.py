"""Newer rows in the lists of an index, on every native tier."""

from dataclasses import replace

import numpy as np
import pytest
from newer_rows import METRICS, REQUEST, TIERS, lists_of, make_newer, one_index

from gleann.index import SearchParams
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.exact import exact_search_prepared
from gleann.index.ids.live_rows import LiveRows
from gleann.index.lists import invert
from gleann.index.newer import lists as newer_lists


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_answers_are_those_of_one_index(built, metric, codes, tier):
    """Bit for bit, for few queries and for many, with and without second copies."""
    index = built(metric, codes=codes)
    newer = make_newer(index, 333)
    lists = lists_of(index, NativeEngine(index.data, tier=tier))
    for stop in (40, 41, 150, 333):
        lists.assign(newer[:stop])
    engine = NativeEngine(index.data, tier=tier, threads=2)
    state = lists.rows(newer).joined
    whole = NativeEngine(one_index(index, newer, 333), tier=tier)
    queries = make_newer(index, 50, seed=4)
    for request in (REQUEST, replace(REQUEST, segments="primary")):
        for some in (queries[:1], queries[:3], queries):
            got = engine.search_newer(some, nprobe=5, request=request, newer=state)
            want = whole.search(some, nprobe=5, request=request)
            np.testing.assert_array_equal(got.rows, want.rows)
            np.testing.assert_array_equal(got.distances, want.distances)
            assert got.work.entries_scanned == want.work.entries_scanned
            assert got.short == want.short
    assert (got.rows >= len(index)).any()


@pytest.mark.parametrize("tier", TIERS)
def test_masked_rows_are_those_of_one_index(built, tier):
    index = built()
    newer = make_newer(index, 200)
    rng = np.random.default_rng(6)
    sealed_alive, alive = rng.random(len(index)) < 0.6, rng.random(200) < 0.6
    engine = NativeEngine(index.data, tier=tier)
    lists = lists_of(index, engine)
    lists.assign(newer)
    state = lists.rows(newer, alive=alive).joined
    whole = NativeEngine(one_index(index, newer, 200), tier=tier)
    both = np.concatenate([sealed_alive, alive])
    queries = make_newer(index, 30, seed=4)
    got = engine.search_newer(
        queries, nprobe=6, request=replace(REQUEST, allowed=sealed_alive), newer=state
    )
    want = whole.search(queries, nprobe=6, request=replace(REQUEST, allowed=both))
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)


def test_another_mask_is_a_state_of_its_own(built):
    index = built()
    newer = make_newer(index, 300)
    lists = index.newer_lists()
    lists.assign(newer[:150])
    rng = np.random.default_rng(8)
    first, second = rng.random(300) < 0.5, rng.random(300) < 0.5
    rows = lists.rows(newer, alive=first)
    assert rows.count == first.sum()
    masked = lists.masked(rows, second)
    assert masked.count == second.sum()
    queries = make_newer(index, 20, seed=4)
    got = index.find_rows(queries, SearchParams(k=10), newer=masked)
    want = index.find_rows(
        queries, SearchParams(k=10), newer=lists.rows(newer, alive=second)
    )
    np.testing.assert_array_equal(got.rows, want.rows)
    found = got.rows[got.rows >= len(index)] - len(index)
    assert second[found].all()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("nprobe", [1, 4])
def test_flat_rows_are_read_by_every_query(built, nprobe, tier):
    index = built()
    newer = make_newer(index, 90)
    engine = NativeEngine(index.data, tier=tier)
    lists = lists_of(index, engine)
    state = lists.rows(newer)
    assert lists.due
    queries = make_newer(index, 20, seed=4)
    sealed = engine.search(queries, nprobe=nprobe, request=REQUEST)
    alone = engine.scan_newer(queries, REQUEST, state.joined)
    got = engine.search_newer(
        queries, nprobe=nprobe, request=REQUEST, newer=state.joined
    )
    assert (alone.rows >= len(index)).all()
    assert alone.work.entries_scanned == 20 * 90
    assert got.work.entries_scanned == sealed.work.entries_scanned + 20 * 90
    assert (got.distances <= np.minimum(sealed.distances, alone.distances)).all()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("metric", METRICS)
def test_newer_rows_alone_are_all_compared(built, metric, count, tier):
    """Rows in two lists of a part, and rows of flat parts, are found once."""
    index = built(metric)
    newer = make_newer(index, 300)
    engine = NativeEngine(index.data, tier=tier)
    lists = lists_of(index, engine)
    lists.assign(newer[:170])
    lists.assign(newer[:190])
    alive = np.random.default_rng(1).random(300) < 0.7
    state = lists.rows(newer, alive=alive)
    queries = make_newer(index, count, seed=4)
    request = ScanRequest(k=12, rerank=300)
    got = engine.scan_newer(queries, request, state.joined)
    want, near = exact_search_prepared(
        queries, newer, metric=metric, k=12, allowed=alive
    )
    np.testing.assert_array_equal(got.rows, want + len(index))
    np.testing.assert_allclose(got.distances, near, rtol=1e-5, atol=1e-6)


def test_answers_depend_on_neither_batch_nor_threads(built):
    index = built()
    newer = make_newer(index, 500)
    lists = index.newer_lists()
    lists.assign(newer[:450])
    state = lists.rows(newer)
    queries = make_newer(index, 40, seed=4)
    params = SearchParams(k=10, nprobe=4)
    want = index.find_rows(queries, params, newer=state)
    for threads in (1, 3):
        served = index.with_engine("native", threads=threads)
        for size in (1, 7, 40):
            parts = [
                served.find_rows(queries[i : i + size], params, newer=state).rows
                for i in range(0, 40, size)
            ]
            np.testing.assert_array_equal(np.concatenate(parts), want.rows)


def test_an_earlier_state_sees_no_later_row(built):
    index = built()
    newer = make_newer(index, 400)
    early = newer[:130].copy()  # before its buffer grew
    lists = index.newer_lists()
    lists.assign(newer)
    queries = make_newer(index, 30, seed=4)
    every = SearchParams(k=10, nprobe=index.nlist, rerank=400)
    got = index.find_rows(queries, every, newer=lists.rows(early))
    fresh = index.newer_lists()
    want = index.find_rows(queries, every, newer=fresh.rows(early))
    np.testing.assert_array_equal(got.rows, want.rows)
    assert got.rows.max() < len(index) + 130


def test_parts_stay_few_and_hold_every_row_once(built, monkeypatch):
    monkeypatch.setattr(newer_lists, "LARGEST_FLAT", 64)
    index = built()
    newer = make_newer(index, 3000)
    lists = index.newer_lists()
    queries = make_newer(index, 5, seed=4)
    for stop in range(60, 3001, 60):
        state = lists.rows(newer[:stop])
        waited = lists.due
        while lists.assign_next(newer[:stop]):
            pass
        assert not lists.due
        assert lists.is_current(state) != waited
        state = lists.rows(newer[:stop])
        assert len(state.source) <= 5
    ends = [(part.packed.first, part.packed.end) for part in state.source]
    assert [first for first, _ in ends] == [0, *(end for _, end in ends[:-1])]
    assert ends[-1][1] == 3000
    found = index.find_rows(
        queries, SearchParams(k=3000, exact=True), newer=lists.rows(newer)
    )
    for row in found.rows:
        assert len(set(row.tolist())) == 3000


def test_thin_lists_are_searched_as_with_a_filter(built):
    """Where lists near a query lost all their rows, it must look further."""
    index = built(n=3000, nlist=40)
    lists = index.data.lists
    sealed_alive = np.ones(len(index), np.bool_)
    gone = index.data.centroids[:4]
    for j in range(4):
        sealed_alive[lists.rows[lists.offsets[j] : lists.offsets[j + 1]]] = False
    state = index.newer_lists().rows(
        make_newer(index, 0), sealed_alive=LiveRows.of(sealed_alive)
    )
    assert state.thinned.thin[:4].all()
    found = index.find_rows(gone, SearchParams(k=5, target_recall=0.9), newer=state)
    exact = index.find_rows(gone, SearchParams(k=5, exact=True), newer=state)
    assert sealed_alive[found.rows].all()
    assert (found.rows == exact.rows).mean() >= 0.9


def test_even_deletions_probe_more_lists(built):
    index = built(n=3000, nlist=40)
    alive = np.ones(len(index), np.bool_)
    alive[::4] = False
    lists = index.newer_lists()
    state = lists.rows(make_newer(index, 0), sealed_alive=LiveRows.of(alive))
    assert state.thinned.thin is None
    assert state.thinned.share == pytest.approx(0.75, abs=0.02)
    assert state.thinned.widened(30, nlist=40) == 35
    alive = alive.copy()
    alive[1::4] = False
    later = lists.rows(make_newer(index, 0), sealed_alive=LiveRows.of(alive))
    assert later.thinned.share == pytest.approx(0.5, abs=0.02)


def test_mostly_dead_indexes_are_searched_as_with_a_filter(built):
    index = built(n=3000, nlist=40)
    alive = np.random.default_rng(5).random(len(index)) < 0.2
    state = index.newer_lists().rows(
        make_newer(index, 60), sealed_alive=LiveRows.of(alive)
    )
    assert state.thinned.share < 0.5
    queries = make_newer(index, 40, seed=4)
    params = SearchParams(k=5, target_recall=0.95)
    found = index.find_rows(queries, params, newer=state)
    exact = index.find_rows(queries, SearchParams(k=5, exact=True), newer=state)
    assert (found.rows == exact.rows).mean() >= 0.9
    assert (found.rows >= len(index)).any()


@pytest.mark.parametrize("tier", TIERS)
def test_dead_rows_are_not_found_by_any_tier(built, tier):
    index = built(n=4000, d=12, nlist=60)
    newer = make_newer(index, 120)
    alive = np.random.default_rng(7).random(len(index)) < 0.8
    engine = NativeEngine(index.data, tier=tier)
    served = index.served_by(engine)
    lists = served.newer_lists()
    lists.assign(newer)
    state = lists.rows(newer, sealed_alive=LiveRows.of(alive))
    queries = np.concatenate([index.vectors[~alive][:40], make_newer(index, 40)])
    params = SearchParams(k=10, nprobe=20, rerank=40)
    found = served.find_rows(queries, params, newer=state)
    assert np.append(alive, np.ones(120, np.bool_))[found.rows].all()
    by_mask = engine.search_newer(
        queries,
        nprobe=20,
        request=ScanRequest(k=10, rerank=40, allowed=alive),
        newer=lists.rows(newer).joined,
    )
    np.testing.assert_array_equal(found.rows, by_mask.rows)
    np.testing.assert_array_equal(found.distances, by_mask.distances)


def test_live_rows_of_another_index_are_refused(built, packed):
    index, engine, codes = packed
    part = engine.pack_newer(codes, None, first=0)
    newer = make_newer(index, 20)
    with pytest.raises(ValueError, match="not a bit each"):
        engine.join_newer([part], newer, None, LiveRows.all_of(len(index) + 8))
    state = engine.join_newer([part], newer, None, LiveRows.all_of(len(index)))
    larger = NativeEngine(built(n=720).data)
    with pytest.raises(ValueError, match="of another index"):
        larger.search_newer(newer, nprobe=2, request=REQUEST, newer=state)


@pytest.fixture
def packed(built):
    index = built()
    engine = NativeEngine(index.data)
    codes = index.data.encoding.encode(make_newer(index, 20))
    return index, engine, codes


def test_parts_of_another_index_are_refused(built, packed):
    index, engine, codes = packed
    part = engine.pack_newer(codes, None, first=0)
    other = NativeEngine(built("cosine").data)
    with pytest.raises(ValueError, match="packed for another index"):
        other.join_newer([part], make_newer(index, 20), None)
    state = engine.join_newer([part], make_newer(index, 20), None)
    queries = make_newer(built("cosine"), 2)
    with pytest.raises(ValueError, match="packed for another index"):
        other.search_newer(queries, nprobe=2, request=REQUEST, newer=state)
    wide = built(d=38)
    with pytest.raises(ValueError, match="differ from the index in dimensions"):
        NativeEngine(wide.data).pack_newer(codes, None, first=0)


def test_rows_that_are_not_there_are_refused(packed):
    index, engine, codes = packed
    part = engine.pack_newer(codes, None, first=0)
    short = make_newer(index, 19)
    with pytest.raises(ValueError, match="packed, but not there"):
        engine.join_newer([part], short, None)
    with pytest.raises(ValueError, match="allowed, but not there"):
        engine.join_newer([part], short, np.ones(20, np.bool_))
    with pytest.raises(ValueError, match="packed, but not there"):
        engine.join_newer([part], short, np.ones(19, np.bool_))
    mask = np.ones(20, np.bool_)
    mask[19] = False
    engine.join_newer([part], short, mask)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rows", 20, "row does not exist"),
        ("rows", -1, "row does not exist"),
        ("others", 17, "no primary list"),
        ("offsets", 99, "do not"),
    ],
)
def test_forged_lists_are_refused(packed, name, value, message):
    index, engine, codes = packed
    second = np.full(20, 3, np.int32)
    lists = invert(np.zeros(20, np.int32), second, nlist=index.nlist)
    array = getattr(lists, name).copy()
    array[-1] = value
    with pytest.raises(ValueError, match=message):
        engine.pack_newer(codes, replace(lists, **{name: array}), first=0)
