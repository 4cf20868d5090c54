"""The table [trace]."""

from dataclasses import dataclass, field

from gleann.service.config.about import about, require_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """OpenTelemetry traces; they need the extra "trace".

    Attributes:
        endpoint: OTLP collector, such as "http://127.0.0.1:4317"; without it nothing is
            traced.
        share: share of the calls without a parent trace that are traced.
    """

    endpoint: str | None = None
    share: float = field(default=1.0, metadata=about(at_least=0, at_most=1))

    def __post_init__(self) -> None:
        require_allowed(self)
