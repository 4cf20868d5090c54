"""EstimateService."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.service.application import Application
from gleann.service.sessions import start_estimate as starting
from gleann.service.wire.arrays import (
    any_float64s_of,
    bools_of,
    float64s_of,
    ids_of,
    labels_of,
)
from gleann.service.wire.estimate_messages import (
    candidates_of,
    estimate_params_of,
    estimate_to_wire,
    scores_column_of,
)
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.known_labels import (
    known_by_group_of,
    known_groups_of,
    known_of,
)
from gleann.service.wire.page_tokens import (
    next_token,
    page_position,
)
from gleann.service.wire.paging import page_of, page_of_groups
from gleann.service.wire.selected_messages import items_to_wire
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import estimate_pb2, estimate_pb2_grpc, session_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import EstimateParams
    from gleann.service.views.live_index import View


class EstimateServicer(estimate_pb2_grpc.EstimateServiceServicer):
    """Servicer of estimates, for one group or several."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._estimates = application.estimates
        self._groups = application.groups
        self._receipts = application.receipts

    def StartEstimateSession(  # noqa: N802
        self, request: estimate_pb2.StartEstimateSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start an estimate."""
        return self._receipts.once(request, self._start_estimate, session_pb2.Session)

    def NextEstimateBatch(  # noqa: N802
        self, request: estimate_pb2.NextEstimateBatchRequest, _: object
    ) -> estimate_pb2.NextEstimateBatchResponse:
        """Return the next batch to label."""
        start = page_position(request.page_token)
        batch, more = page_of(
            self._estimates.next_batch(request.session),
            self._application.limits,
            start=start,
        )
        return estimate_pb2.NextEstimateBatchResponse(
            items=items_to_wire(batch),
            next_page_token=next_token(more),
            summary_json=json.dumps(batch.summary),
            provenance_json=json.dumps(batch.provenance),
        )

    def SubmitEstimateLabels(  # noqa: N802
        self, request: estimate_pb2.SubmitEstimateLabelsRequest, _: object
    ) -> estimate_pb2.SubmitEstimateLabelsResponse:
        """Submit labels."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._answer, estimate_pb2.SubmitEstimateLabelsResponse
            )

    def GetEstimate(  # noqa: N802
        self, request: estimate_pb2.GetEstimateRequest, _: object
    ) -> estimate_pb2.Estimate:
        """Return the current estimate."""
        return estimate_to_wire(self._estimates.estimate(request.session))

    def StartGroupSession(  # noqa: N802
        self, request: estimate_pb2.StartGroupSessionRequest, _: object
    ) -> session_pb2.Session:
        """Start an estimate for each group."""
        return self._receipts.once(request, self._start_groups, session_pb2.Session)

    def NextGroupBatches(  # noqa: N802
        self, request: estimate_pb2.NextGroupBatchesRequest, _: object
    ) -> estimate_pb2.NextGroupBatchesResponse:
        """Return the next batch to label."""
        batches = self._groups.next_batches(request.session)
        page, more = page_of_groups(
            batches,
            self._application.limits,
            start=page_position(request.page_token),
        )
        return estimate_pb2.NextGroupBatchesResponse(
            batches=[
                estimate_pb2.GroupBatch(
                    group=group,
                    items=items_to_wire(batch),
                    summary_json=json.dumps(batch.summary),
                    provenance_json=json.dumps(batch.provenance),
                )
                for group, batch in page.items()
            ],
            next_page_token=next_token(more),
        )

    def SubmitGroupLabels(  # noqa: N802
        self, request: estimate_pb2.SubmitGroupLabelsRequest, _: object
    ) -> estimate_pb2.SubmitGroupLabelsResponse:
        """Submit labels."""
        with self._store.changing(request.session):
            return self._receipts.once(
                request, self._answer_groups, estimate_pb2.SubmitGroupLabelsResponse
            )

    def GetGroupEstimates(  # noqa: N802
        self, request: estimate_pb2.GetGroupEstimatesRequest, _: object
    ) -> estimate_pb2.GroupEstimates:
        """Return the current estimates."""
        made = self._groups.estimates(request.session)
        return estimate_pb2.GroupEstimates(
            estimates=[
                estimate_pb2.GroupEstimate(group=group, estimate=estimate_to_wire(one))
                for group, one in made.items()
            ]
        )

    def _start_estimate(
        self, request: estimate_pb2.StartEstimateSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        params = estimate_params_of(request.params)
        keep = self._estimates.start(view, _started(request, view, params))
        return lambda: session_info_to_wire(keep())

    def _start_groups(
        self, request: estimate_pb2.StartGroupSessionRequest
    ) -> Callable[[], session_pb2.Session]:
        view = self._application.registry.view(request.index)
        params = estimate_params_of(request.params)
        proxies, condition = candidates_of(request.groups), condition_of(request)
        if request.overlapping:
            by_group = known_by_group_of(request)
            started = starting.of_overlapping_groups(
                view, params, proxies=proxies, known=by_group, condition=condition
            )
        else:
            known = known_groups_of(request)
            started = starting.of_disjoint_groups(
                view, params, proxies=proxies, known=known, condition=condition
            )
        keep = self._groups.start(view, started)
        return lambda: session_info_to_wire(keep())

    def _answer_groups(
        self, request: estimate_pb2.SubmitGroupLabelsRequest
    ) -> Callable[[], estimate_pb2.SubmitGroupLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        n = len(ids)
        values = None
        if request.HasField("values"):
            values = any_float64s_of(request.values, name="values", n=n)
        labels = request.WhichOneof("labels")
        if labels == "groups":
            numbers = labels_of(request.groups.numbers, n=n, name="groups")
            keep = self._groups.submit_groups(request.session, ids, numbers, values)
        elif labels == "positives":
            held = bools_of(request.positives.positives, name="positives", n=n)
            keep = self._groups.submit_positives(
                request.session, request.positives.group, ids, held, values
            )
        else:
            raise InvalidInputError("labels are required: groups or positives")
        return lambda: estimate_pb2.SubmitGroupLabelsResponse(
            session=session_info_to_wire(keep())
        )

    def _answer(
        self, request: estimate_pb2.SubmitEstimateLabelsRequest
    ) -> Callable[[], estimate_pb2.SubmitEstimateLabelsResponse]:
        ids = ids_of(request.ids, name="ids")
        values = None
        if request.HasField("values"):
            values = any_float64s_of(request.values, name="values", n=len(ids))
        keep = self._estimates.submit(
            request.session,
            ids,
            bools_of(request.positives, name="positives", n=len(ids)),
            values,
        )
        return lambda: estimate_pb2.SubmitEstimateLabelsResponse(
            session=session_info_to_wire(keep())
        )


def _started(
    request: estimate_pb2.StartEstimateSessionRequest,
    view: "View",
    params: "EstimateParams",
) -> starting.Started:
    """Start an estimate with the proxy in the request.

    Raises:
        InvalidInputError: it has none, or known labels together with examples.
    """
    known, condition = known_of(request), condition_of(request)
    proxy = request.WhichOneof("proxy")
    if proxy == "scores":
        ids, numbers = scores_column_of(request.scores, name="scores")
        return starting.from_scores(
            view, params, ids=ids, proxy=numbers, known=known, condition=condition
        )
    if proxy == "candidates":
        proxies = candidates_of(request.candidates.proxies)
        return starting.from_candidates(
            view, params, proxies=proxies, known=known, condition=condition
        )
    if proxy == "index_proxy":
        asked = request.index_proxy
        given = asked.HasField("representatives")
        first = asked.representatives if given else None
        return starting.from_index(
            view, params, representatives=first, known=known, condition=condition
        )
    if proxy != "examples":
        raise InvalidInputError(
            "proxy is required: scores, examples, candidates or index_proxy"
        )
    if known is not None:
        raise InvalidInputError("examples are known labels: give them without known")
    return _from_examples(request.examples, view, params, condition)


def _from_examples(
    examples: estimate_pb2.LabelledExamples,
    view: "View",
    params: "EstimateParams",
    condition: Condition | None,
) -> starting.Started:
    ids = ids_of(examples.ids, name="examples.ids")
    known = examples.HasField("neighbours")
    return starting.from_examples(
        view,
        params,
        ids=ids,
        labels=float64s_of(examples.values, name="examples.values", n=len(ids)),
        neighbours=examples.neighbours if known else None,
        condition=condition,
    )
