"""Candidates of a coreset request: ids, costs and groups, checked by the index."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import MAX_ID_BYTES, hold_distinct
from gleann.index.ids.held import IdLookup, id_at, shown_id
from gleann.index.ids.table import require_found
from gleann.index.texts import Texts
from gleann.service.views.live_index import View, require_not_empty
from gleann.service.views.passing import condition_as_json, passing_rows
from gleann.service.wire.arrays import float64s_of, ids_of, optional_ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import coreset_pb2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The vectors that a job looks at: candidates, and locked ones.

    Positions are within these vectors.

    Attributes:
        rows: int64 (n,), rows of the view.
        ids: (n,) their ids.
        k: vectors to choose.
        costs: float64 (n,), or None.
        locked: int64 (m,), positions that count as chosen already.
        groups: (n,) the group of each, or None without quotas.
        measured: whether distances are used, by the method or in its summary.
        origin: what the provenance says of the candidates; empty without a filter.
    """

    rows: Rows
    ids: HeldIds
    k: int
    costs: NDArray[np.float64] | None
    locked: Rows
    groups: NDArray[np.str_] | None
    measured: bool
    origin: dict[str, Any] = field(default_factory=dict)


def resolve(view: View, request: coreset_pb2.CreateSelectionJobRequest) -> Candidates:
    """Check a request against the index and resolve its ids.

    Raises:
        NotReadyError: the index is empty.
        UnknownIdError: unknown id.
        InvalidFilterError: a filter that does not fit the columns.
        InvalidInputError: no strategy, no vector that passes the filter, or a vector
            without a cost or a group.
        InvalidParamsError: k below 1 or above the vectors that are not locked, or a
            strategy that needs another metric.
    """
    require_not_empty(view)
    method = request.WhichOneof("strategy")
    if method is None:
        raise InvalidInputError(
            f"strategy is required: one of {', '.join(_strategies(request))}"
        )
    if method != "random" and view.metric == "ip":
        raise InvalidParamsError(
            f"{method} needs a true metric, cosine or l2; {view.name!r} has ip"
        )
    # A random draw needs no metric; within groups it reports distances if it has one.
    measured = method != "random" or (
        request.HasField("quotas") and view.metric != "ip"
    )
    candidates = _candidates(view, request)
    rows = _with_locked(view, request, candidates)
    ids = view.ids_at(rows)
    lookup = IdLookup(ids)
    locked = _locked(request, lookup)
    _require_room(request, candidates=len(candidates), room=len(rows) - len(locked))
    # Locked vectors that are no candidates come last, and cost nothing.
    priced = ids[: len(candidates)]
    costs = _costs(request, priced, IdLookup(priced))
    if costs is not None:
        costs = np.pad(costs, (0, len(rows) - len(candidates)))
    return Candidates(
        rows=rows,
        ids=ids,
        k=request.k,
        costs=costs,
        locked=locked,
        groups=_groups(request, ids, lookup),
        measured=measured,
        origin=_origin(view, request, len(candidates)),
    )


def _candidates(view: View, request: coreset_pb2.CreateSelectionJobRequest) -> Rows:
    """Rows (m,) that are allowed and pass the filter.

    Raises:
        UnknownIdError: an unknown allowed id.
        InvalidFilterError: a filter that does not fit the columns.
        InvalidInputError: no row passes.
    """
    allowed = optional_ids_of(request, "allowed_ids")
    condition = condition_of(request)
    if allowed is None:
        return passing_rows(view, condition)
    rows = view.require(_distinct(allowed))
    if condition is None:
        return rows
    both = rows[view.passing(view.bind(condition))[rows]]
    if not len(both):
        raise InvalidInputError(
            f"0 of {len(rows)} allowed vectors of {view.name!r} pass the filter"
            f" {condition.where[:200]!r}"
        )
    return both


def _require_room(
    request: coreset_pb2.CreateSelectionJobRequest, *, candidates: int, room: int
) -> None:
    """Refuse k outside 1..room.

    Args:
        request: with k.
        candidates: vectors that are allowed and pass the filter.
        room: those of them that are not locked.
    """
    if 1 <= request.k <= room:
        return
    which = " that pass the filter" if request.HasField("filter") else ""
    locked = f", of which {candidates - room} are locked" if candidates > room else ""
    if not room:
        raise InvalidParamsError(
            f"k is {request.k}, and no vector can be chosen: there are {candidates}"
            f" vectors{which}{locked}"
        )
    raise InvalidParamsError(
        f"k must be in 1..{room}, got {request.k}: there are {candidates}"
        f" vectors{which}{locked}"
    )


def _with_locked(
    view: View, request: coreset_pb2.CreateSelectionJobRequest, candidates: Rows
) -> Rows:
    """The candidates, then the locked vectors that do not pass the filter.

    Vectors that are chosen already often have a payload that says so: a filter for the
    others must not make them uncovered. Without a filter there are none.
    """
    named = _locked_ids(request)
    if named is None or not request.HasField("filter"):
        return candidates
    locked = view.require(named)
    return np.concatenate([candidates, locked[~np.isin(locked, candidates)]])


def _origin(
    view: View, request: coreset_pb2.CreateSelectionJobRequest, passed: int
) -> dict[str, Any]:
    condition = condition_of(request)
    if condition is None:
        return {}
    counts = {"rows": passed, "of": view.count}
    return {"among": {**counts, **condition_as_json(condition)}}


def _strategies(request: coreset_pb2.CreateSelectionJobRequest) -> list[str]:
    strategy = request.DESCRIPTOR.oneofs_by_name["strategy"]
    return [field.name for field in strategy.fields]


def _locked(request: coreset_pb2.CreateSelectionJobRequest, lookup: IdLookup) -> Rows:
    named = _locked_ids(request)
    if named is None:
        return np.empty(0, np.int64)
    return require_found(lookup.find(named), named, where="the vectors looked at")


def _locked_ids(
    request: coreset_pb2.CreateSelectionJobRequest,
) -> HeldIds | None:
    method = request.WhichOneof("strategy")
    assert method is not None
    name = "covered_ids" if method == "farthest_first" else "locked_ids"
    ids = optional_ids_of(getattr(request, method), name)
    return None if ids is None else _distinct(ids)


def _costs(
    request: coreset_pb2.CreateSelectionJobRequest, ids: HeldIds, lookup: IdLookup
) -> NDArray[np.float64] | None:
    method = request.WhichOneof("strategy")
    assert method is not None
    strategy = getattr(request, method)
    if method == "weighted_k_center" and not strategy.HasField("costs"):
        return np.zeros(len(ids))
    if method in ("farthest_first", "random"):
        return None
    message = strategy.costs
    priced = _distinct(ids_of(message.ids, name="costs.ids"))
    prices = float64s_of(message.values, name="costs.values", n=len(priced))
    if len(prices) and prices.min() < 0:
        raise InvalidInputError(f"costs must be at least 0, got {prices.min()}")
    costs = np.full(len(ids), np.nan)
    at = lookup.find(priced)
    costs[at[at >= 0]] = prices[at >= 0]
    if (bare := np.flatnonzero(np.isnan(costs))).size:
        raise InvalidInputError(
            f"costs has none for id {shown_id(id_at(ids, bare[0]))}"
            f" ({bare.size} of {len(ids)} vectors have none)"
        )
    return costs


def _groups(
    request: coreset_pb2.CreateSelectionJobRequest, ids: HeldIds, lookup: IdLookup
) -> NDArray[np.str_] | None:
    if not request.HasField("quotas"):
        return None
    named = _distinct(ids_of(request.quotas.ids, name="quotas.ids"))
    given = _group_names(request.quotas)
    if len(given) != len(named):
        raise InvalidInputError(f"quotas has {len(given)} groups for {len(named)} ids")
    at = lookup.find(named)
    places = np.full(len(ids), -1)
    places[at[at >= 0]] = np.flatnonzero(at >= 0)
    if (bare := np.flatnonzero(places < 0)).size:
        raise InvalidInputError(
            f"quotas has no group for id {shown_id(id_at(ids, bare[0]))}"
            f" ({bare.size} of {len(ids)} vectors have none)"
        )
    return given[places]


def _group_names(quotas: coreset_pb2.Quotas) -> NDArray[np.str_]:
    """The group of each id.

    Raises:
        InvalidInputError: a name above the length limit of ids.
    """
    names = Texts.of_texts(list(quotas.groups))
    if (long := np.flatnonzero(names.lengths > MAX_ID_BYTES)).size:
        raise InvalidInputError(
            f"quotas group {long[0]} is {shown_id(names.at(long[0]))} of"
            f" {names.lengths[long[0]]} bytes, at most {MAX_ID_BYTES} are taken"
        )
    return names.to_numpy()


def _distinct(ids: HeldIds) -> HeldIds:
    return hold_distinct(ids)
