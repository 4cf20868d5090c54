"""The phases of a build: train, assign, spill, encode."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.codes import quantise
from gleann.index.engines.contract import IndexData
from gleann.index.errors import InvalidParamsError
from gleann.index.kmeans import nearest_lists, train_centroids
from gleann.index.lists import invert
from gleann.index.params import BuildParams
from gleann.index.spill import scale_of, second_lists

ASSIGN_ROWS = 32_768
"""Rows assigned between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a build is in its current phase.

    Attributes:
        phase: "train", "assign", "encode", "tune", then "done".
        done: units of this phase finished.
        total: units of this phase in all.
    """

    phase: str
    done: int
    total: int


def ignore(progress: Progress) -> None:
    """Take progress nobody asked for."""


def auto_nlist(n: int) -> int:
    """Lists for n rows when the caller does not choose: about 2 sqrt(n)."""
    return max(1, min(round(2 * n**0.5), n // 16))


def resolve_nlist(params: BuildParams, n: int) -> int:
    """The number of lists for n rows.

    Raises:
        InvalidParamsError: more lists than rows.
    """
    if params.nlist == "auto":
        return auto_nlist(n)
    if params.nlist > n:
        raise InvalidParamsError(f"nlist is {params.nlist}, but there are {n} rows")
    return params.nlist


def build_data(
    rows: Vectors,
    params: BuildParams,
    nlist: int,
    progress: Callable[[Progress], None],
) -> IndexData:
    """Train, assign, spill and encode prepared rows (n, d)."""
    rounds = params.kmeans_iterations
    centroids = train_centroids(
        rows,
        nlist=nlist,
        metric=params.metric,
        iterations=rounds,
        seed=params.seed,
        progress=lambda done: progress(
            Progress(phase="train", done=done, total=rounds)
        ),
    )
    primary, secondary = _assign(rows, centroids, params, progress)
    progress(Progress(phase="encode", done=0, total=len(rows)))
    return IndexData(
        metric=params.metric,
        centroids=centroids,
        lists=invert(primary, secondary, nlist=nlist),
        codes=quantise(rows),
        vectors=rows,
    )


def _assign(
    rows: Vectors,
    centroids: Vectors,
    params: BuildParams,
    progress: Callable[[Progress], None],
) -> tuple[ListNos, ListNos]:
    primary = np.empty(len(rows), np.int32)
    secondary = np.empty(len(rows), np.int32)
    scale = scale_of(rows)
    for start in range(0, len(rows), ASSIGN_ROWS):
        progress(Progress(phase="assign", done=start, total=len(rows)))
        block = slice(start, start + ASSIGN_ROWS)
        primary[block] = nearest_lists(rows[block], centroids)
        secondary[block] = second_lists(
            rows[block], centroids, primary[block], params=params, scale=scale
        )
    return primary, secondary
