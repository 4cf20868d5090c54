"""OpenTelemetry traces: a span for each call and job, and spans for their parts.

The only module that imports opentelemetry (the extra "trace"); only a server that
exports traces imports it. Where nothing is traced, a call has no `Trace`, and each part
costs the look at that.
"""

import time
from collections.abc import Mapping
from threading import Thread
from typing import TypeAlias

from opentelemetry import trace as api
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import gleann
from gleann.service.telemetry.traces import Kind, Trace

Attributes: TypeAlias = Mapping[str, str | int | float | bool]

PARENT_HEADER = "traceparent"
CLOSING_SECONDS = 2.0
"""Longest that closing waits for the last spans to be sent."""

_KINDS: Mapping[Kind, api.SpanKind] = {
    "server": api.SpanKind.SERVER,
    "internal": api.SpanKind.INTERNAL,
}


class SpanTracing:
    """Makes spans, and hands them to an exporter in the background."""

    def __init__(self, exporter: SpanExporter, *, share: float) -> None:
        """Begin to trace.

        Args:
            exporter: where spans go.
            share: of what has no parent that is traced, in [0, 1]; what has one is
                traced as its parent is.
        """
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource.create({"service.name": "gleann"}),
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gleann", gleann.__version__)
        self._parents = TraceContextTextMapPropagator()

    def begin(self, name: str, kind: Kind, parent: str = "") -> Trace | None:
        """Begin the span of a call or a job; None where it is not traced.

        Args:
            name: of the span.
            kind: whether somebody else waits for it.
            parent: W3C traceparent of the caller; what is none is not looked at.
        """
        context = self._parents.extract({PARENT_HEADER: parent}) if parent else None
        zero = time.time_ns() - _nanoseconds(time.monotonic())
        span = self._tracer.start_span(
            name,
            context=context,
            kind=_KINDS[kind],
            start_time=zero + _nanoseconds(time.monotonic()),
        )
        return SpanTrace(self._tracer, span, zero) if span.is_recording() else None

    def flush(self) -> None:
        """Send what has ended."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what has ended, within `CLOSING_SECONDS`."""
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSING_SECONDS)


class SpanTrace:
    """The span of a call or a job.

    All its times, and those of its parts, are by `time.monotonic` from one moment on.
    The time of day for each would be read beside that clock, and where the thread waits
    between the two, a part would end before it begins, or begin before its call.
    """

    def __init__(self, tracer: api.Tracer, span: api.Span, zero: int) -> None:
        """Take a span that has begun.

        Args:
            tracer: of the span.
            span: of the call or the job.
            zero: nanoseconds since 1970 at which `time.monotonic` is 0.
        """
        self._tracer = tracer
        self._span = span
        self._zero = zero
        self._context = api.set_span_in_context(span)

    def add(
        self, name: str, began: float, ended: float, **attributes: str | int | float
    ) -> None:
        """Add a span of a part that has ended; times by `time.monotonic`."""
        part = self._tracer.start_span(
            name,
            context=self._context,
            start_time=self._zero + _nanoseconds(began),
            attributes=attributes,
        )
        part.end(end_time=self._zero + _nanoseconds(ended))

    def end(self, status: str, **attributes: str | int | float) -> None:
        """End the span; a status other than "OK" and "done" is an error of it."""
        for name, value in attributes.items():
            self._span.set_attribute(name, value)
        self._span.set_attribute("gleann.status", status)
        if status not in ("OK", "done"):
            self._span.set_status(api.StatusCode.ERROR, status)
        self._span.end(end_time=self._zero + _nanoseconds(time.monotonic()))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
