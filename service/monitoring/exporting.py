"""The traces of a server, as its settings say."""

from gleann.index.errors import InvalidParamsError
from gleann.index.remedies import TRACE
from gleann.service.config.trace import TraceSettings
from gleann.service.telemetry.traces import NoTracing, Tracing

EXPORT_SECONDS = 5
"""Longest that one export of spans may take."""


def tracing_of(settings: TraceSettings) -> Tracing:
    """What makes traces; nothing is imported where there is no collector.

    Raises:
        InvalidParamsError: the packages of OpenTelemetry are not installed.
    """
    if settings.endpoint is None:
        return NoTracing()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter,
        )

        from gleann.service.telemetry.tracing import SpanTracing
    except ImportError as error:
        raise InvalidParamsError(
            f"trace.endpoint is set, but {error.name} is not installed: {TRACE}"
        ) from error
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_SECONDS)
    return SpanTracing(exporter, share=settings.share)
