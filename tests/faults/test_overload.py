"""Five times more calls than a server can answer: most of its peak is still answered.

`make test-overload` measures a minute of it, with writes and without, on an otherwise
idle machine, and holds it to the figures of `service/DECISIONS.md`; here a few seconds
on a machine that may be busy show that the server does not collapse.
"""

from pathlib import Path
from typing import Any

import pytest

from bench.service.collection import Shape
from bench.service.overload import (
    WRITE_ROWS,
    OverloadJob,
    overload_table,
    run_overload,
)

REFUSED_MS = 25
KEPT, KEPT_BESIDE_WRITES = 0.8, 0.7
HELD = 8
"""Bytes that a written byte may take until the next compaction, which waits for a share
of the cores; `service/DECISIONS.md` 87 has the measured figures."""

COLLAPSED = 0.25
"""A server that computes what nobody waits for any more keeps a hundredth."""


@pytest.mark.slow
@pytest.mark.alone
def test_a_short_overload_leaves_most_of_the_peak(tmp_path: Path) -> None:
    job = OverloadJob(
        shape=Shape(rows=30_000, dim=64),
        seconds=5.0,
        step_seconds=1.0,
        growth=1.6,
        write_rates=(2.0,),
    )
    (case,) = run_overload(job, tmp_path)["cases"]
    assert case["alive"]
    assert case["kept"] > COLLAPSED, case
    assert case["overload"]["codes"]["RESOURCE_EXHAUSTED"] > 0
    assert case["overload"]["refused_since_sent"]["p50_ms"] < 100
    assert case["after"]["goodput"] > 0.5 * case["before"]["goodput"], case
    assert set(case["overload"]["codes"]) <= {
        "OK",
        "RESOURCE_EXHAUSTED",
        "DEADLINE_EXCEEDED",
        "UNSENT",
    }


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_minute_of_overload(tmp_path: Path) -> None:
    shape = Shape(rows=100_000, dim=128)
    result = run_overload(OverloadJob(shape=shape), tmp_path)
    print(overload_table(result))  # noqa: T201  what the lane reports
    alone, beside_writes = result["cases"]
    for case in result["cases"]:
        assert case["alive"]
        assert case["after"]["goodput"] > 0.9 * case["before"]["goodput"]
    assert alone["kept"] >= KEPT
    assert alone["overload"]["refused_since_sent"]["p99_ms"] < REFUSED_MS
    assert alone["memory"]["low"] <= 0 or alone["memory"]["mib_a_minute"] < 5
    require_bounded(beside_writes, dim=shape.dim)


def require_bounded(case: dict[str, Any], *, dim: int) -> None:
    """With writes beside a fold takes its turns, and rows wait for it in memory."""
    assert case["kept"] >= KEPT_BESIDE_WRITES
    assert case["overload"]["refused_since_sent"]["p99_ms"] < 2 * REFUSED_MS
    written = case["overload"]["writes"]["codes"]["OK"] * WRITE_ROWS * dim * 4 / 2**20
    memory = case["memory"]
    assert memory["most_mib"] - memory["first_mib"] < HELD * written
