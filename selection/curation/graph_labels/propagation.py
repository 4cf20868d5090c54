"""Labels of a few rows, spread over the neighbour graph of an index to all others."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import KnnGraph, Progress, SoarIndex, knn_graph
from gleann.index.arrays import Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.held import take_ids
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
    if graph is None:
        mask = None if within is None else within.mask
        graph = knn_graph(index, k=request.k, among=mask, progress=progress)
    within = _rows_of(graph, within, n=len(index))
    rows = names.rows_of(request.ids)
    places = rows
    if within is not None:
        places = within.places_of(rows, name="ids", ids=names)
    labelled = request.labelled(places)
    if progress is not None:
        progress(Progress(phase="propagate", done=0, total=request.params.max_sweeps))
    walk = walk_of(index, graph, within, request.params)
    solution = solve(walk, labelled.evidence, request.params, progress=progress)
    return Propagation.of(
        solution,
        labelled,
        rows=np.arange(len(index)) if within is None else within.rows,
        held_ids=names.held if within is None else take_ids(names.held, within.rows),
        pieces=walk.pieces,
        tolerance=request.params.tolerance,
        provenance=_provenance(index, graph, request.params, labelled, within),
    )


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
            f"the graph is of {len(graph)} rows, the index of {n}"
        )
    own = None if graph.among is None else Among(rows=graph.among, n=n)
    if among is None:
        return own
    rows = graph.own_rows
    if not np.array_equal(rows, among.rows):
        raise InvalidInputError(
            f"the graph is of {len(rows)} rows, not of the {len(among)} of {n} in"
            " among: make it of these rows (knn_graph(..., among=))"
        )
    return among


def _provenance(
    index: SoarIndex,
    graph: KnnGraph,
    params: PropagationParams,
    labelled: Labelled,
    among: Among | None,
) -> dict[str, Any]:
    made = provenance(
        "propagation",
        params={"k": graph.k, **asdict(params)},
        seed=None,
        data_hash=index.data_hash,
    )
    made["graph_recall"] = graph.estimated_recall
    made["labels_hash"] = fingerprint(labelled.evidence.rows, labelled.evidence.values)
    return made | origin_of(among)
