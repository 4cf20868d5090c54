"""The table [load]."""

from dataclasses import dataclass, field

from gleann.service.config.about import about, require_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How many calls run and wait, and for how long. What is more is refused.

    Attributes:
        search_places: maximum number of searches that run and wait.
        read_places: maximum number of other calls that compute, such as fetches,
            scrolls and batches of sessions, that run and wait.
        write_places: maximum number of changes that run and wait.
        control_places: maximum number of calls on the server and its operations that
            run and wait.
        client_share: share of the places of a kind that one client may take, in (0, 1].
            A client is a key, or a host where there are no keys.
        queue_seconds: seconds that a search may wait for its turn. One that would wait
            longer, by the pace of the last ones, or beyond its deadline, is refused.
        streams: maximum number of open streams of upserts.
        stream_window: batches of a stream that the server reads ahead of its answers.
        stream_seconds: seconds after which a stream without a message is ended.
    """

    search_places: int = field(default=256, metadata=about(at_least=1))
    read_places: int = field(default=256, metadata=about(at_least=1))
    write_places: int = field(default=256, metadata=about(at_least=1))
    control_places: int = field(default=256, metadata=about(at_least=1))
    client_share: float = field(default=0.5, metadata=about(at_least=0.001, at_most=1))
    queue_seconds: float = field(default=2.0, metadata=about(at_least=0.001))
    streams: int = field(default=64, metadata=about(at_least=1))
    stream_window: int = field(default=16, metadata=about(at_least=1, at_most=1024))
    stream_seconds: float = field(default=60.0, metadata=about(at_least=0.001))

    def __post_init__(self) -> None:
        require_allowed(self)

    @property
    def places(self) -> int:
        """Places of all kinds."""
        calls = self.search_places + self.read_places + self.write_places
        return calls + self.control_places
