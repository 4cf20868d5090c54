"""All pairs within a radius, native and reference, against brute force in float64."""

from itertools import combinations

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.engines import native
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.index.join import side as sides
from gleann.index.join.native_join import NativeJoin
from gleann.index.join.pairs import PairJoin
from gleann.index.join.reference import ReferenceJoin
from gleann.index.join.side import side_of_index, side_of_rows
from gleann.index.metric import pair_distances
from gleann.index.progress import ignore
from gleann.index.search.within import require_radius

needs_native = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)
TIERS = native.tiers()


def build(rows, metric="l2", **params):
    chosen = BuildParams(metric=metric, tune_queries=0, seed=3, **params)
    return SoarIndex.build(rows, chosen)


def brute(index, radius):
    """Every pair (i < j) whose float32 distance is at most the radius."""
    rows = index.vectors
    pairs = {}
    for i in range(len(rows) - 1):
        near = pair_distances(rows[i : i + 1], rows[None, i + 1 :], index.metric)[0]
        for j in np.flatnonzero(near <= np.float32(radius)):
            pairs[i, i + 1 + int(j)] = float(near[j])
    return pairs


def found(join, room=1 << 20):
    """The pairs of a join by (lower, higher) row; none may come twice."""
    pairs = {}
    for block in join.blocks(room=room, report=ignore):
        listed = zip(
            block.rows.tolist(), block.others.tolist(), block.distances, strict=True
        )
        for a, b, distance in listed:
            key = min(a, b), max(a, b)
            assert key not in pairs
            pairs[key] = float(distance)
    return pairs


def alike(pairs, truth):
    assert pairs.keys() == truth.keys()
    assert list(pairs.values()) == pytest.approx(
        [truth[key] for key in pairs], rel=1e-6, abs=1e-30
    )


def jittered(clustered, n, d, *, seed, offset=0.0):
    """Clusters, some rows again, some equal many times, and some a little moved."""
    rng = np.random.default_rng(seed)
    rows = clustered(n, d, seed=seed)
    rows[n // 2 : n // 2 + 20] = rows[0]
    rows[-30:] = rows[:30]
    rows[-60:-30] += 1e-3 * rng.normal(size=(30, d)).astype(np.float32)
    return (rows + offset).astype(np.float32)


def radii(index):
    """Small, medium, and beyond the diameter."""
    rows = index.vectors
    near = np.sort(pair_distances(rows[:50], np.stack([rows] * 50), index.metric))
    return [0.0, float(near[:, 5].mean()), float(near[:, 60].mean()), 1e38]


@needs_native
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("d", [1, 2, 7, 33])
def test_the_native_join_finds_every_pair_and_no_other(clustered, metric, d, offset):
    rows = jittered(clustered, 300, d, seed=d, offset=offset)
    rows[(rows == 0).all(axis=1)] = 1
    index = build(rows, metric, nlist=12)
    side = side_of_index(index)
    for radius in radii(index):
        most = require_radius(radius, metric)
        join = NativeJoin(side, None, most=most, threads=2)
        alike(found(join), brute(index, radius))


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_the_reference_finds_every_pair_and_no_other(clustered, metric):
    index = build(jittered(clustered, 300, 9, seed=1), metric, nlist=12)
    side = side_of_index(index)
    for radius in radii(index)[:3]:
        most = require_radius(radius, metric)
        alike(found(ReferenceJoin(side, None, most=most)), brute(index, radius))


@needs_native
@pytest.mark.parametrize("tier", [*TIERS, "amx-emulated"])
def test_every_tier_finds_the_same(clustered, tier):
    index = build(jittered(clustered, 400, 21, seed=4), nlist=9)
    radius = radii(index)[1]
    join = NativeJoin(side_of_index(index), None, most=radius, tier=tier)
    alike(found(join), brute(index, radius))


@needs_native
@pytest.mark.parametrize("params", [{"keep": "f16"}, {"codes": "float32"}])
def test_rows_in_other_forms_are_joined_as_they_are_kept(clustered, params):
    index = build(jittered(clustered, 300, 8, seed=6), nlist=8, **params)
    radius = radii(index)[1]
    join = PairJoin(side_of_index(index), radius=radius)
    alike(found(join), brute(index, radius))


@needs_native
def test_rows_on_disk_are_joined(clustered, tmp_path):
    index = build(jittered(clustered, 300, 8, seed=6), nlist=8)
    index.save(tmp_path / "index", keep="disk")
    loaded = SoarIndex.load(tmp_path / "index")
    radius = radii(index)[1]
    alike(found(PairJoin(side_of_index(loaded), radius=radius)), brute(index, radius))


@needs_native
def test_long_lists_are_divided_and_blocks_are_bounded(clustered, monkeypatch):
    monkeypatch.setattr(sides, "LONGEST", 40)
    index = build(jittered(clustered, 400, 5, seed=2), nlist=2)
    side = side_of_index(index)
    assert np.diff(side.offsets).max() <= 40
    assert side.nlist >= 10
    blocks = list(PairJoin(side, radius=1e7, threads=1).blocks(room=50))
    assert sum(map(len, blocks)) == 400 * 399 // 2
    assert max(map(len, blocks)) <= 50 + 40 * 40


@needs_native
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_two_sides_are_joined_across(clustered, metric):
    index = build(jittered(clustered, 250, 11, seed=5), metric, nlist=8)
    other = build(jittered(clustered, 200, 11, seed=5) + 0.01, metric, nlist=5)
    radius = radii(index)[1]
    truth = {
        (i, int(j))
        for i, row in enumerate(index.vectors)
        for j in np.flatnonzero(
            pair_distances(row[None], other.vectors[None], metric)[0]
            <= np.float32(radius)
        )
    }
    assert len(truth) > 100
    like = side_of_index(index)
    for second in (side_of_index(other), side_of_rows(other.vectors, like=like)):
        join = PairJoin(like, second, radius=radius)
        pairs = [
            (a, b)
            for block in join.blocks()
            for a, b in zip(block.rows.tolist(), block.others.tolist(), strict=True)
        ]
        assert len(pairs) == len(set(pairs))
        assert set(pairs) == truth


def test_some_rows_are_joined_alone(clustered):
    index = build(jittered(clustered, 300, 6, seed=8), nlist=10)
    mask = np.random.default_rng(0).random(300) < 0.4
    radius = radii(index)[2]
    truth = {
        pair: distance
        for pair, distance in brute(index, radius).items()
        if mask[list(pair)].all()
    }
    alike(found(PairJoin(side_of_index(index, among=mask), radius=radius)), truth)
    alike(found(PairJoin(side_of_index(index).among(mask), radius=radius)), truth)


@needs_native
def test_a_small_radius_compares_few_rows(clustered):
    index = build(clustered(4000, 16, seed=9, spread=0.05), nlist=60)
    join = PairJoin(side_of_index(index), radius=1e-4)
    list(join.blocks())
    sizes = np.diff(side_of_index(index).offsets)
    assert join.work.compared < 1.2 * (sizes**2).sum()
    assert join.work.measured < join.work.compared / 50


def test_all_rows_equal_one_row_and_no_row(clustered):
    equal = build(np.ones((30, 4), np.float32), nlist=3)
    pairs = found(PairJoin(side_of_index(equal), radius=0))
    assert pairs.keys() == set(combinations(range(30), 2))
    assert set(pairs.values()) == {0.0}
    one = build(np.ones((1, 4), np.float32), nlist=1)
    assert found(PairJoin(side_of_index(one), radius=1e7)) == {}
    nobody = side_of_index(equal, among=np.zeros(30, np.bool_))
    assert found(PairJoin(nobody, radius=1)) == {}
    assert found(PairJoin(side_of_index(equal), nobody, radius=1)) == {}


def test_what_cannot_be_joined_is_refused(clustered):
    index = build(clustered(50, 4, seed=0), nlist=3)
    side = side_of_index(index)
    with pytest.raises(InvalidParamsError, match="radius must be at least 0"):
        PairJoin(side, radius=-1)
    with pytest.raises(InvalidParamsError, match="got ip"):
        side_of_index(build(clustered(50, 4, seed=0), "ip", nlist=3))
    flat = side_of_index(build(clustered(50, 3, seed=0), nlist=3))
    with pytest.raises(DimensionMismatchError, match="4 and 3"):
        PairJoin(side, flat, radius=1)
    cosine = side_of_index(build(clustered(50, 4, seed=0), "cosine", nlist=3))
    with pytest.raises(InvalidParamsError, match="l2 and cosine"):
        PairJoin(side, cosine, radius=1)


def test_progress_ends_with_all_lists_and_its_exception_stops(clustered):
    side = side_of_index(build(clustered(200, 4, seed=0), nlist=20))
    heard = []
    list(PairJoin(side, radius=0.1).blocks(report=heard.append))
    assert heard[0].done == 0
    assert heard[-1].done == heard[-1].total > 0

    def stop(progress):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        list(PairJoin(side, radius=0.1).blocks(report=stop))


@pytest.mark.parametrize("room", [0, -5, 1.5])
def test_blocks_without_room_are_refused_at_once(clustered, room):
    side = side_of_index(build(clustered(50, 4, seed=0), nlist=3))
    with pytest.raises(InvalidParamsError, match=f"room .* {room}"):
        PairJoin(side, radius=1).blocks(room=room)


@needs_native
def test_the_native_join_does_not_go_on_for_ever_without_room(clustered):
    side = side_of_index(build(clustered(50, 4, seed=0), nlist=3))
    blocks = NativeJoin(side, None, most=1e7).blocks(room=0, report=ignore)
    with pytest.raises(InvalidParamsError, match="room"):
        next(blocks)
