"""Searches at their extremes on every layout, by every engine, against NumPy."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.choose import PROJECTING
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.live_rows import LiveRows

METRICS = ["ip", "cosine", "l2"]
LAYOUTS = {
    "f32": {},
    "f32 shared": {"entry_codes": "shared"},
    "f16": {"keep": "f16"},
    "bf16 shared": {"keep": "bf16", "entry_codes": "shared"},
    "disk": {"keep": "disk"},
    "disk shared": {"keep": "disk", "entry_codes": "shared"},
    "float32 codes": {"codes": "float32"},
    "float32 codes on disk": {"codes": "float32", "keep": "disk"},
    "projected": {"projection": 1},
    "projected, disk shared": {
        "projection": 1,
        "keep": "disk",
        "entry_codes": "shared",
    },
}
"""Projections are half of the rows' dimensions: see `build`."""

KINDS = ["one row", "one dimension", "five rows", "equal rows", "rows twice", "far off"]


def rows_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(21)
    shape = {
        "one row": (1, 4),
        "one dimension": (60, 1),
        "five rows": (5, 3),
        "equal rows": (70, 5),
        "rows twice": (120, 9),
        "far off": (150, 6),
    }[kind]
    rows = rng.normal(size=shape)
    if kind == "equal rows":
        rows[:] = rows[0]
    elif kind == "rows twice":
        rows[60:] = rows[:60]
    elif kind == "far off":
        rows = rows + 100
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One index of each (layout, rows, metric), saved and opened once."""
    cache = {}

    def build(layout: str, kind: str, metric: str) -> SoarIndex:
        key = layout, kind, metric
        if key not in cache:
            rows, options = rows_of(kind), dict(LAYOUTS[layout])
            if "projection" in options:
                options["projection"] = max(1, rows.shape[1] // 2)
            params = BuildParams(
                metric=metric,
                spill="soar",
                nlist=min(4, len(rows)),
                tune_queries=0,
                **options,
            )
            path = tmp_path_factory.mktemp("layouts") / "i"
            SoarIndex.build(rows, params).save(path)
            cache[key] = SoarIndex.load(path, engine="reference")
        return cache[key]

    return build


def queries_of(index: SoarIndex) -> np.ndarray:
    """A row of the index, and others around it, of unit length under cosine."""
    rng = np.random.default_rng(22)
    rows = index.vectors[[0, -1, len(index) // 2]]
    queries = np.concatenate([rows, rows + 0.5 * rng.normal(size=rows.shape)])
    if index.metric == "cosine":
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries.astype(np.float32)


def all_distances(queries: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Of all pairs (nq, n), in float64."""
    wide, others = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "ip":
        return -wide @ others.T
    apart = wide[:, None, :] - others[None, :, :]
    squared = np.square(apart).sum(axis=2)
    return squared / 2 if metric == "cosine" else squared


def assert_answers(found, pairs: np.ndarray, k: int, *, complete: bool) -> None:
    """Distinct rows, nearest first, at their distances; all that there are if few.

    Args:
        found: rows and distances (nq, k).
        pairs: distances (nq, n), +inf of rows that may not be found.
        k: neighbours.
        complete: whether it must be the nearest.
    """
    there = min(k, int(np.isfinite(pairs[0]).sum()))
    assert found.rows.shape == found.distances.shape == (len(pairs), k)
    assert (found.rows[:, there:] == -1).all()
    assert np.isposinf(found.distances[:, there:]).all()
    rows, distances = found.rows[:, :there], found.distances[:, :there]
    assert (rows >= 0).all()
    assert all(len(set(row)) == there for row in rows.tolist())
    assert (np.diff(distances, axis=1) >= 0).all()
    want = np.take_along_axis(pairs, rows, axis=1)
    np.testing.assert_allclose(distances, want, rtol=2e-5, atol=2e-5)
    if complete:
        nearest = np.sort(pairs, axis=1)[:, :there]
        np.testing.assert_allclose(distances, nearest, rtol=2e-5, atol=2e-5)


def extremes(index: SoarIndex) -> Iterator[tuple[SearchParams, bool]]:
    """Parameters, and whether all rows are compared, whatever their number is to k."""
    n, nlist = len(index), index.nlist
    few = n <= 32  # all of them are re-ranked
    for k in (1, n, n + 7):
        yield SearchParams(k=k, nprobe=nlist, rerank=10 * n + 10), True
        yield SearchParams(k=k, exact=True), True
        yield SearchParams(k=k, target_recall=1), True
        yield SearchParams(k=k, nprobe=nlist), few
        yield SearchParams(k=k, nprobe=1, rerank=k), False
        yield SearchParams(k=k), False
        yield SearchParams(k=k, segments="primary"), False
        yield SearchParams(k=k, effort="by_query"), False


def metric_of(layout: str, kind: str) -> str:
    """One for each pair: all pairs would take three times as long."""
    return METRICS[(list(LAYOUTS).index(layout) + KINDS.index(kind)) % len(METRICS)]


@pytest.fixture(params=LAYOUTS)
def layout(request, engine_name) -> str:
    """Each layout that the engine searches."""
    if "projection" in LAYOUTS[request.param] and engine_name not in PROJECTING:
        pytest.skip(f"engine {engine_name!r} searches no projected codes")
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_parameters(built, engine_name, layout, kind):
    for metric in METRICS:
        index = built(layout, kind, metric).with_engine(engine_name)
        queries = queries_of(index)
        pairs = all_distances(queries, index.vectors, metric)
        for params, complete in extremes(index):
            for count in (len(queries), 1):
                found = index.find_rows(queries[:count], params)
                whole = complete or params.k >= len(index)
                assert_answers(found, pairs[:count], params.k, complete=whole)


@pytest.mark.parametrize("kind", KINDS)
def test_filters_that_leave_few_rows_or_all_but_one(built, engine_name, layout, kind):
    metric = metric_of(layout, kind)
    index = built(layout, kind, metric).with_engine(engine_name)
    queries, n = queries_of(index), len(index)
    pairs = all_distances(queries, index.vectors, metric)
    for left in ([], [n - 1], list(range(1, n))):
        mask = np.zeros(n, np.bool_)
        mask[left] = True
        among = np.where(mask, pairs, np.inf)
        for params, complete in extremes(index):
            for allowed in (mask, index.allow(mask)):
                found = index.find_rows(queries, replace(params, allowed=allowed))
                all_there = complete or params.k >= len(left)
                assert_answers(found, among, params.k, complete=all_there)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_were_deleted(built, engine_name, layout, kind):
    """All, all but one, and one; beside newer rows of which one is deleted too."""
    metric = metric_of(layout, kind)
    index = built(layout, kind, metric).with_engine(engine_name)
    queries, n = queries_of(index), len(index)
    newer = np.ascontiguousarray(index.vectors[:3])
    every = np.concatenate([index.vectors, newer])
    alive = np.arange(len(newer)) > 0
    pairs = all_distances(queries, every, metric)
    for left in ([], [0], list(range(1, n))):
        kept = np.zeros(n, np.bool_)
        kept[left] = True
        lists = index.newer_lists()
        lists.assign(newer)
        state = lists.rows(newer, alive=alive, sealed_alive=LiveRows.of(kept))
        among = np.where(np.concatenate([kept, alive]), pairs, np.inf)
        there = int(np.isfinite(among[0]).sum())
        for params, complete in extremes(index):
            found = index.find_rows(queries, params, newer=state)
            whole = complete or params.k >= there
            assert_answers(found, among, params.k, complete=whole)


def test_more_lists_than_there_are_tell_both_numbers(built, engine_name, layout):
    index = built(layout, "five rows", "l2").with_engine(engine_name)
    for allowed in (None, np.ones(5, np.bool_), np.zeros(5, np.bool_)):
        params = SearchParams(nprobe=5, allowed=allowed)
        with pytest.raises(
            InvalidParamsError, match="nprobe is 5, but the index has 4"
        ):
            index.search(queries_of(index), params)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"nprobe": 0}, "nprobe must be at least 1, got 0"),
        ({"k": 3, "rerank": 0}, "rerank must be at least k = 3, got 0"),
        ({"k": 3, "rerank": 2}, "rerank must be at least k = 3, got 2"),
        ({"target_recall": 0}, r"target_recall must be in \(0, 1\], got 0"),
        ({"target_recall": 1.1}, r"target_recall must be in \(0, 1\], got 1.1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(InvalidParamsError, match=said):
        SearchParams(**wrong)
