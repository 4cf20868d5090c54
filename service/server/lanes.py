"""Threads that answer calls, one call each at a time."""

from collections.abc import Mapping
from threading import Lock, Thread
from time import monotonic
from typing import Protocol

from gleann.service.config import Config
from gleann.service.config.queues import LoadSettings
from gleann.service.server.call import Call
from gleann.service.server.kinds import Kind
from gleann.service.server.waitlist import Bounds, Waitlist
from gleann.service.server_status import QueueStatus
from gleann.service.telemetry.telemetry import Telemetry

CONTROL_THREADS = 2


class Lane(Protocol):
    """Answers the calls of a kind."""

    @property
    def held(self) -> int:
        """Number of running and queued calls."""

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read; see `Waitlist`."""

    def submit(self, call: Call) -> None:
        """Answer a call when its turn has come; see `Waitlist.add`."""

    def status(self) -> QueueStatus:
        """Its queue now."""

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""


class ThreadLane:
    """A pool of threads; each answers one call at a time."""

    def __init__(self, waitlist: Waitlist, *, threads: int) -> None:
        """Make a pool; threads are started when they are needed.

        Args:
            waitlist: where its calls wait.
            threads: maximum number of running calls.
        """
        self._waitlist = waitlist
        self._most = threads
        self._guard = Lock()
        self._threads = 0

    @property
    def held(self) -> int:
        """Number of running and queued calls."""
        return self._waitlist.held

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read; see `Waitlist`."""
        self._waitlist.require_place(client)

    def submit(self, call: Call) -> None:
        """Answer a call when a thread is free; see `Waitlist.add`."""
        if not self._waitlist.add(call) and self._threads < self._most:
            self._start()

    def status(self) -> QueueStatus:
        """Its queue now."""
        return self._waitlist.status()

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""
        self._waitlist.close()

    def _start(self) -> None:
        with self._guard:
            if self._threads == self._most:
                return
            self._threads += 1
            name = f"gleann-{self._waitlist.kind}-{self._threads}"
        Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while calls := self._waitlist.take():
            begun = monotonic()
            try:
                for call in calls:
                    call.answer()
            finally:
                self._waitlist.done(calls, monotonic() - begun)


def lanes_of(config: Config, telemetry: Telemetry) -> Mapping[Kind, Lane]:
    """The lanes of a server, by the kind of their calls; `telemetry` counts waits."""
    load, threads = config.load, config.rpc_threads
    found: dict[Kind, tuple[int, int]] = {
        "search": (load.search_places, threads),
        "read": (load.read_places, threads),
        "write": (load.write_places, threads),
        "control": (load.control_places, CONTROL_THREADS),
    }
    return {
        kind: _lane(kind, load, places, threads=most, telemetry=telemetry)
        for kind, (places, most) in found.items()
    }


def _lane(
    kind: Kind, load: LoadSettings, places: int, *, threads: int, telemetry: Telemetry
) -> ThreadLane:
    seconds = load.queue_seconds if kind == "search" else None
    bounds = Bounds(places=places, share=load.client_share, seconds=seconds)
    waitlist = Waitlist(
        kind,
        bounds,
        threads=threads,
        waited=lambda waited: telemetry.waited(kind, waited),
    )
    return ThreadLane(waitlist, threads=threads)
