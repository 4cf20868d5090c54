"""Proxies from embeddings: labels of the nearest labelled rows.

TASTI (Kang et al. 2022, https://arxiv.org/abs/2009.04540): label a few representatives,
and score every row by them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress, as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.selection.among import Among, AmongLike, rows_in_all
from gleann.selection.checks import as_rows, as_scores, require_between, require_count
from gleann.selection.coreset.methods.farthest_first import traversal
from gleann.selection.coreset.problem import Problem
from gleann.selection.estimate.proxies.distances import (
    Wide,
    as_votes,
    median_of,
    rounding_of,
)
from gleann.selection.progress import ProgressCallback

BLOCK_ENTRIES = 2**20
"""Distances held at a time: 4 MiB, which a core's cache may keep."""


def representatives(  # noqa: PLR0913 (the problem)
    vectors: ArrayLike,
    *,
    k: int,
    random_share: float = 0.25,
    covered: ArrayLike | None = None,
    among: AmongLike | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Rows:
    """Pick `k` rows to label first: farthest-first, and some at random.

    Farthest-first finds rare and distant rows, the random part the dense regions. The
    share of a quarter is that of the authors' code.

    Args:
        vectors: (n, d), such as `index.vectors`.
        k: rows to pick, at most n - 1, and at most the rows not covered.
        random_share: part of them that is drawn uniformly.
        covered: labelled rows; they are not picked, and the picks are far from them.
        among: the rows to pick from, or a mask (n,) of them; None for all. Covered rows
            may be others.
        seed: the only source of randomness.
        progress: called before each batch of farthest-first picks.

    Returns:
        (k,) distinct rows, the farthest-first ones first.
    """
    rows = as_vectors(vectors)
    require_count("k", k)
    before = np.empty(0, np.int64) if covered is None else as_rows(covered, n=len(rows))
    within = Among.of(among, n=len(rows))
    if within is not None:
        within = within.besides(before)
        rows, before = rows[within.rows], within.places_of(before, name="covered")
    if k >= len(rows):
        raise InvalidParamsError(f"k is {k}, but must be below {len(rows)} rows")
    if k > len(rows) - len(before):
        raise InvalidParamsError(
            f"k is {k}, but {len(rows) - len(before)} of {len(rows)} rows are not"
            " covered"
        )
    require_between("random_share", random_share, low=0, high=1)
    far = max(1, k - round(k * random_share))
    problem = Problem.of(rows, k=far, locked=before)
    picked = traversal(problem, seed=seed, progress=progress).rows
    rest = np.setdiff1d(np.arange(len(rows)), np.concatenate([before, picked]))
    drawn = np.random.default_rng(seed).permutation(rest)[: k - far]
    return rows_in_all(np.concatenate([picked, drawn]), within)


def propagate_labels(
    vectors: ArrayLike,
    *,
    rows: ArrayLike,
    labels: ArrayLike,
    neighbours: int | None = None,
    progress: ProgressCallback | None = None,
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
        progress: called as rows are scored.

    Returns:
        (n,) proxies between the least and the largest label; a labelled row gets its
        own label, or the mean label of those that coincide with it.

    Raises:
        InvalidInputError: rows or labels that cannot be used, such as labels beyond
            1e30.
    """
    points = as_vectors(vectors)
    labelled = as_rows(rows, n=len(points))
    values = as_votes(as_scores(labels, n=len(labelled), name="labels"))
    if neighbours is not None:
        require_count("neighbours", neighbours)
    k = min(neighbours or len(labelled), len(labelled))
    middle = median_of(points, labelled)
    centres = points[labelled] - middle
    proxy = np.empty(len(points), np.float32)
    for part in _blocks(len(points), labelled=len(labelled)):
        squares = _squared_distances(points[part] - middle, centres)
        proxy[part] = _vote(squares, values, k=k)
        if progress is not None:
            done = min(part.stop, len(points))
            progress(Progress(phase="propagate", done=done, total=len(points)))
    return proxy


def _blocks(n: int, *, labelled: int) -> list[slice]:
    step = max(1, BLOCK_ENTRIES // labelled)
    return [slice(first, first + step) for first in range(0, n, step)]


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
    lengths *= rounding_of(lengths.dtype)
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
