"""Measure operating points: the recall of each (nprobe, rerank), by counting.

The sample queries are drawn from the rows unless the caller gives some, so queries of
another distribution can have another recall.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos
from gleann.index.build.sample import Sample
from gleann.index.evaluate import cut_at_k, pareto
from gleann.index.operating_points import OperatingPoint

MEASURED_K = (1, 10, 100)
RERANKED_PER_K = (1.3, 2, 3, 5, 10)
GRID_STEP = 1.15
ENOUGH = 0.998
"""Recall at which measuring stops: settings with more probes cost the most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reached:
    """The sample's rows that the first `nprobe` lists contain.

    Attributes:
        nprobe: lists probed.
        place: int16 (nq, m), rank of each row by code score among the rows of these
            lists, from 1; `_ABSENT` for a row in none of them.
    """

    nprobe: int
    place: NDArray[np.int16]


_ABSENT = np.iinfo(np.int16).max


def measure_points(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> tuple[OperatingPoint, ...]:
    """Count the Pareto-best (nprobe, rerank) pairs for a few k.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None without spilling.

    Returns:
        For each k of `MEASURED_K` up to the row count, points of ascending cost and
        recall.
    """
    entries = _entries_read(sample, primary, secondary)
    found_at = _found_at(sample, primary, secondary)
    reached = [_reach(found_at, nprobe) for nprobe in _grid(len(entries))]
    points: list[OperatingPoint] = []
    for k in (k for k in MEASURED_K if k <= sample.truth.shape[1]):
        measured = _measure_k(sample, k, reached, entries)
        points += pareto(
            measured, gain=lambda p: p.recall, cost=lambda p: p.cost(sample.cost_model)
        )
    return tuple(points)


def _entries_read(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> NDArray[np.float64]:
    """Entries (nlist,) that a query reads on average with its first 1, 2, ... lists."""
    nlist = sample.list_ranks.shape[1]
    sizes = np.bincount(primary, minlength=nlist)
    if secondary is not None:
        sizes += np.bincount(secondary[secondary >= 0], minlength=nlist)
    at_rank = np.zeros(nlist)
    for ranks in sample.list_ranks:
        at_rank[ranks] += sizes
    return np.cumsum(at_rank) / len(sample.list_ranks)


def _found_at(sample: Sample, primary: ListNos, secondary: ListNos | None) -> ListNos:
    """Probe rank (nq, m) of the first list that contains each row."""
    ranks = sample.list_ranks
    place = np.take_along_axis(ranks, primary[sample.rows], axis=1)
    if secondary is None:
        return place
    copy = secondary[sample.rows]
    of_copy = np.take_along_axis(ranks, np.maximum(copy, 0), axis=1)
    return np.where(copy >= 0, np.minimum(place, of_copy), place)


def _measure_k(
    sample: Sample, k: int, reached: list[_Reached], entries: NDArray[np.float64]
) -> list[OperatingPoint]:
    query, column = np.nonzero(sample.distances <= cut_at_k(sample.truth[:, :k]))
    points = []
    for rerank in sorted({ceil(k * share) for share in RERANKED_PER_K}):
        for at in reached:
            inside = at.place[query, column] <= rerank
            hits = np.bincount(query[inside], minlength=len(sample.truth))
            recalls = np.minimum(hits, k) / k
            recall = float(recalls.mean())
            points.append(
                OperatingPoint(
                    k=k,
                    nprobe=at.nprobe,
                    rerank=rerank,
                    recall=recall,
                    entries=float(entries[at.nprobe - 1]),
                    error=float(recalls.std() / len(recalls) ** 0.5),
                )
            )
            if recall >= ENOUGH:
                break
    return points


def _reach(found_at: ListNos, nprobe: int) -> _Reached:
    held = found_at < nprobe
    place = np.cumsum(held, axis=1, dtype=np.int16)
    place[~held] = _ABSENT
    return _Reached(nprobe=nprobe, place=place)


def _grid(nlist: int) -> list[int]:
    steps = int(np.ceil(np.log(nlist) / np.log(GRID_STEP))) + 1
    grid = {round(GRID_STEP**i) for i in range(steps)}
    return sorted({p for p in grid if p < nlist} | {nlist})
