"""Choosing among some rows: as from those rows alone, numbered in all rows."""

import json
from functools import partial

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
)
from gleann.selection import coreset, select_by_score, uniform
from gleann.selection.among import Among, SomeVectors, hash_of, peak_of
from gleann.selection.checks import IdMap
from gleann.selection.coreset import CoresetRequest, draw, select
from gleann.selection.estimate import representatives
from gleann.selection.provenance import fingerprint
from gleann.selection.saved import Saved

N, M, K = 150, 60, 9
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(N, 5)).astype(np.float32)
COSTS = RNG.random(N)
ROWS = np.sort(RNG.permutation(N)[:M])
MASK = np.isin(np.arange(N), ROWS)
GROUPS = np.array(["a", "b", "c", "d"])[RNG.integers(4, size=N)]
IDS = np.array([f"id-{row}" for row in range(N)])
LOCKED = ROWS[[3, 30, 50]]
PLACES = np.searchsorted(ROWS, LOCKED)

METHODS = {
    "weighted_k_center": partial(
        coreset.weighted_k_center, costs=COSTS, cost_weight=0.1
    ),
    "parallel": partial(
        coreset.parallel_weighted_k_center, costs=COSTS, cost_weight=0.1, shards=3
    ),
    "k_center": partial(coreset.k_center, seed=3),
    "gist": partial(coreset.gist, costs=COSTS, diversity=0.5),
    "ccs": partial(coreset.ccs, costs=COSTS, strata=5, seed=1),
    "margin": partial(coreset.margin, costs=COSTS),
    "uniform": partial(coreset.uniform, costs=COSTS, seed=7),
}


def of_those(method):
    """The method on the rows alone."""
    given = dict(method.keywords)
    if "costs" in given:
        given["costs"] = given["costs"][ROWS]
    return partial(method.func, **given)


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_a_coreset_is_that_of_those_rows_alone(name, locked):
    method = METHODS[name]
    got = method(VECTORS, k=K, among=MASK, locked=LOCKED if locked else None)
    want = of_those(method)(VECTORS[ROWS], k=K, locked=PLACES if locked else None)
    np.testing.assert_array_equal(got.rows, ROWS[want.rows])
    for fact in ("radius", "cost", "objective", "lower_bound", "ratio", "method"):
        assert getattr(got, fact) == getattr(want, fact), fact
    np.testing.assert_array_equal(got.nearest[ROWS], want.nearest)
    np.testing.assert_array_equal(got.distances[ROWS], want.distances)
    assert np.isnan(got.distances[~MASK]).all()
    assert (got.nearest[~MASK] == -1).all()
    mine, theirs = got.to_selection(), want.to_selection()
    np.testing.assert_array_equal(mine.why["covers"], theirs.why["covers"])
    np.testing.assert_array_equal(mine.why["reach"], theirs.why["reach"])
    assert got.provenance["among"] == {"rows": M, "of": N}
    assert got.provenance["data_hash"] == fingerprint(VECTORS[ROWS])


@pytest.mark.parametrize("name", METHODS)
def test_groups_share_the_rows_that_are_among(name):
    method = METHODS[name]
    drawing = {"seed": 5} if name in ("k_center", "ccs", "uniform") else {}
    given = {k: v for k, v in method.keywords.items() if k not in ("costs", "seed")}
    bound = partial(method.func, **given)
    quotas = coreset.proportional_quotas(GROUPS[ROWS], k=K)
    got = coreset.within_groups(
        bound,
        VECTORS,
        groups=GROUPS,
        quotas=quotas,
        costs=COSTS,
        among=MASK,
        **drawing,
    )
    want = coreset.within_groups(
        bound,
        VECTORS[ROWS],
        groups=GROUPS[ROWS],
        quotas=quotas,
        costs=COSTS[ROWS],
        **drawing,
    )
    np.testing.assert_array_equal(got.rows, ROWS[want.rows])
    assert got.radius == want.radius
    np.testing.assert_array_equal(got.why["group"], want.why["group"])


@pytest.mark.parametrize("groups", [None, "proportional", "equal"])
@pytest.mark.parametrize(
    "method", ["weighted_k_center", "farthest_first", "gist", "ccs", "margin", "random"]
)
def test_a_request_and_its_baselines_are_among_the_same_rows(method, groups):
    def request(some):
        return CoresetRequest(
            method=method,
            k=K,
            costs=None if method == "farthest_first" else COSTS[some],
            groups=None if groups is None else GROUPS[some],
            quotas=groups or "proportional",
            seed=4,
            among=MASK if len(some) == N else None,
        )

    got = select(request(np.arange(N)), VECTORS)
    want = select(request(ROWS), VECTORS[ROWS])
    np.testing.assert_array_equal(got.chosen.rows, ROWS[want.chosen.rows])
    if want.baselines is not None:
        assert got.baselines.summary() == want.baselines.summary()
        assert MASK[got.baselines.drawn.rows].all()
    drawn, alone = (
        draw(
            CoresetRequest(
                method="random",
                k=K,
                groups=None if groups is None else GROUPS[some],
                quotas=groups or "proportional",
                seed=4,
                among=MASK if len(some) == N else None,
            ),
            n=len(some),
            ids=IDS[some],
        )
        for some in (np.arange(N), ROWS)
    )
    np.testing.assert_array_equal(drawn.ids, alone.ids)
    assert drawn.provenance["among"] == {"rows": M, "of": N}


def test_locked_rows_may_be_others_and_cover():
    outside = np.flatnonzero(~MASK)[:5]
    got = coreset.k_center(VECTORS, k=K, among=MASK, locked=outside)
    both = np.union1d(ROWS, outside)
    want = coreset.k_center(VECTORS[both], k=K, locked=np.searchsorted(both, outside))
    np.testing.assert_array_equal(got.rows, both[want.rows])
    assert MASK[got.rows].all()
    assert got.radius == want.radius


def test_costs_of_other_rows_are_not_read():
    costs = np.where(MASK, COSTS, np.nan)
    outside = np.flatnonzero(~MASK)[:5]
    got = coreset.gist(
        VECTORS, k=K, costs=costs, diversity=0.5, among=MASK, locked=outside
    )
    assert MASK[got.rows].all()
    with pytest.raises(InvalidInputError, match="costs row 3 has NaN"):
        coreset.margin(
            VECTORS,
            k=K,
            costs=np.where(ROWS[3] == np.arange(N), np.nan, COSTS),
            among=MASK,
        )
    with pytest.raises(
        DimensionMismatchError, match=r"shape \(60,\) for 150 rows, of which 60"
    ):
        coreset.margin(VECTORS, k=K, costs=COSTS[ROWS], among=MASK)


def test_other_ways_to_pick_rows():
    walk = coreset.farthest_first(VECTORS, k=K, seed=2, among=ROWS)
    alone = coreset.farthest_first(VECTORS[ROWS], k=K, seed=2)
    np.testing.assert_array_equal(walk.rows, ROWS[alone.rows])
    np.testing.assert_array_equal(walk.nearest[ROWS], alone.nearest)
    np.testing.assert_array_equal(walk.insertion_distances, alone.insertion_distances)

    got = coreset.facility_location(VECTORS, k=K, among=MASK, locked=LOCKED)
    want = coreset.facility_location(VECTORS[ROWS], k=K, locked=PLACES)
    np.testing.assert_array_equal(got.rows, ROWS[want.rows])
    assert got.value == want.value

    table = np.stack([1 - COSTS, COSTS], axis=1)
    picked = select_by_score(table, k=K, ids=IDS, among=IDS[ROWS])
    np.testing.assert_array_equal(
        picked.rows, ROWS[select_by_score(table[ROWS], k=K).rows]
    )
    np.testing.assert_array_equal(
        uniform(N, k=K, seed=1, among=MASK, excluded=LOCKED).rows,
        ROWS[uniform(M, k=K, seed=1, excluded=PLACES).rows],
    )
    np.testing.assert_array_equal(
        representatives(VECTORS, k=K, among=MASK, covered=LOCKED),
        ROWS[representatives(VECTORS[ROWS], k=K, covered=PLACES)],
    )
    measured = coreset.measure(VECTORS, ROWS[:4], among=MASK)
    assert measured.radius == coreset.measure(VECTORS[ROWS], np.arange(4)).radius
    with pytest.raises(InvalidInputError, match="rows has 1 of 2 that are not among"):
        coreset.measure(VECTORS, [ROWS[0], np.flatnonzero(~MASK)[0]], among=MASK)


def test_ids_or_a_mask_where_there_are_ids():
    by_id = coreset.k_center(VECTORS, k=K, ids=IDS, among=IDS[ROWS])
    by_mask = coreset.k_center(VECTORS, k=K, ids=IDS, among=MASK)
    np.testing.assert_array_equal(by_id.rows, by_mask.rows)
    np.testing.assert_array_equal(by_id.to_selection().ids, IDS[by_id.rows])
    with pytest.raises(UnknownIdError, match="no id 'nothing'"):
        coreset.k_center(VECTORS, k=K, ids=IDS, among=["nothing"])


def test_refuses_what_cannot_be():
    with pytest.raises(InvalidInputError, match="among has 0 of 150 rows"):
        coreset.k_center(VECTORS, k=K, among=np.zeros(N, np.bool_))
    with pytest.raises(DimensionMismatchError, match=r"shape \(149,\) for 150 rows"):
        coreset.k_center(VECTORS, k=K, among=MASK[1:])
    with pytest.raises(InvalidParamsError, match=r"1..60 \(60 rows, .* got 61"):
        coreset.k_center(VECTORS, k=M + 1, among=MASK)
    with pytest.raises(InvalidParamsError, match="k is 61, but 60 rows may be drawn"):
        uniform(N, k=M + 1, among=MASK)
    with pytest.raises(InvalidParamsError, match="k is 61, but there are 60 rows"):
        select_by_score(np.full((N, 2), 0.5), k=M + 1, among=MASK)
    with pytest.raises(DimensionMismatchError, match="groups has 60 entries for 150"):
        coreset.within_groups(
            coreset.k_center, VECTORS, groups=GROUPS[ROWS], quotas={"a": 1}, among=MASK
        )


def test_some_rows_are_saved_as_bits():
    among = Among(rows=ROWS, n=N)
    state = json.loads(json.dumps({"among": among.state()}))
    assert len(state["among"]["bits"]) == 28
    again = Among.of_state(Saved(state), n=N)
    np.testing.assert_array_equal(again.rows, ROWS)
    assert Among.of_state(Saved({}), n=N) is None


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("of", N + 1, "among.of is 151, but there are 150 rows"),
        ("bits", "!!", "among.bits are not base64"),
        ("bits", "AAAA", "among.bits are 3 bytes, 150 rows have 19"),
        ("rows", M - 1, "among.rows are 59, bits 60"),
        ("bits", 7, "among.bits must be text"),
    ],
)
def test_refuses_damaged_bits(part, value, message):
    state = {"among": {**Among(rows=ROWS, n=N).state(), part: value}}
    with pytest.raises(CorruptDataError, match=message):
        Among.of_state(Saved(state), n=N)


def test_some_vectors_are_read_like_a_matrix():
    some = SomeVectors(VECTORS, ROWS)
    assert some.shape == (M, 5)
    np.testing.assert_array_equal(some[3:9], VECTORS[ROWS[3:9]])
    np.testing.assert_array_equal(some[np.array([5, 1])], VECTORS[ROWS[[5, 1]]])
    assert hash_of(some) == fingerprint(VECTORS[ROWS]) != hash_of(VECTORS)
    assert peak_of(some) == np.abs(VECTORS[ROWS]).max()


def test_places_name_the_ids_that_are_not_among():
    among = Among(rows=ROWS, n=N)
    outside = np.flatnonzero(~MASK)[0]
    names = IdMap(IDS, n=N)
    with pytest.raises(InvalidInputError, match=f"the 60 of 150 rows: 'id-{outside}'"):
        among.places_of(np.array([ROWS[0], outside]), name="locked", ids=names)


def test_the_mask_is_made_once():
    among = Among(rows=ROWS, n=N)
    mask = among.mask
    np.testing.assert_array_equal(np.flatnonzero(mask), ROWS)
    assert not mask.flags.writeable
    np.testing.assert_array_equal(among.has(np.arange(N)), MASK)
    assert among.mask is mask
    more = among.besides(np.array([np.flatnonzero(~MASK)[0]]))
    assert more.mask.sum() == M + 1
    assert among.mask.sum() == M
