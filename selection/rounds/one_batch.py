"""One batch by a picker of rounds, for a model that the caller has trained."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.errors import DimensionMismatchError
from gleann.selection.checks import as_probabilities, as_rows, require_count
from gleann.selection.rounds.cluster_margin import cluster
from gleann.selection.rounds.model import Probabilities
from gleann.selection.rounds.params import RoundsParams
from gleann.selection.rounds.pickers import pick
from gleann.selection.rounds.situation import Picked, Situation
from gleann.selection.seeds import stream_seed


def pick_batch(
    vectors: ArrayLike,
    *,
    k: int,
    labelled: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike | None = None,
    params: RoundsParams | None = None,
) -> Picked:
    """Pick the rows to label next, where model and labels are the caller's.

    A `RoundsSession` keeps labels and trains a model; this does neither. The draws
    depend on the seed and on the number of labelled rows.

    Args:
        vectors: (n, d); plain L2 between them must be the intended metric.
        k: rows to pick; all that are left where they are fewer.
        labelled: (m,) distinct rows that have labels.
        labels: (m,) their classes, of any kind that NumPy sorts.
        probabilities: (n - m, c) of the other rows, ascending, by the caller's model;
            None without one, and pickers that need it draw at random.
        params: `picker` and its settings; `batch` is not read.

    Returns:
        Rows (k,) in the order of preference, and the method that chose them.

    Raises:
        InvalidInputError: vectors, rows or probabilities that cannot be used.
        DimensionMismatchError: lengths differ.
        InvalidParamsError: k below 1.
    """
    points = as_vectors(vectors)
    n = len(points)
    held = as_rows(labelled, n=n, name="labelled")
    names = np.asarray(labels)
    if names.shape != held.shape:
        raise DimensionMismatchError(
            f"labels has shape {names.shape}, for {len(held)} labelled rows"
        )
    require_count("k", k)
    settings = params or RoundsParams()
    order = np.argsort(held)
    situation = Situation(
        params=settings,
        vectors=points,
        labelled=held[order],
        labels=np.unique(names, return_inverse=True)[1][order],
        model=None,
        clusters=None,
        k=k,
        seed=stream_seed(settings.seed, len(held)),
    )
    left = situation.open_rows
    if len(left) <= k:
        return Picked(rows=left, method="all", note="these are all rows left")
    if settings.picker == "cluster_margin":
        clusters = cluster(
            points, cluster_rows=settings.cluster_rows, seed=settings.seed
        )
        situation = replace(situation, clusters=clusters)
    if probabilities is not None:
        situation = replace(situation, given=_of_all(probabilities, left, n=n))
    return pick(situation)


def _of_all(
    probabilities: ArrayLike, left: NDArray[np.int64], *, n: int
) -> Probabilities:
    """Probabilities (n, c), of which those of labelled rows count for nothing.

    Raises:
        DimensionMismatchError: not one row of them for each that is left.
    """
    found = as_probabilities(probabilities)
    if len(found) != len(left):
        raise DimensionMismatchError(
            f"probabilities has {len(found)} rows, for {len(left)} without a label"
        )
    table = np.full((n, found.shape[1]), 1 / found.shape[1])
    table[left] = found
    return table
