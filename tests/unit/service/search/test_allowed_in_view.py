"""Filters of views against `View.passing` over random changes; what is kept."""

import gc
import threading
import weakref

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import InvalidFilterError, UnknownIdError
from gleann.index.exact import exact_search
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.search import allowed as allowed_module
from gleann.service.search import value_rows
from gleann.service.search.allowed import SealedFilters, allowed_in
from gleann.service.search.radius_search import search_radius
from gleann.service.search.value_rows import ValueRows
from gleann.service.search.view_search import search
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload, Part

N, DIM = 1200, 8
SCHEMA = Schema(
    [
        Column("tenant", "string", indexed=True),
        Column("shard", "int64", indexed=True),
        Column("score", "int64"),
    ]
)
CONDITIONS = (
    Condition("tenant = 't3'"),
    Condition("tenant = 't3' AND score > 4"),
    Condition("shard = 2 AND tenant = 't1'"),
    Condition("tenant = 'nobody'"),
    Condition("tenant = 't1' OR tenant = 't2'"),
    Condition("score <= 2"),
    Condition("tenant IS NULL"),
    Condition("tenant = $1", ("t0",)),
)


def payload_of(n, rng):
    tenants = [None if t == 6 else f"t{t}" for t in rng.integers(0, 7, n)]
    values = {
        "tenant": tenants,
        "shard": rng.integers(0, 4, n),
        "score": rng.integers(0, 9, n),
    }
    return Payload.of(values, SCHEMA, n=n)


@pytest.fixture(scope="module")
def index():
    rows = np.random.default_rng(81).normal(size=(N, DIM)).astype(np.float32)
    return SoarIndex.build(rows, BuildParams(metric="l2"))


@pytest.fixture
def view(index):
    sealed = Sealed(index)
    payload = payload_of(N, np.random.default_rng(82))
    live = LivePayload(schema=SCHEMA, sealed=Part(payload))
    sealed.payload = live
    return View(
        number=1,
        name="a",
        dim=DIM,
        metric="l2",
        delta=Delta(DIM),
        sealed=sealed,
        payload=live,
    )


def changed(view, rng, sequence):
    """The next view after an upsert, a deletion, or a change of payload."""
    kind = sequence % 3
    ids = rng.choice(N + 300, 20, replace=False)
    if kind == 0:
        vectors = rng.normal(size=(20, DIM)).astype(np.float32)
        return view.upserted(
            hold_id_array(ids), vectors, payload_of(20, rng), sequence=sequence
        )
    rows = view.find(hold_id_array(ids))
    live = rows >= 0
    if kind == 1:
        return view.deleted(hold_id_array(ids[live]), sequence=sequence)
    some = payload_of(int(live.sum()), rng)
    return view.payload_set(rows[live], some, sequence=sequence)


def require_right(view, condition):
    bound = view.bind(condition)
    passing = view.passing(bound)
    found = allowed_in(view, allowed_ids=None, condition=condition)
    old, new = passing[: view.sealed_rows], passing[view.sealed_rows :]
    np.testing.assert_array_equal(found.sealed.rows, np.flatnonzero(old))
    np.testing.assert_array_equal(found.newer, new)
    return found, passing


def test_filters_are_those_of_the_view_over_random_changes(view):
    rng = np.random.default_rng(83)
    views = [view]
    for sequence in range(1, 25):
        views.append(changed(views[-1], rng, sequence))
        for condition in CONDITIONS:
            require_right(views[-1], condition)
        # A reader may still have an earlier state.
        earlier = views[int(rng.integers(len(views)))]
        for condition in CONDITIONS[:3]:
            require_right(earlier, condition)


def test_searches_are_exact_among_the_allowed(view):
    rng = np.random.default_rng(84)
    queries = rng.normal(size=(9, DIM)).astype(np.float32)
    for sequence in range(1, 8):
        view = changed(view, rng, sequence)
    everything = np.concatenate([view.sealed.index.vectors, view.delta.vectors])
    for condition in CONDITIONS:
        allowed, passing = require_right(view, condition)
        near, distances = exact_search(
            queries, everything, metric="l2", k=30, allowed=passing
        )
        for params in (SearchParams(k=30, rerank=N), SearchParams(k=30, exact=True)):
            found = search(view, queries, params, allowed=allowed)
            np.testing.assert_array_equal(found.rows, near)
            np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
        within = search_radius(
            view, queries, 9.0, target_recall=1.0, limit=4, allowed=allowed
        )
        for q in range(len(queries)):
            own = within.rows[within.offsets[q] : within.offsets[q + 1]]
            expected = near[q][(near[q] >= 0) & (distances[q] <= 9)][:4]
            np.testing.assert_array_equal(own, expected)
        assert within.complete


def test_radius_of_a_view_without_a_filter(view):
    rng = np.random.default_rng(85)
    queries = rng.normal(size=(5, DIM)).astype(np.float32)
    view = changed(changed(changed(view, rng, 3), rng, 4), rng, 5)
    everything = np.concatenate([view.sealed.index.vectors, view.delta.vectors])
    near, distances = exact_search(
        queries, everything, metric="l2", k=200, allowed=view.live
    )
    found = search_radius(view, queries, 5, target_recall=1, limit=None, allowed=None)
    for q in range(5):
        own = found.rows[found.offsets[q] : found.offsets[q + 1]]
        np.testing.assert_array_equal(own, near[q][distances[q] <= 5])
    probed = search_radius(
        view, queries, 5, target_recall=0.9, limit=None, allowed=None
    )
    assert not probed.complete


def test_ids_and_a_condition_together(view):
    view = changed(view, np.random.default_rng(86), 3)
    ids = hold_id_array(view.ids_at(view.live_rows()[::3]))
    for condition in (None, *CONDITIONS):
        found = allowed_in(view, allowed_ids=ids, condition=condition)
        mask = np.zeros(view.sealed_rows + len(view.delta), np.bool_)
        mask[view.find(ids)] = True
        if condition is not None:
            mask &= view.passing(view.bind(condition))
        sealed = np.flatnonzero(mask[: view.sealed_rows])
        np.testing.assert_array_equal(found.sealed.rows, sealed)
        np.testing.assert_array_equal(found.newer, mask[view.sealed_rows :])
    assert allowed_in(view, allowed_ids=None, condition=None) is None


def test_before_the_first_build(view):
    rng = np.random.default_rng(87)
    fresh = View(
        number=1,
        name="a",
        dim=DIM,
        metric="l2",
        delta=Delta(DIM),
        payload=LivePayload(schema=SCHEMA),
    )
    fresh = changed(fresh, rng, 3)
    bound = fresh.bind(CONDITIONS[0])
    found = allowed_in(fresh, allowed_ids=None, condition=CONDITIONS[0])
    assert found.sealed is None
    np.testing.assert_array_equal(found.newer, fresh.passing(bound))


def test_a_filter_is_kept_while_its_rows_live(view):
    condition = CONDITIONS[0]
    first, passing = require_right(view, condition)
    again, _ = require_right(view, condition)
    assert again.sealed is first.sealed
    others = np.flatnonzero(~passing[: view.sealed_rows])[:5]
    later = view.deleted(hold_id_array(others), sequence=1)
    kept, _ = require_right(later, condition)
    assert kept.sealed is first.sealed
    own = np.flatnonzero(passing[: view.sealed_rows])[:5]
    later = later.deleted(hold_id_array(own), sequence=2)
    changed, _ = require_right(later, condition)
    assert changed.sealed is not first.sealed
    assert changed.sealed.count == first.sealed.count - 5


def test_a_tenant_is_found_without_looking_at_the_others(view, monkeypatch):
    """Once its column is indexed, only its own rows are evaluated."""
    allowed_in(view, allowed_ids=None, condition=Condition("tenant = 't1'"))
    looked_at = []
    real = allowed_module.passing_among

    def listen(view, bound, rows):
        looked_at.append(len(rows))
        return real(view, bound, rows)

    def never(self, bound):
        raise AssertionError("all rows were evaluated")

    monkeypatch.setattr(allowed_module, "passing_among", listen)
    monkeypatch.setattr(View, "passing", never)
    found = allowed_in(view, allowed_ids=None, condition=Condition("tenant = 't2'"))
    assert looked_at == [found.sealed.count]
    assert found.sealed.count < N / 4


def test_kept_filters_have_a_bound(view):
    view.sealed.filters = filters = SealedFilters(most_bytes=20_000)
    made = []

    def ask(score):
        condition = Condition("tenant = 't1' AND score >= $1", (score,))
        return allowed_in(view, allowed_ids=None, condition=condition).sealed

    for score in range(9):
        made.append(ask(score))
        assert filters.bytes_held <= 20_000
    assert ask(8) is made[-1]
    again = ask(0)
    assert again is not made[0]
    np.testing.assert_array_equal(again.rows, made[0].rows)


def test_a_filter_that_is_asked_outlasts_those_that_are_not(view):
    view.sealed.filters = filters = SealedFilters(most_bytes=20_000)
    hot = Condition("tenant = 't2'")
    first = allowed_in(view, allowed_ids=None, condition=hot)
    for score in range(40):
        cold = Condition("tenant = 't1' AND score >= $1", (score - 30,))
        allowed_in(view, allowed_ids=None, condition=cold)
        again = allowed_in(view, allowed_ids=None, condition=hot)
        assert again.sealed is first.sealed
        assert filters.bytes_held <= 20_000


def test_what_a_view_was_answered_is_that_views_only(view):
    condition = CONDITIONS[0]
    rng = np.random.default_rng(90)
    asked = dict.fromkeys(range(4))
    views = [view]
    for sequence in (3, 1, 2):  # an upsert, a deletion, and payload
        views.append(changed(views[-1], rng, sequence))
    for _ in range(3):
        for number, state in enumerate(views):
            found, _ = require_right(state, condition)
            again = allowed_in(state, allowed_ids=None, condition=condition)
            assert again.sealed is found.sealed
            asked[number] = found.sealed.count
    assert asked[0] > 0
    held = weakref.ref(views.pop())
    gc.collect()
    del state
    gc.collect()
    assert held() is None, "a filter keeps an earlier view, and so its newer rows"


def test_newer_rows_of_a_kept_answer_are_counted(view):
    condition = CONDITIONS[0]
    view.sealed.filters = filters = SealedFilters(1 << 20)
    allowed_in(view, allowed_ids=None, condition=condition)
    before = filters.bytes_held
    rng = np.random.default_rng(91)
    ids = hold_id_array(np.arange(N + 1000, N + 6000))
    vectors = rng.normal(size=(5000, DIM)).astype(np.float32)
    later = view.upserted(ids, vectors, payload_of(5000, rng), sequence=1)
    for _ in range(2):
        allowed_in(later, allowed_ids=None, condition=condition)
    assert filters.bytes_held >= before + 5000


def test_many_threads_get_the_same_rows(view):
    expected = np.flatnonzero(view.passing(view.bind(CONDITIONS[0])))
    view.sealed.filters = SealedFilters(1 << 20)
    wrong = []

    def ask():
        for _ in range(20):
            found = allowed_in(view, allowed_ids=None, condition=CONDITIONS[0]).sealed
            if not np.array_equal(found.rows, expected):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bad_filters_are_refused(view):
    with pytest.raises(InvalidFilterError):
        allowed_in(view, allowed_ids=None, condition=Condition("colour = 'red'"))
    with pytest.raises(UnknownIdError):
        allowed_in(view, allowed_ids=np.array([10**9]), condition=None)


@pytest.mark.parametrize("most_text", [1 << 30, 10], ids=["one chunk", "much text"])
@pytest.mark.parametrize("kind", ["string", "int64"])
def test_rows_of_each_value(kind, most_text, monkeypatch):
    monkeypatch.setattr(value_rows, "MOST_TEXT", most_text)
    numbers = np.random.default_rng(88).integers(-3, 40, 500)
    nulls = np.arange(500) % 11 == 0
    given = numbers if kind == "int64" else numbers.astype(str)
    column = pa.chunked_array(
        [
            pa.array(given[:200], mask=nulls[:200]),
            pa.array(given[200:], mask=nulls[200:]),
        ]
    )
    rows = ValueRows(column)
    assert len(rows) == len(np.unique(numbers[~nulls]))
    for value in np.unique(numbers).tolist():
        asked = value if kind == "int64" else str(value)
        expected = np.flatnonzero((numbers == value) & ~nulls)
        np.testing.assert_array_equal(rows.rows(asked), expected)
    for absent in (99, "99", None, 1.5, 1 << 70):
        assert len(rows.rows(absent)) == 0
    assert rows.nbytes < 500 * 4 + 43 * 40


def test_rows_of_no_value():
    assert len(ValueRows(pa.array([], pa.large_string())).rows("a")) == 0
    assert len(ValueRows(pa.nulls(5, pa.int64())).rows(0)) == 0
