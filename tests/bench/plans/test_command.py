"""The command that measures plans: what it refuses."""

import sys

import pytest

from bench.__main__ import main
from bench.plans.command import NAMES, PARTS, plans_table


def test_too_few_rows_are_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "plans", "--rows", "999"])
    assert main() == 2
    assert "--rows is 999: 1000 at least are needed" in capsys.readouterr().err


def test_a_result_has_its_table() -> None:
    amounts = {"memory_bytes": 2_000_000, "disk_bytes": 1e6, "disk_bytes_after": 0}
    result = {
        "part": "curations",
        "data": {"n": 2000, "dim": 8},
        "machine": {"cpu": "a CPU", "cores": 2},
        "load_at_start": 0.25,
        "works": {
            "join": {
                "planned": {"seconds": 0.5, **amounts},
                "used": {"seconds": 0.25, **amounts, "memory_bytes": 3_000_000},
            }
        },
    }
    text = plans_table(result)
    assert text.startswith("curations of 2,000 x 8 (a CPU, one core of 2, load 0.2)")
    assert "| join | 0.50 / 0.25 | 2.0 / 3.0 | 1.0 / 1.0 | 0.0 / 0.0 |" in text


def test_results_of_curations_have_the_short_name() -> None:
    assert NAMES.keys() == PARTS.keys()
    assert NAMES["curations"] == "plans"
