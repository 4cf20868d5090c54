"""The slow-query log: what was slow, in one line, and not too many lines."""

import logging

import pytest

from gleann.index import SearchParams
from gleann.index.found import SearchStats
from gleann.service.logs import slow
from gleann.service.logs.slow import MOST_LINES, SearchRecord, SlowLog

STATS = SearchStats("native/avx2", 8, 100, 8, 1234, 60, 50, 0, 0.95, False)


def search(*, seconds: float, queue: float = 0.0, where: str = "") -> SearchRecord:
    return SearchRecord(
        index="words", queries=3, params=SearchParams(k=7, target_recall=0.9),
        condition=where, queue_seconds=queue, seconds=seconds, stats=STATS,
    )  # fmt: skip


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this log wrote, whatever threads of others wrote meanwhile."""
    return [record for record in caplog.records if record.name == "gleann.slow"]


def test_slow_searches_are_written_and_others_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = SlowLog(0.5)
    with caplog.at_level(logging.WARNING):
        log.take(search(seconds=0.4))
        log.take(search(seconds=0.3, queue=0.3, where="a = 'x\ny'" + "z" * 500))
    [record] = lines(caplog)
    text = record.getMessage()
    for part in ("index='words'", "queries=3", "k=7", "queue_seconds=0.3"):
        assert part in text
    assert "entries_scanned=1234" in text
    assert "x\\\\ny" in text
    assert "\n" not in text
    assert len(text) < 600
    assert record.__dict__["fields"]["seconds"] == 0.3


def test_zero_writes_none(caplog: pytest.LogCaptureFixture) -> None:
    SlowLog(0.0).take(search(seconds=100.0))
    assert not lines(caplog)


def test_lines_are_limited_and_those_left_out_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(slow, "monotonic", lambda: now[0])
    log = SlowLog(0.5)
    for _ in range(MOST_LINES + 5):
        log.take(search(seconds=1.0))
    assert len(lines(caplog)) == MOST_LINES
    now[0] += 10.0
    log.take(search(seconds=1.0))
    assert len(lines(caplog)) == MOST_LINES + 1
    assert "left_out=5" in lines(caplog)[-1].getMessage()
