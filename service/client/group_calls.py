"""The client's calls that estimate a number for each of several groups."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.active_calls import ActiveCalls, name_of
from gleann.service.client.calls import pages_of, part_id
from gleann.service.values import Selected, SessionInfo
from gleann.service.wire import selection_messages
from gleann.service.wire.arrays import (
    bools_to_wire,
    float64s_to_wire,
    ids_to_wire,
    labels_to_wire,
)
from gleann.service.wire.known_labels import fill_known_groups
from gleann.service.wire.paging import answer_sizes, as_answers, blocks_within
from gleann.v1 import selection_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import (
        Estimate,
        EstimateParams,
        Known,
        KnownGroups,
    )


class GroupCalls(ActiveCalls):
    """Group-by; `Client` is the class to use."""

    def start_group_session(
        self,
        name: str,
        *,
        params: "EstimateParams",
        proxies: Mapping[str, selection_messages.Column],
        overlapping: bool = False,
        known: "KnownGroups | Mapping[str, Known] | None" = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Start an estimate for each of several groups (ABae's group-by).

        Args:
            name: a built index.
            params: what to estimate, and the budget of labels for all groups together.
            proxies: (ids, numbers) for all vectors, of each group by its name.
            overlapping: whether a vector may be in several groups. Each group then asks
                a question of its own; otherwise an answer names the group.
            known: labels that are there already, counted exactly, beside the budget,
                and not asked for again: `Known` of each group by its name where groups
                overlap, else `KnownGroups`.
            request_id: a repeat with the same string returns the same session.

        Raises:
            UnknownIndexError: no such index.
            InvalidInputError: too few groups, a vector without a proxy, or known labels
                that do not fit.
            InvalidParamsError: a budget above the number of vectors, or too small.
            NotReadyError: the index was never built.
        """
        request = selection_pb2.StartGroupSessionRequest(
            index=name,
            params=selection_messages.estimate_params_to_wire(params),
            overlapping=overlapping,
            request_id=request_id,
        )
        selection_messages.fill_named(request.groups, proxies)
        fill_known_groups(request, known)
        self._require_sendable(request)
        return selection_messages.session_info_of(
            self._stubs.selection.StartGroupSession(request)
        )

    def next_group_batches(self, session: str | SessionInfo) -> dict[str, Selected]:
        """What to label next, by group; the same until labels arrive.

        Returns:
            A batch for each group that has something to label, or one under "" where
            an answer names the group; none when the budget is spent.

        Raises:
            UnknownJobError: no such session.
        """
        request = selection_pb2.NextGroupBatchesRequest(session=name_of(session))
        pages: dict[str, list[selection_pb2.GroupBatch]] = {}
        for reply in pages_of(self._stubs.selection.NextGroupBatches, request):
            for page in reply.batches:
                pages.setdefault(page.group, []).append(page)
        return {
            group: selection_messages.batch_of(parts) for group, parts in pages.items()
        }

    def submit_group_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        group: str | None = None,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Bring labels of a current batch; all are taken, or none.

        Labels too many for one message are sent in several, each taken whole or not.

        Args:
            session: the session, or its name.
            ids: m vectors of the batch.
            labels: with `group` m bools, True for a member; without it m numbers of
                groups, from 0 in the order that they were started with, -1 for none.
            group: whose question was answered, where groups overlap.
            values: m numbers, for a mean or a sum; those of members count.
            request_id: a repeat with the same string changes nothing.

        Raises:
            UnknownJobError: no such session.
            InvalidInputError: a label that was not asked for, a group that there is
                not, or labels of the other kind.
        """
        told = hold_id_array(ids)
        answers = as_answers(labels, n=len(told))
        numbers = None if values is None else as_answers(values, n=len(told))
        for part in blocks_within(
            answer_sizes(told, answers), self._limits, name="ids"
        ):
            request = selection_pb2.SubmitGroupLabelsRequest(
                session=name_of(session),
                ids=ids_to_wire(told[part]),
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
            reply = self._stubs.selection.SubmitGroupLabels(request)
        return selection_messages.session_info_of(reply.session)

    def get_group_estimates(self, session: str | SessionInfo) -> "dict[str, Estimate]":
        """The estimate of each group from its labels so far.

        Raises:
            UnknownJobError: no such session.
            NotReadyError: too few labels yet.
        """
        request = selection_pb2.GetGroupEstimatesRequest(session=name_of(session))
        reply = self._stubs.selection.GetGroupEstimates(request)
        return {
            one.group: selection_messages.estimate_of(one.estimate)
            for one in reply.estimates
        }
