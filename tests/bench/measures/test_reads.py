"""`bench.measures.reads`: counted by hand, and recorded with where it comes from."""

import json

import numpy as np

from bench.__main__ import make_parser
from bench.measures.reads import reads_at


def test_reads_by_hand():
    order = np.array([[2, 0, 1]])  # one query; lists by rank
    primary = np.array([0, 1, 2, 1])
    second = np.array([-1, 2, -1, -1])
    truth = np.array(
        [[0, 1]]
    )  # row 0 in list 0 (rank 1), row 1 also in list 2 (rank 0)
    for row in reads_at(order, primary, second, truth):
        # List 2 holds rows 2 and 1, list 0 holds row 0.
        assert (row["nprobe"], row["entries"]) == (2, 3.0)


def test_a_run_is_recorded(tmp_path, clustered, capsys):
    base, queries = clustered(400, 6, seed=1), clustered(30, 6, seed=2)
    np.save(tmp_path / "base.npy", base)
    np.save(tmp_path / "queries.npy", queries)
    apart = np.square(queries[:, None] - base).sum(axis=2)
    np.save(tmp_path / "gt100.npy", np.argsort(apart, axis=1)[:, :20])
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    out = tmp_path / "out.json"
    line = f"reads --data {tmp_path} --nlist 8 --spill-lambda 1 --out {out}"
    arguments = make_parser().parse_args(line.split())
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert (result["n"], result["queries"], result["metric"]) == (400, 30, "l2")
    assert {"machine", "versions", "commit", "command"} <= result.keys()
    assert {row["spill"] for row in result["rows"]} == {"none", "naive", "soar"}
    for row in result["rows"]:
        assert 1 <= row["nprobe"] <= 8
        assert row["entries"] <= 400 * (1 + row["spilled"])
    assert len(capsys.readouterr().out.splitlines()) == len(result["rows"])
