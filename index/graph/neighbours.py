"""The neighbours of all rows to be joined: sample, plan, join, exchange."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances
from gleann.index.exact import exact_search_prepared, others_than
from gleann.index.graph.join_plan import (
    KnownRows,
    draw_sample,
    plan_nprobe,
    pool_needed,
)
from gleann.index.graph.joined import Joined
from gleann.index.graph.mutual import mutual_neighbours
from gleann.index.graph.self_join import CandidateLists, candidates_of, join_lists
from gleann.index.params import DEFAULT_TARGET_RECALL
from gleann.index.progress import Report

MOST_POOL = 3
"""Rows measured for each neighbour wanted, from which on a projection does not pay."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """The k nearest others of m joined rows.

    Attributes:
        places: int32 (m, k), places of `Joined`, nearest first, ties by lower place.
        distances: float32 (m, k), ascending.
        nprobe: lists that each row probed.
        estimated_recall: recall@k of a sample.
        joined: the rows, as they were joined.
    """

    places: NDArray[np.int32]
    distances: Distances
    nprobe: int
    estimated_recall: float
    joined: Joined


def find_neighbours(  # noqa: PLR0913 (how far, of what, by whom)
    plain: Callable[[], Joined],
    projected: Joined | None,
    *,
    k: int,
    target_recall: float | None,
    nprobe: int | None,
    seed: int,
    threads: int,
    report: Report,
) -> Neighbours:
    """Find the k nearest others of every row.

    Args:
        plain: the rows to join, by their own codes; made where they are needed.
        projected: the same rows by codes of their projection, taken if a small pool of
            these holds the neighbours; None without a projection.
        k: neighbours, less than there are rows.
        target_recall: of the graph; None takes the default of a search.
        nprobe: lists a row probes, instead.
        seed: draws the sample.
        threads: of the native kernels; 0 takes every core.
        report: called as the join goes on.
    """
    if k == 0:
        return _nothing(plain())
    joined, sample = _sampled(plain, projected, k=k, seed=seed)
    # All that is measured counts for both ends.
    width = min(max(candidates_of(k) + 1, joined.pool), len(joined))
    if nprobe is None:
        nprobe = plan_nprobe(
            joined,
            sample,
            width=width,
            target_recall=target_recall or DEFAULT_TARGET_RECALL,
            rng=np.random.default_rng([seed, 12]),
        )
    candidates = join_lists(joined, nprobe=nprobe, width=width, report=report)
    found = mutual_neighbours(candidates, k=k, threads=threads)
    _complete(found, joined)
    return Neighbours(
        places=found.rows,
        distances=found.distances,
        nprobe=nprobe,
        estimated_recall=sample.recall_of(found.distances),
        joined=joined,
    )


def _sampled(
    plain: Callable[[], Joined], projected: Joined | None, *, k: int, seed: int
) -> tuple[Joined, KnownRows]:
    """The cheaper of two ways to join the rows, and a sample of these."""
    if projected is not None:
        sample = draw_sample(projected, k=k, rng=np.random.default_rng([seed, 11]))
        pool = pool_needed(projected, sample)
        if pool <= MOST_POOL * k:
            return replace(projected, pool=pool), sample
    joined = plain()
    return joined, draw_sample(joined, k=k, rng=np.random.default_rng([seed, 11]))


def _complete(found: CandidateLists, joined: Joined) -> None:
    """Answer rows whose lists contain too few others by exhaustive search, in place."""
    short = np.flatnonzero((found.rows < 0).any(axis=1))
    if not short.size:
        return
    k = found.rows.shape[1]
    rows, distances = exact_search_prepared(
        joined.vectors_at(short),
        joined.data.vectors,
        metric=joined.metric,
        k=k + 1,
        allowed=joined.mask,
    )
    places = joined.places_of(rows)
    others = others_than(short, places)
    found.rows[short] = places[others].reshape(len(short), k)
    found.distances[short] = distances[others].reshape(len(short), k)


def _nothing(joined: Joined) -> Neighbours:
    m = len(joined)
    return Neighbours(
        places=np.empty((m, 0), np.int32),
        distances=np.empty((m, 0), np.float32),
        nprobe=0,
        estimated_recall=1.0,
        joined=joined,
    )
