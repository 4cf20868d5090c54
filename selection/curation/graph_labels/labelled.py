"""The labels that a caller gives: classes as words or integers, or distributions."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.nouns import number_of
from gleann.selection.checks import as_costs, as_probabilities, shown
from gleann.selection.curation.graph_labels.solver import Evidence
from gleann.selection.words import Words, as_words, shown_words

FEWEST = 2
"""Classes that labels must be of, those without a label included."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Labelled rows and the classes there are.

    Attributes:
        classes: in the order of the columns.
        evidence: of the rows, ascending.
        unseen: classes of which no row is labelled.
    """

    classes: Words
    evidence: Evidence
    unseen: tuple[Hashable, ...]

    @classmethod
    def of_labels(
        cls,
        rows: Rows,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None,
        classes: Sequence[Hashable] | None,
    ) -> "Labelled":
        """One class a row.

        Args:
            rows: int64 (m,), distinct.
            labels: (m,) integers, or words of any kind.
            weights: (m,) at least 0, how much each label counts; None for 1.
            classes: all of them, in order; None takes those of the labels, sorted.

        Raises:
            InvalidInputError: no labels, or labels outside the classes; fewer than two
                classes; a weight below 0, or no weight above 0.
            DimensionMismatchError: not m labels, or not m weights.
        """
        listed = class_values(labels, name="labels")
        if len(listed) != len(rows):
            raise DimensionMismatchError(
                f"labels has {number_of(len(listed), 'entries')} for"
                f" {number_of(len(rows), 'rows')}"
            )
        words = words_of(listed if classes is None else classes, stated=classes)
        values = np.zeros((len(rows), len(words)))
        values[np.arange(len(rows)), words.numbers_of(listed)] = 1.0
        return cls._of(rows, values, words, weights)

    @classmethod
    def of_distributions(
        cls,
        rows: Rows,
        probabilities: ArrayLike,
        *,
        weights: ArrayLike | None,
        classes: Sequence[Hashable] | None,
    ) -> "Labelled":
        """Soft labels: a distribution over the classes a row.

        Args:
            rows: int64 (m,), distinct.
            probabilities: (m, c).
            weights: as in `of_labels`.
            classes: c of them, in order; None numbers the columns.

        Raises:
            InvalidInputError: no probabilities.
            DimensionMismatchError: not m rows, or not c classes.
        """
        values = as_probabilities(probabilities)
        if len(values) != len(rows):
            raise DimensionMismatchError(
                f"probabilities has {number_of(len(values), 'lines')} for"
                f" {number_of(len(rows), 'rows')}"
            )
        named = list(range(values.shape[1])) if classes is None else classes
        words = words_of(named, stated=named)
        if len(words) != values.shape[1]:
            raise DimensionMismatchError(
                f"probabilities has {number_of(values.shape[1], 'columns')} for"
                f" {number_of(len(words), 'classes')}"
            )
        return cls._of(rows, values, words, weights)

    @classmethod
    def _of(
        cls,
        rows: Rows,
        values: NDArray[np.float64],
        words: Words,
        weights: ArrayLike | None,
    ) -> "Labelled":
        if weights is not None:
            values = values * as_costs(weights, n=len(rows), name="weights")[:, None]
        counted = np.flatnonzero(values.any(axis=1))
        if not len(counted):
            raise InvalidInputError(
                f"{len(counted)} of {number_of(len(rows), 'rows')} have a label that"
                " counts"
            )
        order = counted[np.argsort(rows[counted], kind="stable")]
        seen = values[order].max(axis=0) > 0
        return cls(
            classes=words,
            evidence=Evidence(rows=rows[order], values=values[order]),
            unseen=tuple(words.words[at] for at in np.flatnonzero(~seen).tolist()),
        )


def class_values(values: Any, *, name: str) -> list[Hashable]:
    """Classes (m,) as integers or words.

    Raises:
        InvalidInputError: neither.
    """
    words = as_words(values, name=name)
    if words is not None:
        return words
    array = as_array(values, name=name)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise InvalidInputError(
            f"{name} must be integers or words (m,), got {array.dtype} {array.shape}"
        )
    return list(array.astype(np.int64).tolist())


def words_of(values: Sequence[Hashable], *, stated: Sequence[Hashable] | None) -> Words:
    """The classes, in the stated order or sorted.

    Raises:
        InvalidInputError: one twice, or fewer than two.
    """
    if stated is None:
        words = Words.of_values(values, name="labels")
    else:
        listed = class_values(list(stated), name="classes")
        words = Words(words=tuple(listed), name="labels")
        if len(set(listed)) != len(listed):
            raise InvalidInputError(
                f"classes has {number_of(len(listed), 'entries')}, of which"
                f" {len(set(listed))} distinct: {shown(words.array)}"
            )
    if len(words) < FEWEST:
        raise InvalidInputError(
            f"the labels have {number_of(len(words), 'classes')}"
            f" [{shown_words(words.words)}], propagation needs {FEWEST}: `classes`"
            " names those that no row has"
        )
    return words
