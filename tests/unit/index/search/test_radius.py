"""Search within a distance: complete answers against every pair, and probed ones."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.index.metric import pair_distances, prepare
from gleann.index.search import within
from gleann.index.search.list_stats import ListStats
from gleann.index.search.radius import RadiusSearch
from gleann.index.search.within import find_within

N, DIM, NQ = 3000, 24, 40
METRICS = ("ip", "cosine", "l2")


def clustered(seed, n):
    """Rows around forty centres, some of them equal."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(40, DIM))
    rows = centres[rng.integers(40, size=n)] + rng.normal(size=(n, DIM)) * 0.15
    rows[1::50] = rows[::50]
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return clustered(71, N)


@pytest.fixture(scope="module")
def queries(rows):
    queries = clustered(72, NQ)
    queries[:10] = rows[:500:50]
    return queries


@pytest.fixture(scope="module", params=METRICS)
def index(request, rows):
    return SoarIndex.build(rows, BuildParams(metric=request.param, spill="soar"))


@pytest.fixture(scope="module")
def pairs(index, queries):
    """All distances (nq, n)."""
    prepared = prepare(queries, index.metric)
    every = np.broadcast_to(index.vectors, (NQ, N, DIM))
    return pair_distances(prepared, every, index.metric)


def require_equal(found, pairs, radius, *, limit=None, allowed=None):
    """The hits are exactly those of all pairs, nearest first, ties by row."""
    near = pairs <= np.float32(radius)
    if allowed is not None:
        near = near & allowed
    for q in range(len(pairs)):
        rows = np.flatnonzero(near[q])
        rows = rows[np.lexsort((rows, pairs[q, rows]))][:limit]
        own = slice(found.offsets[q], found.offsets[q + 1])
        np.testing.assert_array_equal(found.rows[own], rows)
        np.testing.assert_array_equal(found.distances[own], pairs[q, rows])
    assert found.offsets[-1] == len(found.rows) == len(found.distances)


@pytest.mark.parametrize("share", [0.0, 0.002, 0.1, 1.0])
@pytest.mark.parametrize("limit", [None, 1, 7])
def test_complete_answers_are_those_of_all_pairs(index, queries, pairs, share, limit):
    radius = float(np.quantile(pairs, share))
    found = index.find_within(queries, radius, limit=limit)
    require_equal(found, pairs, radius, limit=limit)
    assert found.complete


@pytest.mark.parametrize("share", [0.7, 0.05, 0.0])
@pytest.mark.parametrize("limit", [None, 3])
def test_only_allowed_rows_are_hits(index, queries, pairs, share, limit):
    allowed = np.random.default_rng(73).random(N) < share
    radius = float(np.quantile(pairs, 0.05))
    for some in (allowed, index.allow(allowed)):
        found = index.find_within(queries, radius, limit=limit, allowed=some)
        require_equal(found, pairs, radius, limit=limit, allowed=allowed)


def test_blocks_change_nothing(index, queries, pairs, monkeypatch):
    monkeypatch.setattr(within, "QUERY_BLOCK", 7)
    monkeypatch.setattr(within, "ROW_BLOCK", 100)
    monkeypatch.setattr(within, "PAIR_BYTES", 16 * DIM * 11)
    radius = float(np.quantile(pairs, 0.05))
    for limit in (None, 4, 1000):
        found = index.find_within(queries, radius, limit=limit)
        require_equal(found, pairs, radius, limit=limit)


def test_lists_that_cannot_hold_a_hit_are_not_read(index, queries, pairs):
    """Duplicates of rows in tight clusters: few lists can have them."""
    if index.metric == "ip":
        pytest.skip("the nearest rows by ip are long ones, far from the query")
    found = index.find_within(queries[:10], 0.0)
    require_equal(found, pairs[:10], 0.0)
    assert len(found.rows) >= 20
    assert found.stats.entries_scanned < 10 * N / 8


def test_rows_at_the_radius_are_hits(index, queries, pairs):
    """The float32 distance of each row, and the number just below it."""
    for q in range(0, NQ, 5):
        radius = np.sort(pairs[q])[12]
        found = index.find_within(queries[q], radius)
        require_equal(found, pairs[q : q + 1], radius)
        below = np.nextafter(radius, np.float32(-np.inf))
        if below >= 0 or index.metric == "ip":
            found = index.find_within(queries[q], below)
            require_equal(found, pairs[q : q + 1], below)


def test_a_list_is_ruled_out_only_if_it_holds_no_hit(index, queries, pairs):
    lists = index.data.lists
    search = RadiusSearch(index.data, ListStats(index.data))
    prepared = prepare(queries, index.metric)
    for share in (0.0001, 0.001, 0.01, 0.1):
        radius = float(np.quantile(pairs, share))
        can_hit = search.can_hit(prepared, radius)
        for j in range(lists.nlist):
            own = lists.rows[lists.offsets[j] : lists.mids[j]]
            holds = (pairs[:, own] <= np.float32(radius)).any(axis=1)
            assert can_hit[holds, j].all()


@pytest.mark.parametrize("offset", [0, 3000])
def test_far_from_the_origin(offset):
    """Where a float32 product has lost the distance, the hits are still exact."""
    rows = clustered(74, 800) + np.float32(offset)
    queries = clustered(75, 20) + np.float32(offset)
    every = np.broadcast_to(rows, (20, 800, DIM))
    pairs = pair_distances(queries, every, "l2")
    radius = float(np.quantile(pairs, 0.01))
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    require_equal(index.find_within(queries, radius), pairs, radius)


def test_probing_finds_most_and_proves_nothing(index, queries, pairs):
    radius = float(np.quantile(pairs, 0.05))
    truth = index.find_within(queries, radius)
    found = index.find_within(queries, radius, target_recall=0.95)
    assert not found.complete
    assert len(found.rows) >= 0.9 * len(truth.rows)
    for q in range(NQ):
        own = slice(found.offsets[q], found.offsets[q + 1])
        every = truth.rows[truth.offsets[q] : truth.offsets[q + 1]]
        assert set(found.rows[own].tolist()) <= set(every.tolist())
        assert (np.diff(found.distances[own]) >= 0).all()
    limited = index.find_within(queries, radius, target_recall=0.95, limit=5)
    assert (np.diff(limited.offsets) <= 5).all()


def test_probing_few_allowed_rows_is_complete(index, queries, pairs):
    allowed = np.zeros(N, np.bool_)
    allowed[::600] = True
    radius = float(np.quantile(pairs, 0.4))
    found = index.find_within(queries, radius, target_recall=0.9, allowed=allowed)
    require_equal(found, pairs, radius, allowed=allowed)
    assert found.complete


def test_an_answer_does_not_depend_on_its_batch(index, queries, pairs):
    radius = float(np.quantile(pairs, 0.02))
    for target in (1.0, 0.9):
        together = index.find_within(queries, radius, target_recall=target)
        for q in range(0, NQ, 9):
            alone = index.find_within(queries[q], radius, target_recall=target)
            own = slice(together.offsets[q], together.offsets[q + 1])
            np.testing.assert_array_equal(alone.rows, together.rows[own])


def test_ids_and_table(queries):
    rows = clustered(71, 300)
    names = [f"row-{number}" for number in range(300)]
    index = SoarIndex.build(rows, BuildParams(metric="l2"), ids=names)
    found = index.search_radius(queries, 3.0)
    by_row = index.find_within(queries, 3.0)
    assert found.ids.tolist() == [names[row] for row in by_row.rows.tolist()]
    table = found.table()
    assert table.facts["complete"] is True
    np.testing.assert_array_equal(
        np.bincount(table.columns["query"], minlength=NQ), np.diff(found.offsets)
    )
    assert (
        table.columns["rank"][found.offsets[:-1][np.diff(found.offsets) > 0]] == 0
    ).all()
    np.testing.assert_array_equal(by_row.table().columns["row"], by_row.rows)


def test_k_within_a_radius(index, queries, pairs):
    radius = float(np.quantile(pairs, 0.003))
    plain = index.find_rows(queries, SearchParams(k=10))
    cut = index.find_rows(queries, SearchParams(k=10, radius=radius))
    far = plain.distances > np.float32(radius)
    assert far.any()
    assert not far.all()
    assert (cut.rows[far] == -1).all()
    assert np.isinf(cut.distances[far]).all()
    np.testing.assert_array_equal(cut.rows[~far], plain.rows[~far])
    np.testing.assert_array_equal(cut.distances[~far], plain.distances[~far])


def test_no_rows():
    found = find_within(
        np.ones((2, 3), np.float32),
        np.ones((0, 3), np.float32),
        metric="l2",
        radius=1.0,
    )
    assert found.offsets(2).tolist() == [0, 0, 0]


@pytest.mark.parametrize("radius", [float("nan"), float("inf"), -float("inf"), 1e39])
def test_a_radius_that_is_no_number_is_refused(index, queries, radius):
    with pytest.raises(InvalidParamsError, match="finite"):
        index.find_within(queries, radius)


def test_a_radius_below_zero(index, queries, pairs):
    if index.metric == "ip":
        require_equal(index.find_within(queries, -0.5), pairs, -0.5)
        return
    with pytest.raises(InvalidParamsError, match="at least 0"):
        index.find_within(queries, -0.5)
    with pytest.raises(InvalidParamsError, match="at least 0"):
        index.search(queries, SearchParams(radius=-0.5))


@pytest.mark.parametrize("name", ["radius", "limit", "target_recall"])
@pytest.mark.parametrize("value", [True, "1", -1.5])
def test_bad_arguments_are_refused(index, queries, name, value):
    if index.metric == "ip" and (name, value) == ("radius", -1.5):
        pytest.skip("a distance of ip can be negative")
    arguments = {"radius": 1.0} | {name: value}
    with pytest.raises(InvalidParamsError):
        index.find_within(queries, **arguments)


def test_bad_queries_are_refused(index, queries):
    bad = queries.copy()
    bad[3, 1] = np.nan
    for target in (1.0, 0.9):
        with pytest.raises(NonFiniteError):
            index.find_within(bad, 1.0, target_recall=target)
    with pytest.raises(InvalidInputError):
        index.find_within(queries[:, :3], 1.0)
