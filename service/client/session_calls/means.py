"""Client calls for several means and shares from one labelled sample."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.connection import Calls, all_pages_of, name_of, part_id
from gleann.service.client.modes import M, method
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire.arrays import Column, ids_to_wire
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.means_messages import (
    fill_known,
    means_of,
    means_params_to_wire,
    values_to_wire,
)
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.service.wire.selected_messages import batch_of
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import means_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate.means import JointEstimates, MeansParams


class MeansCalls(Calls[M]):
    """Calls on sessions of several means and shares: `client.means`."""

    @method
    async def start(  # noqa: PLR0913 (what a session starts from)
        self,
        name: str,
        *,
        params: "MeansParams",
        controls: Mapping[str, Column | str] | None = None,
        groups: Mapping[str, Column | str] | None = None,
        by_list: bool = False,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> SessionInfo:
        """Start estimates whose intervals hold together, from one labelled sample.

        Args:
            name: a built index.
            params: the statistics, the confidence and the label budget.
            controls: (ids, numbers) for all vectors, or a column of payload, by name:
                predictions of the statistics, or anything that goes with them. Columns
                of payload come last.
            groups: (ids, groups) for all vectors, or a column of payload, by name:
                integers or strings, such as the source of each.
            by_list: whether the inverted list of each vector is a group too.
            where: a condition on payload, such as "split = 'test' AND score > $1"; the
                estimates are over the vectors that pass now, whatever their payload
                becomes, and only these need numbers and groups. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            UnknownColumnError: no such column of payload.
            InvalidInputError: a vector without a number or a group.
            InvalidParamsError: a budget above the number of vectors.
            InvalidFilterError: `where` does not fit the columns.
            LimitError: too many statistics, strata or groups.
            NotReadyError: the index was never built, or has newer changes.
        """
        request = means_pb2.StartMeansSessionRequest(
            index=name,
            params=means_params_to_wire(params),
            by_list=by_list,
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        fill_known(request, controls or {}, groups or {})
        await self._connection.require_sendable(request)
        return session_info_of(await self._stubs.means.StartMeansSession(request))

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next; the same batch until values arrive.

        Returns:
            The vectors; none when the budget is spent.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: it is of another kind.
        """
        request = means_pb2.NextMeansBatchRequest(session=name_of(session))
        pages = await all_pages_of(self._stubs.means.NextMeansBatch, request)
        return batch_of(pages)

    @method
    async def submit_values(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        values: ArrayLike,
        *,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit values for the current batch; all are accepted, or none.

        Values above the message limit are sent in several messages, each atomic.

        Args:
            session: the session, or its name.
            ids: m vectors of the current batch.
            values: (m, J), a column a statistic in their order: numbers, 0 and 1 for a
                share, NaN where a vector has no value for an "avg". One statistic may
                be (m,).
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: a vector that was not requested, or a value that
                contradicts an earlier one or is none.
            DimensionMismatchError: not one value for each id and statistic.
        """
        batch = hold_id_array(ids)
        answers = as_answers(values, n=len(batch), name="values")
        sizes = answer_sizes(batch, answers)
        for part in blocks_within(sizes, await self._connection.limits(), name="ids"):
            request = means_pb2.SubmitMeansValuesRequest(
                session=name_of(session),
                ids=ids_to_wire(batch[part]),
                values=values_to_wire(answers[part]),
                request_id=part_id(request_id, part),
            )
            reply = await self._stubs.means.SubmitMeansValues(request)
        return session_info_of(reply.session)

    @method
    async def get(self, session: str | SessionInfo) -> "JointEstimates":
        """The estimates, whose intervals hold together.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: it is of another kind.
            NotReadyError: the budget is not spent.
        """
        request = means_pb2.GetMeansRequest(session=name_of(session))
        return means_of(await self._stubs.means.GetMeans(request))
