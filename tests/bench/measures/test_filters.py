"""`bench.measures.filters`: every filter is measured, and recorded with its source."""

import json

import numpy as np

from bench.__main__ import make_parser
from bench.measures.filters import KINDS, SHARES, filters, filters_table


def test_filters_let_through_what_they_say():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2000, 4)).astype(np.float32) * [5, 1, 1, 1]
    queries = rows[:50]
    for kind, share, asking, mask in filters(rows, queries, rng):
        if mask is None:
            assert kind.startswith("none")
            continue
        assert abs(mask.mean() - share) < 0.05
        assert len(asking) == (50 if kind == "independent" else 20)
    far = [m for k, s, _, m in filters(rows, queries, rng) if s == 0.3 and k != "none"]
    _, against, along = far
    assert not (against & along).any()


def test_a_folder_is_measured_and_recorded(tmp_path, capsys):
    rng = np.random.default_rng(2)
    np.save(tmp_path / "base.npy", rng.normal(size=(3000, 8)).astype(np.float32))
    np.save(tmp_path / "queries.npy", rng.normal(size=(40, 8)).astype(np.float32))
    (tmp_path / "meta.json").write_text(json.dumps({"metric": "l2"}))
    out = tmp_path / "out.json"
    line = f"filters --data {tmp_path} --rows 2500 --recall 0.9 --out {out}"
    arguments = make_parser().parse_args(line.split())
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert result["n"] == 2500
    assert len(result["rows"]) == 2 + len(KINDS) * len(SHARES)
    assert {"commit", "mode", "machine"} <= result.keys()
    assert all(row["recall"] > 0.85 for row in result["rows"])
    assert filters_table(result) in capsys.readouterr().out
