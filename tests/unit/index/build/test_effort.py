"""Effort per query: what is fitted and counted, and when a search takes it."""

import json
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors, recall_at_k
from gleann.index.build.effort import WORTH_EFFORT, fit_poisson
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import available
from gleann.index.operating.cost import CostModel
from gleann.index.operating.effort import Grants, bit_lengths
from gleann.index.operating.points import (
    CONFIDENCE,
    EffortPoint,
    choose_point,
    cost_of_recall,
)
from gleann.index.search import planner
from gleann.index.storage.manifest import manifest_checksum

ENGINE = "native" if available() else "reference"
PARAMS = BuildParams(metric="l2", nlist=400, spill="soar", tune_queries=800)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(mixed):
    """Rows and two sets of queries."""
    return mixed(12_000), mixed(800), mixed(800)


@pytest.fixture(scope="module")
def index(data):
    rows, queries, _ = data
    return SoarIndex.build(rows, PARAMS, queries=queries, engine=ENGINE)


def of_ten(index):
    return [point for point in index.header.efforts if point.k == 10]


def test_counted_settings_are_what_a_search_does(index, data):
    _, queries, _ = data
    exact = index.search(queries, SearchParams(k=10, exact=True)).distances
    points = of_ten(index)
    assert len(points) >= 3
    for point in points[:: max(1, len(points) // 3)]:
        request = ScanRequest(k=10, rerank=point.rerank)
        found = index.engine.search_by_effort(queries, Grants.of(point), request)
        # Lists of a rank are taken to be of one size: those of other queries.
        entries = found.work.entries_scanned / len(queries)
        assert entries == pytest.approx(point.entries, rel=0.05)
        lists = found.work.lists_probed / len(queries)
        assert lists == pytest.approx(point.lists, rel=0.01)
        recall = recall_at_k(found.distances, exact)
        assert recall == pytest.approx(point.recall, abs=0.004)


def test_the_promise_holds_for_other_queries(index, data):
    _, _, others = data
    exact = index.search(others, SearchParams(k=10, exact=True)).distances
    engine = index.engine
    for point in of_ten(index)[::6]:
        found = engine.search_by_effort(
            others, Grants.of(point), ScanRequest(k=10, rerank=point.rerank)
        )
        # As many queries, and so an error as large.
        low = point.recall - 2**0.5 * CONFIDENCE * point.error
        assert recall_at_k(found.distances, exact) >= low


def test_effort_reads_less_at_equal_recall_on_other_queries(index, data):
    _, _, others = data
    engine = index.engine
    exact = index.search(others, SearchParams(k=10, exact=True)).distances

    def recall_of(found):
        return recall_at_k(found.distances, exact), found.work.entries_scanned

    plain = [
        recall_of(engine.search(others, nprobe=p, request=ScanRequest(k=10, rerank=40)))
        for p in (8, 12, 18, 27, 40, 55, 70, 90, 110)
    ]
    recalls, read = map(np.array, zip(*plain, strict=True))
    point = next(p for p in of_ten(index) if p.recall > 0.95)
    found = engine.search_by_effort(
        others, Grants.of(point), ScanRequest(k=10, rerank=40)
    )
    recall, entries = recall_of(found)
    assert recalls[0] < recall < recalls[-1]
    assert entries < 0.95 * np.interp(recall, recalls, read)


def test_settings_save_what_they_must(index):
    model = CostModel(index.dim, index.nlist).alone
    points = of_ten(index)
    for point in points:
        even = cost_of_recall(index.operating_points, model, k=10, recall=point.recall)
        assert point.cost(model) <= (1 - WORTH_EFFORT) * even
        assert point.error > 0
    costs = [p.cost(model) for p in points]
    assert costs == sorted(costs)
    recalls = [p.recall for p in points]
    assert recalls == sorted(recalls)
    for point in points:
        budgets = Grants.of(point).budgets.tolist()
        assert budgets == sorted(budgets)
        assert point.first <= budgets[0] < budgets[-1] <= point.nprobe <= index.nlist


def test_the_fit_finds_the_weights():
    rng = np.random.default_rng(0)
    ranks = np.log1p(np.tile(np.arange(4, 104), 5))
    depths = np.repeat(np.arange(5), 100).astype(float)
    queries = np.full(500, 2000.0)
    hits = rng.poisson(queries * np.exp(-1 - 1.2 * ranks + 0.5 * depths)).astype(float)
    assert fit_poisson(hits, queries, ranks, depths) == pytest.approx(
        [-1, -1.2, 0.5], abs=0.1
    )


def test_a_sample_too_small_tells_nothing(data):
    rows, queries, _ = data
    few = replace(PARAMS, tune_queries=40)
    index = SoarIndex.build(rows, few, queries=queries, engine="reference")
    assert index.header.efforts == ()


POINT = EffortPoint(
    k=10,
    first=4,
    nprobe=30,
    offset=1.5,
    slope=1.0,
    rerank=13,
    recall=0.97,
    entries=500.0,
    lists=9.5,
    error=0.004,
)


def test_bit_lengths():
    numbers = np.array([0, 1, 2, 3, 4, 7, 8, 100])
    assert bit_lengths(numbers).tolist() == [int(n).bit_length() for n in numbers]


def test_grants_grow_with_the_mean_depth():
    # exp(1.5 + depth / k) - 1, between 4 and 30; the depth is at most 3 a row.
    assert Grants.of(replace(POINT, k=1)).budgets.tolist() == [4, 11, 30, 30]
    two = Grants.of(replace(POINT, k=2))
    assert two.budgets.tolist() == [4, 6, 11, 19, 30, 30, 30]
    assert (two.first, two.most, two.deep_rows) == (4, 30, 2)
    assert len(Grants.of(POINT).budgets) == 31


def test_a_choice_is_by_the_lower_bound():
    better = replace(POINT, recall=0.975)
    points = (POINT, better)
    assert choose_point(points, k=10, target_recall=POINT.low) is POINT
    assert choose_point(points, k=3, target_recall=POINT.low + 0.001) is better


def test_efforts_are_saved(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = SoarIndex.load(tmp_path / "index", engine="reference")
    assert loaded.header.efforts == index.header.efforts
    # An older writer has none.
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text())
    del manifest["index"]["efforts"]
    rewrite(tmp_path / "index", manifest)
    assert SoarIndex.load(tmp_path / "index", engine="reference").header.efforts == ()


@pytest.mark.parametrize(
    "forged",
    [
        {"first": 0},
        {"first": 401, "nprobe": 401},
        {"nprobe": 1, "first": 2},
        {"nprobe": 401},
        {"first": 1.5},
        {"most": 30},
        {"slope": "steep"},
        {"offset": None},
        {"rerank": 9},
        {"k": 0},
        {"lists": "many"},
    ],
)
def test_forged_efforts_are_refused(index, tmp_path, forged):
    index.save(tmp_path / "index")
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text())
    efforts = manifest["index"]["efforts"]
    ten = next(point for point in efforts if point["k"] == 10)
    ten.update(forged)
    rewrite(tmp_path / "index", manifest)
    with pytest.raises(errors.CorruptDataError):
        SoarIndex.load(tmp_path / "index", engine="reference")


def rewrite(path, manifest):
    del manifest["checksum"]
    manifest["checksum"] = manifest_checksum(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_a_search_takes_effort_where_it_costs_less(index, data):
    _, queries, _ = data
    without = replace(index.header, efforts=())
    ids = np.arange(len(index))
    plain = SoarIndex(index.data, ids=ids, header=without, engine=index.engine)

    def both(**params):
        chosen = SearchParams(**({"k": 10, "effort": "by_query"} | params))
        return index.search(queries, chosen).stats, plain.search(queries, chosen).stats

    by_effort, by_lists = both(target_recall=0.98)
    assert by_effort.entries_scanned < 0.9 * by_lists.entries_scanned
    assert by_effort.recall_low >= 0.98
    assert by_effort.nprobe == -(-by_effort.lists_probed // len(queries))
    assert by_lists.lists_probed == by_lists.nprobe * len(queries)
    # Not where it would cost more, was not asked for, or was not measured.
    even = np.arange(len(index)) % 2 == 0
    for params in (
        {"target_recall": 0.98, "effort": "even"},
        {"target_recall": 0.3},
        {"nprobe": 9},
        {"target_recall": 0.98, "rerank": 30},
        {"target_recall": 0.98, "k": 101},
        {"target_recall": 0.98, "allowed": even},
        {"target_recall": 0.98, "segments": "primary"},
        {"target_recall": 0.98, "exact": True},
    ):
        by_effort, by_lists = both(**params)
        assert by_effort == by_lists, params


def test_plans_by_effort_are_kept(index, data, monkeypatch):
    """For a query on its own, to make one takes longer than to search."""
    _, queries, _ = data
    served, chosen = index.with_engine(ENGINE), []

    def choose(points, **asked):
        chosen.append(asked["k"])
        return choose_point(points, **asked)

    monkeypatch.setattr(planner, "choose_point", choose)
    for k in (10, 5, 10, 5, 10):
        params = SearchParams(k=k, target_recall=0.98, effort="by_query")
        stats = served.search(queries[:1], params).stats
        assert stats.recall_low >= 0.98
    assert chosen == [10, 5]


def test_a_filter_is_not_kept_with_its_plan(index, data):
    _, queries, _ = data
    mask = np.arange(len(index)) % 2 == 0
    index.search(queries[:1], SearchParams(nprobe=3, effort="by_query", allowed=mask))
    held = ref(mask)
    del mask
    assert held() is None


def test_fewer_neighbours_take_the_lists_of_more(index, data):
    """Of 5 the depth was not measured: that of 10 is known to find enough."""
    _, queries, _ = data
    asked = {"target_recall": 0.98, "effort": "by_query"}
    ten = index.search(queries, SearchParams(k=10, **asked))
    five = index.search(queries, SearchParams(k=5, **asked))
    assert five.stats == ten.stats
    np.testing.assert_array_equal(five.ids, ten.ids[:, :5])


def test_a_radius_cuts_what_effort_finds(index, data):
    _, queries, _ = data
    asked = {"k": 10, "target_recall": 0.98, "effort": "by_query"}
    found = index.search(queries, SearchParams(**asked))
    radius = float(np.median(found.distances))
    within = index.search(queries, SearchParams(**asked, radius=radius))
    near = found.distances <= np.float32(radius)
    np.testing.assert_array_equal(within.ids, np.where(near, found.ids, -1))


def test_queries_unlike_those_of_the_build_take_no_effort(index, data):
    _, queries, _ = data
    other = index.with_engine(ENGINE)
    asked = SearchParams(k=10, target_recall=0.98, effort="by_query")
    other.learn(index.operating_points)
    found = other.search(queries, asked).stats
    assert found.lists_probed == found.nprobe * len(queries)
    assert index.search(queries, asked).stats.lists_probed != found.lists_probed


@pytest.mark.parametrize("effort", ["adaptive", "", None, 1])
def test_unknown_efforts_are_refused(effort):
    with pytest.raises(errors.InvalidParamsError, match="effort"):
        SearchParams(effort=effort)
