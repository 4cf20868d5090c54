"""Hard negatives: near rows that do not answer the query."""

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.datasets import load_digits
from target_reference import distances_of, orders_of

import gleann
from gleann.index.errors import (
    CancelledError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
)
from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    mine_negatives,
)

N, DIM = 400, 5


def build(rows, *, ids=None, metric="cosine", nlist=8):
    params = gleann.BuildParams(metric=metric, nlist=nlist, tune_queries=0)
    return gleann.SoarIndex.build(rows, params, ids=ids)


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    rows = np.float32(rng.normal(size=(N, DIM)))
    ids = rng.permutation(N) + 7
    queries = np.float32(rng.normal(size=(12, DIM)))
    positives = [ids[rng.choice(N, size, replace=False)] for size in range(12)]
    return rows, ids, queries, positives


def request_of(positives, **more):
    given = {"per_query": 6, "target_recall": 1.0, **more}
    return NegativesRequest(positives=Positives.of_lists(positives), **given)


def open_order(index, order, positives, *, own, is_open, radius):
    """A ranking without the query, its positives, rows near them and closed rows."""
    barred = np.isin(index.ids, positives)
    if is_open is not None:
        barred |= ~is_open
    if own is not None:
        barred[own] = True
    rows = np.flatnonzero(np.isin(index.ids, positives))
    if radius is not None and len(rows):
        metric = "l2" if index.metric == "ip" else index.metric
        apart = distances_of(index.vectors[rows], index.vectors, metric)
        barred |= apart.min(axis=0) <= np.float32(radius)
    return [row for row in order if not barred[row]]


def reference(
    index, queries, positives, *, window=(0, 200), own=None, is_open=None, **rules
):
    """The rules one by one, on full rankings."""
    offset = 1 if index.metric == "cosine" else 0
    distances = distances_of(queries, index.vectors, index.metric)
    answers = []
    for query, order in enumerate(orders_of(distances, index.ids)):
        kept = open_order(
            index,
            order,
            positives[query],
            own=None if own is None else own[query],
            is_open=is_open,
            radius=rules.get("radius"),
        )[window[0] : window[1]]
        scores = offset - distances[query].astype(float)
        known = scores[np.isin(index.ids, positives[query])]
        limits = [rules.get("most", np.inf)]
        if len(known) and "margin" in rules:
            limits.append(known.min() - rules["margin"])
        if len(known) and "relative" in rules:
            limits.append(known.min() - (1 - rules["relative"]) * abs(known.min()))
        answers.append([row for row in kept if scores[row] <= min(limits)][:6])
    return answers


def lists_of(found):
    return [row[row >= 0].tolist() for row in found.rows]


RULES = {
    "plain": {},
    "window": {"window": (3, 12)},
    "most": {"most": 0.4},
    "margin": {"margin": 0.1},
    "semi-hard": {"margin": 0.0},
    "relative": {"relative": 0.95},
    "radius": {"radius": 0.05},
    "all": {"window": (1, 60), "most": 0.9, "margin": 0.05, "radius": 0.02},
}
NAMES = {
    "most": "max_similarity",
    "relative": "relative_margin",
    "radius": "duplicate_radius",
}


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("rule", RULES)
def test_negatives_are_those_of_the_full_rankings(world, metric, rule):
    rows, ids, queries, positives = world
    more = dict(RULES[rule])
    if metric == "l2":
        more |= {"most": -3.0} if "most" in more else {}
        more |= {"radius": 0.8} if "radius" in more else {}
        if "relative" in more:
            with pytest.raises(InvalidParamsError, match="needs the metric cosine or"):
                mine_negatives(
                    build(rows, ids=ids, metric="l2"),
                    request_of(positives, queries=queries, relative_margin=0.9),
                )
            return
    index = build(rows, ids=ids, metric=metric)
    named = {NAMES.get(name, name): value for name, value in more.items()}
    found = mine_negatives(index, request_of(positives, queries=queries, **named))
    prepared = queries
    if metric == "cosine":
        wide = queries.astype(np.float64)
        prepared = np.float32(wide / np.linalg.norm(wide, axis=1, keepdims=True))
    want = reference(index, prepared, positives, **more)
    assert lists_of(found) == want
    assert found.shortfall.tolist() == [6 - len(one) for one in want]
    offset = 1 if metric == "cosine" else 0
    distances = distances_of(prepared, index.vectors, metric)
    for query, own in enumerate(want):
        assert found.similarities[query, : len(own)] == pytest.approx(
            offset - distances[query][own], abs=1e-6
        )
    assert np.isnan(found.similarities[found.rows < 0]).all()
    assert (found.ids[found.rows < 0] == -1).all()


def test_queries_that_are_rows_are_not_their_own_negatives(world):
    rows, ids, _, positives = world
    index = build(rows, ids=ids)
    own = np.arange(12) * 3
    found = mine_negatives(index, request_of(positives, query_ids=ids[own]))
    want = reference(index, index.vectors[own], positives, own=own)
    assert lists_of(found) == want
    assert found.query_ids.tolist() == ids[own].tolist()


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_some_rows_give_what_a_copy_of_them_gives(world, share):
    rows, ids, queries, positives = world
    mask = np.random.default_rng(3).random(N) < share
    index = build(rows, ids=ids)
    more = {"queries": queries, "duplicate_radius": 0.05, "margin": 0.0}
    found = mine_negatives(index, request_of(positives, among=mask, **more))
    want = reference(
        index,
        np.float32(queries / np.linalg.norm(queries, axis=1, keepdims=True)),
        positives,
        is_open=mask,
        radius=0.05,
        margin=0.0,
    )
    assert lists_of(found) == want
    by_id = mine_negatives(index, request_of(positives, among=ids[mask], **more))
    assert by_id.rows.tolist() == found.rows.tolist()


def test_positives_of_digits_and_their_copies_are_never_negatives():
    pixels, labels = load_digits(return_X_y=True)
    pixels = np.float32(pixels)
    rng = np.random.default_rng(0)
    copied = rng.choice(len(pixels), 300, replace=False)
    noise = rng.normal(scale=0.05, size=(300, 64)).astype(np.float32)
    rows = np.concatenate([pixels, pixels[copied] + noise])
    index = build(rows, nlist=40)
    queries = rng.choice(len(pixels), 500, replace=False)
    # Copies are unlabelled: only their distance to a positive tells.
    positives = [np.flatnonzero(labels == labels[query]) for query in queries]
    found = mine_negatives(
        index,
        request_of(
            positives,
            query_ids=queries,
            per_query=10,
            duplicate_radius=1e-3,
            target_recall=0.99,
        ),
    )
    every = np.concatenate([labels, labels[copied]])
    assert (found.rows >= 0).all()
    assert (every[found.rows] != labels[queries][:, None]).all()
    exact = mine_negatives(
        index,
        request_of(
            positives,
            query_ids=queries,
            per_query=10,
            duplicate_radius=1e-3,
            target_recall=1.0,
        ),
    )
    same = [np.isin(a, b).mean() for a, b in zip(found.rows, exact.rows, strict=True)]
    assert np.mean(same) > 0.98
    without = mine_negatives(
        index, request_of(positives, query_ids=queries, per_query=10)
    )
    assert (every[without.rows] == labels[queries][:, None]).any()


def test_a_query_with_too_few_is_flagged_and_not_padded(world):
    rows, ids, queries, _ = world
    index = build(rows, ids=ids)
    all_but_two = [ids[2:]] * 3
    found = mine_negatives(index, request_of(all_but_two, queries=queries[:3]))
    assert (found.rows >= 0).sum(axis=1).tolist() == [2, 2, 2]
    assert found.shortfall.tolist() == [4, 4, 4]
    assert found.summary["shortfall"] == 12
    assert found.summary["short_queries"] == 3
    table = found.table()
    assert len(table.columns["id"]) == 6
    assert set(table.columns["id"].tolist()) <= set(ids[:2].tolist())


def test_random_negatives_are_uniform_over_all_that_qualify(world):
    rows, ids, queries, _ = world
    index = build(rows, ids=ids)
    more = {"queries": queries[:2], "per_query": 3, "window": (2, 12)}
    every = mine_negatives(
        index, request_of([[], []], **{**more, "per_query": 10})
    ).rows
    counts = np.zeros((2, N))
    for seed in range(400):
        found = mine_negatives(
            index, request_of([[], []], sampling="random", seed=seed, **more)
        )
        assert (np.diff(found.similarities, axis=1) <= 0).all()
        for query in range(2):
            counts[query, found.rows[query]] += 1
    for query in range(2):
        assert np.flatnonzero(counts[query]).tolist() == sorted(every[query])
        # Draws without replacement vary less than independent ones.
        assert chisquare(counts[query, every[query]]).pvalue > 1e-3


def test_equal_rows_come_in_the_order_of_their_ids():
    ids = np.random.default_rng(1).permutation(900)
    index = build(np.ones((900, 3), np.float32), ids=ids, metric="l2")
    found = mine_negatives(
        index, request_of([[0, 1]], queries=np.ones((1, 3)), per_query=4)
    )
    assert found.ids.tolist() == [[2, 3, 4, 5]]
    none = mine_negatives(
        index,
        request_of([[0]], queries=np.ones((1, 3)), per_query=4, duplicate_radius=0),
    )
    assert none.shortfall.tolist() == [4]


def test_progress_and_origin(world):
    rows, ids, queries, positives = world
    index = build(rows, ids=ids)
    seen = []
    found = mine_negatives(
        index, request_of(positives, queries=queries), progress=seen.append
    )
    assert (seen[-1].phase, seen[-1].done, seen[-1].total) == ("mine", 12, 12)
    assert found.provenance["method"] == "hard_negatives"
    assert found.provenance["data_hash"] == index.data_hash
    assert found.provenance["seed"] is None

    def cancel(progress):
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        mine_negatives(index, request_of(positives, queries=queries), progress=cancel)


def test_what_cannot_be_mined_is_refused(world):
    rows, ids, queries, positives = world
    index = build(rows, ids=ids)
    for words, more in (
        ("per_query must be at least 1, got 0", {"per_query": 0}),
        ("has 3 ranks, but per_query is 6", {"window": (2, 5)}),
        ("first rank of window must be at least 0, got -1", {"window": (-1, 9)}),
        (r"relative_margin must be in 0\.\.1, got 1.2", {"relative_margin": 1.2}),
        ("margin must be in 0", {"margin": -0.1}),
        ("duplicate_radius must be in 0", {"duplicate_radius": -1}),
        ("sampling must be one of", {"sampling": "semi"}),
    ):
        with pytest.raises(InvalidParamsError, match=words):
            request_of(positives, queries=queries, **more)
    with pytest.raises(InvalidInputError, match="got neither"):
        request_of(positives)
    with pytest.raises(InvalidInputError, match="got both"):
        request_of(positives, queries=queries, query_ids=ids[:12])
    for given, error, words in (
        ({"queries": np.empty((0, DIM))}, InvalidInputError, "queries is empty"),
        ({"query_ids": []}, InvalidInputError, "query_ids has 0 ids"),
        ({"query_ids": [10**6]}, UnknownIdError, "1000000"),
        (
            {"queries": queries[:5]},
            DimensionMismatchError,
            "positives are of 12 queries, but there are 5",
        ),
    ):
        with pytest.raises(error, match=words):
            mine_negatives(index, request_of(positives, **given))
    broken = Positives(offsets=[0, 3, 2], ids=ids[:2])
    with pytest.raises(InvalidInputError, match="must ascend from 0 to 2"):
        mine_negatives(
            index,
            NegativesRequest(positives=broken, queries=queries[:2], per_query=2),
        )
