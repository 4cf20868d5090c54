"""Client calls for rounds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.service.client.connection import Calls, Connection
from gleann.service.client.modes import M, method
from gleann.service.client.session_calls.active import ActiveCalls
from gleann.service.scores import Scores
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire.arrays import labels_to_wire, optional_ids_to_wire
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.rounds_messages import rounds_params_to_wire
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import rounds_pb2

if TYPE_CHECKING:
    from gleann.selection.rounds import RoundsParams


class RoundsCalls(Calls[M]):
    """Calls on rounds sessions: `client.rounds`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        # Batches, labels and scores travel in the messages of active learning.
        self._calls: ActiveCalls[M] = ActiveCalls(
            connection, service=connection.stubs.rounds
        )

    @method
    async def start(  # noqa: PLR0913 (what a session starts from)
        self,
        name: str,
        *,
        ids: ArrayLike | None = None,
        labels: ArrayLike = (),
        params: "RoundsParams | None" = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> SessionInfo:
        """Start rounds, from some labels or from none.

        The session belongs to the sealed version of the index; later changes of the
        index do not touch it. It survives a restart.

        Args:
            name: a built index, for cosine or l2.
            ids: vectors with a label already; None for none.
            labels: their classes, integers.
            params: how to pick; defaults to `RoundsParams()`.
            where: a condition on payload, such as "split = 'pool' AND score > $1"; only
                vectors that pass now are ever picked, whatever their payload becomes.
                Those of `ids` need not pass. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            InvalidParamsError: an index for inner product.
            DimensionMismatchError: ids and labels differ in number.
            InvalidFilterError: `where` does not fit the columns.
            NotReadyError: the index was never built.
        """
        request = rounds_pb2.StartRoundsSessionRequest(
            index=name,
            params=rounds_params_to_wire(params),
            ids=optional_ids_to_wire(ids),
            labels=labels_to_wire(labels),
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        await self._connection.require_sendable(request)
        return session_info_of(await self._stubs.rounds.StartRoundsSession(request))

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next; the same batch until labels arrive.

        Returns:
            The vectors, most wanted first; none when all are labelled or ignored.

        Raises:
            UnknownJobError: no such rounds session.
        """
        return await ActiveCalls.next_batch.body(self._calls, session)

    @method
    async def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels of any vectors, in the batch or not; all are accepted, or none.

        Labels above the message limit are sent in several messages, each atomic.

        Args:
            session: the session, or its name.
            ids: m vectors.
            labels: m classes, integers; new classes may appear in any round.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such rounds session.
            UnknownIdError: unknown id.
            InvalidInputError: a label that contradicts an earlier one.
        """
        return await ActiveCalls.submit_labels.body(
            self._calls, session, ids, labels, request_id=request_id
        )

    @method
    async def ignore(
        self, session: str | SessionInfo, ids: ArrayLike, *, request_id: str = ""
    ) -> SessionInfo:
        """Exclude vectors from later rounds.

        Raises:
            UnknownJobError: no such rounds session.
            UnknownIdError: unknown id.
        """
        return await ActiveCalls.ignore.body(
            self._calls, session, ids, request_id=request_id
        )

    @method
    async def score_items(
        self, session: str | SessionInfo, ids: ArrayLike | None = None
    ) -> Scores:
        """Class probabilities by the current model of a rounds session.

        Args:
            session: the session, or its name.
            ids: the vectors to score; None scores all of the session's index version.

        Raises:
            UnknownJobError: no such rounds session.
            UnknownIdError: unknown id.
            NotReadyError: the labels have fewer than two classes, or the session
                received labels during the call.
        """
        return await ActiveCalls.score_items.body(self._calls, session, ids)
