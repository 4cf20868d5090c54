"""Traces of calls and jobs, into an exporter in memory."""

import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.service.config.trace import TraceSettings
from gleann.service.monitoring.exporting import tracing_of
from gleann.service.server import Server
from gleann.service.telemetry.traces import NoTracing
from gleann.v1 import admin_pb2, admin_pb2_grpc

memory = pytest.importorskip(
    "opentelemetry.sdk.trace.export.in_memory_span_exporter",
    reason="the extra trace is not installed",
)
tracing = pytest.importorskip("gleann.service.telemetry.tracing")

SEARCH = "gleann.v1.SearchService/Search"
INFO = "gleann.v1.AdminService/GetServerInfo"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
Start = Callable[..., Server]


class Traced:
    """A server whose spans are kept."""

    def __init__(self, server: Server, share: float) -> None:
        self.server = server
        self.exporter = memory.InMemorySpanExporter()
        self.tracing = tracing.SpanTracing(self.exporter, share=share)
        server.application.telemetry.tracing = self.tracing

    def spans(self) -> list[Any]:
        self.tracing.flush()
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> Any:
        """The span of this name; a call ends a moment after it is answered."""
        ends = time.monotonic() + 60
        while not (found := [span for span in self.spans() if span.name == name]):
            assert time.monotonic() < ends, [span.name for span in self.spans()]
            time.sleep(0.01)
        assert len(found) == 1
        return found[0]

    def below(self, parent: Any, *names: str) -> dict[str, Any]:
        """The parts of a span, once those of these names are there."""
        ends = time.monotonic() + 60
        while not set(names) <= set(found := self._below(parent)):
            assert time.monotonic() < ends, f"{sorted(found)} and not {names}"
            time.sleep(0.01)
        return found

    def _below(self, parent: Any) -> dict[str, Any]:
        return {
            span.name: span
            for span in self.spans()
            if span.parent is not None and span.parent.span_id == parent.context.span_id
        }


@pytest.fixture
def traced(start_server: Start) -> Traced:
    return Traced(start_server(), 1.0)


@pytest.fixture
def client(traced: Traced, rows: np.ndarray) -> Iterator[gleann.Client]:
    with gleann.Client(traced.server.target) as client:
        client.create_index("words", dim=rows.shape[1], metric="l2")
        client.upsert("words", range(len(rows)), rows)
        yield client


def test_a_search_has_its_parts(
    traced: Traced, client: gleann.Client, rows: np.ndarray
) -> None:
    client.search("words", rows[:3], SearchParams(k=5))
    call = traced.named(SEARCH)
    parts = traced.below(call, "queue", "scan")
    for part in parts.values():
        assert part.context.trace_id == call.context.trace_id
        assert call.start_time <= part.start_time <= part.end_time <= call.end_time
    assert parts["queue"].start_time <= parts["scan"].start_time
    assert call.attributes["gleann.status"] == "OK"
    assert len(call.attributes["call_id"]) == 16
    assert call.kind.name == "SERVER"
    assert call.status.status_code.name == "UNSET"


def test_a_change_has_its_commit(traced: Traced, client: gleann.Client) -> None:
    call = traced.named("gleann.v1.VectorService/UpsertVectors")
    # The last one may come after the end of the call, which it answers.
    parts = traced.below(call, "queue", "commit", "encode")
    assert parts["commit"].attributes["transactions"] == 1


def test_times_of_a_trace_are_of_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a thread waits after it has read the time of day."""
    late = iter(range(0, 10**12, 10**9))
    slow = {"time_ns": lambda: time.time_ns() - next(late), "monotonic": time.monotonic}
    exporter = memory.InMemorySpanExporter()
    spans = tracing.SpanTracing(exporter, share=1.0)
    monkeypatch.setattr(tracing, "time", SimpleNamespace(**slow))
    trace = spans.begin("call", "server")
    began = time.monotonic()
    trace.add("part", began, time.monotonic())
    trace.end("OK")
    spans.flush()
    part, call = exporter.get_finished_spans()
    assert call.start_time <= part.start_time <= part.end_time <= call.end_time
    spans.close()


def test_a_failed_call_is_an_error(traced: Traced, client: gleann.Client) -> None:
    with pytest.raises(errors.UnknownIndexError):
        client.get_index("none")
    call = traced.named("gleann.v1.IndexService/GetIndex")
    assert call.status.status_code.name == "ERROR"
    assert call.attributes["gleann.status"] == "NOT_FOUND"


def test_a_job_has_its_phases(
    traced: Traced, client: gleann.Client, quick: gleann.BuildParams
) -> None:
    client.build("words", quick).wait()
    job = traced.named("job build")
    assert {"train", "assign", "encode"} & set(traced.below(job))
    assert job.attributes["gleann.status"] == "done"
    assert job.parent is None


def call_with(server: Server, metadata: list[tuple[str, str]]) -> None:
    with grpc.insecure_channel(server.target.removeprefix("grpc://")) as channel:
        admin_pb2_grpc.AdminServiceStub(channel).GetServerInfo(
            admin_pb2.GetServerInfoRequest(), metadata=metadata
        )


@pytest.mark.parametrize(("flag", "count"), [("01", 1), ("00", 0)])
def test_the_parent_of_a_call_is_that_of_its_metadata(
    start_server: Start, flag: str, count: int
) -> None:
    """What the parent says of sampling holds, whatever the share."""
    traced = Traced(start_server(), 1.0 - count)
    call_with(traced.server, [("traceparent", f"00-{TRACE}-{PARENT}-{flag}")])
    if not count:
        call_with(traced.server, [("traceparent", f"00-{TRACE}-{PARENT}-01")])
    span = traced.named(INFO)
    if count:
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize("given", ["", "x" * 5000, "00-0-0-01", "00-zz-yy-01"])
def test_other_parents_are_none(traced: Traced, given: str) -> None:
    call_with(traced.server, [("traceparent", given)])
    assert traced.named(INFO).parent is None


def test_nothing_is_traced_by_default(start_server: Start) -> None:
    server = start_server()
    assert isinstance(server.application.telemetry.tracing, NoTracing)
    call_with(server, [("traceparent", f"00-{TRACE}-{PARENT}-01")])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        errors.InvalidParamsError, match="pip install opentelemetry-sdk"
    ):
        tracing_of(TraceSettings(endpoint="http://127.0.0.1:4317"))
