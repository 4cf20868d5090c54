"""Proxies from embeddings: labels of the nearest labelled rows.

TASTI (Kang et al. 2022, https://arxiv.org/abs/2009.04540): label a few representatives,
and score every row by them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import as_rows, as_scores, require_between, require_count
from gleann.selection.coreset.methods.farthest_first import traversal
from gleann.selection.coreset.problem import Problem

BLOCK_ENTRIES = 2**20
"""Distances held at a time: 4 MiB, which a core's cache may keep."""
ROUNDING = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 2e-15}
"""More than is lost, relatively, in |x|^2 - 2 x.c + |c|^2."""
SMALL, FAR = 1e-15, 1e15
"""Where all coordinates are smaller, or one is larger, squares leave float32."""
LARGEST_LABEL = 1e30
"""A label beyond it could leave float32 where many vote."""
Wide = NDArray[np.floating]
"""float32, or float64 where coordinates are far out."""


def representatives(
    vectors: ArrayLike,
    *,
    k: int,
    random_share: float = 0.25,
    covered: ArrayLike | None = None,
    seed: int = 0,
) -> Rows:
    """Pick `k` rows to label first: farthest-first, and some at random.

    Farthest-first finds rare and distant rows, the random part the dense regions. The
    share of a quarter is that of the authors' code.

    Args:
        vectors: (n, d), such as `index.vectors`.
        k: rows to pick, at most n - 1, and at most the rows not covered.
        random_share: part of them that is drawn uniformly.
        covered: labelled rows; they are not picked, and the picks are far from them.
        seed: the only source of randomness.

    Returns:
        (k,) distinct rows, the farthest-first ones first.
    """
    rows = as_vectors(vectors)
    require_count("k", k)
    before = np.empty(0, np.int64) if covered is None else as_rows(covered, n=len(rows))
    if k >= len(rows):
        raise InvalidParamsError(f"k is {k}, but must be below {len(rows)} rows")
    if k > len(rows) - len(before):
        raise InvalidParamsError(
            f"k is {k}, but {len(rows) - len(before)} of {len(rows)} rows are not"
            " covered"
        )
    require_between("random_share", random_share, low=0, high=1)
    far = max(1, k - round(k * random_share))
    picked = traversal(Problem.of(rows, k=far, locked=before), seed=seed).rows
    rest = np.setdiff1d(np.arange(len(rows)), np.concatenate([before, picked]))
    drawn = np.random.default_rng(seed).permutation(rest)[: k - far]
    return np.concatenate([picked, drawn])


def propagate_labels(
    vectors: ArrayLike,
    *,
    rows: ArrayLike,
    labels: ArrayLike,
    neighbours: int | None = None,
) -> NDArray[np.float32]:
    """Score every row by the labels of the labelled rows, weighted by distance.

    A labelled row at distance d weighs 1 / d^4 (Shepard 1968, A two-dimensional
    interpolation function for irregularly-spaced data). All of them vote: with the
    five nearest of TASTI, most rows of a rare concept score exactly 0 and cannot be
    told apart (`selection/DEPARTURES.md`). Every new label can be added ("cracking"):
    call again with more rows.

    The scores rank the rows; they are no probabilities. For a rare concept cut strata
    by rank (`EstimateParams.strata_cut` "geometric").

    Args:
        vectors: (n, d), such as `index.vectors`; nearest is by plain L2.
        rows: (m,) labelled rows, m at least 1.
        labels: (m,) numbers, such as 0 and 1.
        neighbours: number of nearest labelled rows that vote, with ties of the last;
            None for all.

    Returns:
        (n,) proxies between the least and the largest label; a labelled row gets its
        own label, or the mean label of those that coincide with it.

    Raises:
        InvalidInputError: rows or labels that cannot be used, such as labels beyond
            1e30.
    """
    points = as_vectors(vectors)
    labelled = as_rows(rows, n=len(points))
    values = _as_votes(as_scores(labels, n=len(labelled), name="labels"))
    if neighbours is not None:
        require_count("neighbours", neighbours)
    k = min(neighbours or len(labelled), len(labelled))
    middle = _middle(points, labelled)
    centres = points[labelled] - middle
    proxy = np.empty(len(points), np.float32)
    for part in _blocks(len(points), labelled=len(labelled)):
        squares = _squared_distances(points[part] - middle, centres)
        proxy[part] = _vote(squares, values, k=k)
    return proxy


def held_out_proxies(
    vectors: Vectors, *, rows: Rows, labels: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The score of each labelled row by `propagate_labels` without its own label.

    Args:
        vectors: (n, d).
        rows: (m,) labelled rows, m at least 2.
        labels: (m,) numbers.

    Returns:
        (m,), comparable with the proxies of rows that have no label.
    """
    values = _as_votes(labels)
    points = vectors[rows] - _middle(vectors, rows)
    proxy = np.empty(len(rows), np.float32)
    for part in _blocks(len(rows), labelled=len(rows)):
        squares = _squared_distances(points[part], points)
        own = np.arange(len(rows))[part]
        squares[np.arange(len(own)), own] = np.inf
        proxy[part] = _vote(squares, values, k=len(rows))
    return proxy


def _blocks(n: int, *, labelled: int) -> list[slice]:
    step = max(1, BLOCK_ENTRIES // labelled)
    return [slice(first, first + step) for first in range(0, n, step)]


def _as_votes(labels: NDArray[np.float64]) -> Vectors:
    """Labels (m,) in float32.

    Raises:
        InvalidInputError: one so large that a sum of votes could leave float32.
    """
    if (far := np.flatnonzero(np.abs(labels) > LARGEST_LABEL)).size:
        raise InvalidInputError(
            f"labels must be within {LARGEST_LABEL:g} of 0, got {labels[far[0]]:g}"
            f" at place {far[0]}"
        )
    return labels.astype(np.float32)


def _middle(points: Vectors, labelled: Rows) -> Wide:
    """The median (d,) of the labelled rows, in the precision for distances from it.

    Distances between rows near the origin lose fewer digits, and outliers do not move
    the median away from the other rows.
    """
    middle = np.median(points[labelled].astype(np.float64), axis=0)
    peak = max(float(points.max()), -float(points.min()))
    return middle.astype(np.float32) if SMALL <= peak <= FAR else middle


def _vote(squares: Wide, values: Vectors, *, k: int) -> Wide:
    weights = _weights(squares, k=k)
    votes: Wide = weights @ values / weights.sum(axis=1)
    return np.clip(votes, values.min(), values.max())


def _squared_distances(block: Wide, centres: Wide) -> Wide:
    lengths = np.add.outer(
        np.einsum("ij,ij->i", block, block), np.einsum("ij,ij->i", centres, centres)
    )
    squares: Wide = lengths - 2 * (block @ centres.T)
    # Rounding errors between equal rows become one small number, so that these rows
    # have equal weights; `tiny` replaces it between zero vectors.
    lengths *= ROUNDING[lengths.dtype]
    np.maximum(squares, lengths, out=squares)
    return np.maximum(squares, np.finfo(squares.dtype).tiny, out=squares)


def _weights(squares: Wide, *, k: int) -> Wide:
    """1 / d^4 relative to the nearest, 0 beyond the k-th: (m, labelled)."""
    weights: Wide = squares.min(axis=1, keepdims=True) / squares
    weights *= weights
    if k < squares.shape[1]:
        farthest = np.partition(squares, k - 1, axis=1)[:, k - 1 : k]
        weights[squares > farthest] = 0
    return weights
