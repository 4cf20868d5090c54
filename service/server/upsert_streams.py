"""Streams of upserts that are open: they hold no thread while they wait.

The polling thread reads the messages of a stream, as many as are read ahead. What has
arrived is answered in a turn of the lane of changes, all of it together: the longer
the lane takes, the more batches share a commit. While a stream is as far ahead as it
may be, nothing is read, and the client is held back by the flow control of HTTP/2.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from time import monotonic
from typing import cast

from gleann.index.errors import (
    GleannError,
    OverloadedError,
    ServiceError,
    UnavailableError,
)
from gleann.service.calls.context import answering
from gleann.service.config.about import LARGEST
from gleann.service.config.queues import LoadSettings
from gleann.service.server.access import Access
from gleann.service.server.call import Call, Method, client_of
from gleann.service.server.connections import Silence, Silent
from gleann.service.server.queues.lanes import ThreadLane
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.rate_limited_log import RareLog
from gleann.service.server.rpc import Rpc
from gleann.service.streams.upserts import Request, UpsertStream, UpsertStreams
from gleann.service.telemetry.distribution import Distribution

AHEAD_BYTES = 16 << 20
"""Bytes of a stream that are read ahead of its answers, and one message more."""

RETRY_SECONDS = 1.0
"""After which a client comes again that found all places for streams taken."""


class UpsertRoute:
    """The route of `StreamUpsertVectors`."""

    def __init__(
        self,
        method: Method,
        lane: ThreadLane,
        rare: RareLog,
        *,
        streams: UpsertStreams,
        settings: LoadSettings,
        access: Access,
    ) -> None:
        """Prepare the route.

        Args:
            method: its name, how its messages are read, and who may call it.
            lane: what answers streams, turn by turn.
            rare: log for bytes that are no message.
            streams: makes streams.
            settings: how many streams may be open, and for how long silent.
            access: of the keys, and the log of changes.
        """
        self.method = method
        self.lane = lane
        self.rare = rare
        self.access = access
        self.window = settings.stream_window
        # The oldest never gives way: places are bounded before.
        self.silence = Silence(seconds=settings.stream_seconds, most=LARGEST)
        self._streams = streams
        self._places = Places("write", _bounds(settings), Distribution())
        self._open: dict[OpenStream, None] = {}
        self._closed = False

    def reload(self, settings: LoadSettings) -> None:
        """Apply other settings; open streams stay."""
        self.window = settings.stream_window
        self.silence.seconds = settings.stream_seconds
        with self._places.lock:
            self._places.bounds = _bounds(settings)

    def require_place(self, client: str) -> None:
        """Refuse a stream before its first message is read.

        Raises:
            OverloadedError: as many as may be are open, or of this client.
            UnavailableError: the server is stopping.
        """
        with self._places.lock:
            if self._closed:
                raise UnavailableError("the server is stopping")
            if (why := self._places.why_none(client)) is not None:
                raise OverloadedError(
                    f"streams of upserts: {why}: try again in {RETRY_SECONDS:g} s",
                    retry_seconds=RETRY_SECONDS,
                )

    def take(self, rpc: Rpc, message: bytes, client: str) -> None:
        """Open a stream with its first message."""
        with self._places.lock:
            self.require_place(client)
            self._places.enter(client)
            stream = self._streams.open(window=self.window)
            opened = OpenStream(rpc, self, stream)
            self._open[opened] = None
        rpc.when_ended(partial(self._left, opened, client))
        opened.hear(message)

    def streams(self) -> list["OpenStream"]:
        """Those that are open."""
        with self._places.lock:
            return list(self._open)

    def close(self) -> None:
        """End all streams, each when the turn that runs has been answered."""
        with self._places.lock:
            self._closed = True
        for stream in self.streams():
            stream.end(UnavailableError("the server is stopping"))
        self.silence.close()

    def _left(self, stream: "OpenStream", client: str) -> None:
        with self._places.lock:
            del self._open[stream]
            self._places.leave(client)
        stream.left()


def _bounds(settings: LoadSettings) -> Bounds:
    return Bounds(places=settings.streams, share=settings.client_share)


class OpenStream:
    """A stream between its first message and its end."""

    def __init__(self, rpc: Rpc, route: UpsertRoute, stream: UpsertStream) -> None:
        self._rpc = rpc
        self._route = route
        self._stream = stream
        self._began = monotonic()
        self._guard = Lock()
        self._waiting: deque[bytes] = deque()
        self._answering = self._answering_bytes = 0
        self._waiting_bytes = self._uncounted_bytes = 0
        self._reads = self._has_turn = self._answers = self._has_left = False
        self._hears_no_more = self._is_ending = False
        self._end: Callable[[], None] | None = None
        self._silent: Silent | None = None

    @property
    def ahead(self) -> int:
        """Messages that are read and not answered."""
        return len(self._waiting) + self._answering

    @property
    def unsent(self) -> int:
        """Answers that the client has not taken."""
        return self._rpc.unsent

    def hear(self, message: bytes | None) -> None:
        """Take the next message, or None when there is no further one."""
        with self._guard:
            self._reads = False
            self._stop_watch()
            if message is None:
                self._hears_no_more = True
            else:
                self._waiting.append(message)
                self._waiting_bytes += len(message)
                self._uncounted_bytes += len(message)
        self._go_on()

    def answer(self, turn: "Turn") -> None:
        """Answer the messages that wait, in a thread of the lane.

        Raises:
            UnauthenticatedError: the key is no longer good.
            PermissionDeniedError: it has no longer the right on the index.
            and what `UpsertStream.answers` raises.
        """
        with self._guard:
            if self._has_left:
                return
            self._answers = True
            messages, self._waiting = self._waiting, deque()
            count = self._answering = len(messages)
            self._answering_bytes, self._waiting_bytes = self._waiting_bytes, 0
            stops = self._hears_no_more
        self._route.access.require_still(self._rpc, self._stream.index)
        # One after the other: a message is not needed once it is read.
        requests = (turn.request_of(messages.popleft()) for _ in range(count))
        for response in self._stream.answers(requests):
            self._rpc.send(response.SerializeToString())
        if stops:
            self._stream.require_over()
        if self._stream.is_over:
            self._end_with(self._rpc.finish)

    def turn_over(self) -> None:
        """Go on after a turn."""
        with self._guard:
            is_last = self._answers and self._has_left
            self._has_turn = self._answers = False
            self._answering = self._answering_bytes = 0
        if is_last:
            self._conclude()
        self._go_on()

    def end(self, error: GleannError) -> None:
        """End with the status of an error, after the turn that runs, if any."""
        self._end_with(partial(self._rpc.fail, error))

    def left(self) -> None:
        """Forget the messages: the call has ended; a turn that runs is the last one."""
        with self._guard:
            self._has_left = True
            self._end = None  # its error holds the frames that hold this stream
            self._waiting.clear()
            self._stop_watch()
            is_idle = not self._answers
        if is_idle:
            self._conclude()

    def _conclude(self) -> None:
        """Give the stream up and log what it has changed, when that is known."""
        self._stream.close()
        self._route.access.audit.streamed(
            self._rpc.context,
            code=self._rpc.status_name,
            index=self._stream.index,
            changed=self._stream.count,
            seconds=monotonic() - self._began,
        )

    def _end_with(self, end: Callable[[], None]) -> None:
        with self._guard:
            if self._end is None:
                self._end = end
        self._go_on()

    def _go_on(self) -> None:
        """Begin what can begin now: the end, or a turn and a read."""
        with self._guard:
            actions = self._actions()
            if self._has_turn or self._has_left:
                self._stop_watch()
            elif self._silent is None:
                self._silent = self._route.silence.add(self._end_silent)
        for action in actions:
            action()

    def _actions(self) -> list[Callable[[], None]]:
        """What begins now, marked as begun; needs the lock."""
        if self._has_left or self._is_ending:
            return []
        if self._end is not None:
            if self._has_turn:
                return []
            self._is_ending = True
            return [partial(self._rpc.when_sent, self._end)]
        actions: list[Callable[[], None]] = []
        if not self._has_turn and (self._waiting or self._hears_no_more):
            self._has_turn = True
            size, self._uncounted_bytes = self._uncounted_bytes, 0
            actions.append(partial(self._submit, size))
        if not self._reads and not self._hears_no_more and self._has_room():
            if self._rpc.unsent > self._route.window:
                # Its answers are not read: it gets no further ones.
                actions.append(partial(self._rpc.when_sent, self._go_on))
            else:
                self._reads = True
                actions.append(partial(self._rpc.read, self.hear))
        return actions

    def _has_room(self) -> bool:
        """Whether another message may be read ahead."""
        size = self._waiting_bytes + self._answering_bytes
        return self.ahead < self._route.window and size < AHEAD_BYTES

    def _submit(self, size: int) -> None:
        try:
            self._route.lane.submit_turn(Turn.of(self, self._rpc, self._route, size))
        except UnavailableError as error:
            with self._guard:
                self._has_turn = False
            self.end(error)

    def _stop_watch(self) -> None:
        if self._silent is not None:
            self._route.silence.remove(self._silent)
            self._silent = None

    def _end_silent(self, error: ServiceError) -> None:
        if self._rpc.unsent:
            self._rpc.cancel()  # its answers are not read, so no status would be
        else:
            self.end(error)


@dataclass(slots=True, eq=False, kw_only=True)
class Turn(Call):
    """A turn of a stream in the lane of changes.

    Attributes:
        stream: the stream.
        new_bytes: those that no turn before it was counted with.
    """

    stream: OpenStream
    new_bytes: int

    @classmethod
    def of(cls, stream: OpenStream, rpc: Rpc, route: UpsertRoute, size: int) -> "Turn":
        """The next turn of a stream."""
        return cls(
            rpc,
            route.method,
            b"",
            route.rare,
            client_of(rpc),
            stream=stream,
            new_bytes=size,
        )

    @property
    def size(self) -> int:
        """As `Call.size`."""
        return self.new_bytes

    def fail(self, error: GleannError) -> None:
        """End the stream, after what was answered."""
        self.stream.end(error)

    def answer(self) -> None:
        """Answer what waits, in this thread."""
        try:
            with answering(self.context):
                self.attempt(lambda: self.stream.answer(self))
        finally:
            self.stream.turn_over()

    def request_of(self, message: bytes) -> Request:
        """A message of the stream; at its start, the caller needs the right.

        Raises:
            As `Call.request`.
        """
        request = cast("Request", self.read(message))
        if request.HasField("start"):
            self.method.allow(self.context, request)
        return request
