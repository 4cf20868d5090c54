"""The lane of searches: small ones that wait together are answered by one scan.

One thread takes all small searches that wait, reads their messages, scans once for
those that may be merged, and ends each call. So a search takes no thread of its own,
and none waits to fill a batch: the first finds the thread idle, and others arrive while
it scans. Large searches have threads of their own, so that small ones do not wait.
"""

from collections.abc import Hashable, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from time import monotonic
from typing import NamedTuple, cast

from gleann.index.errors import AnswerTooLargeError
from gleann.index.found import FoundRows
from gleann.service.calls.context import IN_PROCESS, answering
from gleann.service.search.weight import is_light
from gleann.service.server.call import Call
from gleann.service.server.queues.lanes import ThreadLane, started
from gleann.service.server.queues.waitlist import Waitlist, joined_status
from gleann.service.server.rpc import ending_many
from gleann.service.server_status import QueueStatus
from gleann.service.servicers.search import SearchServicer, WantedSearch
from gleann.v1 import search_pb2

SEARCH = "/gleann.v1.SearchService/Search"

SMALL_BYTES = 1 << 16
"""Bytes of the message of a small search, at most."""

BATCH_SECONDS = 0.02
"""Searches that take so long together are one batch: those who come meanwhile wait for
it."""


class _Ready(NamedTuple):
    call: Call
    wanted: WantedSearch
    key: Hashable


class SearchLane:
    """Answers searches."""

    def __init__(
        self,
        waitlist: Waitlist,
        others: Waitlist,
        searches: SearchServicer,
        *,
        threads: int,
    ) -> None:
        """Make the lane; its threads are started when they are needed.

        Args:
            waitlist: where small searches wait.
            others: where large ones wait, with the same places.
            searches: what reads and packs them.
            threads: that answer large searches.
        """
        self._waitlist = waitlist
        self._others = others
        self._large = ThreadLane(others, name="large-search", threads=threads)
        self._searches = searches
        self._guard = Lock()
        self._started = False

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read; see `Waitlist`."""
        self._waitlist.require_place(client)

    def submit(self, call: Call) -> None:
        """Answer a call when its turn has come; see `Waitlist.add`."""
        if len(call.message) > SMALL_BYTES or call.method.name != SEARCH:
            self._large.submit(call)
            return
        if not self._waitlist.add(call) and not self._started:
            self._start()

    def status(self) -> QueueStatus:
        """Its queue now."""
        return joined_status([self._waitlist, self._others], self._waitlist.delays)

    def close(self) -> None:
        """Start no more calls; running ones continue to their end."""
        self._waitlist.close()
        self._large.close()

    def _start(self) -> None:
        with self._guard:
            if self._started:
                return
            self._started = started(self._serve, "gleann-search")

    def _serve(self) -> None:
        while calls := self._waitlist.take(most_seconds=BATCH_SECONDS):
            begun = monotonic()
            try:
                self._answer(calls)
            except Exception as error:  # noqa: BLE001  a bug must not end the thread
                for call in calls:
                    call.attempt(partial(_raise, error))
            finally:
                self._waitlist.done(calls, monotonic() - begun)

    def _answer(self, calls: Sequence[Call]) -> None:
        groups: dict[Hashable, list[_Ready]] = {}
        for call in calls:
            if (ready := call.attempt(partial(self._ready, call))) is not None:
                groups.setdefault(ready.key, []).append(ready)
        for group in groups.values():
            replies = self._replies(group)
            with ending_many:
                for ready, reply in zip(group, replies, strict=True):
                    if reply is not None:
                        ready.call.rpc.finish(reply)

    def _ready(self, call: Call) -> _Ready | None:
        """A search with its request read; None where it turned out to be large."""
        request = cast("search_pb2.SearchRequest", call.request())
        wanted = self._searches.wanted(request)
        if is_light(wanted.task):
            return _Ready(call, wanted, wanted.task.merge_key())
        self._large.take_over(call, self._waitlist)
        return None

    def _replies(self, group: Sequence[_Ready]) -> Sequence[bytes | None]:
        """The answers to searches that may be merged; None where a call has ended."""
        outcomes = self._outcomes(group)
        found = [one for one in outcomes if isinstance(one, FoundRows)]
        plain = not any(ready.wanted.columns for ready in group)
        if len(found) == len(group) and plain:
            with suppress(AnswerTooLargeError):
                wanted = [ready.wanted for ready in group]
                return self._searches.packed_replies(wanted, found)
        return [
            ready.call.attempt(partial(self._packed, ready, outcome))
            for ready, outcome in zip(group, outcomes, strict=True)
        ]

    def _outcomes(self, group: Sequence[_Ready]) -> Sequence[FoundRows | Exception]:
        """The answers to searches that may be merged; errors in place of bad ones."""
        tasks = [ready.wanted.task for ready in group]
        began, first = monotonic(), group[0].call
        # What is logged of a scan for several calls is about none of them.
        call = first.context if len(group) == 1 else IN_PROCESS
        try:
            with answering(call):
                return self._searches.answer_together(tasks, arrived=first.since)
        except Exception as error:  # noqa: BLE001  a bug: each call reports it
            return [error] * len(group)
        finally:
            _trace(group, began)

    def _packed(self, ready: _Ready, outcome: FoundRows | Exception) -> bytes:
        if isinstance(outcome, Exception):
            raise outcome
        return self._searches.packed_reply(ready.wanted, outcome)


def _trace(group: Sequence[_Ready], began: float) -> None:
    """Add the scan to the traces of the calls that it answered."""
    ended = monotonic()
    for ready in group:
        if (trace := ready.call.context.trace) is not None:
            trace.add("scan", began, ended, calls=len(group))


def _raise(error: Exception) -> None:
    raise error
