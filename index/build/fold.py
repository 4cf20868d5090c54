"""Fold newer rows into the lists of an index, and leave removed rows out, on disk.

The rows that are kept are copied with their codes and their lists; only newer rows are
compared with the centroids. So it costs what reading and writing the files does.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, ListNos, Mask, Vectors
from gleann.index.build.contract import BuildKernels
from gleann.index.build.distortion import total_distortion
from gleann.index.build.on_disk import (
    BLOCK_BYTES,
    RowSource,
    code_files,
    read_rows,
)
from gleann.index.checks import require_matrix
from gleann.index.codes import Codes
from gleann.index.engines.contract import IndexData
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.ids.checks import hold_row_ids, require_distinct
from gleann.index.ids.held import joined_ids, kind_of, take_ids
from gleann.index.lists import assignment, invert
from gleann.index.operating.points import Point
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.saved import add_payload
from gleann.index.payload.schema import Schema
from gleann.index.progress import Progress, Report
from gleann.index.storage import files, packing
from gleann.index.storage.encoding_files import add_encoding
from gleann.index.storage.packing import Header
from gleann.index.storage.row_files import rows_file, written_rows
from gleann.index.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSummary:
    """Description of an index into which newer rows were folded.

    Attributes:
        n: number of rows.
        kept: number of them that were in the index before; they are the first rows.
        nlist: number of inverted lists.
        spilled_share: share of rows that have a second copy.
        drift: as `Training.drift`; None while unknown.
    """

    n: int
    kept: int
    nlist: int
    spilled_share: float
    drift: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folding:
    """What is folded: an index, the rows of it that stay, and those that come.

    Attributes:
        data: the arrays of the index.
        header: its metadata.
        ids: (n,) its ids.
        keep: bool (n,), the rows that stay; None for all.
        newer: the rows (m, d) that come; None for none.
        newer_ids: (m,) their ids; not read without any.
        payload: of all rows of the new index, in blocks in their order; None for none.
        schema: that of the blocks; None for none.
    """

    data: IndexData
    header: Header
    ids: HeldIds
    keep: Mask | None
    newer: RowSource | None
    newer_ids: ArrayLike | None
    payload: Iterable[Payload] | None = None
    schema: Schema | None = None

    @property
    def kept(self) -> int:
        """Number of rows that stay."""
        if self.keep is None:
            return len(self.data.vectors)
        return int(np.count_nonzero(self.keep))

    @property
    def newer_count(self) -> int:
        """Number of rows that come."""
        return 0 if self.newer is None else self.newer.shape[0]

    def require_possible(self) -> None:
        """Refuse what cannot be folded, before anything is written.

        Raises:
            InvalidInputError: a mask or rows of another shape or type; no row left.
            InvalidParamsError: fewer rows than lists are left.
        """
        n, dim = self.data.vectors.shape
        keep = self.keep
        if keep is not None and (keep.dtype != np.bool_ or keep.shape != (n,)):
            raise InvalidInputError(
                f"keep must be bool ({n},), got {keep.dtype} {keep.shape}"
            )
        if self.newer is not None:
            shape = self.newer.shape
            require_matrix(self.newer.dtype, shape, name="newer", dim=dim)
        left, nlist = self.kept + self.newer_count, self.data.lists.nlist
        if left == 0:
            raise InvalidInputError(f"none of {n} rows is kept, and none comes")
        if left < nlist:
            raise InvalidParamsError(
                f"nlist is {nlist}, but {left} rows are left: build anew"
            )

    def joined_ids(self) -> HeldIds:
        """The ids (kept + m,) of all rows.

        Raises:
            InvalidInputError: ids of the other kind.
            DuplicateIdError: an id twice.
        """
        kept = self.ids
        if self.keep is not None:
            kept = take_ids(self.ids, np.flatnonzero(self.keep))
        if self.newer is None:
            return kept
        if self.newer_ids is None:
            raise InvalidInputError(f"ids are required for {self.newer_count} rows")
        coming = hold_row_ids(self.newer_ids, n=self.newer_count)
        if kind_of(coming) != kind_of(self.ids):
            raise InvalidInputError(
                f"the index has {kind_of(self.ids)} as ids, the newer rows have"
                f" {kind_of(coming)}"
            )
        joined = joined_ids([kept, coming])
        require_distinct(joined)
        return joined

    def kept_blocks(self, step: int) -> Iterator[tuple[slice, Mask | slice]]:
        """Blocks of at most `step` rows of the index, and which of each stay."""
        for block in block_slices(len(self.data.vectors), step):
            yield block, slice(None) if self.keep is None else self.keep[block]


def fold(
    folding: Folding, path: Path, *, report: Report, kernels: BuildKernels
) -> FoldSummary:
    """Fold into the directory `path`; see `fold.fold_on_disk`."""
    folding.require_possible()
    ids = folding.joined_ids()
    kept, newer = folding.kept, folding.newer_count
    data, n = folding.data, kept + newer
    with files.drafting(path) as draft:
        _write_vectors(draft, folding, report, kernels)
        if folding.payload is not None and folding.schema is not None:
            add_payload(draft, folding.payload, folding.schema, n=n)
        coming = written_rows(draft, folding.header.params.keep)[kept:]
        primary, secondary, distortion = _assign(folding, coming, report, kernels)
        _write_codes(draft, folding, coming, report, kernels)
        lists = invert(primary, secondary, nlist=data.lists.nlist)
        arrays = packing.pack_lists(data.centroids, lists, ids)
        for name, array in arrays.items():
            draft.add(name, array)
        header = _header(folding, n=n, entries=lists.entries, distortion=distortion)
        report(Progress(phase="done", done=n, total=n))
        draft.publish(packing.pack_header(header, data.encoding))
    return FoldSummary(
        n=n,
        kept=kept,
        nlist=lists.nlist,
        spilled_share=lists.entries / n - 1,
        drift=None if header.training is None else header.training.drift,
    )


def _write_vectors(
    draft: files.Draft, folding: Folding, report: Report, kernels: BuildKernels
) -> None:
    """Write the vectors: those that stay as they are, newer ones prepared."""
    vectors, newer, metric = folding.data.vectors, folding.newer, folding.data.metric
    old, dim = vectors.shape
    n, step = folding.kept + folding.newer_count, BLOCK_BYTES // (4 * dim)
    total = old + folding.newer_count
    with rows_file(draft, folding.header.params.keep, shape=(n, dim)) as file:
        for block, stay in folding.kept_blocks(step):
            file.append(vectors[block][stay])
            report(Progress(phase="copy", done=block.stop, total=total))
        if newer is None:
            return
        for block in block_slices(newer.shape[0], step):
            file.append(read_rows(newer, block, metric, kernels))
            report(Progress(phase="copy", done=old + block.stop, total=total))


def _assign(
    folding: Folding, coming: Vectors, report: Report, kernels: BuildKernels
) -> tuple[ListNos, ListNos, float]:
    """First and second list of each row, and the mean distortion of newer ones."""
    data, kept = folding.data, folding.kept
    n = kept + len(coming)
    primary, secondary = np.empty(n, np.int32), np.empty(n, np.int32)
    for new, old in zip(
        (primary, secondary),
        assignment(data.lists, n=len(data.vectors)),
        strict=True,
    ):
        new[:kept] = old if folding.keep is None else old[folding.keep]
    if not len(coming):
        return primary, secondary, 0.0
    distortion = 0.0
    blocks = kernels.assign_blocks(
        coming, data.centroids, params=folding.header.params, center=_shift(data)
    )
    for block, first, second in blocks:
        into = slice(kept + block.start, kept + block.stop)
        primary[into], secondary[into] = first, second
        distortion += total_distortion(coming[block], data.centroids, first)
        report(Progress(phase="assign", done=block.stop, total=len(coming)))
    return primary, secondary, float(np.float32(distortion / len(coming)))


def _write_codes(
    draft: files.Draft,
    folding: Folding,
    coming: Vectors,
    report: Report,
    kernels: BuildKernels,
) -> None:
    """Write what is scanned: the codes that stay as they are, newer rows encoded."""
    encoding, codes = folding.data.encoding, folding.data.codes
    old, dim = folding.data.vectors.shape
    n, step = folding.kept + len(coming), BLOCK_BYTES // (4 * dim)
    add_encoding(draft, encoding)
    with ExitStack() as stack:
        open_files = code_files(stack, draft, encoding, n=n)

        def append(some: Codes) -> None:
            arrays = packing.pack_codes(some, encoding)
            for name, file in open_files.items():
                file.append(arrays[name])

        if not open_files:
            return
        for block, stay in folding.kept_blocks(step):
            some = codes[block]
            append(some if isinstance(stay, slice) else some[np.flatnonzero(stay)])
            report(Progress(phase="encode", done=block.stop, total=old + len(coming)))
        for block in block_slices(len(coming), step):
            append(kernels.codes(np.ascontiguousarray(coming[block]), encoding))


def _header(folding: Folding, *, n: int, entries: int, distortion: float) -> Header:
    """The metadata: measured recalls are kept, and costs grow with the lists."""
    header, lists = folding.header, folding.data.lists
    rows = len(folding.data.vectors)
    return replace(
        header,
        points=_points(header.points, n=n, growth=entries / lists.entries),
        primary_points=_points(header.primary_points, n=n, growth=n / rows),
        pools=tuple(
            replace(pool, rerank=min(pool.rerank, max(n, pool.k)))
            for pool in header.pools
            if pool.k <= n
        ),
        efforts=_points(header.efforts, n=n, growth=entries / lists.entries),
        training=_training(folding, newer=folding.newer_count, distortion=distortion),
    )


def _training(folding: Folding, *, newer: int, distortion: float) -> Training | None:
    """The training after the fold; `distortion` is the mean of the newer rows."""
    trained = folding.header.training
    if trained is None:
        return None
    staying = slice(None) if folding.keep is None else folding.keep
    is_trained = np.arange(len(folding.data.vectors)) < trained.kept
    kept = int(np.count_nonzero(is_trained[staying]))
    return trained.folded(
        kept=kept,
        added=folding.kept - kept,
        newer=newer,
        newer_distortion=distortion,
    )


def expected_training(
    folding: Folding, some: Vectors, *, newer: int, kernels: BuildKernels
) -> Training | None:
    """The training after a fold, before it; None if that of the index is unknown.

    Args:
        folding: what would be folded, without the newer rows.
        some: (s, d) a sample of those, prepared.
        newer: number of those.
        kernels: assign the sample.
    """
    if folding.header.training is None:
        return None
    data, distortion = folding.data, 0.0
    blocks = kernels.assign_blocks(
        some, data.centroids, params=folding.header.params, center=_shift(data)
    )
    for block, first, _ in blocks:
        distortion += total_distortion(some[block], data.centroids, first)
    mean = distortion / max(1, len(some))
    return _training(folding, newer=newer, distortion=mean)


def _shift(data: IndexData) -> Vectors | None:
    return data.encoding.center if data.encoding.is_centred else None


def _points(points: tuple[Point, ...], *, n: int, growth: float) -> tuple[Point, ...]:
    """The operating points that n rows can have, with more or fewer entries."""
    return tuple(
        replace(point, entries=point.entries * growth)
        for point in points
        if point.k <= n and point.rerank <= max(n, 16 * point.k)
    )
