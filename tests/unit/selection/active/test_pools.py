"""Pools beyond SEALS, what they let through, and what a batch costs."""

import numpy as np
import pytest
from active_world import Exact, begin, rare

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection import AnchorPool, IndexNeighbours, run_active
from gleann.selection.active.coverage import measure_coverage
from gleann.selection.active.pools.base import LabelState
from gleann.selection.list_scan import FEWEST_LISTS, LISTS, ROWS


def standing(rows, labels, batch=1):
    return LabelState(
        rows=np.asarray(rows),
        labels=np.asarray(labels)[:, None],
        batch=batch,
        hyperplanes=None,
    )


def test_an_anchor_pool_by_hand():
    """On a line: the mean cosine decides, and only open rows count."""
    angles = np.deg2rad([0, 10, 20, 30, 90, 100, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pool = AnchorPool(Exact(vectors), vectors, anchors=5, k=2, size=3, seed=0)
    pool.close(np.array([0, 3]))
    pool.update(standing([0, 3], [1, 0]))
    # 0 finds 1 and 2 (10 and 20 degrees), 3 finds 2 and 1 (10 and 20 degrees).
    assert pool.candidates().tolist() == [1, 2]
    pool.close(np.array([1]))
    assert pool.candidates().tolist() == [2]
    assert pool.grow(np.array([1])).tolist() == []
    pool.update(standing([0, 1, 3], [1, 1, 0], batch=2))
    # 0 finds 2 and 4, 1 finds 2 and 4, 3 finds 2 and 4.
    assert pool.candidates().tolist() == [2, 4]
    assert pool.looked_at == 3


def test_an_anchor_pool_keeps_the_most_similar_rows_only():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    pool = AnchorPool(near, vectors, anchors=99, k=7, size=10, seed=0)
    pool.close(seed)
    pool.update(standing(seed, labels[seed]))
    allowed = np.ones(400, bool)
    allowed[seed] = False
    found = near.open_neighbours(seed, k=7, allowed=allowed)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = {}
    for anchor, row_found in zip(seed, found, strict=True):
        for row in row_found.tolist():
            similarity.setdefault(row, []).append(float(unit[anchor] @ unit[row]))
    means = {row: np.mean(values) for row, values in similarity.items()}
    chosen = pool.candidates()
    assert len(chosen) == 10 < len(means)
    left = set(means) - set(chosen.tolist())
    assert min(means[r] for r in chosen) >= max(means[r] for r in left) - 1e-6


def test_anchors_are_spread_balanced_and_repeatable():
    vectors, labels, _ = rare()
    rows = np.arange(400)
    pool = AnchorPool(Exact(vectors), vectors, anchors=4, k=3, size=50, seed=1)
    drawn = pool.draw(standing(rows, labels))
    assert drawn.tolist() == pool.draw(standing(rows, labels)).tolist()
    assert drawn.tolist() != pool.draw(standing(rows, labels, batch=2)).tolist()
    assert np.bincount(labels[drawn]).tolist() == [4, 4]


def test_anchors_are_drawn_before_the_pool_counts_as_empty():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    anchors = {"near": near, "pool": "anchors", "subpool": 4, "batch": 5}
    session = begin(vectors, labels, seed, **anchors)
    quiet = begin(vectors, labels, seed, **anchors)
    for _ in range(3):
        # The batch takes the whole pool; the next one has a pool of its own.
        advice = session.stop_advice()
        assert not advice.stop
        assert "batches needed" in advice.reason
        rows = session.next_batch().rows
        assert len(rows) == 4
        assert rows.tolist() == quiet.next_batch().rows.tolist()
        for one in (session, quiet):
            one.submit_labels(rows, labels[rows])
    session.ignore(np.arange(400))
    assert session.stop_advice().reason == "no candidate is left"


def test_the_anchor_pool_does_not_grow_with_the_labels():
    vectors, labels, seed = rare()
    session = begin(
        vectors,
        labels,
        seed,
        near=Exact(vectors),
        pool="anchors",
        anchors=3,
        neighbours=4,
    )
    for _ in range(10):
        picked = session.next_batch()
        candidates = session.state()["picker"]["pool"]["pool"]
        assert len(candidates) <= 2 * 3 * 4
        assert set(picked.rows.tolist()) <= set(candidates)
        session.submit_labels(picked.ids, labels[picked.rows])


def test_the_classifier_pool_holds_the_rows_nearest_to_the_boundary():
    vectors, labels, seed = rare()
    session = begin(
        vectors,
        labels,
        seed,
        near=Exact(vectors),
        pool="classifier",
        batch=20,
        neighbours=1,
    )
    for _ in range(4):
        picked = session.next_batch()
        # The whole of the global top batch is let through, and so it is picked.
        assert session.coverage().in_pool == 1.0
        assert session.coverage().picked == 1.0
        session.submit_labels(picked.ids, labels[picked.rows])


class AlongOnly(Exact):
    """Finds nothing beside a plane."""

    def near_planes(self, planes, offsets, *, k, allowed):
        return np.full((len(planes), k), -1)


def test_with_three_classes_each_boundary_is_asked_about():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 3)).astype(np.float32)
    labels = vectors.argmax(axis=1)
    seed = np.concatenate([np.flatnonzero(labels == c)[:5] for c in range(3)])
    shares = {}
    for name, pool, near in (
        ("seals", "seals", Exact(vectors)),
        ("along only", "classifier", AlongOnly(vectors)),
        ("classifier", "classifier", Exact(vectors)),
    ):
        session = begin(vectors, labels, seed, near=near, pool=pool, neighbours=2)
        session.next_batch()
        shares[name] = session.coverage(top=15).in_pool
    assert shares["classifier"] > shares["along only"]
    assert shares["classifier"] > shares["seals"]


def test_coverage_by_hand():
    rows = np.array([1, 4, 6, 8])
    covered = measure_coverage(
        np.array([0.1, 0.9, 0.5, 0.9]),
        rows,
        candidates=np.array([1, 4]),
        picked=np.array([4]),
        top=3,
    )
    assert (covered.top, covered.candidates, covered.open_rows) == (3, 2, 4)
    assert covered.in_pool == pytest.approx(1 / 3)  # of 4, 8, 6 only 4
    assert covered.picked == pytest.approx(1 / 3)
    assert covered.score == covered.baseline_score == 0.9
    assert covered.random_score == pytest.approx(0.6)
    known = measure_coverage(
        np.array([0.1, -np.inf, 0.5, 0.9]),
        rows,
        candidates=rows,
        picked=np.array([1, 6]),
        top=9,
    )
    assert (known.top, known.open_rows) == (3, 4)
    assert (known.picked, known.in_pool) == (pytest.approx(2 / 3), 1.0)
    assert known.score == pytest.approx(0.3)
    assert (known.random_score, known.baseline_score) == pytest.approx((0.5, 0.7))


def test_scores_of_a_batch_stand_beside_random_and_the_plain_choice():
    vectors, labels, seed = rare()
    for strategy in ("entropy", "margin", "most_likely_positive"):
        shared = {"strategy": strategy, "near": Exact(vectors), "neighbours": 2}
        found = {}
        for pool in ("seals", "global", "random"):
            session = begin(vectors, labels, seed, pool=pool, **shared)
            batch = session.next_batch()
            found[pool] = session.coverage()
            if pool == "seals":
                assert found[pool].score == pytest.approx(batch.scores.mean(), abs=1e-6)
        whole = found["global"]
        assert whole.score == pytest.approx(whole.baseline_score)
        for one in found.values():
            # All by the same model over the same open rows.
            assert one.baseline_score == pytest.approx(whole.baseline_score)
            assert one.random_score == pytest.approx(whole.random_score)
            assert one.score <= one.baseline_score + 1e-12
        assert found["random"].score < whole.score


def test_coverage_of_a_concept_is_of_its_own_picks():
    vectors, labels, seed = rare()
    answers = np.stack([labels, (vectors[:, 0] < 0).astype(np.int64)], axis=1)
    session = begin(
        vectors, answers, seed, pool="global", batch=6, concepts=("spot", "left")
    )
    batch = session.next_batch()
    for concept in ("spot", "left"):
        covered = session.coverage(concept=concept)
        mine = batch.why["concept"] == concept
        assert covered.top == mine.sum() == 3
        assert covered.in_pool == 1.0
        assert covered.score == pytest.approx(batch.scores[mine].mean(), abs=1e-6)
    with pytest.raises(InvalidParamsError, match="the session's are: spot, left"):
        session.coverage()


def test_there_is_no_coverage_of_what_is_ignored_or_not_told():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="global")
    with pytest.raises(NotReadyError, match="before its first label"):
        session.coverage()
    batch = session.next_batch()
    session.ignore(batch.ids[:2])
    assert session.coverage().top == 3
    session.ignore(batch.ids[2:])
    with pytest.raises(NotReadyError, match="before its first label"):
        session.coverage()
    drawn = begin(vectors, labels, seed, pool="random", model="given")
    drawn.next_batch()
    with pytest.raises(NotReadyError, match="none of 5 rows of the batch has a score"):
        drawn.coverage()


def test_the_global_pool_covers_all_and_seals_a_part():
    vectors, labels, seed = rare()
    everything = begin(vectors, labels, seed, pool="global")
    everything.next_batch()
    assert everything.coverage().in_pool == 1.0
    seals = begin(vectors, labels, seed, near=Exact(vectors), neighbours=1)
    picked = seals.next_batch()
    p = seals.probabilities()
    doubt = np.minimum(p[:, 1], p[:, 0])
    doubt[seed] = -1
    top = np.argsort(-doubt, kind="stable")[:7]
    inside = np.isin(top, seals.state()["picker"]["pool"]["entered"]).mean()
    assert seals.coverage(top=7).in_pool == pytest.approx(inside)
    assert inside < 1
    seals.submit_labels(picked.ids[:1], labels[picked.rows[:1]])
    with pytest.raises(NotReadyError, match="before its first label"):
        seals.coverage()


def clustered_index(n=4000, d=16, nlist=100):
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(60, d))
    rows = centres[rng.integers(60, size=n)] + 0.5 * rng.normal(size=(n, d))
    return SoarIndex.build(
        rows.astype(np.float32), BuildParams(nlist=nlist, tune_queries=0)
    )


def test_an_index_finds_the_rows_beside_a_plane():
    index = clustered_index()
    near = IndexNeighbours(index, nprobe=8)
    rng = np.random.default_rng(6)
    planes = (3 * rng.normal(size=(4, 16))).astype(np.float32)
    offsets = rng.normal(size=4)
    allowed = rng.random(4000) < 0.7
    found = near.near_planes(planes, offsets, k=20, allowed=allowed)
    off = np.abs(index.vectors @ planes.T + offsets).T
    for plane in range(4):
        got = found[plane]
        assert allowed[got].all()
        assert len(set(got.tolist())) == 20
        assert (np.diff(off[plane][got]) >= 0).all()
        truth = np.argsort(np.where(allowed, off[plane], np.inf))[:20]
        assert np.isin(truth, got).mean() >= 0.85


def test_with_few_lists_the_rows_beside_a_plane_are_the_exact_ones():
    index = clustered_index(nlist=LISTS)
    plane = np.arange(16, dtype=np.float32)[None] - 8
    allowed = np.ones(4000, bool)
    found = IndexNeighbours(index).near_planes(
        plane, np.array([0.5]), k=9, allowed=allowed
    )
    off = np.abs(index.vectors @ plane[0] + 0.5)
    assert found[0].tolist() == np.argsort(off, kind="stable")[:9].tolist()
    only = np.zeros(4000, bool)
    only[[3, 77]] = True
    few = IndexNeighbours(index).near_planes(plane, np.array([0.5]), k=4, allowed=only)
    assert sorted(few[0, :2].tolist()) == [3, 77]
    assert few[0, 2:].tolist() == [-1, -1]


def test_large_lists_are_read_up_to_a_number_of_rows():
    rng = np.random.default_rng(9)
    index = SoarIndex.build(
        rng.normal(size=(20_000, 4)).astype(np.float32),
        BuildParams(nlist=40, tune_queries=0),
    )
    plane = np.ones((1, 4), np.float32)
    found = IndexNeighbours(index).near_planes(
        plane, np.zeros(1), k=20_000, allowed=np.ones(20_000, bool)
    )
    read = int((found >= 0).sum())
    lists = index.data.lists
    sizes = np.sort(lists.mids - lists.offsets[:-1])
    assert ROWS - sizes[-1] <= read <= max(ROWS, sizes[-FEWEST_LISTS:].sum())


def test_open_neighbours_leave_rows_out():
    index = clustered_index(n=500, nlist=4)
    allowed = np.arange(500) % 3 == 0
    rows = np.array([3, 7])
    got = IndexNeighbours(index, nprobe=4).open_neighbours(rows, k=6, allowed=allowed)
    near = index.vectors[rows] @ index.vectors.T
    near[:, ~allowed] = -np.inf
    near[[0, 1], rows] = -np.inf
    assert got.tolist() == np.argsort(-near, axis=1, kind="stable")[:, :6].tolist()


class Counting:
    """Neighbours in a grown pool: counts the look-ups."""

    def __init__(self, index):
        self._near = IndexNeighbours(index, nprobe=8)
        self.looked_up = 0

    def __len__(self):
        return len(self._near)

    def neighbours(self, rows, *, k):
        self.looked_up += len(rows)
        return self._near.neighbours(rows, k=k)


def test_work_a_batch_stays_flat_when_the_pool_doubles():
    """Rows scored and neighbours looked up, with as many lists over twice the rows."""
    rng = np.random.default_rng(8)
    centres = rng.normal(size=(20, 16))
    rows = centres[np.arange(8000) % 20] + 0.8 * rng.normal(size=(8000, 16))
    labels = (np.arange(8000) % 20 < 1).astype(np.int64)
    work = {}
    for n in (4000, 8000):
        index = SoarIndex.build(
            rows[:n].astype(np.float32), BuildParams(nlist=64, tune_queries=0)
        )
        near = Counting(index)
        seed = np.r_[np.flatnonzero(labels[:n])[:4], np.flatnonzero(1 - labels[:n])[:6]]
        session = begin(index.vectors, labels, seed, near=near, batch=10, neighbours=10)
        run_active(session, lambda ids, y=labels: y[ids], budget=100)
        work[n] = (near.looked_up, session.looked_at)
    assert work[4000][0] == work[8000][0] == 100
    assert work[8000][1] <= 1.2 * work[4000][1]


@pytest.mark.parametrize("pool", ["classifier", "anchors"])
def test_pools_say_what_neighbours_they_need(pool):
    class Neighbourly:
        def __len__(self):
            return 400

        def neighbours(self, rows, *, k):
            return np.zeros((len(rows), k), np.int64)

    vectors, labels, seed = rare()
    with pytest.raises(InvalidParamsError, match=r"needs neighbours that .*ly"):
        begin(vectors, labels, seed, near=Neighbourly(), pool=pool)
    with pytest.raises(InvalidParamsError, match=f"'{pool}' needs neighbours, got No"):
        begin(vectors, labels, seed, pool=pool)
