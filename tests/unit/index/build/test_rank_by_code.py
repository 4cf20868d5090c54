"""Rows ranked by codes: by score, ties at random, and the same however it is done."""

import numpy as np
import pytest

from gleann.index.build import rank_by_code as module
from gleann.index.build.rank_by_code import (
    best_of_blocks,
    code_blocks,
    draw_salt,
    merge_ranked,
    rank_by_code,
)
from gleann.index.codes import Encoding

N, DIM, QUERIES = 900, 5, 7


def rows_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    if kind == "all equal":
        rows[:] = rows[0]
    elif kind == "few distinct":
        rows = rows[rng.integers(12, size=N)]
    return rows


@pytest.mark.parametrize("kind", ["distinct", "few distinct", "all equal"])
@pytest.mark.parametrize("width", [1, 40, 899])
@pytest.mark.parametrize("own", [True, False])
def test_blocks_and_parts_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, kind: str, width: int, own: bool
) -> None:
    rows, encoding = rows_of(kind), Encoding.uncentred("l2", DIM)
    numbers = np.arange(QUERIES) * 100
    queries, mine = rows[numbers], numbers if own else None

    def ranked() -> np.ndarray:
        rng = np.random.default_rng(3)
        return rank_by_code(encoding, rows, queries, own=mine, width=width, rng=rng)

    whole = ranked()
    scores = encoding.scan_scores(queries, encoding.encode(rows))
    if own:
        scores[np.arange(QUERIES), numbers] = -np.inf
    best = -np.sort(-scores, axis=1)[:, :width]
    np.testing.assert_array_equal(np.take_along_axis(scores, whole, axis=1), best)
    assert all(len(set(line)) == width for line in whole.tolist())
    monkeypatch.setattr(module, "VALUES_HELD", 64 * DIM)
    np.testing.assert_array_equal(ranked(), whole)
    blocks = code_blocks(rows.shape, queries=QUERIES)
    parts = [
        best_of_blocks(
            encoding,
            rows,
            queries,
            own=mine,
            width=width,
            salt=draw_salt(np.random.default_rng(3)),
            blocks=some,
        )
        for some in (blocks[:1], blocks[1:9], blocks[9:])
    ]
    merged = merge_ranked(parts, width)
    np.testing.assert_array_equal(merged.rows, whole)
    np.testing.assert_array_equal(merge_ranked(parts[::-1], width).rows, whole)


def test_ties_differ_between_queries_and_seeds() -> None:
    rows, encoding = rows_of("all equal"), Encoding.uncentred("l2", DIM)
    found = [
        rank_by_code(
            encoding,
            rows,
            rows[:2],
            own=None,
            width=300,
            rng=np.random.default_rng(seed),
        )
        for seed in (0, 1)
    ]
    assert (found[0][0] != found[0][1]).mean() > 0.9
    assert (found[0][0] != found[1][0]).mean() > 0.9
    # Any row may be among them.
    assert abs(found[0].mean() - (N - 1) / 2) < 50
