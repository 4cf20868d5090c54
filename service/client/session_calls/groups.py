"""Client calls for estimates of several groups."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.connection import Calls, name_of, pages_of, part_id
from gleann.service.client.modes import M, method
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire.arrays import (
    Column,
    bools_to_wire,
    float64s_to_wire,
    ids_to_wire,
    labels_to_wire,
)
from gleann.service.wire.estimate_messages import (
    estimate_of,
    estimate_params_to_wire,
    fill_named,
)
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.known_labels import fill_known_groups
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.service.wire.selected_messages import batch_of
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import estimate_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import (
        EstimateParams,
        GroupEstimates,
        Known,
        KnownGroups,
    )


class GroupCalls(Calls[M]):
    """Calls on group-estimate sessions: `client.groups`."""

    @method
    async def start(  # noqa: PLR0913 (what a session starts from)
        self,
        name: str,
        *,
        params: "EstimateParams",
        proxies: Mapping[str, Column],
        overlapping: bool = False,
        known: "KnownGroups | Mapping[str, Known] | None" = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> SessionInfo:
        """Start an estimate for each of several groups (ABae's group-by).

        Args:
            name: a built index.
            params: the target, and the label budget of all groups together.
            proxies: (ids, numbers) for all vectors, by group name.
            overlapping: whether a vector may be in several groups. Each group then has
                its own question; otherwise an answer names the group.
            known: existing labels, counted exactly, in addition to the budget, and not
                requested again: `Known` by group name if groups overlap, else
                `KnownGroups`.
            where: a condition on payload, such as "split = 'test' AND score > $1"; the
                estimates are over the vectors that pass now, whatever their payload
                becomes: only these need a proxy, and known labels of others are left
                out. None for no condition.
            parameters: the values of $1, $2 and so on.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            InvalidInputError: too few groups, a vector without a proxy, or known labels
                that do not fit.
            InvalidParamsError: a budget above the number of vectors, or too small.
            InvalidFilterError: `where` does not fit the columns.
            NotReadyError: the index was never built.
        """
        request = estimate_pb2.StartGroupSessionRequest(
            index=name,
            params=estimate_params_to_wire(params),
            overlapping=overlapping,
            filter=filter_to_wire(where, parameters),
            request_id=request_id,
        )
        fill_named(request.groups, proxies)
        fill_known_groups(request, known)
        await self._connection.require_sendable(request)
        return session_info_of(await self._stubs.estimate.StartGroupSession(request))

    @method
    async def next_batches(self, session: str | SessionInfo) -> dict[str, Selected]:
        """The vectors to label next, by group; the same batches until labels arrive.

        Returns:
            A batch per group with pending questions, or one batch under "" if an
            answer names the group; empty when the budget is spent.

        Raises:
            UnknownJobError: no such session.
        """
        request = estimate_pb2.NextGroupBatchesRequest(session=name_of(session))
        pages: dict[str, list[estimate_pb2.GroupBatch]] = {}
        async for reply in pages_of(self._stubs.estimate.NextGroupBatches, request):
            for page in reply.batches:
                pages.setdefault(page.group, []).append(page)
        return {group: batch_of(parts) for group, parts in pages.items()}

    @method
    async def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        group: str | None = None,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels for a current batch; all are accepted, or none.

        Labels above the message limit are sent in several messages, each atomic.

        Args:
            session: the session, or its name.
            ids: m vectors of the batch.
            labels: with `group` m bools, True for a member; without it m group numbers,
                from 0 in the order at the start, -1 for no group.
            group: the group of the question, if groups overlap.
            values: m numbers, for a mean or a sum; those of members are used.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: a label that was not requested, an unknown group, or
                labels of the other kind.
        """
        batch = hold_id_array(ids)
        answers = as_answers(labels, n=len(batch))
        numbers = None if values is None else as_answers(values, n=len(batch))
        for part in blocks_within(
            answer_sizes(batch, answers), await self._connection.limits(), name="ids"
        ):
            request = estimate_pb2.SubmitGroupLabelsRequest(
                session=name_of(session),
                ids=ids_to_wire(batch[part]),
                request_id=part_id(request_id, part),
            )
            if numbers is not None:
                request.values = float64s_to_wire(numbers[part], name="values")
            if group is None:
                request.groups.numbers = labels_to_wire(answers[part])
            else:
                request.positives.group = group
                held = bools_to_wire(answers[part], name="labels")
                request.positives.positives = held
            reply = await self._stubs.estimate.SubmitGroupLabels(request)
        return session_info_of(reply.session)

    @method
    async def get(self, session: str | SessionInfo) -> "GroupEstimates":
        """The current estimate of each group.

        Raises:
            UnknownJobError: no such session.
            NotReadyError: too few labels yet.
        """
        from gleann.selection.estimate import GroupEstimates

        request = estimate_pb2.GetGroupEstimatesRequest(session=name_of(session))
        reply = await self._stubs.estimate.GetGroupEstimates(request)
        return GroupEstimates(
            {one.group: estimate_of(one.estimate) for one in reply.estimates}
        )
