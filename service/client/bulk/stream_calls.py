"""The part of `VectorCalls` that stores vectors by streams."""

from collections.abc import Callable

from gleann.service.client.bulk.exchange import RefusedBatch
from gleann.service.client.bulk.stream import PATIENCE, Batches, UpsertStream
from gleann.service.client.connection import Calls
from gleann.service.client.modes import M, method
from gleann.service.client.reports import Wanted


class StreamCalls(Calls[M]):
    """Calls that store vectors while further ones are sent."""

    def stream(
        self,
        name: str,
        *,
        stream_id: str = "",
        progress: Wanted = None,
        on_refused: Callable[[RefusedBatch], None] | None = None,
        patience: float = PATIENCE,
    ) -> UpsertStream[M]:
        """A stream of vectors, which are stored while further ones are sent.

            with client.vectors.stream("words") as stream:
                for ids, vectors in batches:
                    stream.send(ids, vectors)
            print(stream.count)

        Each batch is on disk before it is acknowledged, and several share a commit. It
        breaks neither when the server is started again nor when the client is slow.

        Args:
            name: the index.
            stream_id: of the caller's choice; a later stream with it goes on behind the
                last batch that was stored, which is `stream.sequence`. Two at once are
                refused: the older one ends with ConflictError.
            progress: as in `upsert`, after each answer of the server.
            on_refused: called with each batch that the server refuses, such as one with
                NaN. Without it the first is raised by `flush` and at the end; the
                others are stored in either case.
            patience: seconds to try again while no server answers.

        Returns:
            A stream for `with`, or `async with`. Its methods raise; this one does not.
        """
        return UpsertStream(
            self._connection,
            name,
            stream_id=stream_id,
            progress=progress,
            on_refused=on_refused,
            patience=patience,
        )

    @method
    async def upload(
        self,
        name: str,
        batches: Batches,
        *,
        stream_id: str = "",
        progress: Wanted = None,
        on_refused: Callable[[RefusedBatch], None] | None = None,
        patience: float = PATIENCE,
    ) -> int:
        """Store batches by a stream; also one that an earlier call has begun.

        Args:
            name: the index.
            batches: tuples of ids, vectors and, if there are any, values of payload, as
                in `upsert`; an asynchronous iterator with `AsyncClient`.
            stream_id: called again with the same one and the same batches, it goes on
                behind those that are stored, also where this program had died.
            progress: as in `stream`.
            on_refused: as in `stream`.
            patience: as in `stream`.

        Returns:
            Vectors that are stored, by the earlier calls too.

        Raises:
            As `upsert`; all other batches are stored where one is refused.
            ConflictError: the stream_id is of a stream with other batches, or goes on
                in a newer call.
            UnavailableError: no server answers for `patience` seconds.
        """
        stream = StreamCalls.stream(
            self,
            name,
            stream_id=stream_id,
            progress=progress,
            on_refused=on_refused,
            patience=patience,
        )
        return await UpsertStream.send_all.body(stream, batches)
