"""Labels of a few rows, spread over the neighbour graph of an index to all others."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import (
    KnnGraph,
    Progress,
    SoarIndex,
    as_vectors,
    knn_graph,
    knn_graph_of,
)
from gleann.index.arrays import Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, require_count
from gleann.selection.curation.graph_labels.labelled import Labelled
from gleann.selection.curation.graph_labels.params import PropagationParams
from gleann.selection.curation.graph_labels.result import Propagation
from gleann.selection.curation.graph_labels.solver import solve
from gleann.selection.curation.graph_labels.walk import Walk
from gleann.selection.curation.graph_labels.weights import (
    NearRows,
    edge_weights,
    norms_of,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint, provenance

DEFAULT_K = 10
"""Neighbours of a row in the graph."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PropagationRequest:
    """Labelled rows of an index, and how their labels spread.

    Attributes:
        ids: (m,) of the labelled rows; or a mask (n,) of bool, whose labels come in row
            order.
        labels: (m,) integers, or words of any kind; or None where `probabilities` are
            given.
        probabilities: (m, c) soft labels in place of `labels`, columns as `classes`.
        weights: (m,) at least 0, how much each label counts; None for 1.
        classes: all classes, in the order of the columns; None takes those of the
            labels, sorted. A class that no label has gets the probability 0.
        among: the only rows of the graph: a mask (n,) of bool, such as
            `index.where("split = 'train'")`, or ids; None for all.
        k: neighbours of a row in the graph, where none is given.
        params: kernel, alpha, tolerance.

    Raises:
        InvalidInputError: labels and probabilities, or neither.
        InvalidParamsError: k below 1.
    """

    ids: ArrayLike
    labels: ArrayLike | None = None
    probabilities: ArrayLike | None = None
    weights: ArrayLike | None = None
    classes: Sequence[Hashable] | None = None
    among: AmongLike | None = None
    k: int = DEFAULT_K
    params: PropagationParams = field(default_factory=PropagationParams)

    def __post_init__(self) -> None:
        require_count("k", self.k)
        if (self.labels is None) == (self.probabilities is None):
            both = "neither" if self.labels is None else "both"
            raise InvalidInputError(f"give labels or probabilities, got {both}")

    def labelled(self, rows: Rows) -> Labelled:
        """The labels of `rows` (m,), the rows of `ids`; see `Labelled`."""
        if self.labels is not None:
            return Labelled.of_labels(
                rows, self.labels, weights=self.weights, classes=self.classes
            )
        assert self.probabilities is not None, "one of both is there"
        return Labelled.of_distributions(
            rows, self.probabilities, weights=self.weights, classes=self.classes
        )


def propagate(
    index: SoarIndex,
    request: PropagationRequest,
    *,
    graph: KnnGraph | None = None,
    progress: ProgressCallback | None = None,
) -> Propagation:
    """Give every row the class that its neighbours' labels lead to.

    Zhou, Bousquet, Lal, Weston and Scholkopf 2004, Learning with Local and Global
    Consistency, over the k-nearest-neighbour graph read in both directions. Holds about
    24 (k + c) bytes a row besides the index: c classes.

    Args:
        index: of n rows.
        request: the labelled rows, and how their labels spread.
        graph: of the index; None makes one of `request.k` neighbours. That of some rows
            is of those alone, as `among`.
        progress: called with the phases of `knn_graph` and "propagate".

    Returns:
        A class, its probability and the margin of every row of the graph. A row has no
        label where no path of edges leads to a labelled one.

    Raises:
        InvalidInputError: labels, weights or classes that cannot be used; a labelled
            row outside `among`; a graph of other rows than `among`.
        UnknownIdError: an id that no row has.
        DimensionMismatchError: lengths differ.
    """
    names = IdMap(index.held_ids, n=len(index))
    within = Among.of(request.among, n=len(index), names=names)
    if graph is not None:
        within = _rows_of(graph, within, n=len(index))
    pool = _Pool(names=names, within=within, data_hash=index.data_hash)
    labelled = pool.labelled(request)
    if graph is None:
        mask = None if within is None else within.mask
        graph = knn_graph(index, k=request.k, among=mask, progress=progress)
    walk = walk_of(index, graph, within, request.params)
    return pool.solved(walk, labelled, request, graph, progress)


def propagate_vectors(
    vectors: ArrayLike,
    request: PropagationRequest,
    *,
    metric: Metric = "cosine",
    ids: ArrayLike | None = None,
    progress: ProgressCallback | None = None,
) -> Propagation:
    """`propagate` over vectors without an index, by `knn_graph_of`.

    Args:
        vectors: (n, d), dtypes and columns as in `as_vectors`.
        request: the labelled rows, and how their labels spread; its `ids` and `among`
            are ids of `ids`.
        metric: "ip", "cosine" or "l2".
        ids: n distinct ids; None numbers the rows.
        progress: called with the phases of `knn_graph_of` and "propagate".

    Raises:
        ZeroVectorError: a row of zeros under cosine.
        As `propagate`.
    """
    rows = as_vectors(vectors)
    names = IdMap(ids, n=len(rows))
    within = Among.of(request.among, n=len(rows), names=names)
    pool = _Pool(names=names, within=within, data_hash=fingerprint(rows))
    labelled = pool.labelled(request)
    some = rows if within is None else rows[within.rows]
    graph = knn_graph_of(some, metric=metric, k=request.k, progress=progress)
    norms = np.ones(len(some)) if metric == "cosine" else norms_of(some)
    near = NearRows(
        places=graph.neighbours,
        distances=graph.distances.reshape(graph.neighbours.shape),
        norms=norms,
        metric=metric,
    )
    walk = Walk.of_edges(near.places, edge_weights(near, request.params))
    return pool.solved(walk, labelled, request, graph, progress)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pool:
    """The rows of a graph.

    Attributes:
        names: ids of all n rows.
        within: those of the graph; None for all.
        data_hash: of all rows.
    """

    names: IdMap
    within: Among | None
    data_hash: str

    def labelled(self, request: PropagationRequest) -> Labelled:
        """The labels of a request, their rows numbered within the graph."""
        rows = self.names.rows_of(request.ids)
        if self.within is not None:
            rows = self.within.places_of(rows, name="ids", ids=self.names)
        return request.labelled(rows)

    def solved(
        self,
        walk: Walk,
        labelled: Labelled,
        request: PropagationRequest,
        graph: KnnGraph,
        progress: ProgressCallback | None,
    ) -> Propagation:
        """Spread the labels over a walk."""
        params, within, held = request.params, self.within, self.names.held
        if progress is not None:
            progress(Progress(phase="propagate", done=0, total=params.max_sweeps))
        solution = solve(walk, labelled.evidence, params, progress=progress)
        return Propagation.of(
            solution,
            labelled,
            rows=np.arange(len(self.names)) if within is None else within.rows,
            held_ids=held if within is None else take_ids(held, within.rows),
            pieces=walk.pieces,
            tolerance=params.tolerance,
            provenance=self._provenance(graph, params, labelled),
        )

    def _provenance(
        self, graph: KnnGraph, params: PropagationParams, labelled: Labelled
    ) -> dict[str, Any]:
        made = provenance(
            "propagation",
            params={"k": graph.k, **asdict(params)},
            seed=None,
            data_hash=self.data_hash,
        )
        made["graph_recall"] = graph.estimated_recall
        made["labels_hash"] = fingerprint(
            labelled.evidence.rows, labelled.evidence.values
        )
        return made | origin_of(self.within)


def walk_of(
    index: SoarIndex, graph: KnnGraph, among: Among | None, params: PropagationParams
) -> Walk:
    """The walk over a graph of an index, its rows numbered within `among`."""
    places = graph.neighbours
    if among is not None:
        places = np.searchsorted(among.rows, places).astype(np.int32)
    norms = np.ones(len(index))  # under cosine
    if index.metric != "cosine":
        norms = norms_of(index.stored_rows)
    near = NearRows(
        places=places,
        distances=graph.distances.reshape(places.shape),
        norms=norms if among is None else norms[among.rows],
        metric=index.metric,
    )
    return Walk.of_edges(places, edge_weights(near, params))


def _rows_of(graph: KnnGraph, among: Among | None, *, n: int) -> Among | None:
    """The rows of a graph that was made for `among`.

    Raises:
        DimensionMismatchError: the graph is of another number of rows.
        InvalidInputError: it is of other rows than `among`.
    """
    if len(graph) != n:
        raise DimensionMismatchError(
            f"the graph is of {number_of(len(graph), 'rows')}, the index of {n}"
        )
    own = None if graph.among is None else Among(rows=graph.among, n=n)
    if among is None:
        return own
    rows = graph.own_rows
    if not np.array_equal(rows, among.rows):
        raise InvalidInputError(
            f"the graph is of {number_of(len(rows), 'rows')}, not of the {len(among)}"
            f" of {n} in among: make it of these rows (knn_graph(..., among=))"
        )
    return among
