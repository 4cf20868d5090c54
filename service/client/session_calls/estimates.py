"""Client calls for estimates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.connection import Calls, all_pages_of, name_of, part_id
from gleann.service.client.modes import M, method
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire.arrays import (
    bools_to_wire,
    float64s_to_wire,
    ids_to_wire,
)
from gleann.service.wire.estimate_messages import (
    ProxySource,
    estimate_of,
    estimate_params_to_wire,
    fill_proxy,
)
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.known_labels import known_to_wire
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.service.wire.selected_messages import batch_of
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import estimate_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate, EstimateParams, Known


class EstimateCalls(Calls[M]):
    """Calls on estimate sessions: `client.estimates`."""

    @method
    async def start(
        self,
        name: str,
        *,
        params: "EstimateParams",
        known: "Known | None" = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
        **source: Unpack[ProxySource],
    ) -> SessionInfo:
        """Start a stratified estimate of a count, a mean or a sum (ABae).

        Args:
            name: a built index.
            params: the target, the label budget and the method.
            known: existing labels, sampled in any way: counted exactly, in addition to
                the budget, and not requested again. Not with `examples`, which are
                known labels themselves.
            where: a condition on payload, such as "split = 'test' AND score > $1"; the
                estimate is over the vectors that pass now, whatever their payload
                becomes: only these need a proxy, and known labels of others are left
                out. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.
            **source: one of proxy, examples and representatives, from which the proxy
                is computed; see `ProxySource`.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            InvalidInputError: a vector without a proxy, or known labels that do not
                fit.
            InvalidParamsError: not one of `proxy`, `examples` and `representatives`, or
                a budget above the number of vectors.
            InvalidFilterError: `where` does not fit the columns.
            NotReadyError: the index was never built.
        """
        request = estimate_pb2.StartEstimateSessionRequest(
            index=name,
            params=estimate_params_to_wire(params),
            known=known_to_wire(known),
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        fill_proxy(request, **source)
        await self._connection.require_sendable(request)
        reply = await self._stubs.estimate.StartEstimateSession(request)
        return session_info_of(reply)

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next; the same batch until labels arrive.

        Returns:
            The vectors, most wanted first; none when the budget is spent.

        Raises:
            UnknownJobError: no such estimate session.
        """
        request = estimate_pb2.NextEstimateBatchRequest(session=name_of(session))
        pages = await all_pages_of(self._stubs.estimate.NextEstimateBatch, request)
        return batch_of(pages)

    @method
    async def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels for the current batch; all are accepted, or none.

        Labels above the message limit are sent in several messages, each atomic.

        Args:
            session: the session, or its name.
            ids: m vectors of the current batch.
            labels: m bools, True for a positive.
            values: for a mean or a sum, m numbers; those of positives are used.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such estimate session.
            InvalidInputError: a label that was not requested, or lengths differ.
        """
        batch = hold_id_array(ids)
        answers = as_answers(labels, n=len(batch))
        numbers = None if values is None else as_answers(values, n=len(batch))
        sizes = answer_sizes(batch, answers)
        for part in blocks_within(sizes, await self._connection.limits(), name="ids"):
            request = estimate_pb2.SubmitEstimateLabelsRequest(
                session=name_of(session),
                ids=ids_to_wire(batch[part]),
                positives=bools_to_wire(answers[part], name="labels"),
                request_id=part_id(request_id, part),
            )
            if numbers is not None:
                request.values = float64s_to_wire(numbers[part], name="values")
            reply = await self._stubs.estimate.SubmitEstimateLabels(request)
        return session_info_of(reply.session)

    @method
    async def get(self, session: str | SessionInfo) -> "Estimate":
        """The current estimate of an estimate session.

        Raises:
            UnknownJobError: no such estimate session.
            NotReadyError: too few labels yet.
        """
        request = estimate_pb2.GetEstimateRequest(session=name_of(session))
        return estimate_of(await self._stubs.estimate.GetEstimate(request))
