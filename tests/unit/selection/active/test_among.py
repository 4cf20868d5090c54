"""Active learning among some rows: as of those rows alone, by exact neighbours."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from active_world import Exact, rare

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    GraphNeighbours,
    IndexNeighbours,
    run_active,
)
from gleann.selection.among import Among
from gleann.selection.neighbours import neighbours_among

VECTORS, LABELS, _ = rare(n=500, seed=1)
N = len(VECTORS)
RNG = np.random.default_rng(3)
MASK = RNG.random(N) < 0.5
SOME = np.flatnonzero(MASK)
SEED = np.concatenate([SOME[LABELS[SOME] == 1][:3], SOME[LABELS[SOME] == 0][:12]])
POOLS = ["seals", "classifier", "anchors", "global", "random"]


def index_of(vectors, **params):
    params = {"metric": "l2", "tune_queries": 0, "nlist": 8, **params}
    return SoarIndex.build(vectors, BuildParams(**params))


INDEX = index_of(VECTORS)
ALONE = index_of(VECTORS[SOME])


def near(index):
    """Neighbours by all lists: exact."""
    return IndexNeighbours(index, nprobe=index.nlist)


def through(session, labels, rounds, *, resume=None):
    picked = []
    for _ in range(rounds):
        batch = session.next_batch()
        picked.append((batch.rows, batch.scores))
        if resume is not None:
            state = json.loads(json.dumps(session.state()))
            session = resume(state)
            np.testing.assert_array_equal(session.next_batch().rows, batch.rows)
        session.submit_labels(batch.rows, labels[batch.rows])
    return session, picked


def start(pool, *, neighbours, among=MASK, rows=SEED, **params):
    params = {"batch": 6, "neighbours": 5, "pool": pool, **params}
    return ActiveSession.start(
        VECTORS,
        ActiveParams(**params),
        rows=rows,
        labels=LABELS[rows],
        neighbours=neighbours,
        among=among,
    )


@pytest.mark.parametrize("strategy", ["entropy", "information_density"])
@pytest.mark.parametrize("pool", POOLS)
def test_picks_what_it_would_pick_from_those_rows_alone(pool, strategy):
    session = start(pool, neighbours=near(INDEX), strategy=strategy)
    alone = ActiveSession.start(
        VECTORS[SOME],
        ActiveParams(batch=6, neighbours=5, pool=pool, strategy=strategy),
        rows=np.searchsorted(SOME, SEED),
        labels=LABELS[SEED],
        neighbours=near(ALONE),
    )
    assert session.available == alone.available == len(SOME)
    session, got = through(
        session,
        LABELS,
        6,
        resume=lambda state: ActiveSession.resume(
            state, VECTORS, neighbours=near(INDEX)
        ),
    )
    alone, want = through(alone, LABELS[SOME], 6)
    for (rows, scores), (places, others) in zip(got, want, strict=True):
        np.testing.assert_array_equal(rows, SOME[places])
        np.testing.assert_allclose(scores, others, rtol=1e-5)
    assert session.looked_at == alone.looked_at
    assert asdict(session.stop_advice()) == asdict(alone.stop_advice())
    batch, other = session.next_batch(), alone.next_batch()
    assert batch.summary["rows"] == other.summary["rows"] == len(SOME)
    assert batch.provenance["among"] == {"rows": len(SOME), "of": N}
    got, want = session.coverage(top=20), alone.coverage(top=20)
    for fact, value in asdict(want).items():
        assert getattr(got, fact) == pytest.approx(value, rel=1e-6), fact


@pytest.mark.parametrize("pool", POOLS)
def test_the_seed_may_have_other_rows(pool):
    outside = np.flatnonzero(~MASK)
    seed = np.concatenate(
        [outside[LABELS[outside] == 1][:3], outside[LABELS[outside] == 0][:12]]
    )
    session = start(pool, neighbours=near(INDEX), rows=seed)
    _, picked = through(session, LABELS, 4)
    assert all(MASK[rows].all() and len(rows) == 6 for rows, _ in picked)
    assert session.available == len(SOME) + len(seed)


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors"])
def test_few_rows_do_not_starve(pool):
    """One row in fifty, and not where the seed is: batches are full all the same."""
    mask = np.zeros(N, np.bool_)
    mask[RNG.permutation(np.flatnonzero(LABELS == 0))[:10]] = True
    session = start(pool, neighbours=IndexNeighbours(INDEX), among=mask, batch=5)
    picked = []
    while len(rows := session.next_batch().rows):
        picked += rows.tolist()
        session.submit_labels(rows, LABELS[rows])
    open_rows = np.setdiff1d(np.flatnonzero(mask), SEED)
    assert sorted(picked) == open_rows.tolist()


def test_runs_to_the_last_of_those_rows():
    session = start("global", neighbours=None)
    with pytest.raises(InvalidParamsError, match=f"but {len(SOME)} rows can be"):
        run_active(session, lambda ids: LABELS[ids], budget=len(SOME) + 1)
    run = run_active(session, lambda ids: LABELS[ids], budget=len(SOME))
    assert run.note == ""
    np.testing.assert_array_equal(session.labelled_rows, SOME)
    assert session.stop_advice().reason == "no candidate is left"


def test_given_probabilities_are_wanted_of_those_rows():
    session = start("global", neighbours=None, model="given", concepts=())
    np.testing.assert_array_equal(session.wanted(), np.setdiff1d(SOME, SEED))


def test_a_graph_must_be_of_those_rows():
    graph = knn_graph(INDEX, k=5, nprobe=INDEX.nlist, among=MASK)
    got = through(start("seals", neighbours=GraphNeighbours(graph)), LABELS, 3)[1]
    want = through(start("seals", neighbours=near(INDEX)), LABELS, 3)[1]
    for (rows, _), (others, _) in zip(got, want, strict=True):
        np.testing.assert_array_equal(rows, others)
    whole = GraphNeighbours(knn_graph(INDEX, k=5))
    with pytest.raises(
        InvalidParamsError, match=rf"graph is of 500 rows, not of the {len(SOME)} of"
    ):
        start("seals", neighbours=whole)
    with pytest.raises(InvalidParamsError, match="can be limited to them, such as"):
        start("seals", neighbours=Exact(VECTORS))


def test_limits_add_up():
    other = np.arange(N) % 3 == 0
    both = neighbours_among(
        IndexNeighbours(INDEX, among=MASK), Among.of(other, n=N)
    ).neighbours(np.arange(N), k=4)
    assert (MASK & other)[both].all()


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_the_classifier_is_asked_for_rows_of_all_lists(metric):
    """Few rows, far from the plane: the nearest of them are found, not none."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 8)).astype(np.float32)
    index = SoarIndex.build(
        vectors, BuildParams(metric=metric, tune_queries=0, nlist=256)
    )
    mask = np.zeros(4000, np.bool_)
    mask[np.argsort(-vectors[:, 0])[:40]] = True
    plane = np.eye(1, 8, dtype=np.float32)
    found = IndexNeighbours(index, among=mask).near_planes(
        plane, np.zeros(1), k=30, allowed=np.ones(4000, np.bool_)
    )
    off = np.where(mask, np.abs(index.vectors @ plane[0]), np.inf)
    np.testing.assert_array_equal(found[0], np.argsort(off, kind="stable")[:30])
    along = IndexNeighbours(index, among=mask).along(
        plane, k=30, allowed=np.ones(4000, np.bool_)
    )
    best = np.where(mask, index.vectors @ plane[0], -np.inf)
    np.testing.assert_array_equal(along[0], np.argsort(-best, kind="stable")[:30])


def test_auto_counts_the_rows_that_may_be_candidates():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60_000, 16)).astype(np.float32)
    index = SoarIndex.build(vectors, BuildParams(metric="l2", tune_queries=0))
    labels = (vectors[:40, 0] > 0).astype(np.int64)

    def choice(among):
        return ActiveSession.start(
            vectors,
            ActiveParams(batch=5, neighbours=5),
            rows=np.arange(40),
            labels=labels,
            neighbours=IndexNeighbours(index),
            among=among,
        ).pool_choice

    mask = np.arange(60_000) < 2_000
    assert choice(None).pool == "classifier"
    assert choice(mask).pool == "global"
    assert "all 2,000 rows" in choice(mask).reason


def test_a_state_of_other_rows_is_refused():
    state = start("global", neighbours=None).state()
    state["among"] = {**state["among"], "rows": 7}
    with pytest.raises(CorruptDataError, match="among is not as it was saved"):
        ActiveSession.resume(state, VECTORS)
    with pytest.raises(InvalidInputError, match="among has 0 of 500 rows"):
        start("global", neighbours=None, among=np.zeros(N, np.bool_))


def test_a_state_without_a_filter_is_as_before():
    state = start("global", neighbours=None, among=None).state()
    assert "among" not in state
    assert replace(ActiveSession.resume(state, VECTORS).params) is not None
