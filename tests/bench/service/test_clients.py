"""Many clients beside one caller, on a server of little data."""

import json
from pathlib import Path

import pytest

from bench.__main__ import make_parser
from bench.recorded import tables
from bench.service.closed_loop import Sent, shares, summary


def test_calls_answered_after_the_end_do_not_count_to_the_rate():
    sent = [
        Sent(begins=[0.0, 1.0, 1.9], ends=[0.5, 1.2, 2.3]),
        Sent(begins=[0.0], ends=[1.0]),
    ]
    sent[1].errors["UNAVAILABLE"] += 2
    found = summary(sent, stop=2.0, seconds=2.0)
    assert found["calls"] == 3
    assert found["rate"] == 1.5
    assert found["p50_ms"] == 500
    assert found["max_ms"] == 1000
    assert found["errors"] == {"UNAVAILABLE": 2}


@pytest.mark.parametrize(("clients", "expected"), [(1, [1, 0, 0]), (8, [3, 3, 2])])
def test_processes_get_equal_shares_of_the_clients(clients, expected):
    assert shares(clients, 3) == expected


@pytest.mark.slow
@pytest.mark.alone
def test_every_case_is_measured_and_compared(tmp_path: Path, capsys) -> None:
    words = ["--scenarios", "clients", "--quick", "--rows", "500", "--dim", "8"]
    words += ["--clients", "1", "3", "--out", str(tmp_path)]
    arguments = make_parser().parse_args(["service", *words])
    assert arguments.run(arguments) == 0
    result = json.loads((tmp_path / "service-clients.json").read_text())
    (cases,) = result["cases"]
    named = {(case["call"], case["clients"]): case for case in cases}
    assert set(named) == {(call, n) for call in ("search", "empty") for n in (1, 3)}
    for case in cases:
        assert case["errors"] == {}
        assert case["rate"] > 1
        assert 0 < case["p50_ms"] <= case["p99_ms"] <= case["max_ms"]
        assert case["server_cpu_seconds"] > 0
        assert case["client_cpu_seconds"] > 0
    many, one = named["search", 3]["rate"], named["search", 1]["rate"]
    ratios = result["ratios"]["3"]
    assert ratios["of_one_caller"]["median"] == many / one
    assert ratios["of_ceiling"]["median"] == many / named["empty", 3]["rate"]
    for key in ("machine", "versions", "commit", "seed", "threads", "load_at_start"):
        assert key in result
    table = capsys.readouterr().out
    assert "| 3 | search |" in table
    assert dict(tables({"service-clients": result}))["service-clients"] in table
