"""An active-learning session: batches to label, submitted labels, saved state."""

from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError, NotReadyError
from gleann.selection.active.coverage import Coverage
from gleann.selection.active.models.base import Probabilities, ProbabilityModel
from gleann.selection.active.models.classifier import Classifier
from gleann.selection.active.models.given import GivenProbabilities
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.pending import PendingBatch
from gleann.selection.active.pools.choice import PoolChoice
from gleann.selection.active.query.factory import saved_strategy, seeded_strategy
from gleann.selection.active.query.strategy import QueryStrategy
from gleann.selection.active.questions import GivenLabels, params_as_json
from gleann.selection.active.remote import (
    RemoteVectors,
    hash_of,
    session_vectors,
)
from gleann.selection.active.scores import ClassScores
from gleann.selection.active.stopping import StopAdvice, advise
from gleann.selection.among import Among, AmongLike, origin_of, state_of
from gleann.selection.checks import IdMap, as_rows, require_count, shown
from gleann.selection.neighbours import Neighbours
from gleann.selection.provenance import (
    check_format,
    check_origin,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection

FORMAT = "gleann.active/2"
_PARTS = ("params", "classes", "ledger", "picker", "docket", "data_hash", "ids_hash")


class ActiveSession:
    """Query the labels that help a classifier, or a search for positives, the most.

    Make one with `start` or `resume`. The same seed, labels and neighbours give the
    same batches, in whatever order labels arrive and however often it is resumed. Not
    thread-safe.

    With `params.concepts` each row has several yes-or-no questions: a label is then one
    answer, 0 or 1, per concept. Every answer trains the classifier of its concept, and
    the concepts take turns in picking the batch from one pool.
    """

    def __init__(self, names: IdMap, strategy: QueryStrategy) -> None:
        self._names = names
        self._strategy = strategy
        self._questions = strategy.questions
        self._labels = strategy.labels
        self._pending = PendingBatch(strategy.questions, strategy.labels, names)
        self._data_hash = hash_of(strategy.vectors)
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(  # noqa: PLR0913 (all of it is data; how to pick is in `params`)
        cls,
        vectors: ArrayLike | RemoteVectors,
        params: ActiveParams | None = None,
        *,
        ids: ArrayLike | None = None,
        rows: ArrayLike,
        labels: ArrayLike,
        neighbours: Neighbours | None = None,
        classifier: Classifier | None = None,
        among: AmongLike | None = None,
    ) -> "ActiveSession":
        """Start from a seed of labelled rows.

        Args:
            vectors: (n, d) what the classifier sees, such as `index.vectors`. An array
                that can be written to is copied: later writes change nothing. Those of
                an index in shards stay there (`ItemsInShards`).
            params: how; defaults to `ActiveParams()`.
            ids: (n,) names of the rows; None numbers them.
            rows: (m,) the seed, of two classes at least; or a mask (n,) of it, whose
                labels come in row order.
            labels: (m,) their labels: integers, or words of any kind (texts, members
                of an enum, tuples); (m, q) of 0 and 1 with q concepts.
            neighbours: over the same n rows; the pools "seals", "classifier" and
                "anchors" need them, and "auto" does for many rows.
            classifier: for `model="own"`: any of scikit-learn, not fitted; cloned.
            among: the only rows that may be candidates: a mask (n,) of bool, or their
                ids where `ids` are given, else rows; None for all. The seed may have
                others: they train the model, and their nearest rows of these are
                candidates.

        Raises:
            InvalidInputError: vectors, ids, rows or labels that cannot be used; a seed
                of one class, or without a positive where positives are sought.
            InvalidParamsError: no neighbours, or no classifier, where one is needed.
            DimensionMismatchError: lengths differ.
        """
        points = session_vectors(vectors)
        names = IdMap(ids, n=len(points))
        named = None if ids is None else names
        strategy = seeded_strategy(
            points,
            params or ActiveParams(),
            rows=as_rows(rows, n=len(points)),
            labels=labels,
            neighbours=neighbours,
            classifier=classifier,
            among=Among.of(among, n=len(points), names=named),
        )
        return cls(names, strategy)

    @property
    def params(self) -> ActiveParams:
        """How the session picks; for "auto", `pool` is the one that it took."""
        return self._strategy.params

    @property
    def pool_choice(self) -> PoolChoice:
        """The pool, whether it was asked for, and the reason; kept by `state`."""
        return self._strategy.pool_choice

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels there are: the columns of `probabilities`, the positive one last.

        Integers ascending; words as `params.classes` has them, else sorted where they
        have an order.
        """
        return self._questions.names

    @property
    def labelled_rows(self) -> Rows:
        """(m,) labelled rows, ascending."""
        return self._labels.rows.copy()

    @property
    def positives(self) -> int:
        """Answers so far that are the last class."""
        return int((self._labels.answers == self._questions.classes[-1]).sum())

    @property
    def labels(self) -> GivenLabels:
        """The labels of `labelled_rows` as given: (m,), or (m, q) with q concepts."""
        return self._questions.as_given(self._labels.answers).copy()

    @property
    def looked_at(self) -> int:
        """Distinct rows that were ever candidates; for "random", rows queried."""
        if self.params.pool == "random":
            return len(self._labels.closed_rows) + len(self._pending.rows)
        return self._strategy.pool.looked_at

    @property
    def among(self) -> Among | None:
        """The only rows that are picked; None for all."""
        return self._labels.among

    @property
    def available(self) -> int:
        """Rows that are labelled or may be asked for: the most labels there can be."""
        return int(self._labels.usable.sum())

    def next_batch(self) -> Selection:
        """The rows to label next: the rest of the open batch, or else a new one.

        The same until labels (or `ignore`) arrive. A batch is short, and its summary
        says so, where the pool has fewer candidates than `params.batch`.

        Raises:
            NotReadyError: model "given", and candidates without probabilities.
        """
        if not len(self._pending.rows):
            if missing := len(self.wanted()):
                raise NotReadyError(
                    f"{missing} of {len(self._strategy.pool.candidates())} candidates"
                    " have no probabilities since the last labels: `wanted` names"
                    " them, `submit_probabilities` takes them"
                )
            self._pending.put(self._strategy.pick(self._pending.number))
        return self._pending.selection(
            summary={
                "labelled": len(self._labels.rows),
                "looked_at": self.looked_at,
                "rows": self._strategy.rows,
                "pool": self.pool_choice.pool,
                "pool_reason": self.pool_choice.reason,
                "short": len(self._pending.batch.rows) < self.params.batch,
            },
            provenance=provenance(
                f"active/{self.params.pool}",
                params=params_as_json(self.params),
                seed=self.params.seed,
                data_hash=self._data_hash,
            )
            | {"pool_choice": asdict(self.pool_choice)}
            | origin_of(self._labels.among),
        )

    def wanted(self) -> Ids:
        """Ids (m,) whose probabilities model "given" needs before a new batch.

        Empty with other models, for the pool "random", and while a batch is pending.
        Rows that join the pool within a batch are picked in it only if they have
        probabilities already, so handing over more than is wanted picks better.
        """
        if self.params.model != "given" or len(self._pending.rows):
            return self._names.ids_of(np.empty(0, np.int64))
        return self._names.ids_of(self._strategy.unscored(self._pending.number))

    def submit_probabilities(
        self, ids: ArrayLike, probabilities: ArrayLike, *, concept: str | None = None
    ) -> None:
        """Take the probabilities of the caller's own model, for model "given".

        They are valid until labels arrive; of several for one row the latest counts.

        Args:
            ids: (m,) of any rows.
            probabilities: (m, c), columns as `classes`.
            concept: the question, where there are several.

        Raises:
            InvalidParamsError: another model, or no such concept.
            UnknownIdError: an id that no row has.
            InvalidInputError: not numbers, NaN, below 0, or not summing to one.
            DimensionMismatchError: not m rows of c classes.
        """
        model = self._strategy.model
        if not isinstance(model, GivenProbabilities):
            raise InvalidParamsError(
                f"model is {self.params.model!r}; only 'given' takes probabilities"
            )
        rows = self._names.rows_of(ids)
        model.update(self._labels)
        model.submit(rows, probabilities, question=self._questions.column(concept))

    def submit_labels(self, ids: ArrayLike, labels: ArrayLike) -> int:
        """Take labels of queried rows, some or all of them.

        A label may be submitted twice; the second time changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            labels: (m,) among `classes`; (m, q) with q concepts.

        Returns:
            Number of newly labelled rows.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not asked for, a label outside the
                classes, or one that contradicts an earlier label.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        given = self._questions.answers(labels, n=len(rows))
        self._pending.require_asked(rows)
        changed = self._labels.contradicted(rows, given)
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids_of(changed))}"
            )
        return self._labels.add(rows, given)

    def ignore(self, ids: ArrayLike) -> None:
        """Exclude `ids`, or a mask (n,) of rows, from later batches.

        Rows with labels keep them.

        Raises:
            UnknownIdError: an id that no row has.
        """
        rows = self._names.rows_of(ids)
        self._strategy.pool.close(self._labels.ignore(rows))

    def stop_advice(self) -> StopAdvice:
        """Whether further labels are likely to help."""
        pending = len(self._pending.rows)
        return advise(
            self._pending.outcomes,
            seeks_positives=self.params.strategy == "most_likely_positive",
            pool_empty=not pending
            and self._strategy.is_exhausted(self._pending.number),
        )

    def probabilities(
        self, rows: ArrayLike | None = None, *, concept: str | None = None
    ) -> Probabilities:
        """Class probabilities by the classifier, trained on all labels so far.

        Args:
            rows: (m,) of the vectors; None for all.
            concept: which question, where there are several.

        Returns:
            (m, c), columns as `classes`.

        Raises:
            NotReadyError: model "given", and rows without probabilities.
        """
        n = len(self._strategy.vectors)
        wanted = np.arange(n) if rows is None else as_rows(rows, n=n)
        column = self._questions.column(concept)
        return self._trained().probabilities(wanted, question=column)

    def scores(
        self, rows: ArrayLike | None = None, *, concept: str | None = None
    ) -> ClassScores:
        """`probabilities` with the ids of the rows, as a table of a column a class."""
        n = len(self._strategy.vectors)
        wanted = np.arange(n) if rows is None else as_rows(rows, n=n)
        return ClassScores(
            ids=self._names.ids_of(wanted),
            classes=self.classes,
            probabilities=self.probabilities(wanted, concept=concept),
        )

    def score_vectors(
        self, vectors: ArrayLike, *, concept: str | None = None
    ) -> Probabilities:
        """Class probabilities (m, c) of vectors (m, d) outside the data set."""
        column = self._questions.column(concept)
        return self._trained().probabilities_of_vectors(vectors, column)

    def coverage(
        self, *, concept: str | None = None, top: int | None = None
    ) -> Coverage:
        """Compare the pending batch with the rows that the global pool would pick.

        Scores every row, as the global pool does before each batch. `Coverage` also
        reports random rows and the strongest simple baseline.

        Args:
            concept: the question, where there are several; the rows picked for it
                are compared.
            top: number of highest-scoring rows to compare with; None takes as many as
                were picked.

        Raises:
            NotReadyError: no batch is pending, some of its rows are labelled already,
                or none of them has a score.
        """
        batch, pending = self._pending.batch.rows, self._pending.rows
        if not len(pending) or self._labels.has(batch).any():
            raise NotReadyError("coverage is of a batch before its first label")
        if top is not None:
            require_count("top", top)
        question = self._questions.column(concept)
        picked = self._pending.rows_of(question)
        return self._strategy.coverage(
            pending, picked=picked, question=question, top=top or len(picked)
        )

    def state(self) -> dict[str, Any]:
        """All but vectors and ids, as JSON values for `resume`."""
        words = self._questions.words
        return sealed(
            {
                "format": FORMAT,
                "params": self._questions.saved_params(self.params),
                "pool_choice": self.pool_choice.state(),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "classes": list(self._questions.classes),
                **({"words": words.state()} if words is not None else {}),
                **state_of(self._labels.among),
                "ledger": self._labels.state(),
                "picker": self._strategy.state(),
                "docket": self._pending.state(),
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike | RemoteVectors,
        *,
        ids: ArrayLike | None = None,
        neighbours: Neighbours | None = None,
        classifier: Classifier | None = None,
        classes: tuple[Hashable, ...] | None = None,
    ) -> "ActiveSession":
        """Continue from `state()`, with the same vectors, ids, neighbours, classifier.

        Args:
            state: of a session.
            vectors: as in `start`, and so are the other arguments.
            ids: of the rows.
            neighbours: over the rows.
            classifier: for `model="own"`.
            classes: the labels, in any order. Needed where they are other objects than
                texts, integers, bools and tuples of those, such as members of an enum.

        Raises:
            CorruptDataError: not such a state, or of other vectors, ids, classifier or
                classes.
            InvalidParamsError: classes are needed, and not given.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        points = session_vectors(vectors)
        strategy = saved_strategy(
            saved,
            points,
            neighbours=neighbours,
            classifier=classifier,
            classes=classes,
        )
        session = cls(IdMap(ids, n=len(points)), strategy)
        check_origin(
            saved,
            data="vectors",
            data_hash=session._data_hash,
            ids_hash=session._ids_hash,
        )
        session._pending.restore(saved.part("docket"))
        asked = session._pending.batch.rows
        closed = np.union1d(strategy.labels.closed_rows, asked)
        strategy.restore(saved.part("picker"), closed=closed)
        return session

    def _trained(self) -> ProbabilityModel:
        """The model, up to date with the labels."""
        self._strategy.model.update(self._labels)
        return self._strategy.model
