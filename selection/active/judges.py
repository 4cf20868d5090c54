"""Who says how likely each class is: classifiers, or the caller's own numbers."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.selection.active.ledger import Ledger
from gleann.selection.active.model import Classifier, Model, make_classifier
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pools import Boundaries
from gleann.selection.active.questions import Questions
from gleann.selection.checks import as_probabilities

Table = NDArray[np.float64]
"""Class probabilities (m, c)."""


class Judge(Protocol):
    """Probabilities of rows, a table for each question."""

    @property
    def converged(self) -> bool:
        """Whether all training had converged."""

    def learn(self, ledger: Ledger) -> None:
        """Take account of the labels there are."""

    def knows(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) there are probabilities of."""

    def table(self, rows: Rows, *, question: int) -> Table:
        """Class probabilities (m, c) of `rows` (m,)."""

    def table_of_vectors(self, vectors: ArrayLike, *, question: int) -> Table:
        """Class probabilities (m, c) of vectors (m, d) outside the pool."""

    def boundaries(self) -> tuple[Boundaries, ...] | None:
        """Of the classifiers, one a question; None where one is not linear."""

    def state(self) -> dict[str, Any]:
        """What cannot be computed again, as JSON values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` told."""


def make_judge(
    params: ActiveParams,
    vectors: Vectors,
    questions: Questions,
    classifier: Classifier | None,
) -> Judge:
    """The judge that `params` name.

    Raises:
        InvalidParamsError: a classifier where none is asked for, or the other way
            round.
    """
    if params.model == "given":
        if classifier is not None:
            raise InvalidParamsError(
                "model 'given' takes probabilities, not a classifier; got"
                f" {type(classifier).__name__}"
            )
        return Given(questions)
    return Trained(vectors, make_classifier(params, classifier), questions)


class Trained:
    """One classifier a question, trained on all labels.

    Args:
        vectors: (n, d) the rows.
        classifier: cloned for each fit.
        questions: the columns of the labels.
    """

    __slots__ = ("_classifier", "_learnt", "_models", "_questions", "_vectors")

    def __init__(
        self, vectors: Vectors, classifier: Classifier, questions: Questions
    ) -> None:
        self._vectors = vectors
        self._classifier = classifier
        self._questions = questions
        self._models: list[Model] = []
        self._learnt = 0

    @property
    def converged(self) -> bool:
        """Whether all training had converged."""
        return all(model.converged for model in self._models)

    def learn(self, ledger: Ledger) -> None:
        """Train, unless the models are of these labels already."""
        # Labels are only ever added, so their number says whether models are current.
        if self._learnt == len(ledger.rows):
            return
        vectors = self._vectors[ledger.rows]
        self._models = [
            Model(
                self._classifier,
                vectors,
                ledger.labels[:, question],
                classes=self._questions.classes,
            )
            for question in range(self._questions.count)
        ]
        self._learnt = len(ledger.rows)

    def knows(self, rows: Rows) -> Mask:
        """All of them."""
        return np.ones(len(rows), np.bool_)

    def table(self, rows: Rows, *, question: int) -> Table:
        """Class probabilities (m, c) of `rows` (m,)."""
        return self._models[question].probabilities(self._vectors[rows])

    def table_of_vectors(self, vectors: ArrayLike, *, question: int) -> Table:
        """Class probabilities (m, c) of vectors (m, d) outside the pool."""
        points = as_vectors(vectors, dim=self._vectors.shape[1])
        return self._models[question].probabilities(points)

    def boundaries(self) -> tuple[Boundaries, ...] | None:
        """Of the classifiers, one a question; None where one is not linear."""
        every = [model.boundaries() for model in self._models]
        linear = tuple(one for one in every if one is not None)
        return linear if len(linear) == len(every) else None

    def state(self) -> dict[str, Any]:
        """What the classifier is; the models follow from the labels."""
        return {"classifier": repr(self._classifier)}

    def restore(self, state: dict[str, Any]) -> None:
        """Check that the classifier is the same.

        Raises:
            CorruptDataError: it is not.
        """
        if state["classifier"] != repr(self._classifier):
            raise CorruptDataError(
                f"the state is of the classifier {state['classifier']}, got"
                f" {self._classifier!r}"
            )


class Given:
    """Probabilities that the caller hands over for the batch to come.

    Args:
        questions: the columns of the labels.
    """

    __slots__ = ("_at", "_learnt", "_questions", "_tables")

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._learnt = 0
        self._at: list[dict[int, int]] = [{} for _ in range(questions.count)]
        nothing = np.empty((0, len(questions.classes)))
        self._tables: list[Table] = [nothing] * questions.count

    @property
    def converged(self) -> bool:
        """True: nothing was trained here."""
        return True

    def learn(self, ledger: Ledger) -> None:
        """Forget what was said before the labels changed."""
        if self._learnt == len(ledger.rows):
            return
        for question in range(self._questions.count):
            self._at[question].clear()
            self._tables[question] = self._tables[question][:0]
        self._learnt = len(ledger.rows)

    def give(self, rows: Rows, values: ArrayLike, *, question: int) -> None:
        """Take probabilities (m, c) of distinct `rows` (m,); the latest count.

        Raises:
            InvalidInputError: they are none.
            DimensionMismatchError: not m rows of c classes.
        """
        table = as_probabilities(values)
        expected = (len(rows), len(self._questions.classes))
        if table.shape != expected:
            raise DimensionMismatchError(
                f"probabilities have shape {table.shape}, expected {expected}:"
                f" {expected[0]} ids and {expected[1]} classes"
            )
        self._put(rows, table, question)

    def knows(self, rows: Rows) -> Mask:
        """Those with probabilities for every question."""
        return np.array(
            [all(row in at for at in self._at) for row in rows.tolist()], np.bool_
        )

    def table(self, rows: Rows, *, question: int) -> Table:
        """Class probabilities (m, c) of `rows` (m,).

        Raises:
            NotReadyError: some have none.
        """
        at = self._at[question]
        places = [at.get(row, -1) for row in rows.tolist()]
        if missing := places.count(-1):
            raise NotReadyError(
                f"{missing} of {len(rows)} rows have no probabilities since the last"
                " labels: submit_probabilities takes them"
            )
        return self._tables[question][places]

    def table_of_vectors(
        self,
        vectors: ArrayLike,  # noqa: ARG002 (the judge's contract)
        *,
        question: int,  # noqa: ARG002
    ) -> Table:
        """Impossible.

        Raises:
            InvalidParamsError: always; there is no classifier here.
        """
        raise InvalidParamsError("model 'given' has no classifier to score vectors by")

    def boundaries(self) -> None:
        """None: there is no classifier."""

    def state(self) -> dict[str, Any]:
        """What was given, as JSON values."""
        given = []
        for at, table in zip(self._at, self._tables, strict=True):
            rows = sorted(at)
            given.append([rows, table[[at[row] for row in rows]].tolist()])
        return {"learnt": self._learnt, "given": given}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what was given."""
        self._learnt = int(state["learnt"])
        for question, (rows, table) in enumerate(state["given"]):
            values = np.asarray(table, np.float64).reshape(len(rows), -1)
            if len(rows):
                self._put(np.asarray(rows, np.int64), values, question)

    def _put(self, rows: Rows, table: Table, question: int) -> None:
        start = len(self._tables[question])
        self._tables[question] = np.concatenate([self._tables[question], table])
        for place, row in enumerate(rows.tolist(), start):
            self._at[question][row] = place
