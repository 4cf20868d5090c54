"""The labels that a propagation gives to the rows of a graph."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids, Mask, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.held import ids_at, to_numpy
from gleann.index.nouns import number_of, verb
from gleann.index.tables.tabular import Table, Tabular, as_json
from gleann.selection.checks import require_count
from gleann.selection.curation.graph_labels.labelled import Labelled
from gleann.selection.curation.graph_labels.solver import Solution
from gleann.selection.result import Selection
from gleann.selection.uncertainty import entropy
from gleann.selection.words import Words

NONE = -1
"""Number of the class of a row without a label."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Propagation(Tabular):
    """A class for every row of a graph, and how sure it is.

    As a table it has one line a row: id, row, label, confidence, margin, entropy, given
    and piece.

    Attributes:
        rows: int64 (m,), the rows of the graph, ascending.
        held_ids: (m,) their ids, as the index holds them.
        words: the classes, as the columns of `probabilities`.
        numbers: int64 (m,), each row's likeliest class, by number, the first of equals;
            -1 for no label.
        probabilities: float64 (m, c); zeros in a row without a label.
        errors: float64 (m,), bounds on the error of each row's probabilities.
        given: bool (m,), True for the labelled rows.
        pieces: int32 (m,), the number of the connected piece of the graph.
        summary: facts about the whole.
        provenance: method, params, data_hash, version: JSON values.
    """

    rows: Rows
    held_ids: HeldIds
    words: Words
    numbers: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    errors: NDArray[np.float64]
    given: Mask
    pieces: NDArray[np.int32]
    summary: dict[str, float | int | str | bool] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(  # noqa: PLR0913 (the parts of the answer)
        cls,
        solution: Solution,
        labelled: Labelled,
        *,
        rows: Rows,
        held_ids: HeldIds,
        pieces: NDArray[np.int32],
        tolerance: float,
        provenance: dict[str, Any],
    ) -> "Propagation":
        """The answer that a solution holds.

        A row whose probabilities may be off by more than `tolerance` gets no label.
        """
        known = solution.known(tolerance)
        table = shares_of(solution.masses, known)
        numbers = np.where(known, table.argmax(axis=1), NONE)
        given = np.zeros(len(rows), np.bool_)
        evidence = labelled.evidence
        given[evidence.rows] = True
        outvoted = numbers[evidence.rows] != evidence.values.argmax(axis=1)
        return cls(
            rows=rows,
            held_ids=held_ids,
            words=labelled.classes,
            numbers=numbers,
            probabilities=table,
            errors=solution.errors,
            given=given,
            pieces=pieces,
            summary={
                "given": len(evidence.rows),
                "labelled": int(known.sum()),
                "unreached": int((~solution.reached).sum()),
                "uncertain_by_rounding": int((solution.reached & ~known).sum()),
                "outvoted": int(outvoted.sum()),
                "pieces": int(pieces.max()) + 1,
                "unseen_classes": len(labelled.unseen),
                "sweeps": solution.sweeps,
            },
            provenance=provenance,
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> Ids:
        """(m,) the ids of `rows`."""
        return to_numpy(self.held_ids)

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """The classes, as the columns of `probabilities`."""
        return self.words.words

    @property
    def has_label(self) -> Mask:
        """(m,), False where no label came."""
        return self.numbers != NONE

    @property
    def labels(self) -> NDArray[np.object_]:
        """(m,) the likeliest class of each row; None for no label."""
        every = np.empty(len(self.words) + 1, object)
        every[:-1] = self.words.words
        return every[self.numbers]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(m,) the probability of the likeliest class; 0 for no label."""
        return self.probabilities.max(axis=1)

    @property
    def margins(self) -> NDArray[np.float64]:
        """(m,) the gap between the two likeliest classes; 0 for no label."""
        top = np.partition(self.probabilities, -2, axis=1)
        gaps: NDArray[np.float64] = top[:, -1] - top[:, -2]
        return gaps

    @property
    def entropies(self) -> NDArray[np.float64]:
        """(m,) in nats; log(c), the most there is, for no label."""
        found = np.full(len(self), np.log(len(self.words)))
        known = self.has_label
        found[known] = entropy(self.probabilities[known])
        return found

    def most_uncertain(self, k: int) -> Selection:
        """The `k` rows without a given label of the smallest margins, ties by id.

        Rows that no label reached have the margin 0 and come first.

        Raises:
            InvalidParamsError: k below 1, or above the rows without a given label.
        """
        require_count("k", k)
        open_rows = np.flatnonzero(~self.given)
        if k > len(open_rows):
            raise InvalidParamsError(
                f"k is {k}, but {number_of(len(open_rows), 'rows')}"
                f" {verb(len(open_rows), 'has', 'have')} no given label"
            )
        margins = self.margins[open_rows]
        order = np.lexsort((ids_at(self.held_ids, open_rows), margins))[:k]
        picked = open_rows[order]
        return Selection(
            rows=self.rows[picked],
            ids=ids_at(self.held_ids, picked),
            scores=-margins[order].astype(np.float32),
            weights=np.ones(k, np.float32),
            why={"label": self.labels[picked], "confidence": self.confidence[picked]},
            summary=self.summary,
            provenance=self.provenance,
        )

    def accuracy(self, labels: NDArray[Any]) -> float:
        """Share of the rows without a given label whose label is that of `labels` (m,).

        A row without a label counts as wrong.

        Raises:
            InvalidInputError: no row lacks a given label.
        """
        if self.given.all():
            raise InvalidInputError(
                f"all {number_of(len(self), 'rows')} have a given label"
            )
        right = self.labels == np.asarray(labels, object)
        return float(right[~self.given].mean())

    def table(self) -> Table:
        """One line per row of the graph, ascending."""
        return Table(
            columns={
                "id": self.held_ids,
                "row": self.rows,
                "label": self.labels,
                "confidence": self.confidence,
                "margin": self.margins,
                "entropy": self.entropies,
                "given": self.given,
                "piece": self.pieces,
            },
            facts={
                "summary": self.summary,
                "classes": as_json(self.classes),
                "provenance": self.provenance,
            },
        )


def shares_of(masses: NDArray[np.float64], known: Mask) -> NDArray[np.float64]:
    """Class probabilities (n, c): masses over their sum; zeros where not `known`."""
    table = np.maximum(masses, 0.0)
    table[~known] = 0.0
    sums = table.sum(axis=1, keepdims=True)
    return np.divide(table, sums, out=table, where=sums > 0)
