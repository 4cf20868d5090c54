"""One side of a join: rows of a matrix, in lists around centroids."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, RowMatrix, Rows, Vectors
from gleann.index.build.assign import assign_blocks
from gleann.index.checks import as_vectors
from gleann.index.codes import Codes
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.index.lists import invert, primary_lists
from gleann.index.metric import prepare
from gleann.index.params import BuildParams, Metric
from gleann.index.soar_index import SoarIndex

LONGEST = 2048
"""Rows of a list; longer ones are divided, which costs no pair and bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JoinSide:
    """Some rows of a matrix, each in one list.

    Attributes:
        vectors: (n, d), prepared; may be memory-mapped, in 16 bits or in a file.
        metric: "l2" or "cosine".
        center: float32 (d,), taken off where rows are coded; zero for nothing.
        codes: int8 codes of all n rows around `center`; None where there are none.
        centroids: float32 (nlist, d).
        offsets: int64 (nlist + 1); list j has `members[offsets[j]:offsets[j + 1]]`.
        members: int32 (m,), the rows that take part.
    """

    vectors: RowMatrix
    metric: Metric
    center: Vectors
    codes: Codes | None
    centroids: Vectors
    offsets: NDArray[np.int64]
    members: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return len(self.centroids)

    @property
    def rows(self) -> Rows:
        """int64 (m,), the rows that take part, ascending."""
        return np.sort(self.members).astype(np.int64)

    def among(self, mask: Mask) -> "JoinSide":
        """The rows of `mask` (n,) alone."""
        kept = mask[self.members]
        before = np.concatenate([[0], np.cumsum(kept)])
        return replace(
            self,
            offsets=before[self.offsets].astype(np.int64),
            members=self.members[kept],
        )


def side_of_index(index: SoarIndex, *, among: Mask | None = None) -> JoinSide:
    """The rows of an index, or those of `among` (n,), in its own lists.

    Raises:
        InvalidParamsError: its metric is ip, which has no radius.
    """
    require_distance(index.metric)
    data = index.data
    offsets, members = primary_lists(data.lists, among)
    # Codes of projected rows have no bounds of the whole distance.
    coded = data.encoding.kind == "int8" and data.encoding.projection is None
    return _divided(
        JoinSide(
            vectors=data.vectors,
            metric=data.metric,
            center=data.encoding.center,
            codes=data.codes if coded else None,
            centroids=data.centroids,
            offsets=offsets,
            members=members,
        )
    )


def side_of_rows(vectors: ArrayLike, *, like: JoinSide, threads: int = 0) -> JoinSide:
    """Rows (n, d) in the lists of another side, each in the nearest.

    Args:
        vectors: as `as_vectors` takes them.
        like: has the metric, the centroids and the centre.
        threads: worker threads; 0 takes every core.

    Raises:
        InvalidInputError, ZeroVectorError: rows that cannot be used.
        DimensionMismatchError: rows of another dimension than those of `like`.
    """
    dim = like.vectors.shape[1]
    rows = prepare(as_vectors(vectors, dim=dim), like.metric)
    first = np.empty(len(rows), np.int32)
    center = like.center if like.center.any() else None
    for block, nearest, _ in assign_blocks(
        rows,
        like.centroids,
        params=BuildParams(spill="none"),
        scale=0.0,
        threads=threads,
        center=center,
    ):
        first[block] = nearest
    lists = invert(first, np.full(len(rows), -1, np.int32), nlist=like.nlist)
    return _divided(
        replace(
            like,
            vectors=rows,
            codes=None,
            offsets=lists.offsets,
            members=lists.rows,
        )
    )


def require_distance(metric: Metric) -> None:
    """Refuse the metric that has no radius.

    Raises:
        InvalidParamsError: it is ip.
    """
    if metric == "ip":
        raise InvalidParamsError(
            "rows within a radius of each other need a distance: the metric must be"
            " cosine or l2, got ip, under which a row may be far from itself"
        )


def require_alike(x: JoinSide, y: JoinSide) -> None:
    """Refuse two sides whose rows have no distance to each other.

    Raises:
        DimensionMismatchError: they differ in dimensions.
        InvalidParamsError: they differ in their metric.
    """
    if x.vectors.shape[1] != y.vectors.shape[1]:
        raise DimensionMismatchError(
            f"the rows to join have {x.vectors.shape[1]} and {y.vectors.shape[1]}"
            " dimensions"
        )
    if x.metric != y.metric:
        raise InvalidParamsError(
            f"the rows to join have the metrics {x.metric} and {y.metric}"
        )


def _divided(side: JoinSide) -> JoinSide:
    """The same with lists of at most `LONGEST` rows."""
    sizes = np.diff(side.offsets)
    parts = np.maximum(1, -(-sizes // LONGEST))
    if (parts == 1).all():
        return side
    of = np.repeat(np.arange(side.nlist), parts)
    place = np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = side.offsets[:-1][of] + place * LONGEST
    return replace(
        side,
        centroids=side.centroids[of],
        offsets=np.append(starts, side.offsets[-1]),
    )
