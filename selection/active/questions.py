"""The questions of a session: one with classes, or several yes-or-no concepts."""

from collections.abc import Hashable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.tables.tabular import as_json
from gleann.selection.active.params import ActiveParams
from gleann.selection.checks import shown
from gleann.selection.saved import Saved
from gleann.selection.words import Words, as_words, shown_words

LARGEST = int(np.iinfo(np.int64).max)

LabelArray = NDArray[np.int64]
"""Class labels, int64: (m,) of one question, or (m, q) of q."""

GivenLabels = NDArray[Any]
"""Labels as callers have them: int64, or words (strings or objects)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The questions each row is labelled for: the columns of a label.

    Attributes:
        concepts: names of q yes-or-no questions; none stands for one question.
        classes: the answers to each, ascending; the last is the positive one. Where
            labels are words, their numbers.
        words: that the classes are numbers of; None where labels are integers.
    """

    concepts: tuple[str, ...]
    classes: tuple[int, ...]
    words: Words | None = None

    @classmethod
    def of_seed(cls, params: ActiveParams, labels: ArrayLike) -> "Questions":
        """Questions of `params`; classes not given there are those of the seed."""
        if params.concepts:
            return cls(concepts=params.concepts, classes=(0, 1))
        stated = params.classes
        given = as_words(labels, name="labels")
        if stated is not None and as_words(list(stated), name="classes") is not None:
            return cls._of_words(Words(words=stated, name="labels"))
        if stated is None and given is not None:
            return cls._of_words(Words.of_values(given, name="labels"))
        classes = stated or np.unique(as_integers(labels)).tolist()
        return cls(concepts=(), classes=tuple(map(int, classes)))

    @classmethod
    def _of_words(cls, words: Words) -> "Questions":
        return cls(concepts=(), classes=tuple(range(len(words))), words=words)

    @classmethod
    def of_state(
        cls,
        state: Saved,
        params: ActiveParams,
        given: tuple[Hashable, ...] | None = None,
    ) -> "Questions":
        """Questions of a saved session with these `params`.

        Args:
            state: of the session.
            params: as they were saved, with numbers for words.
            given: the words of the session, where a state cannot hold them.

        Raises:
            CorruptDataError: no classes, or other ones than the parameters state.
            InvalidParamsError: words are needed that a state cannot hold.
        """
        classes = tuple(state.integers("classes", low=-LARGEST - 1).tolist())
        stated = (0, 1) if params.concepts else params.classes
        if len(classes) < 2 or list(classes) != sorted(set(classes)):
            state.refuse(
                "classes", f"must be two or more, ascending, got {list(classes)}"
            )
        if stated is not None and classes != stated:
            state.refuse("classes", f"are {list(classes)}, its params' {list(stated)}")
        words = None
        if "words" in state.names:
            saved = state.items("words", length=len(classes))
            words = Words.of_state(saved, name="labels", given=given)
            if classes != tuple(range(len(words))):
                state.refuse("classes", f"must number {len(words)} words from 0")
        return cls(concepts=params.concepts, classes=classes, words=words)

    @property
    def names(self) -> tuple[Any, ...]:
        """The classes as callers have them: words or integers."""
        return self.classes if self.words is None else self.words.words

    def saved_params(self, params: ActiveParams) -> dict[str, Any]:
        """`params` for a state, with numbers for words."""
        values = asdict(params)
        if self.words is not None and params.classes is not None:
            values["classes"] = list(self.classes)
        return values

    def stated_params(self, params: ActiveParams) -> ActiveParams:
        """The inverse of `saved_params`."""
        if self.words is None or params.classes is None:
            return params
        return replace(params, classes=self.words.words)

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
        """Check labels as a caller gives them; return their numbers as (n, q).

        Args:
            values: (n,) of one question, words or integers; or (n, q) of q concepts.
            n: rows they are of.

        Raises:
            InvalidInputError: neither integers nor words, or outside the classes.
            DimensionMismatchError: not n of them, or not q columns.
        """
        labels = self._numbers(values)
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

    def as_given(self, labels: LabelArray) -> GivenLabels:
        """Labels in the shape a caller gives them: the inverse of `answers`."""
        if self.words is not None:
            return self.words.array[labels[:, 0]]
        return labels if self.concepts else labels[:, 0]

    def _numbers(self, values: ArrayLike) -> LabelArray:
        given = None if self.concepts else as_words(values, name="labels")
        if given is None and self.words is not None:
            array = as_array(values, name="labels")
            given = array.tolist() if array.ndim == 1 else None
        if given is None:
            return as_integers(values)
        known = self.words or Words(words=self.classes, name="labels")
        return np.array(self.classes, np.int64)[known.numbers_of(given)]

    def check_seed(self, labels: LabelArray, params: ActiveParams) -> None:
        """Refuse a seed (m, q) from which no useful first model can be trained.

        Raises:
            InvalidInputError: one class only where a model is to be trained, or no
                positive where positives are sought.
        """
        if len(self.classes) < 2:
            raise InvalidInputError(
                f"the seed of {len(labels)} labels has {len(self.classes)} class"
                f" {shown_words(self.names)}: a classifier needs two"
            )
        for column in range(self.count):
            self._check_column(labels[:, column], params, self._of(column))

    def _named(self, numbers: LabelArray) -> list[Any]:
        return [self.names[self.classes.index(number)] for number in numbers.tolist()]

    def _of(self, column: int) -> str:
        return f" of concept {self.concepts[column]!r}" if self.concepts else ""

    def _check_column(self, labels: LabelArray, params: ActiveParams, of: str) -> None:
        if params.model == "given":
            return
        seen = np.unique(labels)
        if len(seen) < 2:
            raise InvalidInputError(
                f"the seed of {len(labels)} labels{of} has {len(seen)} class"
                f" {shown_words(self._named(seen))}: a classifier needs two"
            )
        positive = self.classes[-1]
        if params.strategy == "most_likely_positive" and seen[-1] != positive:
            raise InvalidInputError(
                f"the seed{of} has no positive (label {self.names[-1]}) to look for"
                " more like it"
            )


def params_as_json(params: ActiveParams) -> dict[str, Any]:
    """`params` as JSON values, for provenance."""
    values = asdict(params)
    stated = params.classes
    if stated is not None and as_words(list(stated), name="classes") is not None:
        values["classes"] = as_json(stated)
    return values


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
