"""The table [metrics]."""

from dataclasses import dataclass, field
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.service.config.about import about, require_allowed
from gleann.service.config.address import UNIX, is_remote


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """The metrics of a server for Prometheus.

    Attributes:
        listen: "host:port" of GET /metrics and /healthz; without it there is no such
            port. Other machines can reach it only if there is a `token_file`.
        token_file: file with the token that GET /metrics must carry as "Authorization:
            Bearer TOKEN"; /healthz needs none.
        most_indexes: number of indexes with metrics of their own; those of others are
            added up under the name "_other".
    """

    listen: str | None = None
    token_file: Path | None = field(default=None, metadata=about(reload=True))
    most_indexes: int = field(default=100, metadata=about(at_least=1, at_most=10_000))

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.listen is None:
            return
        if self.listen.startswith(UNIX):
            raise InvalidParamsError(f"listen must be host:port, got {self.listen!r}")
        if is_remote(self.listen) and self.token_file is None:
            raise InvalidParamsError(
                f"listen is {self.listen!r}, which other machines can reach: set"
                " token_file"
            )
