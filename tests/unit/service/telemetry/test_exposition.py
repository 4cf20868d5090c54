"""Metrics as Prometheus reads them are those of the table."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gleann.index.found import SearchStats
from gleann.service.server_status import (
    IndexStatus,
    QueueStatus,
    ServerStatus,
)
from gleann.service.telemetry.catalogue import METRICS, metrics_table
from gleann.service.telemetry.exposition import Exposition
from gleann.service.telemetry.telemetry import Telemetry

TOP = Path(__file__).parents[4]
STATS = SearchStats("native/avx2", 8, 100, 8, 1000, 60, 50, 0, 0.95, False)
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


@pytest.fixture
def telemetry() -> Telemetry:
    """With a value of everything that is counted."""
    one = Telemetry(most_indexes=1)
    one.call_ended("/gleann.v1.SearchService/Search", "OK", 0.003)
    one.delays_of("search").add(0.001)
    one.scanned(8, 3)
    one.searched("words", 4, 0.002, STATS)
    one.probed("words", queries=1, hits=9, places=10)
    one.committed(3, 0.004)
    one.job_ended("build", "done", 12.0)
    one.phase_ended("build", "train", 7.0)
    one.change_refused()
    return one


STATUS = ServerStatus(
    version="1.2.3",
    state="read-only",
    reason="the disk is full",
    memory_bytes=100,
    mapped_bytes=30,
    queues=(QueueStatus(kind="search", running=2, queued=5, places=64, refused=7),),
    indexes=(
        IndexStatus(name="words", count=10, memory_bytes={"rows": 400}),
        IndexStatus(name="b", count=3, memory_bytes={"rows": 4}),
        IndexStatus(name="c", count=4, broken="damaged"),
    ),
    operations={"running": 1},
)


@pytest.fixture
def text(telemetry: Telemetry) -> str:
    return Exposition(telemetry, lambda: STATUS).text()[0].decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_the_metrics_are_those_of_the_table(text: str) -> None:
    known = {one.name: one for one in METRICS}
    seen = set()
    for name, labels in samples(text):
        if name.startswith(("process_", "gleann_build_info")):
            seen.add(name)
            continue
        ends = [end for end in OF_HISTOGRAMS if name.endswith(end)]
        base = name.removesuffix(ends[0]) if ends and name not in known else name
        metric = known[base]
        assert {label for label, _ in labels} - {"le"} == set(metric.labels), name
        assert (metric.kind == "histogram") == (base != name)
        seen.add(base)
    assert set(known) <= seen
    assert "process_resident_memory_bytes" in seen


def test_names_follow_the_conventions() -> None:
    for one in METRICS:
        assert one.name.startswith("gleann_")
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert not one.name.endswith(("_ms", "_milliseconds", "_mb", "_percent"))
        assert one.meaning.endswith(".")
        assert set(one.labels) <= {
            "method", "code", "kind", "index", "part", "state", "outcome", "phase",
            "version", "python",
        }  # fmt: skip
    assert len({one.name for one in METRICS}) == len(METRICS)


def test_values_are_those_that_were_counted(text: str) -> None:
    found = samples(text)
    assert found["gleann_search_queries_total", (("index", "words"),)] == 4
    assert found["gleann_probe_recall_ratio", (("index", "words"),)] == 0.9
    assert found["gleann_read_only", ()] == 1
    assert found["gleann_changes_refused_total", ()] == 1
    assert found["gleann_calls_refused_total", (("kind", "search"),)] == 7
    assert found["gleann_memory_bytes", (("kind", "anonymous"),)] == 70
    assert found["gleann_index_vectors", (("index", "words"),)] == 10
    assert found["gleann_index_vectors", (("index", "_other"),)] == 7
    assert found["gleann_indexes", ()] == 3
    assert found["gleann_indexes_broken", ()] == 1
    call = (("code", "OK"), ("method", "/gleann.v1.SearchService/Search"))
    assert found["gleann_call_duration_seconds_sum", call] == 0.003
    bucket = (call[0], ("le", "0.005"), call[1])
    assert found["gleann_call_duration_seconds_bucket", bucket] == 1


def test_ten_thousand_indexes_are_few_series() -> None:
    one = Telemetry()
    names = [f"i{number:05d}" for number in range(10_000)]
    for name in names:
        one.searched(name, 1, 0.001, STATS)
        one.probed(name, queries=1, hits=1, places=1)
    indexes = tuple(
        IndexStatus(name=name, count=2, memory_bytes={"rows": 1, "ids": 1})
        for name in names
    )
    text = Exposition(one, lambda: ServerStatus(indexes=indexes)).text()[0].decode()
    found = samples(text)
    labels = {dict(labels).get("index") for _, labels in found} - {None}
    assert len(labels) == 101
    assert len(found) < 4000
    assert found["gleann_index_vectors", (("index", "_other"),)] == 2 * 9900
    assert found["gleann_search_queries_total", (("index", "_other"),)] == 9900
    assert found["gleann_indexes", ()] == 10_000


def test_the_page_has_the_table() -> None:
    """Written by `metrics_table`; print it into the page after a change."""
    page = (TOP / "docs/metrics.md").read_text()
    assert f"<!-- metrics: from the code -->\n{metrics_table()}\n<!-- end" in page
