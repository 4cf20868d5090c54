"""`bench.measures.updates`: states, ratios and the table."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures import updates
from bench.measures.updates import Seconds, compared, updates_table


def test_a_ratio_is_that_of_medians_and_its_quartiles_those_of_turns():
    base = [Seconds(0.1, 0.1), Seconds(0.2, 0.1), Seconds(0.3, 0.1)]
    taken = [Seconds(0.2, 0.2), Seconds(0.4, 0.2), Seconds(0.3, 0.4)]
    got = compared(base, taken, 64)
    assert got["qps"] == round(1 / 0.3)
    assert got["ratio"] == round(0.2 / 0.3, 3)
    assert got["quartiles"] == [0.5, 0.75]
    assert got["cpu_ratio"] == 0.5


def test_a_run_records_what_it_measured(tmp_path, clustered, monkeypatch, capsys):
    monkeypatch.setattr(updates, "SINGLES", 3)
    monkeypatch.setattr(updates, "ARRIVING", 50)
    np.save(tmp_path / "base.npy", clustered(900, 8, seed=1))
    np.save(tmp_path / "queries.npy", clustered(100, 8, seed=2))
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    out = tmp_path / "out" / "updates.json"
    line = ["updates", "--data", str(tmp_path), "--turns", "2", "--out", str(out)]
    arguments = make_parser().parse_args(line)
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    rows = {(row["state"], row["share"]): row for row in result["rows"]}
    assert result["n"] == 720
    assert rows["sealed rows alone", 0.0]["newer"] == 0
    assert rows["newer rows", 0.2]["newer"] == 180
    assert rows["in place", 0.2]["newer"] == 144
    assert all(row["recall"] >= 0.9 for row in result["rows"])
    for row in result["rows"]:
        assert set(row["speed"]) == {"100", "64", "1"}
        assert all(speed["qps"] > 0 for speed in row["speed"].values())
    assert rows["sealed rows alone", 0.0]["speed"]["64"]["ratio"] == pytest.approx(1)
    assert {"machine", "versions", "commit", "turns"} <= result.keys()
    table = updates_table(result)
    assert "| 20% newer rows |" in table
    assert table in capsys.readouterr().out
