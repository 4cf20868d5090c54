"""Radius 0 and empty targets, for every function that takes one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidInputError
from gleann.selection.curation.duplicates import join, near_duplicates, rethreshold
from gleann.selection.curation.leakage import leakage
from gleann.selection.curation.leakage import rethreshold as rethreshold_leakage
from gleann.selection.curation.target import (
    BestRankRequest,
    DistilRequest,
    ResampleRequest,
    RoundRobinRequest,
    Targets,
    best_rank,
    compare,
    distil,
    for_target,
    resample,
    round_robin,
)
from gleann.selection.sklearn import GleannRadiusNeighbors, NearDuplicateSelector

N, DIM = 60, 5
ROWS = np.random.default_rng(9).normal(size=(N, DIM)).astype(np.float32)
ROWS[50:] = ROWS[:10]
SPLITS = np.where(np.arange(N) < 50, "train", "test")
EQUAL = {(row, row + 50) for row in range(10)}


@pytest.fixture(scope="module")
def index() -> SoarIndex:
    return SoarIndex.build(ROWS, BuildParams(metric="l2", nlist=4, tune_queries=0))


def test_pairs_of_radius_0_are_the_equal_rows(index: SoarIndex) -> None:
    found = near_duplicates(index, radius=0)
    assert set(np.flatnonzero(~found.kept).tolist()) == {two for _, two in EQUAL}
    wide = rethreshold(near_duplicates(index, radius=5.0), radius=0)
    np.testing.assert_array_equal(wide.kept, found.kept)
    joined = [
        tuple(sorted(pair))
        for block in join(index, radius=0)
        for pair in zip(block.rows.tolist(), block.others.tolist(), strict=True)
    ]
    assert set(joined) == EQUAL
    assert len(joined) == len(EQUAL)


def test_leakage_of_radius_0_is_of_equal_rows(index: SoarIndex) -> None:
    found = leakage(index, splits=SPLITS, radius=0)
    pairs = zip(found.pairs.others.tolist(), found.pairs.rows.tolist(), strict=True)
    assert set(pairs) == EQUAL
    wide = rethreshold_leakage(leakage(index, splits=SPLITS, radius=5.0), radius=0)
    np.testing.assert_array_equal(wide.leaked, found.leaked)


def test_a_search_of_radius_0_finds_equal_rows(index: SoarIndex) -> None:
    found = index.search_radius(ROWS[:12], 0.0)
    listed = [set(found.ids[a:b].tolist()) for a, b in _parts(found.offsets)]
    assert listed == [{row, row + 50} if row < 10 else {row} for row in range(12)]


def _parts(offsets: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def test_estimators_of_radius_0_find_equal_rows() -> None:
    graph = GleannRadiusNeighbors(radius=0.0).fit(ROWS).radius_neighbors_graph(ROWS)
    assert graph[3].nonzero()[1].tolist() == [3, 53]
    assert graph[20].nonzero()[1].tolist() == [20]
    kept = NearDuplicateSelector(radius=0.0, metric="euclidean").fit(ROWS)
    assert kept.get_support(indices=True).tolist() == list(range(50))


CHOOSERS: dict[str, Callable[[SoarIndex, Any], Any]] = {
    "round_robin": lambda index, targets: round_robin(
        index, RoundRobinRequest(targets=targets, budget=3)
    ),
    "best_rank": lambda index, targets: best_rank(
        index, BestRankRequest(targets=targets, budget=3)
    ),
    "resample": lambda index, targets: resample(
        index, ResampleRequest(targets=targets, budget=3)
    ),
    "distil": lambda index, targets: distil(
        index, DistilRequest(targets=targets, budget=3)
    ),
    "for_target": lambda index, targets: for_target(index, targets, budget=3),
    "compare": lambda index, targets: compare(
        index, for_target(index, ROWS[:1], budget=3), targets
    ),
}


@pytest.mark.parametrize("name", CHOOSERS)
def test_an_empty_target_is_refused(index: SoarIndex, name: str) -> None:
    choose = CHOOSERS[name]
    with pytest.raises(InvalidInputError, match=r"targets is empty: shape \(0, 5\)"):
        choose(index, np.empty((0, DIM), np.float32))
    with pytest.raises(InvalidInputError, match="targets has 0 ids, at least 1"):
        choose(index, Targets(ids=np.empty(0, np.int64)))
