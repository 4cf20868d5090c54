"""Assignment by shortlists: float32 decides among lists that codes choose."""

import pickle

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search, recall_at_k
from gleann.index.build import assign, shortlist
from gleann.index.build import spill as rules
from gleann.index.build.assign import (
    assign_blocks,
    blocks_to_assign,
    choose_for_all,
    nearest_lists,
)
from gleann.index.build.shortlist import (
    AllLists,
    CodedLists,
    GroupedLists,
    by_shortlist,
    coded_lists,
    from_groups,
    grouped_lists,
    make_groups,
)
from gleann.index.codes import Encoding, quantise
from gleann.index.engines import native
from gleann.index.metric import ListRanking

pytestmark = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)
TIERS = [*native.tiers(), "amx-emulated"]


@pytest.fixture
def many(monkeypatch):
    """Lists are many from 40 on, and rows from 1,000."""
    monkeypatch.setattr(shortlist, "LEAST_LISTS", 40)
    monkeypatch.setattr(shortlist, "LEAST_ROWS", 1000)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("metric", "spill"),
    [
        ("cosine", "soar"),
        ("l2", "soar"),
        ("l2", "naive"),
        ("ip", "none"),
    ],
)
@pytest.mark.parametrize("shape", [(1, 1, 2), (300, 24, 7), (97, 33, 40)])
def test_the_lists_among_some_are_those_of_numpy(clustered, tier, metric, spill, shape):
    n, d, width = shape
    rows, centroids = clustered(n, d, seed=n), clustered(130, d, seed=3)
    rng = np.random.default_rng(n)
    among = np.stack([rng.permutation(130)[:width] for _ in range(n)]).astype(np.int32)
    params = BuildParams(metric=metric, spill=spill, spill_lambda=1.5)
    want = rules.Spiller(centroids, params, scale=1.0).assign(rows, among)
    got = native.NativeAssigner(centroids, tier=tier, threads=2).assign(
        rows, params=params, scale=1.0, among=among
    )
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (got[0][:, None] == among).any(axis=1).all()


@pytest.mark.parametrize("spill", ["soar", "naive", "none"])
def test_among_all_lists_nothing_changes(clustered, spill):
    rows, centroids = clustered(500, 16, seed=1), clustered(60, 16, seed=3)
    params = BuildParams(metric="cosine", spill=spill)
    assigner = native.NativeAssigner(centroids)
    among = np.tile(np.arange(60, dtype=np.int32)[::-1], (500, 1))
    want = assigner.assign(rows, params=params, scale=1.0)
    got = assigner.assign(rows, params=params, scale=1.0, among=among)
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_ties_go_to_the_lower_list_wherever_it_stands():
    centroids = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    among = np.array([[2, 3, 0, 1], [3, 2, 1, 0]], np.int32)
    rows = np.array([[1, 0.25], [0.25, 1]], np.float32)
    assigner = native.NativeAssigner(centroids)
    np.testing.assert_array_equal(assigner.nearest(rows, among), [0, 1])


def test_a_list_that_does_not_exist_is_refused():
    assigner = native.NativeAssigner(np.eye(3, dtype=np.float32))
    for bad in (-1, 3):
        with pytest.raises(ValueError, match="does not exist"):
            assigner.nearest(
                np.eye(3, dtype=np.float32), np.full((3, 2), bad, np.int32)
            )


def test_a_shortlist_is_the_best_lists_by_code(clustered):
    rows, centroids = clustered(200, 12, seed=5), clustered(90, 12, seed=6)
    got = coded_lists(centroids, threads=1).rank_lists(rows, nprobe=9)
    scores = ListRanking(centroids, Encoding.uncentred("l2", 12)).scores(rows)
    want = np.argsort(-scores, axis=1, kind="stable")[:, :9]
    np.testing.assert_array_equal(got, want)


def grouped(centroids):
    """An engine of some lists in groups."""
    return grouped_lists(centroids, make_groups(centroids, threads=1), threads=1)


def test_a_shortlist_from_all_groups_is_the_nearest_lists(clustered):
    rows, centroids = clustered(200, 12, seed=5), clustered(90, 12, seed=6)
    engine = grouped(centroids)
    assert 15 <= len(engine.rank_lists(rows[:1], nprobe=19)[0]) <= 19
    got = from_groups(engine, probes=19, width=90)(rows)
    distances = ((rows[:, None] - centroids[None]) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(
        np.sort(got, axis=1), np.tile(np.arange(90), (200, 1))
    )
    near = np.take_along_axis(distances, got.astype(np.int64), axis=1)
    assert (np.diff(near, axis=1) >= -1e-3).all()


def test_a_shortlist_is_filled_up_where_groups_hold_too_few_lists(clustered):
    rows, centroids = clustered(50, 12, seed=5), clustered(90, 12, seed=6)
    got = from_groups(grouped(centroids), probes=1, width=60)(rows)
    assert got.shape == (50, 60)
    assert got.min() >= 0
    assert (got[:, -1] == got[:, 0]).all()  # the nearest again
    nearest = native.NativeAssigner(centroids).nearest(rows)
    assert (native.NativeAssigner(centroids).nearest(rows, got) == nearest).mean() > 0.5


def test_groups_of_equal_lists_are_made(clustered):
    centroids = np.repeat(clustered(3, 8, seed=1), 40, axis=0)
    rows = clustered(30, 8, seed=1)
    got = from_groups(grouped(centroids), probes=22, width=10)(rows)
    assert ((got >= 0) & (got < 120)).all()


def test_lists_in_groups_keep_nearly_all_rows(clustered, many, monkeypatch):
    """Lists of lists are taken, and give what all lists give."""
    monkeypatch.setattr(shortlist, "LEAST_GROUPED", 300)
    monkeypatch.setattr(shortlist, "GROUPED", ((12, 24),))
    monkeypatch.setattr(shortlist, "BLOCK_ROWS", 1000)
    monkeypatch.setattr(shortlist, "coded_lists", None)  # not asked
    rows, centroids = clustered(9000, 16, seed=2), clustered(400, 16, seed=2)[::-1]
    centroids = np.ascontiguousarray(centroids)
    params = BuildParams(metric="cosine")
    got = lists_of(rows, centroids, params)
    want = native.NativeAssigner(centroids).assign(rows, params=params, scale=1.0)
    assert (got[0] == want[0]).mean() >= shortlist.SAME_FIRST - 0.001
    spilled = want[1] >= 0
    assert (got[1] == want[1])[spilled].mean() >= shortlist.SAME_SECOND - 0.003


def lists_of(rows, centroids, params):
    blocks = assign_blocks(rows, centroids, params=params, scale=1.0)
    first, second = zip(*((a, b) for _, a, b in blocks), strict=True)
    return np.concatenate(first), np.concatenate(second)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_rows_of_many_lists_keep_nearly_all_their_lists(clustered, many, metric):
    rows, centroids = clustered(9000, 16, seed=2), clustered(300, 16, seed=2)[::-1]
    centroids = np.ascontiguousarray(centroids)
    params = BuildParams(metric=metric)
    got = lists_of(rows, centroids, params)
    want = native.NativeAssigner(centroids).assign(rows, params=params, scale=1.0)
    assert (got[0] == want[0]).mean() >= shortlist.SAME_FIRST
    spilled = want[1] >= 0
    assert (got[1] == want[1])[spilled].mean() >= shortlist.SAME_SECOND - 0.002
    near = nearest_lists(rows, centroids)
    assert (near == want[0]).mean() >= shortlist.SAME_FIRST


@pytest.mark.parametrize(
    ("least_grouped", "widths", "kind"),
    [
        (300, shortlist.WIDTHS, GroupedLists),
        (10**6, shortlist.WIDTHS, CodedLists),
        (10**6, (1,), AllLists),
    ],
)
def test_parts_of_the_rows_are_assigned_by_the_choice_for_all(
    clustered, many, monkeypatch, least_grouped, widths, kind
):
    """One choice, which travels, in place of one for each part."""
    monkeypatch.setattr(shortlist, "LEAST_GROUPED", least_grouped)
    monkeypatch.setattr(assign, "WIDTHS", widths)
    monkeypatch.setattr(assign, "PROGRESS_ROWS", 1000)
    rows, centroids = clustered(3000, 16, seed=2), clustered(400, 16, seed=2)[::-1]
    given = {"params": BuildParams(metric="l2"), "scale": 1.0, "center": rows[0]}
    want = list(assign_blocks(rows, centroids, **given))
    chosen = choose_for_all(rows, centroids, **given, threads=2)
    assert type(chosen) is kind
    chosen = pickle.loads(pickle.dumps(chosen))
    monkeypatch.setattr(shortlist, "choose_shortlist", None)  # not asked again
    monkeypatch.setattr(shortlist, "make_groups", None)
    for block, theirs in zip(blocks_to_assign(3000, 400), want, strict=True):
        [mine] = assign_blocks(rows, centroids, **given, blocks=[block], chosen=chosen)
        assert mine[0] == theirs[0] == block
        np.testing.assert_array_equal(mine[1:], theirs[1:])


def test_few_rows_or_lists_have_no_shortlist(clustered, many):
    rows, centroids = clustered(999, 16, seed=2), clustered(200, 16, seed=4)
    params = BuildParams()
    for some, lists in ((rows, centroids), (np.tile(rows, (2, 1)), centroids[:39])):
        found = choose_for_all(some, lists, params=params, scale=1.0)
        assert found == AllLists()


def test_the_narrowest_shortlist_that_suffices_is_taken(clustered, many):
    rows, centroids = clustered(2000, 16, seed=2), clustered(200, 16, seed=4)
    assigner = native.NativeAssigner(centroids)
    widths = []

    def lists_among(some, among):
        widths.append(None if among is None else among.shape[1])
        return assigner.assign(some, params=BuildParams(), scale=1.0, among=among)

    chosen = by_shortlist(
        lists_among, centroids, rows, center=None, widths=(1, 150), threads=1
    )
    assert widths == [None, 1, 150]  # one list alone cannot be first and second
    chosen(rows)
    assert widths[-1] == 150


def test_few_rows_are_compared_with_all_lists(clustered, many, monkeypatch):
    """Those added to an index pay neither for codes nor for a trial."""
    monkeypatch.setattr(shortlist, "coded_lists", None)  # not asked
    rows, centroids = clustered(999, 16, seed=2), clustered(200, 16, seed=4)
    params = BuildParams(metric="cosine")
    got = lists_of(rows, centroids, params)
    want = native.NativeAssigner(centroids).assign(rows, params=params, scale=1.0)
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(nearest_lists(rows, centroids), want[0])


def test_shortlists_are_made_in_blocks(clustered, many, monkeypatch):
    """So memory does not grow with the rows that k-means trains on."""
    monkeypatch.setattr(shortlist, "BLOCK_ROWS", 700)
    widest = []
    real = native.NativeAssigner.nearest

    def nearest(self, rows, among=None):
        widest.append(0 if among is None else len(rows))
        return real(self, rows, among)

    monkeypatch.setattr(native.NativeAssigner, "nearest", nearest)
    rows, centroids = clustered(3000, 16, seed=2), clustered(100, 16, seed=4)
    got = nearest_lists(rows, centroids)
    assert widest[-5:] == [700, 700, 700, 700, 200]
    monkeypatch.undo()
    np.testing.assert_array_equal(got, native.NativeAssigner(centroids).nearest(rows))


def test_codes_that_do_not_tell_lists_apart_are_not_used(many):
    """Lists that differ far below the step of a code, which one coordinate sets."""
    rng = np.random.default_rng(8)
    centroids = rng.normal(size=(400, 8)).astype(np.float32)
    centroids[:, 0] = 10_000
    rows = centroids[rng.integers(400, size=3000)]
    rows += rng.normal(scale=0.2, size=rows.shape).astype(np.float32)
    assert (quantise(centroids).values[:, 1:] == 0).all()
    params = BuildParams(metric="l2")
    got = lists_of(rows, centroids, params)
    want = native.NativeAssigner(centroids).assign(rows, params=params, scale=1.0)
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(nearest_lists(rows, centroids), want[0])


@pytest.mark.slow
def test_an_index_built_by_shortlists_finds_as_much(clustered, many):
    rows = clustered(6000, 16, seed=7, clusters=60, spread=1.0)
    queries, base = rows[:200], rows[200:]
    truth = exact_search(queries, base, metric="cosine", k=10)[1]
    recalls = []
    for least in (40, 10**6):
        shortlist.LEAST_LISTS = least
        index = SoarIndex.build(base, BuildParams(nlist=120, spill="soar", seed=3))
        found = index.search(queries, SearchParams(k=10, nprobe=6))
        recalls.append(recall_at_k(found.distances, truth))
    assert recalls[0] == pytest.approx(recalls[1], abs=0.01)
    assert recalls[0] > 0.8


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_list(clustered, many, threads):
    rows, centroids = clustered(3000, 16, seed=2), clustered(100, 16, seed=4)
    params = BuildParams(metric="cosine")
    assigner = native.NativeAssigner(centroids, threads=threads)
    among = coded_lists(centroids, threads=threads).rank_lists(rows, nprobe=20)
    want = native.NativeAssigner(centroids, threads=1).assign(
        rows, params=params, scale=1.0, among=among
    )
    got = assigner.assign(rows, params=params, scale=1.0, among=among)
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, theirs)
