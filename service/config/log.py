"""The table [log]."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gleann.service.config.about import about, require_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The log of a server.

    Attributes:
        level: lowest level of the lines that are written.
        format: "console" for lines of text, or "json" for one JSON object a line.
        file: file to append to instead of stderr; opened again by SIGHUP.
        slow_seconds: seconds from which a search is logged as slow; 0 logs none.
    """

    level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata=about(flag="--log-level", reload=True)
    )
    format: Literal["console", "json"] = field(
        default="console", metadata=about(reload=True)
    )
    file: Path | None = field(default=None, metadata=about(reload=True))
    slow_seconds: float = field(default=1.0, metadata=about(reload=True, at_least=0))

    def __post_init__(self) -> None:
        require_allowed(self)
