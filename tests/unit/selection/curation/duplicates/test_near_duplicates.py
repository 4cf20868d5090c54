"""Near-duplicates: keep-first against a naive loop, in any order and any division."""

import numpy as np
import pytest
from near_rows import build, made, medium, naive

from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    LimitError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.index.join import pairs
from gleann.index.metric import pair_distances
from gleann.selection.curation.duplicates import (
    curve,
    examples,
    group_size_counts,
    groups,
    near_duplicates,
    rethreshold,
)
from gleann.selection.curation.duplicates.groups import (
    keep_first,
    keep_first_reference,
)

KEEP_BY = ["id", "score", "newest", "near_centroid", "far_from_centroid"]


def answer(found):
    """What `naive` gives."""
    table = found.to_dict()["columns"]
    listed = zip(
        table["id"],
        table["kept"],
        table["duplicate_of"],
        table["distance"],
        strict=True,
    )
    dropped = {one: (of, near) for one, kept, of, near in listed if not kept}
    return found.kept_ids.tolist(), dropped


def same(found, truth):
    kept, dropped = answer(found)
    assert kept == truth[0]
    assert dropped.keys() == truth[1].keys()
    for one, (of, near) in dropped.items():
        # Of several equally near kept rows the first in the order is named.
        assert near == pytest.approx(truth[1][one][1], rel=1e-6, abs=1e-12)
        assert of == truth[1][one][0]


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("keep_by", ["id", "score", "newest"])
def test_keep_first_equals_a_naive_loop(clustered, metric, keep_by):
    rng = np.random.default_rng(5)
    rows, ids = made(clustered, seed=1), rng.permutation(1000)[:240]
    index = build(rows, metric, ids=ids, nlist=9)
    scores = rng.integers(0, 5, 240)  # with many ties
    keys = {"id": None, "score": scores, "newest": np.arange(240)}[keep_by]
    given = {"scores": scores} if keep_by == "score" else {}
    for radius in (0.0, medium(index), 1e7):
        found = near_duplicates(index, radius=radius, keep_by=keep_by, **given)
        same(found, naive(index.vectors, ids, radius, metric, keys))


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_near_to_or_far_from_the_mean_are_kept(clustered, sign):
    index = build(made(clustered, seed=2), nlist=9)
    ids, rows = np.arange(240), index.vectors
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    keys = -sign * pair_distances(mean[None], rows[None], "l2")[0]
    keep_by = "near_centroid" if sign > 0 else "far_from_centroid"
    radius = medium(index)
    found = near_duplicates(index, radius=radius, keep_by=keep_by)
    same(found, naive(rows, ids, radius, "l2", keys))


def test_no_two_kept_rows_are_within_the_radius(clustered):
    index = build(made(clustered, 400, seed=3), nlist=12)
    radius = medium(index)
    found = near_duplicates(index, radius=radius)
    kept = index.vectors[found.kept]
    apart = np.stack([pair_distances(row[None], kept[None], "l2")[0] for row in kept])
    apart[np.diag_indices(len(kept))] = np.inf
    assert apart.min() > np.float32(radius)
    assert 10 < len(kept) < 350
    assert found.group_sizes.sum() == 400


@pytest.mark.parametrize("keep_by", KEEP_BY)
@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5])
def test_order_and_shards_do_not_matter(clustered, keep_by, shards):
    rows, ids = made(clustered, seed=4), np.arange(240) + 7
    scores = np.random.default_rng(1).integers(0, 4, 240)
    scored = keep_by in ("score", "newest")
    whole = build(rows, ids=ids, nlist=9)
    radius = medium(whole)
    given = {"scores": scores} if scored else {}
    truth = near_duplicates(whole, radius=radius, keep_by=keep_by, **given)
    order = np.random.default_rng(shards).permutation(240)
    parts = [
        build(rows[some], ids=ids[some], nlist=4, spill="none")
        for some in np.array_split(order, shards)
    ]
    given = {"scores": scores[order]} if scored else {}
    found = near_duplicates(parts, radius=radius, keep_by=keep_by, **given)
    assert answer(found) == answer(truth)
    assert found.pair_count == truth.pair_count


@pytest.mark.parametrize("keep_by", ["id", "score", "far_from_centroid"])
def test_adding_in_ten_parts_equals_adding_at_once(clustered, keep_by):
    rows = made(clustered, seed=6)
    order = np.random.default_rng(2).permutation(240)
    scores = np.random.default_rng(3).random(240)

    def of(ids):
        given = {"scores": scores[ids]} if keep_by == "score" else {}
        return build(rows[ids], ids=ids, nlist=5), given

    whole, given = of(order)
    radius = medium(whole)
    truth = near_duplicates(whole, radius=radius, keep_by=keep_by, **given)
    known, compared = None, 0
    for end in range(24, 241, 24):
        index, given = of(order[:end])
        known = near_duplicates(
            index, radius=radius, keep_by=keep_by, known=known, **given
        )
        compared = known.work.compared
    assert answer(known) == answer(truth)
    assert known.pair_count == truth.pair_count
    assert compared < truth.work.compared


def test_changed_and_removed_rows_of_a_known_answer_are_noticed(clustered):
    rows = made(clustered, seed=7)
    index = build(rows, nlist=9)
    radius = medium(index)
    known = near_duplicates(index, radius=2 * radius)
    changed = rows.copy()
    changed[10] = changed[200] + 1e-4
    changed[120] = 50.0  # one of the equal rows, and first of them in no answer
    changed[0] = 60.0  # the first of the equal rows
    left = np.setdiff1d(np.arange(240), [5, 121, 230])
    index = build(changed[left], ids=left, nlist=7)
    found = near_duplicates(index, radius=radius, known=known)
    assert answer(found) == answer(near_duplicates(index, radius=radius))


def test_a_smaller_radius_needs_no_other_join(clustered):
    index = build(made(clustered, seed=8), nlist=9)
    other = made(clustered, seed=8)[::4] + 0.01
    wide = 2 * medium(index)
    for given in ({}, {"against": other}):
        found = near_duplicates(index, radius=wide, **given)
        for radius in (wide, wide / 2, wide / 20, 0.0):
            cut = rethreshold(found, radius=radius)
            truth = near_duplicates(index, radius=radius, **given)
            assert answer(cut) == answer(truth)
            assert cut.summary() == truth.summary()
        with pytest.raises(InvalidParamsError, match="is above"):
            rethreshold(found, radius=1.01 * wide)


@pytest.mark.parametrize("as_index", [True, False])
def test_rows_near_another_collection_go_first(clustered, as_index):
    rows = made(clustered, seed=9)
    outside = np.concatenate([rows[:12] + 0.01, clustered(40, 6, seed=99)])
    index = build(rows, nlist=9)
    radius = medium(index) / 2
    ids = [f"out-{number}" for number in range(52)]
    against = build(outside, ids=ids, nlist=4) if as_index else outside
    found = near_duplicates(index, radius=radius, against=against)
    kept, dropped = naive(rows, np.arange(240), radius, "l2", outside=outside)
    assert found.kept_ids.tolist() == kept
    foreign = {one: of[1] for one, of in dropped.items() if of[0] == "outside"}
    assert len(foreign) >= 12
    there = np.flatnonzero(found.from_outside)
    assert set(there) == set(foreign)
    for row in there:
        of = foreign[row]
        assert found.outside_ids[row] == (ids[of] if as_index else of)
        assert found.duplicate_of[row] == -1


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_among_gives_the_answer_of_those_rows_alone(clustered, share):
    rows = made(clustered, 1200, seed=10)
    index = build(
        rows, nlist=9, payload={"draw": np.random.default_rng(0).random(1200)}
    )
    mask = index.where(f"draw < {share}")
    own = np.flatnonzero(mask)
    radius = medium(index)
    for keep_by in ("id", "near_centroid"):
        found = near_duplicates(index, radius=radius, among=mask, keep_by=keep_by)
        alone = build(rows[own], ids=own, nlist=2)
        truth = near_duplicates(alone, radius=radius, keep_by=keep_by)
        assert answer(found) == answer(truth)
    assert found.provenance["among"] == {"rows": len(own), "of": 1200}
    assert not found.kept[~mask].any()


def test_similarity_is_a_cosine(clustered):
    index = build(made(clustered, seed=11), "cosine", nlist=9)
    found = near_duplicates(index, similarity=0.99)
    assert answer(found) == answer(near_duplicates(index, radius=1 - 0.99))


def test_text_ids_and_times_order(clustered):
    rows = np.zeros((4, 3), np.float32) + np.arange(4)[:, None] * 1e-3
    ids = ["b", "a", "d", "c"]
    index = build(rows, ids=ids, nlist=1)
    assert near_duplicates(index, radius=1).kept_ids.tolist() == ["a"]
    times = np.array(["2020-01-01", "2021-01-01", "2024-01-01", "2024-01-01"], "M8[D]")
    newest = near_duplicates(index, radius=1, keep_by="newest", scores=times)
    assert newest.kept_ids.tolist() == ["c"]  # as new as "d", and before it
    last = near_duplicates(index, radius=1, keep_by="newest")
    assert last.kept_ids.tolist() == ["c"]


def test_without_native_kernels_the_answer_is_the_same(clustered, monkeypatch):
    index = build(made(clustered, seed=16), nlist=9)
    radius = medium(index)
    truth = near_duplicates(index, radius=radius)
    monkeypatch.setattr(pairs, "available", lambda: False)
    monkeypatch.setattr(groups, "available", lambda: False)
    found = near_duplicates(index, radius=radius)
    assert answer(found) == answer(truth)
    assert found.work.list_pairs == 0


def test_equal_rows_cost_no_pairs(clustered):
    rows = np.ones((5000, 8), np.float32)
    found = near_duplicates(build(rows, nlist=4), radius=0.5, max_pairs=0)
    assert found.kept_ids.tolist() == [0]
    assert found.group_sizes[0] == 5000
    assert found.pair_count == 5000 * 4999 // 2
    assert len(found.pairs) == 0


def test_both_zeros_are_equal(clustered):
    rows = np.array([[0.0, 1.0], [-0.0, 1.0], [0.5, 1.0]], np.float32)
    found = near_duplicates(build(rows, nlist=1), radius=0)
    assert found.kept.tolist() == [True, False, True]


def test_one_row_and_far_from_the_origin(clustered):
    one = near_duplicates(build(np.ones((1, 3), np.float32), nlist=1), radius=5)
    assert (one.kept.tolist(), one.pair_count) == ([True], 0)
    rows = made(clustered, seed=12) + 4096
    index = build(rows, nlist=9)
    radius = medium(index)
    truth = naive(index.vectors, np.arange(240), radius, "l2")
    same(near_duplicates(index, radius=radius), truth)


def test_too_many_pairs_are_told(clustered):
    index = build(clustered(300, 4, seed=0), nlist=9)
    with pytest.raises(LimitError, match=r"more than 1000 pairs .* were found in"):
        near_duplicates(index, radius=1e6, max_pairs=1000)
    found = near_duplicates(index, radius=1e6)
    assert len(found.pairs) == 300 * 299 // 2
    assert found.kept_ids.tolist() == [0]


def test_the_curve_tells_what_goes_at_each_radius(clustered):
    index = build(made(clustered, seed=13), nlist=9)
    wide = medium(index)
    found = near_duplicates(index, radius=wide)
    points = curve(found, [0, wide / 3, wide])
    for point in points:
        truth = near_duplicates(index, radius=point.radius).summary()
        assert point.dropped == truth["dropped"] == 240 - point.kept
        assert point.largest_group == truth["largest_group"]
    default = curve(found)
    assert default[0].radius == 0
    assert default[-1].kept == points[-1].kept
    assert len(default) > 5


def test_group_sizes_and_examples(clustered):
    index = build(made(clustered, seed=14), nlist=9)
    found = near_duplicates(index, radius=medium(index))
    counts = group_size_counts(found)
    assert sum(size * count for size, count in counts.items()) == 240
    assert sum(counts.values()) == found.kept.sum()
    shown = examples(found, groups=3, members=4)
    assert [one.size for one in shown] == sorted(
        (size for size in found.group_sizes.tolist() if size > 1), reverse=True
    )[:3]
    for one in shown:
        assert len(one.dropped) == min(4, one.size - 1)
        assert (found.duplicate_of[one.dropped] == one.kept).all()
        assert (np.diff(one.distances) >= 0).all()


def test_native_keep_first_equals_the_reference():
    rng = np.random.default_rng(0)
    for m in (2, 10, 200):
        pairs = rng.integers(0, m, size=(3 * m, 2))
        pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        pairs = pairs[np.argsort(pairs[:, 1], kind="stable")].astype(np.int32)
        may = rng.random(m) < 0.8
        later = np.ascontiguousarray(pairs[:, 1])
        earlier = np.ascontiguousarray(pairs[:, 0])
        kept = keep_first(later, earlier, may)
        assert (kept == keep_first_reference(later, earlier, may)).all()


BAD = [
    ({}, InvalidParamsError, "got neither"),
    ({"radius": 1, "similarity": 0.5}, InvalidParamsError, "1 and 0.5"),
    ({"radius": -1}, InvalidParamsError, "at least 0"),
    ({"radius": np.nan}, InvalidParamsError, "finite"),
    ({"similarity": 0.9}, InvalidParamsError, "the metric is l2"),
    ({"radius": 1, "keep_by": "best"}, InvalidParamsError, "keep_by"),
    ({"radius": 1, "keep_by": "score"}, InvalidParamsError, "needs scores"),
    ({"radius": 1, "scores": np.ones(60)}, InvalidParamsError, "does not read"),
    (
        {"radius": 1, "keep_by": "score", "scores": np.ones(59)},
        DimensionMismatchError,
        "59 entries for 60",
    ),
    (
        {"radius": 1, "keep_by": "score", "scores": np.full(60, np.nan)},
        NonFiniteError,
        "row 0",
    ),
    ({"radius": 1, "among": np.zeros(60, bool)}, InvalidInputError, "0 of 60"),
    ({"radius": 1, "among": [100]}, UnknownIdError, "100"),
    ({"radius": 1, "max_pairs": -1}, InvalidParamsError, "max_pairs"),
    ({"radius": 1, "against": np.ones((3, 9))}, DimensionMismatchError, "9"),
]


@pytest.mark.parametrize(("given", "error", "text"), BAD)
def test_what_cannot_be_used_is_refused(clustered, given, error, text):
    index = build(clustered(60, 4, seed=0), nlist=3)
    with pytest.raises(error, match=text):
        near_duplicates(index, **given)


def test_indexes_that_do_not_fit_are_refused(clustered):
    rows = clustered(60, 4, seed=0)
    index = build(rows, nlist=3)
    with pytest.raises(InvalidInputError, match="0 indexes"):
        near_duplicates([], radius=1)
    with pytest.raises(DuplicateIdError):
        near_duplicates([index, index], radius=1)
    with pytest.raises(InvalidParamsError, match="cosine, index 0 l2"):
        near_duplicates([index, build(rows, "cosine", nlist=3)], radius=1)
    with pytest.raises(DimensionMismatchError, match="3 dimensions, index 0 4"):
        near_duplicates([index, build(rows[:, :3], nlist=3)], radius=1)
    other = build(rows, ids=np.arange(60) + 60, nlist=3)
    with pytest.raises(InvalidParamsError, match="no common order"):
        near_duplicates([index, other], radius=1, keep_by="newest")
    with pytest.raises(InvalidParamsError, match="got ip"):
        near_duplicates(build(rows, "ip", nlist=3), radius=1)
    known = near_duplicates(index, radius=1)
    with pytest.raises(InvalidParamsError, match="pairs up to 1, below the radius 2"):
        near_duplicates(index, radius=2, known=known)


def test_progress_names_its_phases_and_stops_the_work(clustered):
    index = build(made(clustered, seed=15), nlist=9)
    heard = []
    near_duplicates(index, radius=0.1, progress=heard.append)
    phases = list(dict.fromkeys(one.phase for one in heard))
    assert phases == ["read", "join", "choose"]

    def stop(progress):
        raise KeyError(progress.phase)

    with pytest.raises(KeyError, match="read"):
        near_duplicates(index, radius=0.1, progress=stop)


@pytest.mark.parametrize("d", [3, 40, 384])
def test_rows_that_are_multiples_of_each_other_have_a_similarity_of_one(d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(150, d)).astype(np.float32)
    factors = np.array([1 / 3, 0.7, 1e-4, 7e5, 1.1], np.float32)
    copies = (rows[:100] * np.tile(factors, 20)[:, None]).astype(np.float32)
    index = build(np.concatenate([rows, copies]), "cosine", nlist=8)
    unit = index.vectors
    assert (unit[:100] != unit[150:]).any(axis=1).sum() > 20  # rounding parts them
    found = near_duplicates(index, similarity=1.0)
    assert found.duplicate_of[150:].tolist() == list(range(100))
    assert found.duplicate_of[:150].tolist() == list(range(150))


def test_a_similarity_of_one_tells_rows_apart_that_differ_in_a_digit():
    rows = np.random.default_rng(1).normal(size=(100, 24)).astype(np.float32)
    near = rows + np.float32(1e-5)
    index = build(np.concatenate([rows, near]), "cosine", nlist=8)
    exact = near_duplicates(index, similarity=1.0)
    assert exact.duplicate_of.tolist() == list(range(200))
    found = near_duplicates(index, similarity=1 - 1e-9)
    assert found.duplicate_of[100:].tolist() == list(range(100))
