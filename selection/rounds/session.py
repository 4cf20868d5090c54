"""A coreset in rounds: pick a batch, take its labels, train, pick the next."""

from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import (
    InvalidInputError,
    NotReadyError,
)
from gleann.selection.active.labels import Labels
from gleann.selection.active.questions import GivenLabels
from gleann.selection.among import Among, AmongLike, origin_of, state_of
from gleann.selection.checks import IdMap, as_rows, kept, shown
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection
from gleann.selection.rounds.batch import RoundBatch
from gleann.selection.rounds.classes import Classes
from gleann.selection.rounds.cluster_margin import cluster
from gleann.selection.rounds.model import Probabilities, TrainedModel
from gleann.selection.rounds.params import RoundsParams
from gleann.selection.rounds.pickers import pick
from gleann.selection.rounds.saved_labels import labels_of_state, labels_state
from gleann.selection.rounds.situation import Picked, Situation
from gleann.selection.seeds import stream_seed

FORMAT = "gleann.rounds/1"
_PARTS = ("params", "round", "labels", "batch", "clusters", "data_hash", "ids_hash")


class RoundsSession:
    """Choose a training set in rounds.

    Each round trains a logistic regression on all labels so far; its margins are the
    costs, and the labelled rows count as chosen already. Make a session with `start` or
    `resume`. The same seed and labels give the same batches, in whatever order labels
    arrive and however often it is resumed. Not thread-safe.
    """

    def __init__(  # noqa: PLR0913 (the parts of a saved state)
        self,
        vectors: Vectors,
        params: RoundsParams,
        names: IdMap,
        *,
        labels: Labels,
        batch: RoundBatch,
        number: int,
        clusters: Rows | None,
        classes: Classes,
    ) -> None:
        self._vectors = vectors
        self._params = params
        self._names = names
        self._labels = labels
        self._batch = batch
        self._number = number
        self._clusters = clusters
        self._classes = classes
        self._model: TrainedModel | None = None
        self._learnt = 0
        self._data_hash = fingerprint(vectors)
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(
        cls,
        vectors: ArrayLike,
        params: RoundsParams | None = None,
        *,
        ids: ArrayLike | None = None,
        rows: ArrayLike = (),
        labels: ArrayLike = (),
        among: AmongLike | None = None,
    ) -> "RoundsSession":
        """Start, from labelled rows or from none.

        Args:
            vectors: (n, d); plain L2 between them must be the intended metric
                (`metric_vectors` provides it). The model sees them as they are. An
                array that can be written to is copied: later writes change nothing.
            params: how to pick; defaults to `RoundsParams()`.
            ids: (n,) names of the rows; None numbers them.
            rows: (m,) that are labelled already, or a mask (n,) of them.
            labels: (m,) their classes: integers, or words of any kind.
            among: the only rows that are picked: a mask (n,) of bool, or their ids
                where `ids` are given, else rows; None for all. Others may be labelled:
                they train the model and count as chosen already.

        Raises:
            InvalidInputError: vectors, ids, rows or labels that cannot be used.
            DimensionMismatchError: lengths differ.
        """
        points = kept(as_vectors(vectors), vectors)
        chosen = params or RoundsParams()
        names = IdMap(ids, n=len(points))
        within = Among.of(among, n=len(points), names=None if ids is None else names)
        held = Labels(len(points), questions=1, among=within)
        seed_rows = as_rows(rows, n=len(points))
        numbers, classes = Classes().read(labels, n=len(seed_rows), begun=False)
        held.add(seed_rows, numbers)
        clusters = None
        if chosen.picker == "cluster_margin":
            clusters = cluster(
                points if within is None else points[within.rows],
                cluster_rows=chosen.cluster_rows,
                seed=chosen.seed,
            )
        return cls(
            points,
            chosen,
            names,
            labels=held,
            batch=RoundBatch.none(),
            number=0,
            clusters=clusters,
            classes=classes,
        )

    @property
    def params(self) -> RoundsParams:
        """How the session picks."""
        return self._params

    @property
    def round(self) -> int:
        """Number of the last batch, from 1; 0 before the first."""
        return self._number

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels seen so far: the columns of `probabilities`.

        Integers are ascending, words in order of appearance.
        """
        return tuple(self._classes.names(np.unique(self._labels.answers)).tolist())

    @property
    def labelled_rows(self) -> Rows:
        """(m,) labelled rows, ascending."""
        return self._labels.rows.copy()

    @property
    def labels(self) -> GivenLabels:
        """The labels (m,) of `labelled_rows`, as given."""
        return self._classes.names(self._labels.answers[:, 0].copy())

    @property
    def last_method(self) -> str:
        """The algorithm whose rows the last batch has; "" before the first."""
        return self._batch.method

    @property
    def last_weight(self) -> float | None:
        """The weight of the last batch's weighted k-center; None otherwise."""
        return self._batch.weight

    @property
    def among(self) -> Among | None:
        """The only rows that are picked; None for all."""
        return self._labels.among

    @property
    def available(self) -> int:
        """Rows that are labelled or may be picked: the most labels there can be."""
        return int(self._labels.usable.sum())

    def next_batch(self, *, progress: ProgressCallback | None = None) -> Selection:
        """The rows to label next: the rest of the open batch, or else a new one.

        The same until labels (or `ignore`) arrive. With fewer than `params.batch` rows
        left it has all of them, ascending; with none it is empty.

        Args:
            progress: called during traversals.
        """
        if not len(self._open()):
            self._put(progress)
        at = ~self._labels.closed(self._batch.rows)
        rows, count = self._batch.rows[at], int(at.sum())
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
            scores=np.arange(count, 0, -1, dtype=np.float32),
            weights=np.ones(count, np.float32),
            why={"margin": self._batch.margins[at]},
            summary=self._summary(),
            provenance=provenance(
                f"rounds/{self._params.picker}",
                params=asdict(self._params),
                seed=self._params.seed,
                data_hash=self._data_hash,
            )
            | origin_of(self._labels.among),
        )

    def submit_labels(self, ids: ArrayLike, labels: ArrayLike) -> int:
        """Take labels of rows, those of the open batch or any others.

        A label may be submitted twice; the second time changes nothing.

        Args:
            ids: (m,).
            labels: (m,) integers, or words if all are; new classes may appear in any
                round.

        Returns:
            Number of newly labelled rows.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: labels that are neither integers nor words, or not as
                those before; or one that contradicts an earlier label.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        begun = bool(len(self._labels.rows))
        given, classes = self._classes.read(labels, n=len(rows), begun=begun)
        changed = self._labels.contradicted(rows, given)
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids_of(changed))}"
            )
        self._classes = classes
        return self._labels.add(rows, given)

    def ignore(self, ids: ArrayLike) -> None:
        """Exclude `ids` from later batches; rows with labels keep them.

        Raises:
            UnknownIdError: an id that no row has.
        """
        self._labels.ignore(self._names.rows_of(ids))

    def probabilities(self, rows: ArrayLike | None = None) -> Probabilities:
        """Class probabilities by the model of all labels so far.

        Args:
            rows: (m,) of the vectors; None for all.

        Returns:
            (m, c), columns as `classes`.

        Raises:
            NotReadyError: the labels are of fewer than two classes.
        """
        n = len(self._vectors)
        wanted = np.arange(n) if rows is None else as_rows(rows, n=n)
        return self._needed().probabilities(self._vectors[wanted])

    def score_vectors(self, vectors: ArrayLike) -> Probabilities:
        """Class probabilities (m, c) of vectors (m, d) outside the data set.

        Raises:
            NotReadyError: the labels are of fewer than two classes.
        """
        points = as_vectors(vectors, dim=self._vectors.shape[1])
        return self._needed().probabilities(points)

    def state(self) -> dict[str, Any]:
        """All but vectors and ids, as JSON values for `resume`."""
        clusters = None if self._clusters is None else self._clusters.tolist()
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "round": self._number,
                "labels": labels_state(self._labels),
                "batch": self._batch.state(),
                "clusters": clusters,
                **state_of(self._labels.among),
                **self._classes.state(),
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        classes: tuple[Hashable, ...] | None = None,
    ) -> "RoundsSession":
        """Continue from `state()`, with the same vectors and ids.

        Args:
            state: of a session.
            vectors: as in `start`.
            ids: of the rows.
            classes: the labels, as in `ActiveSession.resume`.

        Raises:
            CorruptDataError: not such a state, or of other vectors, ids or classes.
            InvalidParamsError: classes are needed, and not given.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        points = kept(as_vectors(vectors), vectors)
        n = len(points)
        params = saved.params("params", RoundsParams)
        clustered = params.picker == "cluster_margin"
        if not clustered and saved.value("clusters") is not None:
            saved.refuse("clusters", f"are not of the picker {params.picker!r}")
        among = Among.of_state(saved, n=n)
        labels = labels_of_state(saved.part("labels"), n=n, among=among)
        m = n if among is None else len(among)
        session = cls(
            points,
            params,
            IdMap(ids, n=n),
            labels=labels,
            batch=RoundBatch.of_state(saved.part("batch"), n=n),
            number=saved.integer("round"),
            clusters=saved.integers("clusters", low=0, high=m - 1, length=m)
            if clustered
            else None,
            classes=Classes.of_state(saved, classes, numbers=labels.answers),
        )
        check_origin(
            saved,
            data="vectors",
            data_hash=session._data_hash,
            ids_hash=session._ids_hash,
        )
        if bool(session._number) != bool(session._batch.method):
            saved.refuse("round", "does not fit its batch")
        return session

    def _open(self) -> Rows:
        """Rows of the batch that are neither labelled nor ignored, as picked."""
        rows = self._batch.rows
        return rows[~self._labels.closed(rows)]

    def _put(self, progress: ProgressCallback | None) -> None:
        """Replace the batch by that of the next round, if any row is left."""
        usable = np.flatnonzero(self._labels.usable)
        left = len(usable) - len(self._labels.rows)
        if not left:
            return
        self._train()
        k = min(self._params.batch, left)
        picked = self._picked(usable, k=k, left=left, progress=progress)
        model, rows = self._model, usable[picked.rows]
        gaps = (
            np.full(k, np.nan) if model is None else model.margins(self._vectors[rows])
        )
        self._number += 1
        self._batch = RoundBatch(
            rows=rows,
            margins=gaps,
            method=picked.method,
            weight=picked.weight,
            converged=model is None or model.converged,
            note=picked.note,
        )

    def _picked(
        self, usable: Rows, *, k: int, left: int, progress: ProgressCallback | None
    ) -> Picked:
        """Pick among the rows `usable` (u,); the answer's rows are places in them."""
        labelled = np.searchsorted(usable, self._labels.rows)
        if k == left:
            rows = np.setdiff1d(np.arange(len(usable)), labelled)
            return Picked(rows=rows, method="all", note="these are all rows left")
        whole = len(usable) == len(self._vectors)
        return pick(
            Situation(
                params=self._params,
                vectors=self._vectors if whole else self._vectors[usable],
                labelled=labelled,
                labels=self._labels.answers[:, 0],
                model=self._model,
                clusters=self._clusters_of(usable),
                k=k,
                seed=stream_seed(self._params.seed, self._number + 1),
                progress=progress,
            )
        )

    def _clusters_of(self, usable: Rows) -> Rows | None:
        """Clusters (u,) of rows; 0 for those that are labelled and are not picked."""
        among = self._labels.among
        if self._clusters is None or among is None:
            return None if self._clusters is None else self._clusters[usable]
        clusters = np.zeros(len(usable), np.int64)
        inside = among.has(usable)
        clusters[inside] = self._clusters[np.searchsorted(among.rows, usable[inside])]
        return clusters

    def _summary(self) -> dict[str, float | int | str | bool]:
        batch = self._batch
        facts: dict[str, float | int | str | bool] = {
            "round": self._number,
            "labelled": len(self._labels.rows),
            "classes": len(self.classes),
            "method": batch.method,
            "short": len(batch.rows) < self._params.batch,
            "converged": batch.converged,
            "note": batch.note,
        }
        return facts if batch.weight is None else facts | {"weight": batch.weight}

    def _train(self) -> None:
        """Train on all labels, unless the model is of these labels already."""
        # Labels are only ever added, so their number says whether it is current.
        if self._learnt == len(self._labels.rows):
            return
        rows, labels = self._labels.rows, self._labels.answers[:, 0]
        if len(self.classes) > 1:
            self._model = TrainedModel(self._params, self._vectors[rows], labels)
        self._learnt = len(rows)

    def _needed(self) -> TrainedModel:
        self._train()
        if self._model is None:
            raise NotReadyError(
                f"{len(self._labels.rows)} labels have {len(self.classes)} class(es):"
                " a model needs two"
            )
        return self._model
