"""Plans are kept by the values of parameters, however these alternate."""

from weakref import ref

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.search import kept_plans, planner
from gleann.index.search.kept_plans import KEPT_PLANS


class LargeBatchesByPrimaries(ReferenceEngine):
    """Takes primaries only for more than ten queries."""

    def choose_segments(self, *, both, primary, queries):
        return "primary" if queries > 10 else "both"


@pytest.fixture(scope="module")
def built():
    rows = np.random.default_rng(0).normal(size=(3000, 12)).astype(np.float32)
    params = BuildParams(metric="l2", spill="soar", nlist=60, seed=1)
    return SoarIndex.build(rows, params, engine="reference")


@pytest.fixture
def index(built):
    return built.served_by(LargeBatchesByPrimaries(built.data))


@pytest.fixture
def made(monkeypatch):
    """How often plans, and plans of primaries only, were made."""
    counts = {"plans": 0, "primaries": 0}
    plan, primaries = kept_plans.plan_search, planner.without_copies

    def plan_search(*args, **more):
        counts["plans"] += 1
        return plan(*args, **more)

    def without_copies(*args, **more):
        counts["primaries"] += 1
        return primaries(*args, **more)

    monkeypatch.setattr(kept_plans, "plan_search", plan_search)
    monkeypatch.setattr(planner, "without_copies", without_copies)
    return counts


def kinds():
    """Other objects each time, as a service makes them."""
    return [
        SearchParams(k=5),
        SearchParams(k=10, target_recall=0.9),
        SearchParams(k=10, nprobe=7),
        SearchParams(k=10, nprobe=7, rerank=50),
        SearchParams(k=10, segments="primary"),
    ]


def test_alternating_parameters_are_planned_once(index, made):
    queries = index.vectors[:30]
    first = [index.search(queries, params) for params in kinds()]
    counts = dict(made)
    assert counts == {"plans": 5, "primaries": 3}
    for _ in range(3):
        for params, want in zip(kinds(), first, strict=True):
            found = index.search(queries, params)
            assert found.stats == want.stats
            np.testing.assert_array_equal(found.ids, want.ids)
    assert made == counts


@pytest.fixture
def plans(index):
    header = index.header
    return planner.Planner(
        index.data,
        index.engine,
        measured=header.measured,
        primary_points=header.primary_points,
    )


def test_the_number_of_queries_still_chooses_the_segments(plans, made):
    few, many = (plans.plan(SearchParams(k=10), count=count) for count in (3, 30))
    assert (few.request.segments, many.request.segments) == ("both", "primary")
    assert few.nprobe < many.nprobe
    assert plans.plan(SearchParams(k=10), count=4) is few
    assert plans.plan(SearchParams(k=10), count=40) is many
    assert made == {"plans": 1, "primaries": 1}


def test_what_was_learned_is_planned_by_at_once(index, plans):
    before = plans.plan(SearchParams(k=10), count=30)
    plans.learn(index.operating_points[-1:], ())
    assert plans.plan(SearchParams(k=10), count=30).request.segments == "both"
    plans.learn((), ())
    again = plans.plan(SearchParams(k=10), count=30)
    assert (again.nprobe, again.request.segments) == (before.nprobe, "primary")


@pytest.mark.parametrize("params", [{"nprobe": 7}, {}])
def test_filters_are_not_kept(plans, params):
    mask = np.arange(3000) % 2 == 0
    held = ref(mask)
    plans.plan(SearchParams(k=10, allowed=mask, **params), count=3)
    del mask
    assert held() is None


def test_parameters_without_end_are_not_all_kept(plans, made):
    for nprobe in range(1, KEPT_PLANS + 2):
        plans.plan(
            SearchParams(k=3, nprobe=min(nprobe, 60), rerank=3 + nprobe), count=1
        )
    assert made["plans"] == KEPT_PLANS + 1
    plans.plan(SearchParams(k=3, nprobe=1, rerank=4), count=1)
    assert made["plans"] == KEPT_PLANS + 2
