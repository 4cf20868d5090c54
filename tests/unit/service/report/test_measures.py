"""What the reports of jobs compute: counts, curves, histograms and graph numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gleann.index import BuildParams, KnnGraph, SoarIndex, knn_graph
from gleann.selection.estimate.result import Stratum
from gleann.service.report.measures.distances import (
    curve_grid,
    farthest,
    histogram,
    histograms,
    shares_within,
    spread,
)
from gleann.service.report.measures.graphs import closest_pairs, measure_graph
from gleann.service.report.measures.groups import NO_GROUP, count_groups
from gleann.service.report.measures.some import some_of
from gleann.service.report.measures.strata import (
    half_width,
    half_width_words,
    labels_for_half,
    stratum_shares,
)


def test_histograms_over_each_other_have_the_same_bins():
    found = histograms({"near": [0.0, 0.1], "far": [0.6, 1.0, np.inf]}, bins=2)
    assert found["near"].edges == found["far"].edges == (0.0, 0.5, 1.0)
    assert found["near"].counts == (2, 0)
    assert found["far"].counts == (0, 2)
    assert [one.left_out for one in found.values()] == [0, 1]


def test_groups_are_counted_before_and_after_by_hand():
    groups = np.array(["a", "b", "a", "c", "a", "b", "d"], object)
    counts = count_groups(groups, np.array([0, 1, 2]), locked=np.array([6]), most=2)
    a, b = counts.shown
    assert (a.name, a.before, a.after, a.locked) == ("a", 3, 2, 0)
    assert (b.name, b.before, b.after) == ("b", 2, 1)
    assert counts.share_before(a) == pytest.approx(3 / 7)
    assert counts.share_after(a) == pytest.approx(2 / 3)
    assert (counts.rest.before, counts.rest.after, counts.rest.locked) == (2, 0, 1)
    assert counts.rest_count == 2
    # "d" has a locked row, so only "c" is empty.
    assert (counts.empty, counts.empty_count) == (("c",), 1)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (np.array([1.0, 2.0, np.nan]), {"1", "2", NO_GROUP}),
        (np.array([1.5, 2.0, 2.0]), {"1.5", "2.0"}),
        (np.array(["", "x", "x"], object), {NO_GROUP, "x"}),
        (np.array([True, False, True]), {"True", "False"}),
    ],
)
def test_groups_have_readable_names(values, names):
    counts = count_groups(values, np.array([], np.int64))
    assert {one.name for one in counts.shown} == names
    assert counts.after == 0
    assert counts.share_after(counts.shown[0]) == 0


@settings(deadline=None)
@given(
    hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 9)),
    st.integers(1, 12),
    st.data(),
)
def test_groups_add_up_to_the_whole(groups, most, data):
    rows = data.draw(st.sets(st.integers(0, len(groups) - 1)))
    counts = count_groups(groups, np.array(sorted(rows), np.int64), most=most)
    listed = [*counts.shown, *([counts.rest] if counts.rest else [])]
    assert sum(one.before for one in listed) == counts.before == len(groups)
    assert sum(one.after for one in listed) == counts.after == len(rows)
    assert len(counts.shown) <= most
    assert counts.empty_count == len(set(groups)) - len(set(groups[sorted(rows)]))


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(0, 9, width=32)))
def test_a_coverage_curve_rises_from_the_selected_to_all_rows(distances):
    grid = curve_grid(distances)
    shares = shares_within(distances, grid)
    assert grid[0] == 0
    assert shares[0] == pytest.approx((distances == 0).mean())
    assert shares[-1] == 1
    assert (np.diff(shares) >= 0).all()


def test_a_coverage_curve_by_hand():
    grid = curve_grid([0, 1, 2, 4], [3], points=5)
    assert grid.tolist() == [0, 1, 2, 3, 4]
    assert shares_within([0, 1, 2, 4], grid).tolist() == [0.25, 0.5, 0.75, 0.75, 1]
    assert shares_within([], grid).tolist() == [0] * 5
    assert curve_grid([]).tolist()[-1] == 1  # an axis needs a length


def test_spread_is_attained_by_a_row():
    values = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 90.0])
    assert (spread(values).median, spread(values).most) == (4.5, 90)
    assert (values <= spread(values).most).mean() >= 0.9
    assert spread(values).radius == 90


def test_the_farthest_rows_come_first_and_the_selected_never():
    assert farthest([0, 3, 1, 3, 0], most=3).tolist() == [1, 3, 2]
    assert farthest([0, 3, 1, 3, 0], most=9).tolist() == [1, 3, 2]
    assert farthest([0.0, 0.0], most=2).tolist() == []


def test_whole_numbers_have_bins_of_whole_width():
    found = histogram(np.array([0, 0, 1, 3]))
    assert found.edges == (-0.5, 0.5, 1.5, 2.5, 3.5)
    assert found.counts == (2, 1, 0, 1)
    wide = histogram(np.arange(100), bins=24)
    assert set(wide.counts[:-1]) == {5}
    assert sum(wide.counts) == 100


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.integers(0, 40),
        elements=st.floats(-1e6, 1e6) | st.sampled_from([np.inf, np.nan]),
    )
)
def test_a_histogram_counts_every_value_once(values):
    found = histogram(values)
    assert sum(found.counts) == np.isfinite(values).sum()
    assert found.left_out == len(values) - sum(found.counts)
    assert len(found.edges) == len(found.counts) + 1
    assert (np.diff(found.edges) > 0).all()


def graph_of(neighbours, distances):
    n, k = np.shape(neighbours)
    return KnnGraph(
        indptr=np.arange(n + 1, dtype=np.int64) * k,
        rows=np.ravel(neighbours).astype(np.int32),
        distances=np.ravel(distances).astype(np.float32),
        held_ids=np.arange(n),
        k=k,
        nprobe=1,
        estimated_recall=1.0,
        engine="reference",
    )


def test_numbers_of_a_graph_by_hand():
    # 0 and 1 are mutual, 2 points to 0; 3 and 4 are a part of their own.
    graph = graph_of([[1], [0], [0], [4], [3]], [[1], [1], [2], [0], [0]])
    found = measure_graph(graph)
    assert found.in_degree.tolist() == [2, 1, 0, 1, 1]
    assert found.mutual == pytest.approx(4 / 5)
    assert (found.components, found.largest) == (2, 3)
    assert found.unlisted == 1
    assert found.hubs(most=2).tolist() == [0, 1]
    assert found.isolated(most=2).tolist() == [2, 0]
    pairs = closest_pairs(graph, most=2)
    assert [(p.row, p.other, p.distance) for p in pairs] == [(3, 4, 0), (0, 1, 1)]
    assert len(closest_pairs(graph, most=9)) == 3


def test_numbers_of_a_real_graph_agree_with_its_matrix():
    points = np.random.default_rng(3).normal(size=(300, 5)).astype(np.float32)
    index = SoarIndex.build(points, BuildParams(metric="l2", nlist=4, tune_queries=0))
    graph = knn_graph(index, k=4, nprobe=4)
    found = measure_graph(graph)
    edges = np.zeros((300, 300), bool)
    edges[np.repeat(np.arange(300), 4), graph.rows] = True
    np.testing.assert_array_equal(found.in_degree, edges.sum(axis=0))
    assert found.mutual == pytest.approx((edges & edges.T).sum() / edges.sum())
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    np.testing.assert_allclose(found.nearest, squares.min(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found.last, np.sort(squares)[:, 3], rtol=1e-4)
    (pair,) = closest_pairs(graph, most=1)
    assert pair.distance == pytest.approx(squares.min(), rel=1e-4)


def stratum(size, labelled, rate):
    return Stratum(
        size=size, labelled=labelled, positives=0, rate=rate, mean=None, proxy_mean=0.5
    )


def test_shares_by_stratum_by_hand():
    low, high = stratum_shares([stratum(75, 10, 0.0), stratum(25, 30, 0.4)])
    assert (low.rows, low.labels, low.positives) == (0.75, 0.25, 0)
    assert (high.rows, high.labels, high.positives) == (0.25, 0.75, 1)
    assert stratum_shares([stratum(5, 1, 0.0)])[0].positives is None
    assert half_width(2, 5) == 1.5
    assert half_width(None, 5) is None
    assert labels_for_half(100) == 400


@pytest.mark.parametrize(
    ("n", "says"), [(5000, "four times the labels, 2,000"), (1900, "exact")]
)
def test_half_the_width_takes_no_more_labels_than_there_are_items(n, says):
    words = half_width_words(500, n=n)
    assert says in words
    assert ("1,900 items" in words) == (n == 1900)


@pytest.mark.parametrize(
    ("count", "always", "most", "shown"),
    [
        (3, [1], 8, [0, 1, 2]),
        (8, [7], 8, list(range(8))),
        (9, [8], 3, [0, 7, 8]),
        (100, [50, 99], 4, [0, 50, 98, 99]),
        (10, [4], 1, [4]),
    ],
)
def test_some_of_many_are_spread_and_hold_what_must_be(count, always, most, shown):
    assert some_of(count, always, most=most) == shown
