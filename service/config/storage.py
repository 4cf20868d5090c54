"""The table [storage]."""

from dataclasses import dataclass, field

from gleann.service.config.about import about, require_allowed

MOST_BYTES = 1 << 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """The disk of the data directory.

    Attributes:
        min_free_bytes: free bytes on the disk of the data directory below which the
            server refuses changes (it is read-only); 0 looks at errors of the disk
            alone.
    """

    min_free_bytes: int = field(
        default=64 << 20,
        metadata=about(reload=True, at_least=0, at_most=MOST_BYTES),
    )

    def __post_init__(self) -> None:
        require_allowed(self)
