"""Who decides whether second copies are scanned: points measured, and the engine."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.reference import ReferenceEngine


class Choosy(ReferenceEngine):
    """Takes the segments it is told to, and remembers what it was asked."""

    def __init__(self, data, choice):
        super().__init__(data)
        self.choice = choice
        self.asked = []
        self.requests = []

    def choose_segments(self, *, both, primary, queries):
        self.asked.append((both, primary, queries))
        return self.choice

    def search(self, queries, *, nprobe, request):
        self.requests.append((nprobe, request.segments))
        return super().search(queries, nprobe=nprobe, request=request)


@pytest.fixture(scope="module")
def built():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 12)).astype(np.float32)
    params = BuildParams(metric="l2", spill="soar", nlist=60, seed=1)
    return SoarIndex.build(rows, params, engine="reference")


def served(index, choice):
    engine = Choosy(index.data, choice)
    return index.served_by(engine), engine


@pytest.mark.parametrize("choice", ["both", "primary"])
def test_the_engine_chooses_among_searches_that_find_as_much(
    built, choice, assert_recall
):
    index, engine = served(built, choice)
    queries = built.vectors[:200]
    found = index.search(queries, SearchParams(k=10, target_recall=0.9))
    ((both, primary, count),) = engine.asked
    assert both < primary  # copies save probes: that is what they are for
    assert count == 200
    assert engine.requests == [(both if choice == "both" else primary, choice)]
    assert found.stats.nprobe == engine.requests[0][0]
    assert found.stats.estimated_recall >= 0.9
    exact = built.search(queries, SearchParams(k=10, exact=True))
    assert_recall(found.distances, exact.distances, at_least=0.88)


def test_a_batch_of_another_size_is_chosen_for_again(built):
    index, engine = served(built, "primary")
    params = SearchParams(k=10)
    for count in (1, 1, 50, 1):
        index.search(built.vectors[:count], params)
    assert [count for _, _, count in engine.asked] == [1, 50, 1]


@pytest.mark.parametrize(
    "params",
    [
        SearchParams(k=10, nprobe=5),
        SearchParams(k=10, segments="primary"),
        SearchParams(k=10, allowed=np.arange(3000) > 0),
        SearchParams(k=10, exact=True),
    ],
    ids=["nprobe", "segments", "allowed", "exact"],
)
def test_what_the_caller_says_is_not_changed(built, params):
    index, engine = served(built, "primary")
    index.search(built.vectors[:5], params)
    assert engine.asked == []
    assert all(segments == params.segments for _, segments in engine.requests)


def test_no_copies_no_choice(built):
    params = BuildParams(metric="l2", spill="none", nlist=60, seed=1)
    plain = SoarIndex.build(built.vectors, params, engine="reference")
    index, engine = served(plain, "primary")
    index.search(built.vectors[:5])
    assert engine.asked == []


def test_a_saved_index_keeps_the_points_of_both(built, tmp_path):
    built.save(tmp_path / "index")
    index, engine = served(SoarIndex.load(tmp_path / "index"), "primary")
    index.search(built.vectors[:5])
    again, original = served(built, "primary")
    again.search(built.vectors[:5])
    assert engine.asked == original.asked != []


def test_auto_keeps_the_points_of_both_where_it_spills(built):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(4000, 24)).astype(np.float32)
    params = BuildParams(metric="ip", nlist=80, seed=1)
    made = SoarIndex.build(rows, params, engine="reference")
    index, engine = served(made, "primary")
    index.search(rows[:5])
    assert bool(engine.asked) == (made.params.spill == "soar")
