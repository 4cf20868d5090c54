"""`AllowedRows`: counts, sub-lists and runs; what is packed changes no answer."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.contract import ListChoice, ScanRequest
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)
from gleann.index.exact import exact_search
from gleann.index.search import allowed as allowed_module
from gleann.index.search import filter_steps, filtered
from gleann.index.search.list_stats import SAMPLED

N, DIM = 12_000, 16
KINDS = ("random", "against")
SHARES = (0.9, 0.4, 0.05, 0.005)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(61).normal(size=(N, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    queries = np.random.default_rng(62).normal(size=(70, DIM)).astype(np.float32)
    queries[:, 0] = np.abs(queries[:, 0]) + 1
    return queries


@pytest.fixture(scope="module", params=["ip", "cosine", "l2"])
def index(request, rows):
    return SoarIndex.build(rows, BuildParams(metric=request.param, spill="soar"))


def mask_of(kind, share, rows):
    """At random, or on the side of the data that the queries are not on."""
    if kind == "random":
        return np.random.default_rng(63).random(len(rows)) < share
    return rows[:, 0] <= np.quantile(rows[:, 0], share)


def equal(one, other):
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.distances, other.distances)


def packs_at_once(monkeypatch):
    monkeypatch.setattr(allowed_module, "PACKED_ENTRY", 0)
    monkeypatch.setattr(allowed_module, "PACKED_SHARE", 1)


def lists_only(monkeypatch, *, whole=0):
    """Allowed rows are never few, and those beside a query rarely read at once."""
    monkeypatch.setattr(filtered, "FEW", 0)
    monkeypatch.setattr(filtered, "PACKED_ROW", float("inf"))
    monkeypatch.setattr(filter_steps, "WHOLE", whole)


@pytest.fixture(params=["as it is", "lists", "lists, then all rows"])
def way(request, monkeypatch):
    if request.param != "as it is":
        lists_only(monkeypatch, whole=0 if request.param == "lists" else N)
    return request.param


def steps_only(monkeypatch):
    """No engine chooses lists itself."""

    monkeypatch.setattr(filtered, "chooses_lists", lambda kind: False)


@pytest.fixture(params=[(kind, share) for kind in KINDS for share in SHARES], ids=str)
def mask(request, rows):
    return mask_of(*request.param, rows)


def test_what_is_packed_changes_no_answer(index, queries, mask, way, monkeypatch):
    plain = index.find_rows(queries, SearchParams(k=10, allowed=mask))
    kept = index.allow(mask)
    for _ in range(2):
        equal(index.find_rows(queries, SearchParams(k=10, allowed=kept)), plain)
    packs_at_once(monkeypatch)
    packed = index.allow_rows(np.flatnonzero(mask))
    before = packed.nbytes
    for _ in range(2):
        equal(index.find_rows(queries, SearchParams(k=10, allowed=packed)), plain)
    assert packed.nbytes > before + packed.count * DIM
    equal(index.find_rows(queries, SearchParams(k=10, allowed=kept)), plain)


@pytest.mark.parametrize("share", SHARES)
def test_an_answer_depends_neither_on_batch_nor_on_threads(
    index, rows, queries, share, way
):
    mask = mask_of("against", share, rows)
    together = index.find_rows(queries, SearchParams(k=10, allowed=index.allow(mask)))
    kept = SearchParams(k=10, allowed=index.allow(mask))
    for q in range(0, len(queries), 7):
        alone = index.find_rows(queries[q : q + 1], kept)
        np.testing.assert_array_equal(alone.rows[0], together.rows[q])
        np.testing.assert_array_equal(alone.distances[0], together.distances[q])
    single = index.with_engine("native", threads=1)
    equal(single.find_rows(queries, kept), together)


@pytest.mark.parametrize("packed", [False, True])
def test_the_engine_chooses_the_lists_that_the_steps_choose(
    index, queries, mask, way, packed, monkeypatch
):
    if packed:
        packs_at_once(monkeypatch)
    else:
        monkeypatch.setattr(allowed_module, "PACKED_SHARE", -1)
    allowed = index.allow(mask)
    params = SearchParams(k=10, allowed=allowed)
    index.find_rows(queries, params)
    own = [index.find_rows(queries[q : q + 1], params) for q in range(len(queries))]
    together = index.find_rows(queries, params)
    steps_only(monkeypatch)
    equal(index.find_rows(queries, params), together)
    for q, found in enumerate(own):
        step = index.find_rows(queries[q : q + 1], params)
        equal(found, step)
        if way != "lists":  # there, what goes on is counted from another beginning
            assert found.stats == step.stats


def test_lists_are_chosen_without_steps(index, rows, queries, monkeypatch):
    """Under a filter at random hardly a query needs any."""
    lists_only(monkeypatch)
    left = []

    def search_stepwise(engine, queries, request, **how):
        left.append(len(queries))
        return filter_steps.search_stepwise(engine, queries, request, **how)

    monkeypatch.setattr(filtered, "search_stepwise", search_stepwise)
    allowed = index.allow(mask_of("random", 0.6, rows))
    assert allowed.expected.shape == (index.nlist,)
    for some in (queries, queries[:1]):
        found = index.find_rows(some, SearchParams(k=10, allowed=allowed))
        assert (found.rows >= 0).all()
    assert sum(left) <= len(queries) / 20


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_query_that_is_not_finite_is_refused(index, rows, queries, way, bad):
    allowed = index.allow(mask_of("random", 0.4, rows))
    assert allowed.expected.shape == (index.nlist,)
    wrong = queries.copy()
    wrong[5, 3] = bad
    with pytest.raises(NonFiniteError, match="5"):
        index.find_rows(wrong, SearchParams(k=10, allowed=allowed))


def test_answers_are_those_of_the_reference_engine(
    index, rows, queries, mask, assert_recall
):
    """Where all allowed rows are re-ranked nothing is lost to codes."""
    oracle = index.with_engine("reference")
    near, distances = exact_search(
        queries, rows, metric=index.metric, k=10, allowed=mask
    )
    for engine in (index, oracle):
        params = SearchParams(k=10, allowed=engine.allow(mask), rerank=200)
        found = engine.find_rows(queries, params)
        assert mask[found.rows].all()
        assert_recall(found.distances, distances, at_least=0.92)
    everything = SearchParams(k=10, allowed=index.allow(mask), rerank=N)
    if filtered.is_few(everything.allowed, nprobe=1):
        np.testing.assert_array_equal(index.find_rows(queries, everything).rows, near)


def test_no_query_is_completed_where_few_rows_are_scanned(index, queries):
    """No list was probed that could have left a query short."""
    allowed = index.allow_rows(np.arange(0, N, N // 60))
    assert filtered.is_few(allowed, nprobe=1)
    for rerank in (20, N):
        params = SearchParams(k=10, allowed=allowed, rerank=rerank)
        stats = index.find_rows(queries, params).stats
        assert (stats.completed, stats.lists_probed, stats.nprobe) == (0, 0, 0)


@pytest.mark.parametrize("engine", ["native", "reference", "faiss"])
@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_fewer_rows_than_neighbours(rows, queries, engine, count):
    pytest.importorskip("faiss" if engine == "faiss" else "numpy")
    index = SoarIndex.build(
        rows[:3000], BuildParams(metric="l2", spill="soar"), engine=engine
    )
    mask = np.zeros(3000, np.bool_)
    mask[np.random.default_rng(64).permutation(3000)[:count]] = True
    near, distances = exact_search(
        queries, rows[:3000], metric="l2", k=20, allowed=mask
    )
    for allowed in (mask, index.allow(mask), index.allow_rows(np.flatnonzero(mask))):
        found = index.find_rows(queries, SearchParams(k=20, allowed=allowed))
        np.testing.assert_array_equal(found.rows, near)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
        assert found.stats.exact or count > found.stats.rerank


def test_equal_rows_come_by_number():
    """Forty copies of each row: the ten lowest allowed ones are found."""
    rows = np.repeat(np.eye(8, dtype=np.float32), 40, axis=0)
    index = SoarIndex.build(rows, BuildParams(metric="l2", nlist=4, spill="soar"))
    mask = np.ones(320, np.bool_)
    mask[::3] = False
    found = index.find_rows(
        np.eye(8, dtype=np.float32),
        SearchParams(k=10, allowed=index.allow(mask), rerank=320),
    )
    for q in range(8):
        own = np.flatnonzero(mask[q * 40 : q * 40 + 40])[:10] + q * 40
        np.testing.assert_array_equal(found.rows[q], own)


def test_all_allowed_is_no_filter(index, queries):
    plain = index.find_rows(queries, SearchParams(k=10))
    allowed = index.allow(np.ones(N, np.bool_))
    found = index.find_rows(queries, SearchParams(k=10, allowed=allowed))
    equal(found, plain)
    assert found.stats == plain.stats


def test_exact_and_nprobe_take_it_too(index, rows, queries):
    for share in (0.5, 0.01):
        mask = mask_of("random", share, rows)
        for params in ({"exact": True}, {"nprobe": 5}, {"target_recall": 1.0}):
            plain = index.find_rows(queries, SearchParams(k=10, allowed=mask, **params))
            kept = SearchParams(k=10, allowed=index.allow(mask), **params)
            equal(index.find_rows(queries, kept), plain)


@pytest.mark.parametrize("share", SHARES)
def test_entries_are_counted_by_list(index, rows, share):
    mask = mask_of("random", share, rows)
    lists = index.data.lists
    expected = [
        mask[lists.rows[start:end]].sum()
        for start, end in zip(lists.offsets[:-1], lists.offsets[1:], strict=True)
    ]
    allowed = index.allow(mask)
    assert allowed.count == mask.sum()
    np.testing.assert_array_equal(allowed.entries, expected)
    stats = allowed.stats
    np.testing.assert_array_equal(stats.counted(mask), expected)
    np.testing.assert_array_equal(stats.counted_rows(np.flatnonzero(mask)), expected)


def test_what_is_expected_in_few_lists_is_that_of_all(index, rows):
    order = np.arange(index.nlist, dtype=np.int32)[None, :]
    mask = mask_of("against", 0.3, rows)
    allowed = index.allow(mask)
    assert allowed.is_new(9)
    once = allowed.expected_in(order[:, ::9])
    assert not allowed.is_new(9)
    np.testing.assert_array_equal(once[0], allowed.expected[::9])
    np.testing.assert_array_equal(allowed.expected_in(order)[0], allowed.expected)
    sizes = np.diff(index.data.lists.offsets)
    error = np.abs(allowed.expected - allowed.entries) / np.maximum(sizes, 1)
    assert error.mean() < 0.5 / SAMPLED**0.5


@pytest.mark.parametrize("share", [0.9, 0.5, 0.3, 0.13, 0.07])
def test_samples_grow_as_filters_narrow(index, rows, share):
    """Else chance alone would make lists near a query look emptier than others."""
    allowed = index.allow(mask_of("random", share, rows))
    sampled = allowed.stats.sampled(share)
    assert SAMPLED <= sampled.shape[1] * share < 2 * SAMPLED + 1
    for list_no in range(0, index.nlist, 17):
        start, end = index.data.lists.offsets[list_no : list_no + 2]
        assert np.isin(sampled[list_no], index.data.lists.rows[start:end]).all()


def test_few_allowed_entries_are_counted(index, rows):
    allowed = index.allow(mask_of("random", 0.05, rows))
    assert not allowed.is_new(1)
    np.testing.assert_array_equal(allowed.expected, allowed.entries)


def test_lists_without_allowed_rows_are_not_read(index, rows, queries, monkeypatch):
    lists_only(monkeypatch)
    packs_at_once(monkeypatch)
    mask = mask_of("against", 0.1, rows)
    allowed = index.allow(mask)
    assert (allowed.entries == 0).any()
    found = index.find_rows(queries, SearchParams(k=10, allowed=allowed))
    most = allowed.entries.sum()
    assert found.stats.entries_scanned <= len(queries) * most
    live = np.count_nonzero(allowed.entries)
    assert found.stats.lists_probed <= len(queries) * live


def test_a_mask_is_copied_unless_nobody_can_change_it(index, rows, queries):
    mask = mask_of("random", 0.3, rows)
    allowed = index.allow(mask)
    params = SearchParams(k=5, allowed=allowed)
    before = index.find_rows(queries, params).rows
    mask[before[:, 0]] = False
    np.testing.assert_array_equal(index.find_rows(queries, params).rows, before)
    found = index.find_rows(queries, SearchParams(k=5, allowed=mask)).rows
    assert not np.isin(before[:, 0], found).any()
    mask.flags.writeable = False
    assert index.allow(mask).mask is mask


def test_sub_lists_are_packed_once_they_have_paid(rows, queries, monkeypatch):
    lists_only(monkeypatch)
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    allowed = index.allow(mask_of("random", 0.4, rows))
    params = SearchParams(k=10, allowed=allowed)
    before = index.find_rows(queries[:1], params).stats
    for _ in range(200):
        index.find_rows(queries, params)
        if allowed.packed_lists(index.engine) is not None:
            break
    after = index.find_rows(queries[:1], params).stats
    assert after.entries_scanned < 0.6 * before.entries_scanned
    assert after.survivors <= after.entries_scanned


def test_rows_of_another_index_are_refused(index, rows, queries):
    other = SoarIndex.build(rows[:500], BuildParams(metric="l2"))
    allowed = other.allow(np.arange(500) < 9)
    with pytest.raises(InvalidInputError, match="made by another index"):
        index.find_rows(queries, SearchParams(allowed=allowed))


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([0.5], "must be integers"),
        ([[1]], "must be integers"),
        ([0, N], f"row {N} is not one of {N} rows"),
        ([-1], "row -1"),
    ],
)
def test_rows_that_are_none_are_refused(index, some, words):
    with pytest.raises(InvalidInputError, match=words):
        index.allow_rows(some)


def test_masks_that_are_none_are_refused(index):
    with pytest.raises(InvalidInputError, match="bool"):
        index.allow(np.ones(N))
    with pytest.raises(DimensionMismatchError):
        index.allow(np.ones(N - 1, np.bool_))


def test_rows_may_come_in_any_order_and_again(index, queries):
    allowed = index.allow_rows([5, 3, 3, 900, 5])
    assert len(allowed) == 3
    found = index.find_rows(queries, SearchParams(k=4, allowed=allowed))
    assert (np.sort(found.rows, axis=1) == [-1, 3, 5, 900]).all()


def test_a_choice_of_other_lists_is_refused(index, queries):
    request = ScanRequest(k=5, rerank=10)
    right = ListChoice(
        sizes=np.ones(index.nlist, np.int64),
        kept=np.ones(index.nlist),
        entries=None,
        reach=0.85,
        share=0.5,
        nprobe=2,
        ranked=4,
    )
    _, settled = index.engine.search_chosen(queries, right, request, packed=None)
    assert settled.shape == (len(queries),)
    for wrong, words in (
        (right._replace(kept=right.kept[1:]), r"not \(nlist\)"),
        (right._replace(ranked=1), "not 1 <= nprobe <= ranked"),
        (right._replace(ranked=index.nlist + 1), "ranked <= nlist"),
    ):
        with pytest.raises(ValueError, match=words):
            index.engine.search_chosen(queries, wrong, request, packed=None)
