"""The lanes of a server, one for each kind of call."""

from collections.abc import Mapping

from gleann.index.parallel.cores import usable_cores
from gleann.service.config import Config
from gleann.service.config.queues import LoadSettings
from gleann.service.server.kinds import Kind
from gleann.service.server.queues.lanes import Lane, ThreadLane
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.queues.search_lane import SearchLane
from gleann.service.server.queues.waitlist import Waitlist
from gleann.service.server_status import QueueStatus
from gleann.service.servicers.search import SearchServicer
from gleann.service.telemetry.telemetry import Telemetry

CONTROL_THREADS = 2
"""They answer when all other threads are busy, so that work can be cancelled then."""


class LaneSet:
    """Lanes by the kind of their calls.

    Attributes:
        by_kind: the lanes.
        writes: that of changes, which also answers streams.
    """

    def __init__(
        self, config: Config, searches: SearchServicer, telemetry: Telemetry
    ) -> None:
        """Make the lanes.

        Args:
            config: of the server.
            searches: what reads and packs searches.
            telemetry: counts how long calls wait.
        """
        self._all: list[Places] = []
        self._telemetry = telemetry
        load, threads = config.load, config.rpc_threads
        # Kernels take as many cores as there are: more calls would only take turns.
        large = min(threads, config.threads or usable_cores())
        search = self._places("search", load)
        small, others = Waitlist(search, threads=1), Waitlist(search, threads=large)
        read = self._places("read", load)
        write = self._places("write", load)
        control = self._places("control", load)
        self.writes = _pool(write, threads)
        self.by_kind: Mapping[Kind, Lane] = {
            "search": SearchLane(small, others, searches, threads=large),
            "read": _pool(read, threads),
            "write": self.writes,
            "control": _pool(control, CONTROL_THREADS),
        }

    @property
    def held(self) -> int:
        """Number of running and queued calls."""
        return sum(places.held for places in self._all)

    def status(self) -> list[QueueStatus]:
        """The queues now, one for each kind."""
        return [lane.status() for lane in self.by_kind.values()]

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""
        for lane in self.by_kind.values():
            lane.close()

    def reload(self, load: LoadSettings) -> None:
        """Bound calls by new settings; those that are under way stay."""
        for places in self._all:
            with places.lock:
                places.bounds = _bounds(places.kind, load)

    def _places(self, kind: Kind, load: LoadSettings) -> Places:
        delays = self._telemetry.delays_of(kind)
        self._all.append(places := Places(kind, _bounds(kind, load), delays))
        return places


def _bounds(kind: Kind, load: LoadSettings) -> Bounds:
    counts: dict[Kind, int] = {
        "search": load.search_places,
        "read": load.read_places,
        "write": load.write_places,
        "control": load.control_places,
    }
    seconds = load.queue_seconds if kind == "search" else None
    return Bounds(places=counts[kind], share=load.client_share, seconds=seconds)


def _pool(places: Places, threads: int) -> ThreadLane:
    waitlist = Waitlist(places, threads=threads)
    return ThreadLane(waitlist, name=places.kind, threads=threads)
