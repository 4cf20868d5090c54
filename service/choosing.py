"""How a selection job chooses: check the request, gather vectors, run the method."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Ids, Rows, Vectors
from gleann.index.checks import as_ids
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.service import convert_selection
from gleann.service.jobs import Task
from gleann.service.live_index import IdLookup, View
from gleann.service.registry import require_vectors
from gleann.service.values import Selected
from gleann.service.wire import float64s_of, ids_of
from gleann.v1 import selection_pb2


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
    """

    rows: Rows
    ids: Ids
    k: int
    costs: NDArray[np.float64] | None
    locked: Rows
    groups: NDArray[np.str_] | None


def resolve(view: View, request: selection_pb2.CreateSelectionJobRequest) -> Candidates:
    """Check a request against the index, and find what it names.

    Raises:
        NotReadyError: the index is empty.
        UnknownIdError: an id is not there.
        InvalidInputError: no strategy, or a vector without a cost or a group.
        InvalidParamsError: k outside 1..n, or a strategy that needs another metric.
    """
    require_vectors(view)
    method = request.WhichOneof("strategy")
    if method is None:
        raise InvalidInputError(f"strategy is required: one of {', '.join(_METHODS)}")
    measured = method != "random" or request.HasField("quotas")
    if measured and view.metric == "ip":
        raise InvalidParamsError(
            f"{method} needs a true metric, cosine or l2; {view.name!r} has ip"
        )
    allowed = convert_selection.optional_ids_of(request, "allowed_ids")
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
    )


def choose(
    view: View, request: selection_pb2.CreateSelectionJobRequest, task: Task
) -> Selected:
    """Choose as the request says, from `view`."""
    from gleann.selection.pool import provenance

    candidates = resolve(view, request)
    method = request.WhichOneof("strategy")
    assert method is not None
    vectors = view.vectors_at(candidates.rows)
    task.progress(Progress(phase="choose", done=0, total=candidates.k))
    selection = _selection(request, candidates, vectors, task)
    seed = getattr(getattr(request, method), "seed", None)
    return Selected(
        ids=selection.ids,
        scores=selection.scores,
        weights=selection.weights,
        why=selection.why,
        summary=dict(selection.summary),
        provenance=provenance(
            method,
            params={"k": candidates.k, **_numbers(getattr(request, method))},
            seed=seed,
            data_hash=_data_hash(view, vectors),
        ),
    )


def _selection(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
) -> Any:
    from gleann.selection.coreset import within_groups
    from gleann.selection.uniform import uniform

    name = request.WhichOneof("strategy")
    assert name is not None
    if name == "random" and candidates.groups is None:
        # A draw needs no metric, and may take every vector.
        return uniform(
            len(vectors),
            k=candidates.k,
            seed=request.random.seed,
            ids=candidates.ids,
            excluded=candidates.locked,
        )
    method = _METHODS[name](request, task)
    if candidates.groups is None:
        chosen = method(
            vectors, k=candidates.k, costs=candidates.costs, locked=candidates.locked
        )
    else:
        chosen = within_groups(
            method,
            vectors,
            groups=candidates.groups,
            quotas=_quotas(request, candidates),
            costs=candidates.costs,
            locked=candidates.locked,
        )
    return chosen.to_selection(candidates.ids)


def _quotas(
    request: selection_pb2.CreateSelectionJobRequest, candidates: Candidates
) -> Any:
    from gleann.selection.coreset import equal_quotas, proportional_quotas

    assert candidates.groups is not None
    open_groups = np.delete(candidates.groups, candidates.locked)
    if request.quotas.rule == selection_pb2.QUOTA_RULE_EQUAL:
        return equal_quotas(open_groups, k=candidates.k)
    return proportional_quotas(open_groups, k=candidates.k)


def _weighted_k_center(
    request: selection_pb2.CreateSelectionJobRequest, task: Task
) -> Any:
    from gleann.selection.coreset import weighted_k_center

    params = request.weighted_k_center
    mean = params.cost_on == selection_pb2.COST_ON_MEAN
    return partial(
        weighted_k_center,
        cost_weight=params.cost_weight if params.HasField("cost_weight") else 1.0,
        cost_on="mean" if mean else "sum",
        eps=params.eps if params.HasField("eps") else 0.1,
        progress=task.progress,
    )


def _farthest_first(
    request: selection_pb2.CreateSelectionJobRequest, task: Task
) -> Any:
    from gleann.selection.coreset import k_center

    return partial(k_center, seed=request.farthest_first.seed, progress=task.progress)


def _margin(_: selection_pb2.CreateSelectionJobRequest, __: Task) -> Any:
    from gleann.selection.coreset import margin

    return margin


def _gist(request: selection_pb2.CreateSelectionJobRequest, _: Task) -> Any:
    from gleann.selection.coreset import gist

    return partial(gist, **{"diversity": 1.0, **_numbers(request.gist)})


def _ccs(request: selection_pb2.CreateSelectionJobRequest, _: Task) -> Any:
    from gleann.selection.coreset import ccs

    return partial(ccs, **_numbers(request.ccs))


def _random(request: selection_pb2.CreateSelectionJobRequest, _: Task) -> Any:
    from gleann.selection.coreset import uniform

    return partial(uniform, seed=request.random.seed)


_METHODS = {
    "weighted_k_center": _weighted_k_center,
    "farthest_first": _farthest_first,
    "margin": _margin,
    "gist": _gist,
    "ccs": _ccs,
    "random": _random,
}
"""The method of each strategy, with its parameters bound."""


def _locked(request: selection_pb2.CreateSelectionJobRequest, lookup: IdLookup) -> Rows:
    method = request.WhichOneof("strategy")
    assert method is not None
    field = "covered_ids" if method == "farthest_first" else "locked_ids"
    ids = convert_selection.optional_ids_of(getattr(request, method), field)
    if ids is None:
        return np.empty(0, np.int64)
    return lookup.require(_distinct(ids), where="the vectors looked at")


def _costs(
    request: selection_pb2.CreateSelectionJobRequest, ids: Ids, lookup: IdLookup
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
            f"costs has none for id {ids[bare[0]].item()!r}"
            f" ({bare.size} of {len(ids)} vectors have none)"
        )
    return costs


def _groups(
    request: selection_pb2.CreateSelectionJobRequest, ids: Ids, lookup: IdLookup
) -> NDArray[np.str_] | None:
    if not request.HasField("quotas"):
        return None
    named = _distinct(ids_of(request.quotas.ids, name="quotas.ids"))
    given = np.array(request.quotas.groups, dtype=np.str_)
    if len(given) != len(named):
        raise InvalidInputError(f"quotas has {len(given)} groups for {len(named)} ids")
    at = lookup.find(named)
    places = np.full(len(ids), -1)
    places[at[at >= 0]] = np.flatnonzero(at >= 0)
    if (bare := np.flatnonzero(places < 0)).size:
        raise InvalidInputError(
            f"quotas has no group for id {ids[bare[0]].item()!r}"
            f" ({bare.size} of {len(ids)} vectors have none)"
        )
    return given[places]


def _distinct(ids: Ids) -> Ids:
    return as_ids(ids, n=len(ids))


def _numbers(message: Any) -> dict[str, Any]:
    """The parameters of a strategy that are plain numbers."""
    return {
        field.name: value
        for field, value in message.ListFields()
        if isinstance(value, int | float)
    }


def _data_hash(view: View, vectors: Vectors) -> str:
    from gleann.selection.pool import fingerprint

    clean = not len(view.delta) and view.alive is None
    if view.sealed is not None and clean and len(vectors) == view.count:
        return view.sealed.index.data_hash
    return fingerprint(vectors)
