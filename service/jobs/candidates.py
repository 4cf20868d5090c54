"""Candidates of a coreset request: ids, costs, groups, checked against the index."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import MAX_ID_BYTES, hold_distinct
from gleann.index.ids.held import IdLookup, id_at, shown_id
from gleann.index.ids.table import require_found
from gleann.index.texts import Texts
from gleann.service.state.live_index import View, require_not_empty
from gleann.service.wire.arrays import float64s_of, ids_of, optional_ids_of
from gleann.v1 import coreset_pb2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The vectors that a job looks at, as rows of their own numbering.

    Attributes:
        rows: int64 (n,), rows of the view.
        ids: (n,) their ids.
        k: vectors to choose.
        costs: float64 (n,), or None where none were given.
        locked: int64 (m,), positions of those that cover but are not chosen.
        groups: (n,) the group of each, or None where there are no quotas.
        measured: whether distances are measured, by the method or for the summary.
    """

    rows: Rows
    ids: HeldIds
    k: int
    costs: NDArray[np.float64] | None
    locked: Rows
    groups: NDArray[np.str_] | None
    measured: bool


def resolve(view: View, request: coreset_pb2.CreateSelectionJobRequest) -> Candidates:
    """Check a request against the index, and find what it names.

    Raises:
        NotReadyError: the index is empty.
        UnknownIdError: an id is not there.
        InvalidInputError: no strategy, or a vector without a cost or a group.
        InvalidParamsError: k outside 1..n, or a strategy that needs another metric.
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
    # A draw needs no metric; within groups it is measured where there is one.
    measured = method != "random" or (
        request.HasField("quotas") and view.metric != "ip"
    )
    allowed = optional_ids_of(request, "allowed_ids")
    rows = view.live_rows() if allowed is None else view.require(_distinct(allowed))
    ids = view.ids_at(rows)
    lookup = IdLookup(ids)
    locked = _locked(request, lookup)
    # A set that leaves no vector to be covered is no coreset.
    room = (
        len(rows) - len(locked)
        if not measured
        else min(len(rows) - 1, len(rows) - len(locked))
    )
    if not 1 <= request.k <= room:
        raise InvalidParamsError(
            f"k is {request.k}, but {method} can choose 1 to {room} of"
            f" {len(rows)} vectors"
        )
    return Candidates(
        rows=rows,
        ids=ids,
        k=request.k,
        costs=_costs(request, ids, lookup),
        locked=locked,
        groups=_groups(request, ids, lookup),
        measured=measured,
    )


def _strategies(request: coreset_pb2.CreateSelectionJobRequest) -> list[str]:
    strategy = request.DESCRIPTOR.oneofs_by_name["strategy"]
    return [field.name for field in strategy.fields]


def _locked(request: coreset_pb2.CreateSelectionJobRequest, lookup: IdLookup) -> Rows:
    method = request.WhichOneof("strategy")
    assert method is not None
    field = "covered_ids" if method == "farthest_first" else "locked_ids"
    ids = optional_ids_of(getattr(request, method), field)
    if ids is None:
        return np.empty(0, np.int64)
    named = _distinct(ids)
    return require_found(lookup.find(named), named, where="the vectors looked at")


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
        InvalidInputError: a name that is longer than an id may be.
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
