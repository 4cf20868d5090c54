"""`Places`: bounds on the calls of a kind that run and wait, also of one client."""

from collections import Counter
from dataclasses import dataclass
from threading import RLock

from gleann.service.server.kinds import Kind
from gleann.service.telemetry.distribution import Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Bounds of the calls of a kind.

    Attributes:
        places: calls that run and wait, at most.
        share: of the places that one client may take.
        seconds: that a call may wait; None for any.
    """

    places: int
    share: float = 1.0
    seconds: float | None = None

    @property
    def client_places(self) -> int:
        """Calls of one client that run and wait, at most."""
        return max(1, round(self.places * self.share))


class Places:
    """The places of a kind, in one queue or several.

    Attributes:
        kind: the kind.
        bounds: its bounds.
        delays: seconds that calls waited for a thread.
        lock: held by callers of all methods.
    """

    def __init__(self, kind: Kind, bounds: Bounds, delays: Distribution) -> None:
        self.kind = kind
        self.bounds = bounds
        self.delays = delays
        self.lock = RLock()
        self._held = 0
        self._of_client: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """Number of running and queued calls."""
        return self._held

    def why_none(self, client: str) -> str | None:
        """Why there is no place for a call of a client; None if there is one."""
        held, most, who = self._held, self.bounds.places, "the server"
        if held < most:
            held, most = self._of_client[client], self.bounds.client_places
            who = "this client"
        if held < most:
            return None
        return f"{who} has {held} calls under way, at most {most} are admitted"

    def enter(self, client: str) -> None:
        """Take a place."""
        self._held += 1
        self._of_client[client] += 1

    def leave(self, client: str) -> None:
        """Give a place back."""
        self._held -= 1
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]
