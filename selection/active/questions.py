"""The questions of a session: one with classes, or several yes-or-no concepts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.active.params import ActiveParams
from gleann.selection.checks import shown
from gleann.selection.saved import Saved

LARGEST = int(np.iinfo(np.int64).max)

LabelArray = NDArray[np.int64]
"""Class labels, int64: (m,) of one question, or (m, q) of q."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The questions each row is labelled for: the columns of a label.

    Attributes:
        concepts: names of q yes-or-no questions; none stands for one question.
        classes: the answers to each, ascending; the last is the positive one.
    """

    concepts: tuple[str, ...]
    classes: tuple[int, ...]

    @classmethod
    def of_seed(cls, params: ActiveParams, labels: ArrayLike) -> "Questions":
        """Questions of `params`; classes not given there are those of the seed."""
        if params.concepts:
            return cls(concepts=params.concepts, classes=(0, 1))
        classes = params.classes or tuple(np.unique(as_integers(labels)).tolist())
        return cls(concepts=(), classes=classes)

    @classmethod
    def of_state(cls, state: Saved, params: ActiveParams) -> "Questions":
        """Questions of a saved session with these `params`.

        Raises:
            CorruptDataError: no classes, or other ones than the parameters state.
        """
        classes = tuple(state.integers("classes", low=-LARGEST - 1).tolist())
        stated = (0, 1) if params.concepts else params.classes
        if len(classes) < 2 or list(classes) != sorted(set(classes)):
            state.refuse(
                "classes", f"must be two or more, ascending, got {list(classes)}"
            )
        if stated is not None and classes != stated:
            state.refuse("classes", f"are {list(classes)}, its params' {list(stated)}")
        return cls(concepts=params.concepts, classes=classes)

    @property
    def count(self) -> int:
        """Columns of a label: 1, or one a concept."""
        return max(1, len(self.concepts))

    def column(self, concept: str | None) -> int:
        """Column of the label that answers `concept`.

        Raises:
            InvalidParamsError: no such concept; none named where there are several, or
                one named where there are none.
        """
        if not self.concepts and concept is None:
            return 0
        if concept not in self.concepts:
            known = ", ".join(self.concepts) or "none"
            raise InvalidParamsError(
                f"there is no concept {concept!r}; the session's are: {known}"
            )
        return self.concepts.index(concept)

    def answers(self, values: ArrayLike, *, n: int) -> LabelArray:
        """Check labels as a caller gives them; return them as (n, q).

        Args:
            values: (n,) of one question, or (n, q) of q concepts.
            n: rows they are of.

        Raises:
            InvalidInputError: not integers, or outside the classes.
            DimensionMismatchError: not n of them, or not q columns.
        """
        labels = as_integers(values)
        expected = (n, self.count) if self.concepts else (n,)
        if labels.shape != expected:
            raise DimensionMismatchError(
                f"labels has shape {labels.shape} for {n} rows"
                + (f" of {self.count} concepts" if self.concepts else "")
            )
        strange = np.setdiff1d(labels, self.classes)
        if strange.size:
            raise InvalidInputError(
                f"labels {shown(strange)} are outside the classes {list(self.classes)}"
            )
        return labels.reshape(n, self.count)

    def as_given(self, labels: LabelArray) -> LabelArray:
        """Labels in the shape a caller gives them: the inverse of `answers`."""
        return labels if self.concepts else labels[:, 0]

    def check_seed(self, labels: LabelArray, params: ActiveParams) -> None:
        """Refuse a seed (m, q) from which no useful first model can be trained.

        Raises:
            InvalidInputError: one class only where a model is to be trained, or no
                positive where positives are sought.
        """
        if len(self.classes) < 2:
            raise InvalidInputError(
                f"the seed of {len(labels)} labels has {len(self.classes)} class"
                f" {shown(np.array(self.classes))}: a classifier needs two"
            )
        for column in range(self.count):
            self._check_column(labels[:, column], params, self._of(column))

    def _of(self, column: int) -> str:
        return f" of concept {self.concepts[column]!r}" if self.concepts else ""

    def _check_column(self, labels: LabelArray, params: ActiveParams, of: str) -> None:
        if params.model == "given":
            return
        seen = np.unique(labels)
        if len(seen) < 2:
            raise InvalidInputError(
                f"the seed of {len(labels)} labels{of} has {len(seen)} class"
                f" {shown(seen)}: a classifier needs two"
            )
        positive = self.classes[-1]
        if params.strategy == "most_likely_positive" and seen[-1] != positive:
            raise InvalidInputError(
                f"the seed{of} has no positive (label {positive}) to look for more"
                " like it"
            )


def as_integers(values: ArrayLike) -> LabelArray:
    """Return `values` as int64.

    Raises:
        InvalidInputError: they are no integers, or larger than int64 holds.
    """
    labels = as_array(values, name="labels")
    if labels.size and labels.dtype.kind not in "biu":
        raise InvalidInputError(f"labels must be integers, got dtype {labels.dtype}")
    if labels.dtype.kind == "u" and labels.size and labels.max() > LARGEST:
        raise InvalidInputError(f"labels must be at most {LARGEST}, got {labels.max()}")
    return labels.astype(np.int64)
