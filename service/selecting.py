"""Work of a selection job: choose a set of vectors, and keep it."""

import time
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Ids, Rows, Vectors
from gleann.index.checks import as_ids
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    UnknownJobError,
)
from gleann.service import convert_selection
from gleann.service.jobs import Task
from gleann.service.live_index import IdLookup, View
from gleann.service.registry import Registry, require_vectors
from gleann.service.store import Store
from gleann.service.values import Selected
from gleann.service.wire import float64s_of, ids_of
from gleann.v1 import selection_pb2

METHODS = ("weighted_k_center", "farthest_first", "margin", "random")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The vectors that a job looks at, as rows of their own numbering.

    Attributes:
        rows: int64 (n,), rows of the view.
        ids: (n,) their ids.
        k: vectors to choose.
        costs: float64 (n,), or None where none were given.
        locked: int64 (m,), positions of those that cover but are not chosen.
    """

    rows: Rows
    ids: Ids
    k: int
    costs: NDArray[np.float64] | None
    locked: Rows


def resolve(
    view: View, request: selection_pb2.CreateSelectionJobRequest
) -> Candidates:
    """Check a request against the index, and find what it names.

    Raises:
        NotReadyError: the index is empty.
        UnknownIdError: an id is not there.
        InvalidInputError: no strategy, or a vector without a cost.
        InvalidParamsError: k outside 1..n, or a strategy that needs another metric.
    """
    require_vectors(view)
    method = request.WhichOneof("strategy")
    if method is None:
        raise InvalidInputError(f"strategy is required: one of {', '.join(METHODS)}")
    if method != "random" and view.metric == "ip":
        raise InvalidParamsError(
            f"{method} needs a true metric, cosine or l2; {view.name!r} has ip"
        )
    allowed = convert_selection.optional_ids_of(request, "allowed_ids")
    rows = view.live_rows() if allowed is None else view.require(_distinct(allowed))
    ids = view.ids_at(rows)
    lookup = IdLookup(ids)
    locked = _locked(request, lookup)
    if not 1 <= request.k <= len(rows) - len(locked):
        raise InvalidParamsError(
            f"k is {request.k}, but {len(rows) - len(locked)} vectors can be chosen"
        )
    return Candidates(
        rows=rows,
        ids=ids,
        k=request.k,
        costs=_costs(request, ids, lookup),
        locked=locked,
    )


class Selecting:
    """Carries out selection jobs and keeps what they chose."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store

    def __call__(self, task: Task) -> selection_pb2.Selection:
        """Choose one set."""
        request = selection_pb2.CreateSelectionJobRequest.FromString(task.request)
        view = self._registry.view(request.index)
        task.progress(Progress(phase="gather", done=0, total=0))
        selected = choose(view, request, task)
        message = selection_pb2.Selection(
            name=f"selections/{token_hex(8)}", index=request.index
        )
        message.create_time.FromNanoseconds(time.time_ns())
        convert_selection.selection_to_wire(selected, message)
        with self._store.transaction() as transaction:
            transaction.run(
                "INSERT INTO selections (name, description, items) VALUES (?, ?, ?)",
                message.name,
                message.SerializeToString(),
                convert_selection.items_to_wire(selected).SerializeToString(),
            )
        return message

    def get(self, name: str) -> selection_pb2.Selection:
        """The description of a selection.

        Raises:
            UnknownJobError: there is none of that name.
        """
        return selection_pb2.Selection.FromString(self._row(name)["description"])

    def items(
        self, name: str, *, start: int, count: int
    ) -> tuple[selection_pb2.SelectedItems, bool]:
        """Items from `start` on, and whether there are more.

        Raises:
            UnknownJobError: there is none of that name.
        """
        stored = selection_pb2.SelectedItems.FromString(self._row(name)["items"])
        every = convert_selection.selected_of(self.get(name), [stored])
        span = slice(start, start + count)
        page = Selected(
            ids=every.ids[span],
            scores=every.scores[span],
            weights=every.weights[span],
            why={name: values[span] for name, values in every.why.items()},
        )
        return convert_selection.items_to_wire(page), len(every) > start + count

    def _row(self, name: str) -> Any:
        row = self._store.row("SELECT * FROM selections WHERE name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no selection {name[:80]!r}")
        return row


def choose(
    view: View, request: selection_pb2.CreateSelectionJobRequest, task: Task
) -> Selected:
    """Choose as the request says, from `view`."""
    from gleann.selection.pool import provenance

    candidates = resolve(view, request)
    method = request.WhichOneof("strategy")
    assert method is not None
    vectors = view.vectors_at(candidates.rows)
    selection = _METHODS[method](request, candidates, vectors, task)
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


def _weighted_k_center(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
) -> Any:
    from gleann.selection.coreset import weighted_k_center

    params = request.weighted_k_center
    costs = candidates.costs
    chosen = weighted_k_center(
        vectors,
        k=candidates.k,
        costs=np.zeros(len(vectors)) if costs is None else costs,
        cost_weight=params.cost_weight if params.HasField("cost_weight") else 1.0,
        locked=candidates.locked,
        eps=params.eps if params.HasField("eps") else 0.1,
        progress=task.progress,
    )
    return chosen.to_selection(candidates.ids, {})


def _farthest_first(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
) -> Any:
    from gleann.selection.coreset import k_center

    chosen = k_center(
        vectors,
        k=candidates.k,
        locked=candidates.locked,
        seed=request.farthest_first.seed,
        progress=task.progress,
    )
    return chosen.to_selection(candidates.ids, {})


def _margin(
    _: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
) -> Any:
    from gleann.selection.coreset import margin

    task.progress(Progress(phase="choose", done=0, total=1))
    assert candidates.costs is not None
    chosen = margin(vectors, k=candidates.k, costs=candidates.costs)
    return chosen.to_selection(candidates.ids, {})


def _random(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
) -> Any:
    from gleann.selection.uniform import uniform

    task.progress(Progress(phase="choose", done=0, total=1))
    return uniform(
        len(vectors), k=candidates.k, seed=request.random.seed, ids=candidates.ids
    )


_METHODS = {
    "weighted_k_center": _weighted_k_center,
    "farthest_first": _farthest_first,
    "margin": _margin,
    "random": _random,
}


def _locked(
    request: selection_pb2.CreateSelectionJobRequest, lookup: IdLookup
) -> Rows:
    weighted, farthest = request.weighted_k_center, request.farthest_first
    ids = convert_selection.optional_ids_of(weighted, "locked_ids")
    if ids is None:
        ids = convert_selection.optional_ids_of(farthest, "covered_ids")
    if ids is None:
        return np.empty(0, np.int64)
    return lookup.require(_distinct(ids), where="the vectors looked at")


def _costs(
    request: selection_pb2.CreateSelectionJobRequest, ids: Ids, lookup: IdLookup
) -> NDArray[np.float64] | None:
    if request.HasField("margin"):
        message = request.margin.costs
    elif request.weighted_k_center.HasField("costs"):
        message = request.weighted_k_center.costs
    else:
        return None
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


def _distinct(ids: Ids) -> Ids:
    return as_ids(ids, n=len(ids))


def _numbers(message: Any) -> dict[str, float]:
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
