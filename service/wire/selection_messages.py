"""Messages to values and back, for selections and sessions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.values import JsonObject, Selected, SessionInfo
from gleann.service.wire.arrays import (
    column_of,
    column_to_wire,
    float64s_of,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.index_messages import fill, given, time_of, time_to_wire
from gleann.v1 import selection_pb2, types_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate, EstimateParams
    from gleann.service.values import SessionKind

Column = tuple[ArrayLike, ArrayLike]
"""Ids, and one number for each of them."""

Groups = tuple[ArrayLike, ArrayLike]
"""Ids, and the name of each one's group."""

_COST_ON = {"sum": selection_pb2.COST_ON_SUM, "mean": selection_pb2.COST_ON_MEAN}
_QUOTA_RULES = {
    "proportional": selection_pb2.QUOTA_RULE_PROPORTIONAL,
    "equal": selection_pb2.QUOTA_RULE_EQUAL,
}


def optional_ids_to_wire(ids: ArrayLike | None) -> types_pb2.Ids | None:
    """Pack the caller's ids, or nothing."""
    return None if ids is None else ids_to_wire(hold_id_array(ids))


def optional_ids_of(message: Any, name: str) -> HeldIds | None:
    """Unpack the ids in field `name` of `message`, if they are there."""
    if not message.HasField(name):
        return None
    return ids_of(getattr(message, name), name=name)


def quotas_to_wire(groups: Groups | None, rule: str) -> selection_pb2.Quotas | None:
    """Pack a group for each id and how groups share, or nothing."""
    if groups is None:
        return None
    ids, names = groups
    if rule not in _QUOTA_RULES:
        raise InvalidParamsError(
            f"quotas must be one of {', '.join(_QUOTA_RULES)}; got {rule!r}"
        )
    return selection_pb2.Quotas(
        ids=ids_to_wire(hold_id_array(ids, name="groups ids")),
        groups=np.asarray(names).astype(np.str_).tolist(),
        rule=_QUOTA_RULES[rule],
    )


def cost_on_to_wire(cost_on: str) -> selection_pb2.CostOn:
    """Pack what a weight of costs weighs."""
    if cost_on not in _COST_ON:
        raise InvalidParamsError(
            f"cost_on must be one of {', '.join(_COST_ON)}; got {cost_on!r}"
        )
    return _COST_ON[cost_on]


def costs_to_wire(costs: Column | None) -> selection_pb2.Costs | None:
    """Pack a price for each id, or nothing."""
    if costs is None:
        return None
    ids, prices = costs
    return selection_pb2.Costs(
        ids=ids_to_wire(hold_id_array(ids, name="costs ids")),
        values=float64s_to_wire(prices, name="costs"),
    )


def fill_proxy(
    request: selection_pb2.StartEstimateSessionRequest,
    proxy: Column | Mapping[str, Column] | None,
    examples: Column | None,
    neighbours: int | None,
    representatives: int | None,
) -> None:
    """Pack what tells likely positives from the rest.

    Raises:
        InvalidParamsError: not one of `proxy`, `examples` and `representatives`.
    """
    if sum(one is not None for one in (proxy, examples, representatives)) != 1:
        raise InvalidParamsError("give one of proxy, examples and representatives")
    if isinstance(proxy, Mapping):
        fill_named(request.candidates.proxies, proxy)
    elif proxy is not None:
        _fill_scores(request.scores, proxy)
    if examples is not None:
        ids, numbers = examples
        request.examples.ids.CopyFrom(ids_to_wire(hold_id_array(ids)))
        request.examples.values = float64s_to_wire(numbers, name="examples")
        fill(request.examples, {"neighbours": neighbours})
    if representatives is not None:
        request.index_proxy.representatives = representatives


def fill_named(messages: Any, proxies: Mapping[str, Column]) -> None:
    """Pack proxies, by name, into a repeated `NamedProxy`."""
    for name, column in proxies.items():
        _fill_scores(messages.add(name=name).scores, column)


def _fill_scores(message: selection_pb2.ProxyScores, column: Column) -> None:
    ids, numbers = column
    message.ids.CopyFrom(ids_to_wire(hold_id_array(ids)))
    message.values = float64s_to_wire(numbers, name="proxy")


def scores_column_of(
    message: selection_pb2.ProxyScores, *, name: str
) -> tuple[HeldIds, NDArray[np.float64]]:
    """Read ids (m,) and a proxy (m,)."""
    ids = ids_of(message.ids, name=f"{name}.ids")
    return ids, float64s_of(message.values, name=f"{name}.values", n=len(ids))


def candidates_of(
    proxies: Sequence[selection_pb2.NamedProxy],
) -> dict[str, tuple[HeldIds, NDArray[np.float64]]]:
    """Read ids (m,) and numbers (m,) of each proxy, by its name.

    Raises:
        InvalidInputError: one name twice.
    """
    names = [proxy.name for proxy in proxies]
    if len(set(names)) != len(names):
        raise InvalidInputError(
            f"{len(names)} proxies have {len(set(names))} different names: {names}"
        )
    return {
        proxy.name: scores_column_of(proxy.scores, name=f"proxy {proxy.name!r}")
        for proxy in proxies
    }


def estimate_params_to_wire(
    params: "EstimateParams",
) -> selection_pb2.EstimateParams:
    """Pack how to estimate."""
    message = selection_pb2.EstimateParams()
    fill(message, asdict(params))
    return message


def estimate_params_of(message: selection_pb2.EstimateParams) -> "EstimateParams":
    """Read how to estimate.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.estimate import EstimateParams

    return EstimateParams(**{"budget": 0, **given(message)})


def items_to_wire(selected: Selected) -> selection_pb2.SelectedItems:
    """Pack chosen vectors as columns."""
    return selection_pb2.SelectedItems(
        ids=ids_to_wire(hold_id_array(selected.ids)),
        scores=selected.scores.astype("<f4", copy=False).tobytes(),
        weights=selected.weights.astype("<f4", copy=False).tobytes(),
        why=[column_to_wire(name, values) for name, values in selected.why.items()],
    )


def selection_to_wire(
    selected: Selected, message: selection_pb2.Selection
) -> selection_pb2.Selection:
    """Describe a selection in `message`, which has its name, index and time."""
    message.method = str(selected.provenance.get("method", ""))
    message.count = len(selected)
    message.summary_json = json.dumps(selected.summary)
    message.provenance_json = json.dumps(selected.provenance)
    return message


def selected_of(
    message: selection_pb2.Selection, pages: Sequence[selection_pb2.SelectedItems]
) -> Selected:
    """Read a stored selection from its description and all its pages."""
    return _selected(
        pages,
        summary=json.loads(message.summary_json),
        provenance=json.loads(message.provenance_json),
        name=message.name,
    )


def batch_of(
    pages: Sequence[
        selection_pb2.NextBatchResponse
        | selection_pb2.NextEstimateBatchResponse
        | selection_pb2.GroupBatch
    ],
) -> Selected:
    """Read a batch of a session from all its pages."""
    return _selected(
        [page.items for page in pages],
        summary=json.loads(pages[0].summary_json),
        provenance=json.loads(pages[0].provenance_json),
        name="",
    )


def _selected(
    pages: Sequence[selection_pb2.SelectedItems],
    *,
    summary: JsonObject,
    provenance: JsonObject,
    name: str,
) -> Selected:
    why: dict[str, list[NDArray[np.generic]]] = {}
    for page in pages:
        for column in page.why:
            why.setdefault(column.name, []).append(column_of(column, name=column.name))
    return Selected(
        ids=own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages])),
        scores=np.concatenate([np.frombuffer(page.scores, "<f4") for page in pages]),
        weights=np.concatenate([np.frombuffer(page.weights, "<f4") for page in pages]),
        why={name: np.concatenate(parts) for name, parts in why.items()},
        summary=summary,
        provenance=provenance,
        name=name,
    )


def session_info_to_wire(info: SessionInfo) -> selection_pb2.Session:
    """Describe a session."""
    return selection_pb2.Session(
        name=info.name,
        kind=info.kind,
        index=info.index,
        sealed_version=info.version,
        labelled=info.labelled,
        create_time=time_to_wire(info.created_at),
        update_time=time_to_wire(info.updated_at),
    )


def session_info_of(message: selection_pb2.Session) -> SessionInfo:
    """Read the description of a session."""
    return SessionInfo(
        name=message.name,
        kind=cast("SessionKind", message.kind),
        index=message.index,
        version=message.sealed_version,
        labelled=message.labelled,
        created_at=time_of(message.create_time),
        updated_at=time_of(message.update_time),
    )


def estimate_to_wire(estimate: "Estimate") -> selection_pb2.Estimate:
    """Pack an estimate."""
    values = asdict(estimate)
    strata = values.pop("by_stratum")
    provenance = values.pop("provenance")
    message = selection_pb2.Estimate(provenance_json=json.dumps(provenance))
    fill(message, values)
    for stratum in strata:
        fill(message.by_stratum.add(), stratum)
    return message


def estimate_of(message: selection_pb2.Estimate) -> "Estimate":
    """Read an estimate."""
    from gleann.selection.estimate import Estimate

    strata = tuple(_stratum_of(stratum) for stratum in message.by_stratum)
    optional = {
        name: getattr(message, name) if message.HasField(name) else None
        for name in ("value", "low", "high", "uniform_width", "abae_width")
    }
    return Estimate(
        target=given(message)["target"],
        **optional,
        confidence=message.confidence,
        labels_used=message.labels_used,
        positives=message.positives,
        by_stratum=strata,
        note=message.note,
        provenance=json.loads(message.provenance_json),
    )


def _stratum_of(message: selection_pb2.Stratum) -> Any:
    from gleann.selection.estimate import Stratum

    values = {field.name: getattr(message, field.name) for field in fields(Stratum)}
    if not message.HasField("mean"):
        values["mean"] = None
    return Stratum(**values)
