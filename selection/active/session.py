"""An active-learning session: ask for labels, take them, ask for better ones."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.active.advice import BatchOutcome, StopAdvice, advise
from gleann.selection.active.batch import Batch
from gleann.selection.active.classifier_query import ClassifierPool, Searcher
from gleann.selection.active.everything import GlobalPool
from gleann.selection.active.ledger import (
    Labels,
    Ledger,
    as_labels,
    check_seed,
    require_classes,
)
from gleann.selection.active.model import Model
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.picking import Score, pick_batch
from gleann.selection.active.pools import Pool
from gleann.selection.active.seals import SealsPool
from gleann.selection.checks import IdMap, as_rows, shown
from gleann.selection.pool import Neighbours, Selection, fingerprint, provenance
from gleann.selection.uncertainty import STRATEGIES, entropy

FORMAT = "gleann.active/1"


class ActiveSession:
    """Ask for the labels from which a classifier, or a search, would gain most.

    Make one with `start` or `resume`. The same seed, labels and neighbours give the
    same sequence, whatever the order labels come in and however often it is resumed.
    Not safe for several threads at once.
    """

    def __init__(
        self, vectors: Vectors, params: ActiveParams, names: IdMap, classes: Any
    ) -> None:
        self._vectors = vectors
        self._params = params
        self._names = names
        self._classes: tuple[int, ...] = tuple(classes)
        self._ledger = Ledger(len(vectors))
        self._batch = Batch.none()
        self._outcomes: list[BatchOutcome] = []
        self._model: tuple[int, Model] | None = None
        self._data_hash = fingerprint(vectors)
        self._pool: Pool

    @classmethod
    def start(
        cls,
        vectors: ArrayLike,
        params: ActiveParams | None = None,
        *,
        ids: ArrayLike | None = None,
        rows: ArrayLike,
        labels: ArrayLike,
        neighbours: Neighbours | None = None,
    ) -> "ActiveSession":
        """Begin from a seed of labelled rows.

        Args:
            vectors: (n, d) what the classifier sees, such as `index.vectors`.
            params: how; defaults to `ActiveParams()`.
            ids: (n,) names of the rows; None numbers them.
            rows: (m,) the seed, of two classes at least.
            labels: (m,) their labels, integers.
            neighbours: over the same n rows; needed by the pools "seals" and
                "classifier".

        Raises:
            InvalidInputError: vectors, ids, rows or labels that cannot be used; a seed
                of one class, or without a positive where positives are sought.
            InvalidParamsError: such a pool without them.
            DimensionMismatchError: lengths differ.
        """
        params = params or ActiveParams()
        points = as_vectors(vectors)
        seed = as_rows(rows, n=len(points))
        known = as_labels(labels, n=len(seed))
        classes = params.classes or tuple(np.unique(known).tolist())
        check_seed(known, classes, params)
        session = cls(points, params, IdMap(ids, n=len(points)), classes)
        session._ledger.add(seed, known)
        session._pool = _make_pool(params, len(points), neighbours)
        session._pool.close(seed)
        session._pool.grow(seed)
        return session

    @property
    def params(self) -> ActiveParams:
        """How the session picks."""
        return self._params

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels there are, ascending: the columns of `probabilities`."""
        return self._classes

    @property
    def labelled_rows(self) -> Rows:
        """(m,) labelled rows, ascending."""
        return self._ledger.rows

    @property
    def labels(self) -> Labels:
        """(m,) the labels of `labelled_rows`."""
        return self._ledger.labels

    @property
    def looked_at(self) -> int:
        """Distinct rows that ever were candidates; for "random", those asked for."""
        if self._params.pool == "random":
            return int(self._ledger.closed.sum()) + len(self._pending())
        return int(self._pool.entered.sum())

    @property
    def available(self) -> int:
        """Rows that are not ignored: no more labels can be had than that."""
        return int((~self._ledger.ignored).sum())

    def next_batch(self) -> Selection:
        """What to label next: what is left of this batch, or else a new one.

        The same until labels (or `ignore`) arrive. A batch is short, and its summary
        says so, where the pool has fewer candidates than `params.batch`.
        """
        if not len(self._pending()):
            self._close_batch()
            self._batch = self._pick()
        at = np.isin(self._batch.rows, self._pending())
        rows = self._batch.rows[at]
        return Selection(
            rows=rows,
            ids=self._names.ids[rows],
            scores=self._batch.scores[at].astype(np.float32),
            weights=np.ones(len(rows), np.float32),
            why={
                "probability": self._batch.probabilities[at],
                "uncertainty": self._batch.uncertainties[at],
            },
            summary={
                "batch": len(self._outcomes) + 1,
                "labelled": len(self._ledger.rows),
                "looked_at": self.looked_at,
                "short": len(self._batch.rows) < self._params.batch,
                "converged": self._batch.converged,
            },
            provenance=provenance(
                f"active/{self._params.pool}",
                params=asdict(self._params),
                seed=self._params.seed,
                data_hash=self._data_hash,
            ),
        )

    def submit_labels(self, ids: ArrayLike, labels: ArrayLike) -> int:
        """Take labels of rows that were asked for, some or all of them.

        A label that was given before may be given again and changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            labels: (m,) integers among `classes`.

        Returns:
            How many labels were new.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not asked for, a label outside the
                classes, or one that contradicts an earlier label.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        given = as_labels(labels, n=len(rows))
        require_classes(given, self._classes)
        self._require_asked(rows)
        changed = self._ledger.contradicted(rows, given)
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids[changed])}"
            )
        return self._ledger.add(rows, given)

    def ignore(self, ids: ArrayLike) -> None:
        """Never ask for `ids` (again); those that are labelled keep their labels.

        Raises:
            UnknownIdError: an id that no row has.
        """
        rows = self._names.rows_of(ids)
        self._pool.close(self._ledger.ignore(rows))

    def stop_advice(self) -> StopAdvice:
        """Whether going on is likely to pay."""
        pending = len(self._pending())
        return advise(
            [*self._outcomes, *([] if pending else self._outcome())],
            seeks_positives=self._params.strategy == "most_likely_positive",
            pool_empty=not pending and not len(self._pool.candidates()),
        )

    def probabilities(self, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """What the classifier, trained on all labels so far, says.

        Args:
            rows: (m,) of the vectors; None for all.

        Returns:
            (m, c), columns as `classes`.
        """
        if rows is None:
            return self._trained().probabilities(self._vectors)
        wanted = as_rows(rows, n=len(self._vectors))
        return self._trained().probabilities(self._vectors[wanted])

    def score_vectors(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """As `probabilities`, of vectors (m, d) that are not in the pool."""
        points = as_vectors(vectors, dim=self._vectors.shape[1])
        return self._trained().probabilities(points)

    def state(self) -> dict[str, Any]:
        """Everything but vectors and ids, as JSON values; `resume` takes it back."""
        return {
            "format": FORMAT,
            "params": asdict(self._params),
            "data_hash": self._data_hash,
            "classes": list(self._classes),
            "ledger": self._ledger.state(),
            "entered": self._entered_rows().tolist(),
            "batch": self._batch.state(),
            "outcomes": [asdict(outcome) for outcome in self._outcomes],
        }

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        neighbours: Neighbours | None = None,
    ) -> "ActiveSession":
        """Go on from `state()`, with the same vectors, ids and neighbours.

        Raises:
            CorruptDataError: not such a state, or of other vectors.
        """
        if state.get("format") != FORMAT:
            raise CorruptDataError(
                f"expected a state of format {FORMAT}, got {state.get('format')!r}"
            )
        points = as_vectors(vectors)
        params = _params_of(state["params"])
        session = cls(points, params, IdMap(ids, n=len(points)), state["classes"])
        if session._data_hash != state["data_hash"]:
            raise CorruptDataError(
                f"the state is of vectors {state['data_hash'][:12]},"
                f" these are {session._data_hash[:12]}"
            )
        session._ledger = Ledger.of_state(state["ledger"], n=len(points))
        session._batch = Batch.of_state(state["batch"])
        session._outcomes = [BatchOutcome(**outcome) for outcome in state["outcomes"]]
        session._reopen(state["entered"], neighbours)
        return session

    def _reopen(self, entered: list[int], neighbours: Neighbours | None) -> None:
        mask: Mask = np.zeros(len(self._vectors), np.bool_)
        mask[entered] = True
        self._pool = _make_pool(
            self._params, len(self._vectors), neighbours, entered=mask
        )
        self._pool.close(np.flatnonzero(self._ledger.closed))
        self._pool.close(self._batch.rows)

    def _entered_rows(self) -> Rows:
        if self._params.pool in ("global", "random"):
            return np.empty(0, np.int64)
        return np.flatnonzero(self._pool.entered)

    def _pending(self) -> Rows:
        rows = self._batch.rows
        return rows[~self._ledger.closed[rows]]

    def _outcome(self) -> list[BatchOutcome]:
        """Of the batch, if any of it was labelled."""
        at = self._ledger.has(self._batch.rows)
        if not at.any():
            return []
        labels = self._ledger.labels_of(self._batch.rows[at])
        return [
            BatchOutcome(
                uncertainty=float(self._batch.uncertainties[at].mean()),
                positives=int((labels == self._classes[-1]).sum()),
            )
        ]

    def _close_batch(self) -> None:
        self._outcomes.extend(self._outcome())
        self._batch = Batch.none()

    def _pick(self) -> Batch:
        model = self._trained()
        self._pool.consult(model.directions)
        rows, scores = pick_batch(
            self._pool, self._score(model), size=self._params.batch
        )
        table = model.probabilities(self._vectors[rows])
        return Batch(
            rows=rows,
            scores=scores,
            probabilities=table[:, -1],
            uncertainties=entropy(table) / np.log(len(self._classes)),
            converged=model.converged,
        )

    def _score(self, model: Model) -> Score:
        if self._params.pool == "random":
            # One fixed random number a row: the order of a uniform draw.
            luck = np.random.default_rng(self._params.seed).random(len(self._vectors))
            return lambda rows: luck[rows]
        score = STRATEGIES[self._params.strategy]
        return lambda rows: score(model.probabilities(self._vectors[rows]))

    def _trained(self) -> Model:
        # Labels are only ever added, so their number says whether the model is current.
        size = len(self._ledger.rows)
        if self._model is None or self._model[0] != size:
            fitted = Model(
                self._vectors[self._ledger.rows],
                self.labels,
                classes=self._classes,
                params=self._params,
            )
            self._model = (size, fitted)
        return self._model[1]

    def _require_asked(self, rows: Rows) -> None:
        strange = rows[~(np.isin(rows, self._batch.rows) | self._ledger.has(rows))]
        if strange.size:
            raise InvalidInputError(
                f"{strange.size} of {len(rows)} labels are for ids that were not asked"
                f" for: {shown(self._names.ids[strange])}"
            )


def _make_pool(
    params: ActiveParams,
    n: int,
    neighbours: Neighbours | None,
    entered: Mask | None = None,
) -> Pool:
    if params.pool in ("global", "random"):
        return GlobalPool(n)
    if neighbours is None:
        raise InvalidParamsError(f"the pool {params.pool!r} needs neighbours, got None")
    if len(neighbours) != n:
        raise DimensionMismatchError(
            f"neighbours are of {len(neighbours)} rows, vectors of {n}"
        )
    if params.pool == "seals":
        return SealsPool(neighbours, k=params.neighbours, entered=entered)
    if not isinstance(neighbours, Searcher):
        raise InvalidParamsError(
            "the pool 'classifier' needs neighbours that search along weights, such as"
            f" IndexNeighbours; got {type(neighbours).__name__}"
        )
    return ClassifierPool(neighbours, k=params.neighbours, entered=entered)


def _params_of(values: dict[str, Any]) -> ActiveParams:
    classes = values["classes"]
    return ActiveParams(
        **{**values, "classes": None if classes is None else tuple(classes)}
    )
