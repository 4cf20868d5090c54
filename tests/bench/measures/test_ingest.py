"""`python -m bench ingest` on a quick run: every case is measured and recorded."""

import json
from pathlib import Path

import pytest

from bench.__main__ import make_parser
from bench.measures.ingest import WRITERS, ingest_table


@pytest.mark.slow
def test_a_run_records_every_case(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "ingest.json"
    arguments = make_parser().parse_args(["ingest", "--quick", "--out", str(out)])
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    (rates,) = result["rounds"]
    assert len(rates) == 1 + 2 + len(WRITERS)
    assert min(rates.values()) > 0
    assert {"machine", "versions", "commit", "seed"} <= set(result)
    assert "32 writers" in capsys.readouterr().out


def test_ratios_are_those_of_one_round():
    rounds = [
        {"sync_ms": 1.0, "batches of 1, 1 writers": one, "batches of 1, 8 writers": 100}
        for one in (10, 20, 50)
    ]
    table = ingest_table({"rounds": rounds})
    assert "| batches of 1, 1 writers | 20 | 1.0 |" in table
    assert "| batches of 1, 8 writers | 100 | 5.0 |" in table
