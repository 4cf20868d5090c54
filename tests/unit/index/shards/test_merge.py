"""Merging what shards found, against a sort of all of it."""

import numpy as np
import pytest

from gleann.index.engines.contract import Work
from gleann.index.ids.held import to_numpy
from gleann.index.shards.merge import (
    Neighbours,
    PartWithin,
    cut_neighbours,
    may_have_more,
    merge,
    merge_within,
    of_queries,
    with_answers,
)
from gleann.index.texts import Texts

INF = np.float32(np.inf)
KINDS = ["integers", "strings"]


def named(numbers: np.ndarray, kind: str) -> np.ndarray | Texts:
    """Ids of numbers, -1 for none; the order of the strings is another."""
    if kind == "integers":
        return numbers.astype(np.int64)
    return Texts.of_texts([f"ü{n}" if n >= 0 else "" for n in numbers.tolist()])


def part(rng: np.random.Generator, kind: str, shard: int, width: int) -> Neighbours:
    """Six queries with many equal distances; the first has too few neighbours."""
    rows = np.stack([rng.permutation(200)[:width] for _ in range(6)]).astype(np.int64)
    distances = rng.integers(0, 4, rows.shape).astype(np.float32)
    distances[0, width // 2 :] = INF
    distances.sort(axis=1)
    rows[~np.isfinite(distances)] = -1
    numbers = np.where(rows < 0, -1, rows * 10 + shard)
    return Neighbours(rows=rows, distances=distances, ids=named(numbers.ravel(), kind))


def by_sorting(
    parts: list[Neighbours], offsets: list[int], k: int
) -> list[list[tuple[float, bytes | int, int]]]:
    answers = []
    for query in range(len(parts[0].rows)):
        hits = []
        for one, first in zip(parts, offsets, strict=True):
            ids = to_numpy(one.ids).reshape(one.rows.shape)
            for place in np.flatnonzero(one.rows[query] >= 0):
                name = ids[query, place].item()
                key = name.encode() if isinstance(name, str) else name
                row = int(one.rows[query, place]) + first
                hits.append((float(one.distances[query, place]), key, row))
        answers.append(sorted(hits)[:k])
    return answers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("widths", [[5], [3, 8], [1, 2, 3, 4, 5]])
@pytest.mark.parametrize("k", [1, 4, 30])
def test_the_nearest_of_all_with_ties_by_id(
    kind: str, widths: list[int], k: int
) -> None:
    rng = np.random.default_rng(k)
    parts = [part(rng, kind, n, width) for n, width in enumerate(widths)]
    offsets = [1000 * n for n in range(len(widths))]
    found = merge(parts, offsets=offsets, k=k)
    assert found.rows.shape == found.distances.shape == (6, k)
    ids = to_numpy(found.ids).reshape(6, k)
    for query, hits in enumerate(by_sorting(parts, offsets, k)):
        m = len(hits)
        assert found.rows[query].tolist() == [row for *_, row in hits] + [-1] * (k - m)
        assert found.distances[query, :m].tolist() == [far for far, *_ in hits]
        assert (found.distances[query, m:] == INF).all()
        names = [n.encode() if kind == "strings" else n for n in ids[query].tolist()]
        assert names[:m] == [name for _, name, _ in hits]
        assert set(names[m:]) <= {b"", -1}


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_parts_does_not_matter(kind: str) -> None:
    rng = np.random.default_rng(3)
    parts = [part(rng, kind, n, 6) for n in range(4)]
    offsets = [0, 1000, 2000, 3000]
    found = merge(parts, offsets=offsets, k=9)
    other = merge(parts[::-1], offsets=offsets[::-1], k=9)
    np.testing.assert_array_equal(found.rows, other.rows)
    np.testing.assert_array_equal(to_numpy(found.ids), to_numpy(other.ids))


def neighbours(distances: list[list[float]]) -> Neighbours:
    far = np.array(distances, np.float32)
    rows = np.where(np.isfinite(far), np.arange(far.size).reshape(far.shape), -1)
    return Neighbours(rows=rows, distances=far, ids=rows.ravel())


def test_a_shard_may_have_more_where_all_it_was_asked_for_counts() -> None:
    whole = neighbours([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, np.inf]])
    asked = neighbours([[1, 2], [1, 3], [1, 4], [1, np.inf]])
    assert may_have_more(asked, whole).tolist() == [True, True, False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_some_queries_take_the_place_of_earlier_ones(kind: str) -> None:
    rng = np.random.default_rng(4)
    whole, other = part(rng, kind, 0, 4), part(rng, kind, 1, 4)
    some = np.array([1, 4])
    mixed = with_answers(whole, some, of_queries(other, some))
    expected = [other if query in some else whole for query in range(6)]
    for query, source in enumerate(expected):
        one, true = of_queries(mixed, np.array([query])), np.array([query])
        np.testing.assert_array_equal(one.rows, source.rows[true])
        np.testing.assert_array_equal(one.distances, source.distances[true])
        held = to_numpy(of_queries(source, true).ids)
        np.testing.assert_array_equal(to_numpy(one.ids), held)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_beyond_a_radius_are_cut(kind: str) -> None:
    found = part(np.random.default_rng(5), kind, 0, 5)
    cut = cut_neighbours(found, 1.0)
    beyond = found.distances > 1
    assert beyond.any()
    assert (cut.rows[beyond] == -1).all()
    assert (cut.distances[beyond] == INF).all()
    np.testing.assert_array_equal(cut.rows[~beyond], found.rows[~beyond])
    ids = to_numpy(cut.ids).reshape(beyond.shape)
    assert set(ids[beyond].tolist()) <= {-1, ""}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [None, 1, 3])
def test_hits_within_are_by_query_distance_and_id(kind: str, limit: int | None) -> None:
    rng = np.random.default_rng(6)
    parts, lines = [], []
    for shard in range(3):
        queries = np.sort(rng.integers(0, 5, 20))
        distances = rng.integers(0, 3, 20).astype(np.float32)
        rows = rng.permutation(50)[:20].astype(np.int64)
        ids = named(rows * 10 + shard, kind)
        work = Work(1, 2, 3, 4)
        parts.append(
            PartWithin(
                queries=queries, rows=rows, distances=distances, ids=ids, work=work
            )
        )
        names = [
            n.encode() if isinstance(n, str) else n for n in to_numpy(ids).tolist()
        ]
        lines += zip(
            queries.tolist(),
            distances.tolist(),
            names,
            (rows + shard * 100).tolist(),
            strict=True,
        )
    found = merge_within(parts, offsets=[0, 100, 200], limit=limit)
    expected = [
        line
        for query in range(5)
        for line in sorted(one for one in lines if one[0] == query)[:limit]
    ]
    assert found.queries.tolist() == [line[0] for line in expected]
    assert found.rows.tolist() == [line[3] for line in expected]
    assert found.work == Work(3, 6, 9, 12)
