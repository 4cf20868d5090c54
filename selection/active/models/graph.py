"""The probability model of a session that propagates its labels over the graph."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.base import Probabilities
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.questions import Questions
from gleann.selection.curation.graph_labels.params import PropagationParams
from gleann.selection.curation.graph_labels.result import shares_of
from gleann.selection.curation.graph_labels.solver import Evidence, solve
from gleann.selection.curation.graph_labels.walk import Walk
from gleann.selection.curation.graph_labels.weights import (
    cosine_weights,
    cosines_between,
)
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved

PARAMS = PropagationParams()
"""Kernel, alpha and tolerance of every session."""


class PropagatedLabels:
    """Labels of a session, propagated over the graph of its rows; nothing is trained.

    The graph has the rows that labels may be asked for and the labelled ones, and is
    made once, at the first batch. A row that no label reaches has equal probabilities
    of all classes: it is as uncertain as can be.

    Args:
        vectors: (n, d) the rows; cosines between them are the weights of edges.
        neighbours: over the rows, limited to those that labels may be asked for: the
            edges.
        questions: the columns of the labels.
        params: `neighbours` of each row.
    """

    __slots__ = (
        "_k",
        "_learnt",
        "_neighbours",
        "_questions",
        "_rows",
        "_tables",
        "_vectors",
        "_walk",
    )

    def __init__(
        self,
        vectors: Vectors,
        neighbours: Neighbours,
        questions: Questions,
        params: ActiveParams,
    ) -> None:
        if len(neighbours) != len(vectors):
            raise DimensionMismatchError(
                f"neighbours are of {len(neighbours)} rows, vectors of {len(vectors)}"
            )
        self._vectors = vectors
        self._neighbours = neighbours
        self._questions = questions
        self._k = min(params.neighbours, max(1, len(vectors) - 1))
        # Neighbours that are too few for that say so now, not at the first batch.
        neighbours.neighbours(np.zeros(1, np.int64), k=self._k)
        self._learnt = 0
        self._rows: Rows = np.empty(0, np.int64)
        self._walk: Walk | None = None
        self._tables: list[Probabilities] = []

    @property
    def converged(self) -> bool:
        """True: every row is within the tolerance, or counts as not reached."""
        return True

    def update(self, labels: Labels) -> None:
        """Propagate, unless the probabilities are of these labels already."""
        # Labels are only ever added, so their number says whether they are current.
        if self._learnt == len(labels.rows):
            return
        if self._walk is None:
            self._rows = _rows_of(labels, len(self._vectors))
            self._walk = self._walk_of_rows()
        places = np.searchsorted(self._rows, labels.rows)
        self._tables = [
            self._propagated(self._walk, places, labels.answers[:, question])
            for question in range(self._questions.count)
        ]
        self._learnt = len(labels.rows)

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) are in the graph."""
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        return self._rows[places] == rows

    def probabilities(self, rows: Rows, *, question: int) -> Probabilities:
        """Class probabilities (m, c) of `rows` (m,); equal ones outside the graph."""
        table = self._tables[question]
        found = np.full((len(rows), table.shape[1]), 1 / table.shape[1])
        held = self.has(rows)
        found[held] = table[np.searchsorted(self._rows, rows[held])]
        return found

    def probabilities_of_vectors(
        self, _vectors: ArrayLike, _question: int, /
    ) -> Probabilities:
        """Impossible.

        Raises:
            InvalidParamsError: always; other vectors are not in the graph.
        """
        raise InvalidParamsError(
            "model 'graph' has no classifier to score vectors by: they are not in its"
            " graph"
        )

    def hyperplanes(self) -> None:
        """None: there is no classifier."""

    def state(self) -> dict[str, Any]:
        """Empty: all is made again from vectors, neighbours and labels."""
        return {}

    def restore(self, _state: Saved, _n: int, /) -> None:
        """Do nothing: the state is empty."""

    def _walk_of_rows(self) -> Walk:
        """The walk over `self._rows`."""
        near = self._neighbours.neighbours(self._rows, k=self._k)
        cosines = cosines_between(self._vectors, self._rows, near)
        places = np.searchsorted(self._rows, near).astype(np.int32)
        places[near < 0] = -1
        weights = cosine_weights(cosines, power=PARAMS.power)
        return Walk.of_edges(places, weights)

    def _propagated(
        self, walk: Walk, places: Rows, answers: NDArray[np.int64]
    ) -> Probabilities:
        """Class probabilities of the graph's rows for one question."""
        classes = np.asarray(self._questions.classes)
        values = (answers[:, None] == classes).astype(np.float64)
        solution = solve(walk, Evidence(rows=places, values=values), PARAMS)
        known = solution.known(PARAMS.tolerance)
        table = shares_of(solution.masses, known)
        table[~known] = 1 / len(classes)
        return table


def _rows_of(labels: Labels, n: int) -> Rows:
    """Rows of the graph: those that labels may be asked for, and the labelled ones."""
    if labels.among is None:
        return np.arange(n)
    return labels.among.besides(labels.rows).rows
