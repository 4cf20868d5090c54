"""Device layout of the inverted lists.

Entries of a list are contiguous, primaries first, and shuffled within each of the two
segments: bucketed selection (`scan.py`) drops least when near rows are in random
buckets, and rows added together are often near duplicates.

Every number kind scores an entry x for a query q as

    bias_x * ratio_q - factor_x * (stored x . stored q),    less is better,

which is |x|^2 / 2 - x.q under l2 and -x.q otherwise, times a power of two (or a query's
int8 scale) common to all scores of one query. The centre c of the index is subtracted
from rows and queries: under cosine scores are then those of l2, and under ip the bias
includes -c.x. For float32 codes compared by distance, the score is the sum of
(x * ratio_q - q)^2 instead, which the Triton kernels do not support.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.engines.contract import IndexData
from gleann.index.engines.device.layout.scaling import exponent_of, exponent_on_device
from gleann.index.engines.device.layout.stream import BLOCK_BYTES, Blocks, upload
from gleann.index.engines.device.plan.kinds import TILE, Kind, padded_dim
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Segments

DTYPES: dict[Kind, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
    "int8": torch.int8,
}

SHUFFLE_SEED = 20_240_404
"""Seed of the shuffle; answers do not depend on it, only the number of second scans."""

EMPTY_BIAS = 2.0**84
"""Bias of an excluded entry, such as a filtered row.

Not infinite, since kernels store numbers in low bits of scores. Real scores are below
2^52 and, by the bounds of `queries.RATIO_RANGE`, these are above 2^60."""

EMPTY_SCORE = 2.0**56
"""Scores from this value on belong to excluded entries."""

ENTRY_BLOCK = 1 << 22
"""Entries numbered at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceLists:
    """Inverted lists on a device; entries are padded by one tile.

    Attributes:
        center: float32 (d,), subtracted from rows and queries.
        differences: whether rows are compared by differences, not by products.
        kind: number kind that the scan reads.
        dim: d of the rows; `vectors` has `padded_dim(dim, kind)` columns.
        exponent: stored values are the original ones divided by 2^exponent.
        offsets: int64 (nlist + 1), first entry of each list.
        mids: int64 (nlist), first spilled entry of each list.
        rows: int32 (entries + TILE), the row of each entry.
        copy_of: int32 (entries + TILE), the primary list of a spilled entry's row; -1
            for a primary entry.
        vectors: (entries + TILE, padded d), the scanned values.
        biases: float32 (entries + TILE), `EMPTY_BIAS` in the padding.
        factors: float32 (entries + TILE), the scales of int8 codes; 1 otherwise.
        longest: entries of the longest list, by kind of segments.
    """

    center: Tensor
    differences: bool
    kind: Kind
    dim: int
    exponent: int
    offsets: Tensor
    mids: Tensor
    rows: Tensor
    copy_of: Tensor
    vectors: Tensor
    biases: Tensor
    factors: Tensor
    longest: dict[Segments, int]

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return len(self.mids)

    @property
    def device(self) -> torch.device:
        """Device of the arrays."""
        return self.vectors.device


def lay_out(
    data: IndexData,
    *,
    kind: Kind,
    device: torch.device,
    order: NDArray[np.int64] | None = None,
    resident: Tensor | None = None,
) -> DeviceLists:
    """Copy the lists of `data` to `device`, shuffled, in one number kind.

    Rows (or their int8 codes) are read sequentially, block by block, and the device
    writes each to its one or two entries, so host memory is never read at random.

    Args:
        data: the sealed index.
        kind: number kind.
        device: device of the tensors.
        order: order of the entries from `shuffled`, which is slow and needs no device;
            None computes it here.
        resident: float32 (n, d), the rows of `data` if they are on `device` already;
            None copies them block by block.
    """
    lists = data.lists
    order = shuffled(data) if order is None else order
    list_of = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    spilled = np.arange(lists.entries) >= lists.mids[list_of]
    rows = _padded(lists.rows[order], 0)
    copy_of = _padded(np.where(spilled, lists.others[order], -1).astype(np.int32), -1)
    encoding = data.encoding
    center = torch.from_numpy(np.array(encoding.center)).to(device)
    out = DeviceLists(
        center=center,
        differences=encoding.kind == "float32" and encoding.metric != "ip",
        kind=kind,
        dim=data.vectors.shape[1],
        exponent=max(_exponent(data, center, resident), _dots_exponent(data)),
        offsets=torch.from_numpy(np.array(lists.offsets)).to(device),
        mids=torch.from_numpy(np.array(lists.mids)).to(device),
        rows=torch.from_numpy(rows).to(device),
        copy_of=torch.from_numpy(copy_of).to(device),
        vectors=_empty_vectors(data, kind, device),
        biases=torch.full((len(rows),), EMPTY_BIAS, dtype=torch.float32, device=device),
        factors=torch.ones(len(rows), dtype=torch.float32, device=device),
        longest={
            "both": int(np.diff(lists.offsets).max(initial=0)),
            "primary": int((lists.mids - lists.offsets[:-1]).max(initial=0)),
        },
    )
    _fill(out, data, resident)
    return out


def shuffled(data: IndexData) -> NDArray[np.int64]:
    """An order (entries) that shuffles the entries within each segment."""
    lists = data.lists
    list_of = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    spilled = np.arange(lists.entries) >= lists.mids[list_of]
    rng = np.random.default_rng(SHUFFLE_SEED)
    chance = rng.integers(0, 1 << 32, size=lists.entries, dtype=np.int64)
    return np.argsort(((2 * list_of + spilled) << 32) | chance, kind="stable")


def _padded(values: NDArray[np.int32], filler: int) -> NDArray[np.int32]:
    return np.concatenate([values, np.full(TILE, filler, values.dtype)])


def _empty_vectors(data: IndexData, kind: Kind, device: torch.device) -> Tensor:
    shape = (data.lists.entries + TILE, padded_dim(data.vectors.shape[1], kind))
    return torch.zeros(shape, dtype=DTYPES[kind], device=device)


def _exponent(data: IndexData, center: Tensor, resident: Tensor | None) -> int:
    if resident is None:
        return exponent_of(data.vectors, data.encoding.center)
    return exponent_on_device(resident, center)


def _fill(out: DeviceLists, data: IndexData, resident: Tensor | None) -> None:
    """Write the vectors, factors and biases of all entries."""
    entries = _entries_of(out, n=len(data.vectors), count=data.lists.entries)
    for block, rows in _row_blocks(out, data, resident):
        stored, factors, biases = _coded(out, data, block, rows)
        for numbers in entries[:, block]:
            known = numbers >= 0
            places = numbers[known].long()
            out.vectors[places, : out.dim] = stored[known]
            out.factors[places] = factors[known]
            out.biases[places] = biases[known]


def _entries_of(out: DeviceLists, *, n: int, count: int) -> Tensor:
    """The primary and the spilled entry of each row, int32 (2, n), -1 for none."""
    entries = torch.full((2, n), -1, dtype=torch.int32, device=out.device)
    for block in block_slices(count, ENTRY_BLOCK):
        spilled = (out.copy_of[block] >= 0).long()
        numbers = torch.arange(
            block.start, block.stop, dtype=torch.int32, device=out.device
        )
        entries[spilled, out.rows[block].long()] = numbers
    return entries


def _row_blocks(out: DeviceLists, data: IndexData, resident: Tensor | None) -> Blocks:
    """The source of the entries, on the device: codes for int8, else rows."""
    if out.kind == "int8":
        return upload(data.codes.values, out.device, dtype=np.int8)
    if resident is None:
        return upload(data.vectors, out.device)
    blocks = block_slices(len(resident), max(1, BLOCK_BYTES // (4 * out.dim)))
    return ((block, resident[block]) for block in blocks)


def _coded(
    out: DeviceLists, data: IndexData, block: slice, rows: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Stored values of a block of rows, with their factors and biases."""
    unit = 2.0**out.exponent
    factors = torch.ones(len(rows), dtype=torch.float32, device=out.device)
    if out.kind == "int8":
        stored = rows
        scales = data.codes.scales[block].astype(np.float64) / unit
        factors = torch.from_numpy(scales.astype(np.float32)).to(out.device)
    else:
        centred = rows - out.center if data.encoding.is_centred else rows
        stored = (centred.double() / unit).float().to(out.vectors.dtype)
    if data.metric == "ip":
        return stored, factors, _dot_biases(data, block, unit).to(out.device)
    if out.differences or not data.encoding.has_biases:
        return stored, factors, torch.zeros_like(factors)
    # From the stored, rounded values: for rows near a query the two errors cancel.
    squares = stored.double().square().sum(dim=1)
    halves = squares * factors.double().square() / 2
    return stored, factors, halves.float()


def _dots(data: IndexData, rows: slice) -> NDArray[np.float64]:
    """-c.x of a block of rows under ip, with c subtracted from x."""
    biases = data.codes.biases
    if data.metric != "ip" or biases is None:
        return np.zeros(len(data.codes.scales[rows]))
    wide = biases[rows].astype(np.float64)
    return wide / 2 if data.encoding.kind == "int8" else wide


def _dots_exponent(data: IndexData) -> int:
    """The least e with all of `_dots` at most 4^e."""
    most = np.abs(_dots(data, slice(None))).max(initial=0.0)
    return int(np.ceil(np.log2(most) / 2)) if most > 0 else -1 << 10


def _dot_biases(data: IndexData, rows: slice, unit: float) -> Tensor:
    return torch.from_numpy((_dots(data, rows) / unit**2).astype(np.float32))
