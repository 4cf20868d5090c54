"""The table [probe]."""

from dataclasses import dataclass, field

from gleann.service.config.about import about, require_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """The recall probe, which repeats a sample of the queries by exact search.

    Attributes:
        share: largest share of the time of one core that exact repeats may take, at
            most 0.5; 0 turns the probe off.
        one_in: one query in so many is a candidate.
    """

    share: float = field(
        default=0.01, metadata=about(reload=True, at_least=0, at_most=0.5)
    )
    one_in: int = field(default=100, metadata=about(reload=True, at_least=1))

    def __post_init__(self) -> None:
        require_allowed(self)
