"""Assignment of rows to their first and second list, by native kernels or by NumPy.

Both follow the rules of `spill.py` in float32; they can differ where two lists are
equally good to rounding, and where lists are many (`shortlist.py`).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Vectors
from gleann.index.build.shortlist import (
    NEAREST_WIDTHS,
    WIDTHS,
    AllLists,
    Assign,
    Chosen,
    by_chosen,
    by_shortlist,
    choose_shortlist,
)
from gleann.index.build.spill import Spiller, less
from gleann.index.engines import native
from gleann.index.heartbeat import beat
from gleann.index.parallel.blocks import BLOCK_SCORES, block_slices, map_blocks
from gleann.index.params import BuildParams

PROGRESS_ROWS = 32_768
"""Rows assigned by the native kernels between two progress reports."""


def nearest_lists(vectors: Vectors, centroids: Vectors, *, threads: int = 0) -> ListNos:
    """The nearest centroid (squared L2) of each row (n, d); ties go to the lower."""
    if native.available():
        return _nearest_natively(vectors, centroids, threads=threads)
    params = BuildParams(spill="none")
    blocks = assign_blocks(vectors, centroids, params=params, scale=0.0)
    return np.concatenate([primary for _, primary, _ in blocks])


def assign_blocks(  # noqa: PLR0913  the index so far, and how it is assigned
    vectors: RowMatrix,
    centroids: Vectors,
    *,
    params: BuildParams,
    scale: float,
    threads: int = 0,
    center: Vectors | None = None,
    blocks: Sequence[slice] | None = None,
    chosen: Chosen | None = None,
) -> Iterator[tuple[slice, ListNos, ListNos]]:
    """Assign all rows, block after block.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        params: metric, spill and spill_lambda.
        scale: mean squared length of the rows after subtracting `center`.
        threads: threads of the native kernels; 0 takes all cores.
        center: (d,), subtracted from rows and centroids. Distances do not change, and
            float32 products stay accurate for rows far from the origin; None
            subtracts nothing.
        blocks: some of `blocks_to_assign`, which alone are assigned, as they are among
            all; None for all.
        chosen: by `choose_for_all` for the same rows, centroids and parameters; None
            chooses here, which takes seconds where lists are very many.

    Yields:
        Each block of rows, the first list of each, and its second, -1 for none.
    """
    if blocks is None:
        blocks = blocks_to_assign(len(vectors), len(centroids))
    if center is not None:
        centroids = centroids - center
    if native.available():
        lists_of = _native_assign(centroids, params, scale=scale, threads=threads)
        if chosen is None:
            assign = by_shortlist(
                lists_of,
                centroids,
                vectors,
                center=center,
                widths=WIDTHS,
                threads=threads,
            )
        else:
            assign = by_chosen(lists_of, centroids, chosen, threads=threads)
        for block in blocks:
            yield block, *assign(np.ascontiguousarray(less(vectors[block], center)))
        return
    spiller = Spiller(centroids, params, scale=scale)
    for block, lists in map_blocks(
        lambda b: spiller.assign(less(vectors[b], center)), [*blocks]
    ):
        beat()
        yield block, *lists


def choose_for_all(
    vectors: RowMatrix,
    centroids: Vectors,
    *,
    params: BuildParams,
    scale: float,
    threads: int = 0,
    center: Vectors | None = None,
) -> Chosen:
    """How rows are shortlisted, for several calls of `assign_blocks` on parts of them.

    Arguments are those of `assign_blocks`.
    """
    if not native.available():
        return AllLists()
    if center is not None:
        centroids = centroids - center
    chosen, _ = choose_shortlist(
        _native_assign(centroids, params, scale=scale, threads=threads),
        centroids,
        vectors,
        center=center,
        widths=WIDTHS,
        threads=threads,
    )
    return chosen


def _native_assign(
    centroids: Vectors, params: BuildParams, *, scale: float, threads: int
) -> Assign:
    """The lists of rows by the native kernels; all less the center, if there is one."""
    assigner = native.NativeAssigner(centroids, threads=threads)

    def assign(rows: Vectors, among: ListNos | None) -> tuple[ListNos, ListNos]:
        return assigner.assign(rows, params=params, scale=scale, among=among)

    return assign


def blocks_to_assign(n: int, nlist: int) -> list[slice]:
    """The blocks of n rows that are assigned to `nlist` lists at once."""
    if native.available():
        return block_slices(n, PROGRESS_ROWS)
    return block_slices(n, BLOCK_SCORES // nlist)


def _nearest_natively(vectors: Vectors, centroids: Vectors, *, threads: int) -> ListNos:
    assigner = native.NativeAssigner(centroids, threads=threads)

    def assign(rows: Vectors, among: ListNos | None) -> tuple[ListNos, ListNos]:
        nearest = assigner.nearest(rows, among)
        return nearest, nearest

    chosen = by_shortlist(
        assign,
        centroids,
        vectors,
        center=None,
        widths=NEAREST_WIDTHS,
        threads=threads,
    )
    return chosen(vectors)[0]
