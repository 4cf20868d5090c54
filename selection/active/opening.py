"""What a session begins with, and what it goes on with."""

from numpy.typing import ArrayLike

from gleann.index.arrays import Rows, Vectors
from gleann.selection.active.catalogue import make_picker
from gleann.selection.active.ledger import Ledger
from gleann.selection.active.model import Classifier
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.picker import Picker
from gleann.selection.active.questions import Questions
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved, rebuilding


def seeded_picker(
    vectors: Vectors,
    params: ActiveParams,
    *,
    rows: Rows,
    labels: ArrayLike,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
) -> Picker:
    """A picker that knows the `labels` of the seed `rows` (m,), and of nothing else.

    Raises:
        InvalidInputError: labels that cannot be used; a seed of one class, or without a
            positive where positives are sought.
        InvalidParamsError: no neighbours, or no classifier, where one is needed.
        DimensionMismatchError: lengths differ.
    """
    questions = Questions.of_seed(params, labels)
    known = questions.answers(labels, n=len(rows))
    questions.check_seed(known, params)
    ledger = Ledger(len(vectors), questions=questions.count)
    ledger.add(rows, known)
    picker = make_picker(
        params, vectors, questions, ledger, neighbours=neighbours, classifier=classifier
    )
    picker.pool.close(rows)
    picker.pool.grow(rows)
    return picker


def saved_picker(
    state: Saved,
    vectors: Vectors,
    *,
    neighbours: Neighbours | None,
    classifier: Classifier | None,
) -> Picker:
    """A picker with the labels of a session's `state`; its pool is still empty.

    Raises:
        CorruptDataError: a part that does not fit.
        InvalidParamsError: no neighbours, or no classifier, where one is needed.
    """
    params = state.params("params", ActiveParams)
    questions = Questions.of_state(state, params)
    ledger = Ledger.of_state(state.part("ledger"), n=len(vectors), questions=questions)
    with rebuilding("ledger"):
        questions.check_seed(ledger.labels, params)
    return make_picker(
        params, vectors, questions, ledger, neighbours=neighbours, classifier=classifier
    )
