"""Data hard for small codes: the oracle by hand, the sets as described, a record."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures.hard import hard_table
from bench.measures.hard_sets import HardSet, MissingSourceError, make, names


def test_the_oracle_by_hand():
    rows = np.array([[3000, 0], [3001, 0], [3003, 0], [3001, 0]], np.float32)
    queries = np.array([[3000.4, 0], [3002.9, 0]], np.float32)
    one = HardSet(name="line", metric="l2", rows=rows, queries=queries)
    # Nearest to the first are 0, 1 and 3 (which tie), to the second 2, 1 and 3.
    assert one.recall(np.array([[0, 3], [2, 1]]), k=2) == 1
    assert one.recall(np.array([[0, 2], [2, -1]]), k=2) == 0.5
    turned = HardSet(
        name="turned",
        metric="cosine",
        rows=np.array([[9, 0], [0, 2], [5, 5]], np.float32),
        queries=np.array([[1, 0.1]], np.float32),
    )
    assert turned.recall(np.array([[0, 2]]), k=2) == 1
    assert turned.recall(np.array([[0, 1]]), k=2) == 0.5
    longest = HardSet(
        name="ip", metric="ip", rows=turned.rows, queries=np.ones((1, 2), np.float32)
    )
    assert longest.recall(np.array([[2]]), k=1) == 1
    assert longest.recall(np.array([[1]]), k=1) == 0


@pytest.mark.parametrize("name", names())
def test_a_set_is_the_same_every_time_and_holds_its_queries_out(name):
    try:
        one, again = (make(name, n=300, queries=50) for _ in range(2))
    except MissingSourceError as reason:
        pytest.skip(str(reason))
    assert one.rows.dtype == one.queries.dtype == np.float32
    assert one.rows.shape == (300, one.queries.shape[1])
    assert len(one.queries) == 50
    assert np.isfinite(one.rows).all()
    assert one.rows.tobytes() == again.rows.tobytes()
    assert one.queries.tobytes() == again.queries.tobytes()
    # Hardly any query is a row as well: what is searched is not what was stored.
    every = {row.tobytes() for row in one.rows}
    assert sum(query.tobytes() in every for query in one.queries) <= 2


def test_a_run_is_recorded(tmp_path):
    out = tmp_path / "hard.json"
    line = (
        f"hard --sets time-and-price mean-30-cosine --rows 400 --queries 40 --out {out}"
    )
    arguments = make_parser().parse_args([*line.split(), "--rounds", "1"])
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert {"machine", "versions", "commit", "command"} <= result.keys()
    first = result["rows"][0]
    assert (first["set"], first["n"], first["engine"]) == (
        "time-and-price",
        400,
        "reference",
    )
    assert all(0 < row["recall"] <= 1 for row in result["rows"])
    assert "| mean-30-cosine (cosine) | 400 x 32 | reference | 0.95 |" in hard_table(
        result
    )
