"""Build an index larger than memory directly into its files."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.build.arrange import (
    arrange,
    as_sample,
    require_narrower,
    resolve_nlist,
)
from gleann.index.build.contract import BuildKernels
from gleann.index.build.fit_memory import fit_memory
from gleann.index.checks import as_float32, require_matrix
from gleann.index.codes import Encoding
from gleann.index.engines.choose import require_projecting
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_row_ids
from gleann.index.operating.points import SpillReport, best_recall
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import BuildParams, Keep, Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.saved import add_payload
from gleann.index.payload.schema import Schema
from gleann.index.progress import Progress, Report
from gleann.index.storage import files, packing
from gleann.index.storage.array_file import GrowingArray
from gleann.index.storage.encoding_files import add_encoding
from gleann.index.storage.row_files import rows_file, written_rows
from gleann.index.texts import Texts

BLOCK_BYTES = 1 << 25
"""Bytes of float32 rows that are read, checked and written at once."""


class RowSource(Protocol):
    """Rows that can be read block by block, such as a memory-mapped array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As in `SoarIndex.build`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """The rows (m, d) of a slice without a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """Description of an index built on disk.

    Attributes:
        n: number of rows.
        dim: dimensions of a row.
        nlist: number of inverted lists.
        params: the build parameters, with "auto" resolved in `spill`.
        spilled_share: share of rows that have a second copy.
        spill_report: as `SoarIndex.spill_report`.
        best_recall: the highest measured recall@10 of any setting (at the largest
            measured k if there are fewer rows); None if none was measured.
        data_hash: as `SoarIndex.data_hash`.
    """

    n: int
    dim: int
    nlist: int
    params: BuildParams
    spilled_share: float
    spill_report: SpillReport | None
    best_recall: float | None
    data_hash: str


def build_on_disk(  # noqa: PLR0913  what SoarIndex.build_on_disk is given
    source: RowSource,
    path: Path,
    params: BuildParams,
    *,
    ids: ArrayLike | None,
    payload: Iterable[Payload] | None,
    schema: Schema | None,
    queries: ArrayLike | None,
    report: Report,
    kernels: BuildKernels,
) -> BuildSummary:
    """Build into the directory `path`; see `SoarIndex.build_on_disk`."""
    require_matrix(source.dtype, source.shape, name="vectors")
    n, dim = source.shape
    resolve_nlist(params, n)  # fail before hours of work
    row_ids = hold_row_ids(ids, n=n)
    params = fitted(params, (n, dim), row_ids)
    if payload is not None and schema is None:
        raise InvalidInputError("blocks of payload need a schema")
    sample = as_sample(queries, dim, params.metric)
    with files.drafting(path) as draft:
        data_hash = _write_rows(draft, source, params, report, kernels)
        if payload is not None and schema is not None:
            add_payload(draft, payload, schema, n=n)
        arranged = arrange(
            written_rows(draft, params.keep),
            params,
            queries=sample,
            report=report,
            kernels=kernels,
        )
        lists = arranged.lists
        _write_codes(draft, params.keep, arranged.encoding, report, kernels)
        for name, array in packing.pack_lists(
            arranged.centroids, lists, row_ids
        ).items():
            draft.add(name, array)
        # Reported before the files are replaced: a caller that stops the build in this
        # callback keeps the previous index.
        report(Progress(phase="done", done=n, total=n))
        draft.publish(packing.pack_header(arranged.header, arranged.encoding))
    points = arranged.header.points
    return BuildSummary(
        n=n,
        dim=dim,
        nlist=lists.nlist,
        params=arranged.header.params,
        spilled_share=lists.entries / n - 1,
        spill_report=arranged.header.spill_report,
        best_recall=best_recall(points, k=10) if points else None,
        data_hash=data_hash,
    )


def fitted(
    params: BuildParams,
    shape: tuple[int, ...],
    ids: HeldIds | None,
    *,
    engine: str = "auto",
) -> BuildParams:
    """The parameters with a layout of rows (n, d) that fits in `memory`.

    Args:
        params: what is not the default of its layout stays as it is.
        shape: (n, d); without rows nothing is chosen.
        ids: (n,); None for integers.
        engine: the name of the one that is to search it: not all search codes of
            projected rows.

    Raises:
        InvalidParamsError: none does; or a projection is wider than the rows, or not
            for this engine; or more lists than rows.
    """
    n, dim = shape
    require_projecting(engine, params)
    require_narrower(params, dim)
    if not n:
        return params
    mean_id = ids.nbytes // n + 8 if isinstance(ids, Texts) else 8
    nlist = resolve_nlist(params, n)
    return fit_memory(
        params, n=n, dim=dim, nlist=nlist, id_bytes=mean_id, engine=engine
    )


def _write_rows(
    draft: files.Draft,
    source: RowSource,
    params: BuildParams,
    report: Report,
    kernels: BuildKernels,
) -> str:
    """Write prepared rows and return their hash."""
    n, dim = source.shape
    digest = sha256()
    with rows_file(draft, params.keep, shape=(n, dim)) as vectors:
        for block in block_slices(n, BLOCK_BYTES // (4 * dim)):
            rows = read_rows(source, block, params.metric, kernels)
            digest.update(vectors.append(rows).data)
            report(Progress(phase="prepare", done=block.stop, total=n))
    return digest.hexdigest()


def _write_codes(
    draft: files.Draft,
    keep: Keep,
    encoding: Encoding,
    report: Report,
    kernels: BuildKernels,
) -> None:
    """Read the written rows again and write their scan data."""
    rows = written_rows(draft, keep)
    n, dim = rows.shape
    add_encoding(draft, encoding)
    with ExitStack() as stack:
        open_files = code_files(stack, draft, encoding, n=n)
        if not open_files:
            return
        for block in block_slices(n, BLOCK_BYTES // (4 * dim)):
            codes = kernels.codes(np.ascontiguousarray(rows[block]), encoding)
            arrays = packing.pack_codes(codes, encoding)
            for name, file in open_files.items():
                file.append(arrays[name])
            report(Progress(phase="encode", done=block.stop, total=n))


def code_files(
    stack: ExitStack, draft: files.Draft, encoding: Encoding, *, n: int
) -> dict[str, GrowingArray]:
    """Open the files of what is scanned of n rows, by the names of their arrays."""

    def growing(name: str, dtype: str, *shape: int) -> GrowingArray:
        return stack.enter_context(draft.growing(name, dtype=dtype, shape=shape))

    open_files: dict[str, GrowingArray] = {}
    if encoding.kind == "int8":
        open_files["codes"] = growing("codes", "|i1", n, encoding.width)
        open_files["code_scales"] = growing("code_scales", "<f4", n)
    if encoding.has_biases:
        open_files["code_biases"] = growing("code_biases", "<f4", n)
    return open_files


def read_rows(
    source: RowSource, block: slice, metric: Metric, kernels: BuildKernels
) -> Vectors:
    """The rows of a block, checked and prepared.

    Raises:
        DimensionMismatchError: the source gives another number of rows.
        InvalidInputError: as in `SoarIndex.build`, naming the first bad row.
    """
    given = np.asarray(source[block])
    expected = block.stop - block.start, source.shape[1]
    if given.shape != expected:
        raise DimensionMismatchError(
            f"vectors {block.start} to {block.stop} came as {given.shape},"
            f" expected {expected}"
        )
    rows = as_float32(given, name="vectors", first_row=block.start)
    return kernels.prepare(rows, metric, first_row=block.start)
