"""The work of a selection job: gather the vectors and call the library."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from gleann.index import Progress
from gleann.index.arrays import Vectors
from gleann.service.jobs.candidates import Candidates, resolve
from gleann.service.jobs.task import Task
from gleann.service.values import Selected
from gleann.service.views.live_index import View
from gleann.service.wire.coreset_messages import quotas_of
from gleann.v1 import coreset_pb2

if TYPE_CHECKING:
    from gleann.selection.coreset import CoresetRequest, QuotaRule
    from gleann.selection.groups import Label, Quota


def choose(
    view: View,
    request: coreset_pb2.CreateSelectionJobRequest,
    task: Task,
    *,
    device: str | None,
) -> Selected:
    """Choose vectors of `view` as requested; the summary has the baselines.

    Args:
        view: the state of the index.
        request: the strategy and its parameters.
        task: receives the progress.
        device: the device's name in torch; None is the host.
    """
    from gleann.selection.coreset import draw, select

    candidates = resolve(view, request)
    vectors = view.vectors_at(candidates.rows)
    call = _library_request(request, candidates)
    task.progress(Progress(phase="choose", done=0, total=candidates.k))
    if candidates.measured:
        answer = select(call, vectors, device=device, progress=task.progress)
        selection = answer.to_selection(candidates.ids)
    else:
        selection = draw(call, n=len(candidates.ids), ids=candidates.ids)
    return Selected(
        ids=selection.ids,
        scores=selection.scores,
        weights=selection.weights,
        why=selection.why,
        summary=dict(selection.summary),
        provenance={
            **selection.provenance,
            "params": {**selection.provenance["params"], **_quota_rule(request)},
            "data_hash": _data_hash(view, vectors),
            **candidates.origin,
        },
    )


def _library_request(
    request: coreset_pb2.CreateSelectionJobRequest, candidates: Candidates
) -> "CoresetRequest":
    """The library's request; ids are rows of the candidates."""
    from gleann.selection.coreset import CoresetRequest

    name = request.WhichOneof("strategy")
    assert name is not None
    params = _numbers(getattr(request, name))
    mean = params.pop("cost_on", None) == coreset_pb2.COST_ON_MEAN
    return CoresetRequest(
        method=name,
        k=candidates.k,
        costs=candidates.costs,
        cost_weight=params.pop("cost_weight", None),
        cost_on="mean" if mean else "sum",
        locked=candidates.locked,
        groups=candidates.groups,
        quotas=_quotas(request),
        seed=int(params.pop("seed", 0)),
        options=params,
    )


def _quotas(
    request: coreset_pb2.CreateSelectionJobRequest,
) -> "QuotaRule | Mapping[Label, Quota]":
    by_group = quotas_of(request.quotas)
    if by_group is not None:
        return by_group
    return _quota_rule(request).get("quota_rule", "proportional")


def _quota_rule(
    request: coreset_pb2.CreateSelectionJobRequest,
) -> "dict[str, QuotaRule]":
    if not request.HasField("quotas") or request.quotas.quotas:
        return {}
    equal = request.quotas.rule == coreset_pb2.QUOTA_RULE_EQUAL
    return {"quota_rule": "equal" if equal else "proportional"}


def _numbers(strategy: Message) -> dict[str, int | float]:
    """The numeric fields set in a strategy's message, by name."""
    return {
        field.name: value
        for field, value in strategy.ListFields()
        if isinstance(value, int | float)
    }


def _data_hash(view: View, vectors: Vectors) -> str:
    from gleann.selection.provenance import fingerprint

    clean = not len(view.delta) and view.alive is None
    if view.sealed is not None and clean and len(vectors) == view.count:
        return view.sealed.index.data_hash
    return fingerprint(vectors)
