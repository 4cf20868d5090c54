"""`bench.measures.compaction`: a run measures all three, and the table says it."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures import compaction
from bench.measures.compaction import compaction_table, figures, largest_loss


@pytest.mark.slow
def test_a_run_records_what_it_measured(tmp_path, clustered, monkeypatch, capsys):
    monkeypatch.setattr(compaction, "QUICK_STREAM", (700, 8))
    monkeypatch.setattr(compaction, "QUICK_BATCHES", 1)
    monkeypatch.setattr(compaction, "QUICK_SECONDS", 0.2)
    monkeypatch.setattr(compaction, "BATCH", 30)
    np.save(tmp_path / "base.npy", clustered(2000, 8, seed=1))
    np.save(tmp_path / "queries.npy", clustered(50, 8, seed=2))
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    out = tmp_path / "out.json"
    line = ["compaction", "--quick", "--data", str(tmp_path), "--out", str(out)]
    arguments = make_parser().parse_args([*line, "--rounds", "2"])
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    fold, beside, stream = result["fold"], result["beside"], result["stream"]
    assert (fold["rows"], fold["newer"]) == (1905, 95)
    assert len(fold["seconds"]["fold"]) == len(fold["seconds"]["build"]) == 2
    for curve in fold["curves"].values():
        assert all(0.3 < point["recall"] <= 1 for point in curve)
    assert {one["target"] for one in fold["promise"]} == {0.9, 0.95, 0.99}
    assert len(beside["rest"]) == 3
    assert beside["fold"][0]["count"] > 0
    assert (stream["batches"], stream["pending_at_end"]) == (1, 30)
    text = capsys.readouterr().out
    assert text.strip() == compaction_table(result).strip()
    assert "95 rows into 1,905 of tiny" in text


def test_the_loss_is_taken_at_equal_work():
    built = [
        {"nprobe": 1, "entries": 100.0, "recall": 0.5},
        {"nprobe": 2, "entries": 400.0, "recall": 0.9},
    ]
    # 200 entries are halfway between 100 and 400, where 0.7 is expected.
    folded = [
        {"nprobe": 1, "entries": 200.0, "recall": 0.68},
        {"nprobe": 2, "entries": 390.0, "recall": 0.9},
        {"nprobe": 4, "entries": 5000.0, "recall": 0.1},
    ]
    assert largest_loss(folded, built) == pytest.approx(0.02)


def test_figures_are_in_milliseconds():
    found = figures([0.001] * 99 + [0.5])
    assert found["count"] == 100
    assert found["p50"] == pytest.approx(1)
    assert found["qps"] == pytest.approx(100 / 0.599)
    assert 1 < found["p99"] < 500
