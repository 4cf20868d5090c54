"""The phases of a build: train, assign, spill, encode."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.assign import assign_blocks
from gleann.index.codes import quantise
from gleann.index.engines.contract import IndexData
from gleann.index.errors import InvalidParamsError
from gleann.index.kmeans import train_centroids
from gleann.index.lists import invert
from gleann.index.params import BuildParams
from gleann.index.spill import scale_of


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
    """Lists for n rows when the caller does not choose: 4 sqrt(n), at most n / 64.

    `index/DECISIONS.md` 2 has the entries read for other choices.
    """
    return max(1, min(round(4 * n**0.5), n // 64))


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
    assigned = assign_blocks(rows, centroids, params=params, scale=scale)
    for block, first, second in assigned:
        primary[block], secondary[block] = first, second
        progress(Progress(phase="assign", done=block.stop, total=len(rows)))
    return primary, secondary
