"""An active-learning session: ask for labels, take them, ask for better ones."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import as_vectors
from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError, NotReadyError
from gleann.selection.active.coverage import Coverage
from gleann.selection.active.models.base import Judge, Table
from gleann.selection.active.models.classifier import Classifier
from gleann.selection.active.models.given import Given
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pending import Docket
from gleann.selection.active.query.factory import saved_picker, seeded_picker
from gleann.selection.active.query.strategy import Picker
from gleann.selection.active.questions import Labels
from gleann.selection.active.stopping import StopAdvice, advise
from gleann.selection.checks import IdMap, as_rows, kept, require_count, shown
from gleann.selection.neighbours import Neighbours
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection

FORMAT = "gleann.active/2"
_PARTS = ("params", "classes", "ledger", "picker", "docket", "data_hash", "ids_hash")


class ActiveSession:
    """Ask for the labels from which a classifier, or a search, would gain most.

    Make one with `start` or `resume`. The same seed, labels and neighbours give the
    same sequence, whatever the order labels come in and however often it is resumed.
    Not safe for several threads at once.

    With `params.concepts` it asks several yes-or-no questions of each row: a label is
    then a row of answers, 0 or 1, one a concept; every answer teaches the classifier of
    its concept, whoever asked; and the concepts take turns in picking the batch, from
    one pool.
    """

    def __init__(self, names: IdMap, picker: Picker) -> None:
        self._names = names
        self._picker = picker
        self._questions = picker.questions
        self._ledger = picker.ledger
        self._docket = Docket(picker.questions, picker.ledger, names)
        self._data_hash = fingerprint(picker.vectors)
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(  # noqa: PLR0913 (all of it is data; how to pick is in `params`)
        cls,
        vectors: ArrayLike,
        params: ActiveParams | None = None,
        *,
        ids: ArrayLike | None = None,
        rows: ArrayLike,
        labels: ArrayLike,
        neighbours: Neighbours | None = None,
        classifier: Classifier | None = None,
    ) -> "ActiveSession":
        """Begin from a seed of labelled rows.

        Args:
            vectors: (n, d) what the classifier sees, such as `index.vectors`. An array
                that can be written to is copied: later writes change nothing.
            params: how; defaults to `ActiveParams()`.
            ids: (n,) names of the rows; None numbers them.
            rows: (m,) the seed, of two classes at least.
            labels: (m,) their labels, integers; (m, q) of 0 and 1 with q concepts.
            neighbours: over the same n rows; the pools "seals", "classifier" and
                "anchors" need them.
            classifier: for `model="own"`: any of scikit-learn, not fitted; cloned.

        Raises:
            InvalidInputError: vectors, ids, rows or labels that cannot be used; a seed
                of one class, or without a positive where positives are sought.
            InvalidParamsError: no neighbours, or no classifier, where one is needed.
            DimensionMismatchError: lengths differ.
        """
        points = kept(as_vectors(vectors), vectors)
        picker = seeded_picker(
            points,
            params or ActiveParams(),
            rows=as_rows(rows, n=len(points)),
            labels=labels,
            neighbours=neighbours,
            classifier=classifier,
        )
        return cls(IdMap(ids, n=len(points)), picker)

    @property
    def params(self) -> ActiveParams:
        """How the session picks."""
        return self._picker.params

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels there are, ascending: the columns of `probabilities`."""
        return self._questions.classes

    @property
    def labelled_rows(self) -> Rows:
        """(m,) labelled rows, ascending."""
        return self._ledger.rows.copy()

    @property
    def labels(self) -> Labels:
        """The labels of `labelled_rows`: (m,), or (m, q) with q concepts."""
        return self._questions.as_given(self._ledger.labels).copy()

    @property
    def looked_at(self) -> int:
        """Distinct rows that ever were candidates; for "random", those asked for."""
        if self.params.pool == "random":
            return len(self._ledger.closed_rows) + len(self._docket.pending)
        return self._picker.pool.looked_at

    @property
    def available(self) -> int:
        """Rows that are not ignored: no more labels can be had than that."""
        return int((~self._ledger.ignored).sum())

    def next_batch(self) -> Selection:
        """What to label next: what is left of this batch, or else a new one.

        The same until labels (or `ignore`) arrive. A batch is short, and its summary
        says so, where the pool has fewer candidates than `params.batch`.

        Raises:
            NotReadyError: model "given", and candidates without probabilities.
        """
        if not len(self._docket.pending):
            if missing := len(self.wanted()):
                raise NotReadyError(
                    f"{missing} of {len(self._picker.pool.candidates())} candidates"
                    " have no probabilities since the last labels: `wanted` names"
                    " them, `submit_probabilities` takes them"
                )
            self._docket.put(self._picker.pick(self._docket.number))
        return self._docket.selection(
            summary={
                "labelled": len(self._ledger.rows),
                "looked_at": self.looked_at,
                "short": len(self._docket.batch.rows) < self.params.batch,
            },
            provenance=provenance(
                f"active/{self.params.pool}",
                params=asdict(self.params),
                seed=self.params.seed,
                data_hash=self._data_hash,
            ),
        )

    def wanted(self) -> Ids:
        """Ids (m,) that model "given" must have probabilities of before a new batch.

        Empty with other models, for the pool "random", and while a batch is pending.
        Rows that join the pool within a batch are picked in it only if they have
        probabilities already, so handing over more than is wanted picks better.
        """
        if self.params.model != "given" or len(self._docket.pending):
            return self._names.ids_of(np.empty(0, np.int64))
        return self._names.ids_of(self._picker.unknown(self._docket.number))

    def submit_probabilities(
        self, ids: ArrayLike, probabilities: ArrayLike, *, concept: str | None = None
    ) -> None:
        """Take what the caller's own model says, for model "given".

        They count until labels arrive; given again, the latest count.

        Args:
            ids: (m,) of any rows.
            probabilities: (m, c), columns as `classes`.
            concept: which question, where there are several.

        Raises:
            InvalidParamsError: another model, or no such concept.
            UnknownIdError: an id that no row has.
            InvalidInputError: not numbers, NaN, below 0, or not summing to one.
            DimensionMismatchError: not m rows of c classes.
        """
        judge = self._picker.judge
        if not isinstance(judge, Given):
            raise InvalidParamsError(
                f"model is {self.params.model!r}; only 'given' takes probabilities"
            )
        rows = self._names.rows_of(ids)
        judge.learn(self._ledger)
        judge.give(rows, probabilities, question=self._questions.column(concept))

    def submit_labels(self, ids: ArrayLike, labels: ArrayLike) -> int:
        """Take labels of rows that were asked for, some or all of them.

        A label that was given before may be given again and changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            labels: (m,) integers among `classes`; (m, q) with q concepts.

        Returns:
            How many rows were labelled that had not been.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not asked for, a label outside the
                classes, or one that contradicts an earlier label.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        given = self._questions.answers(labels, n=len(rows))
        self._docket.require_asked(rows)
        changed = self._ledger.contradicted(rows, given)
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids_of(changed))}"
            )
        return self._ledger.add(rows, given)

    def ignore(self, ids: ArrayLike) -> None:
        """Never ask for `ids` (again); those that are labelled keep their labels.

        Raises:
            UnknownIdError: an id that no row has.
        """
        rows = self._names.rows_of(ids)
        self._picker.pool.close(self._ledger.ignore(rows))

    def stop_advice(self) -> StopAdvice:
        """Whether going on is likely to pay."""
        pending = len(self._docket.pending)
        return advise(
            self._docket.outcomes,
            seeks_positives=self.params.strategy == "most_likely_positive",
            pool_empty=not pending and self._picker.dry(self._docket.number),
        )

    def probabilities(
        self, rows: ArrayLike | None = None, *, concept: str | None = None
    ) -> Table:
        """What the classifier, trained on all labels so far, says.

        Args:
            rows: (m,) of the vectors; None for all.
            concept: which question, where there are several.

        Returns:
            (m, c), columns as `classes`.

        Raises:
            NotReadyError: model "given", and rows without probabilities.
        """
        n = len(self._picker.vectors)
        wanted = np.arange(n) if rows is None else as_rows(rows, n=n)
        column = self._questions.column(concept)
        return self._trained().table(wanted, question=column)

    def score_vectors(self, vectors: ArrayLike, *, concept: str | None = None) -> Table:
        """As `probabilities`, of vectors (m, d) that are not in the pool."""
        column = self._questions.column(concept)
        return self._trained().table_of_vectors(vectors, question=column)

    def coverage(
        self, *, concept: str | None = None, top: int | None = None
    ) -> Coverage:
        """How much of what the global method would pick the pending batch let through.

        Scores every row, as the global method does before each batch. Random rows and
        the strongest simple choice stand beside the batch, as `Coverage` says.

        Args:
            concept: which question, where there are several; the rows picked for it
                are compared.
            top: how many rows of highest score to compare with; None takes as many as
                were picked.

        Raises:
            NotReadyError: no batch is pending, some of its labels are there already, or
                nothing in it has a score.
        """
        batch, pending = self._docket.batch.rows, self._docket.pending
        if not len(pending) or self._ledger.has(batch).any():
            raise NotReadyError("coverage is of a batch before its first label")
        if top is not None:
            require_count("top", top)
        question = self._questions.column(concept)
        picked = self._docket.pending_of(question)
        return self._picker.coverage(
            pending, picked=picked, question=question, top=top or len(picked)
        )

    def state(self) -> dict[str, Any]:
        """Everything but vectors and ids, as JSON values; `resume` takes it back."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self.params),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "classes": list(self.classes),
                "ledger": self._ledger.state(),
                "picker": self._picker.state(),
                "docket": self._docket.state(),
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        neighbours: Neighbours | None = None,
        classifier: Classifier | None = None,
    ) -> "ActiveSession":
        """Go on from `state()`, with the same vectors, ids, neighbours and classifier.

        Raises:
            CorruptDataError: not such a state, or of other vectors, ids or classifier.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        points = kept(as_vectors(vectors), vectors)
        picker = saved_picker(
            saved, points, neighbours=neighbours, classifier=classifier
        )
        session = cls(IdMap(ids, n=len(points)), picker)
        check_origin(
            saved,
            data="vectors",
            data_hash=session._data_hash,
            ids_hash=session._ids_hash,
        )
        session._docket.restore(saved.part("docket"))
        asked = session._docket.batch.rows
        closed = np.union1d(picker.ledger.closed_rows, asked)
        picker.restore(saved.part("picker"), closed=closed)
        return session

    def _trained(self) -> Judge:
        """The judge, up to date with the labels."""
        self._picker.judge.learn(self._ledger)
        return self._picker.judge
