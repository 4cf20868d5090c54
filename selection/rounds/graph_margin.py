"""Margins of labels that are propagated over the neighbour graph: no model is needed.

Zhou, Bousquet, Lal, Weston and Scholkopf 2004, Learning with Local and Global
Consistency; see `curation/graph_labels`.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.arrays import Rows, Vectors
from gleann.selection.curation.graph_labels.params import PropagationParams
from gleann.selection.curation.graph_labels.result import shares_of
from gleann.selection.curation.graph_labels.solver import Evidence, solve
from gleann.selection.curation.graph_labels.walk import Walk
from gleann.selection.curation.graph_labels.weights import (
    cosine_weights,
    cosines_between,
)
from gleann.selection.uncertainty import margin_costs

NEIGHBOURS = 10
PARAMS = PropagationParams()


def propagated_margins(
    vectors: Vectors, labelled: Rows, labels: Rows, *, seed: int
) -> NDArray[np.float64]:
    """The gap (n,) between the two likeliest classes; 0 where no label arrives.

    The graph is made anew of these rows, by an index of them.

    Args:
        vectors: (n, d); plain L2 finds the neighbours, cosines are the weights.
        labelled: (m,) rows, ascending.
        labels: (m,), of two classes at least.
        seed: of the index.
    """
    index = SoarIndex.build(vectors, BuildParams(metric="l2", seed=seed))
    near = knn_graph(index, k=NEIGHBOURS).neighbours.astype(np.int64)
    cosines = cosines_between(vectors, np.arange(len(vectors)), near)
    weights = cosine_weights(cosines, power=PARAMS.power)
    walk = Walk.of_edges(near.astype(np.int32), weights)
    values = (labels[:, None] == np.unique(labels)).astype(np.float64)
    solution = solve(walk, Evidence(rows=labelled, values=values), PARAMS)
    known = solution.known(PARAMS.tolerance)
    table = shares_of(solution.masses, known)
    margins = np.zeros(len(vectors))
    margins[known] = np.minimum(margin_costs(table[known]), 1.0)
    return margins
