"""Validation of a loaded index, before any search.

A checksum finds damage, but a forged file can have right checksums. Engines index with
the numbers of the lists without bounds checks, and answers depend on ids and operating
points, so all of these are checked here against `FORMAT.md`, once, over whole arrays.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Mask
from gleann.index.checks import MAX_DIM, MOST_ROWS, MOST_SQUARED
from gleann.index.codes import Codes, Encoding
from gleann.index.errors import CorruptDataError
from gleann.index.ids.held import repeated_id
from gleann.index.lists import InvertedLists
from gleann.index.operating.points import EffortPoint, OperatingPoint, Pool, SpillReport
from gleann.index.texts import Texts
from gleann.index.training import Training

SHAPES: Mapping[str, tuple[str, ...]] = {
    "centroids": ("lists", "dim"),
    "list_offsets": ("lists + 1",),
    "list_mids": ("lists",),
    "entry_rows": ("entries",),
    "entry_others": ("entries",),
    "codes": ("rows", "code dim"),
    "code_scales": ("rows",),
    "code_biases": ("rows",),
    "center": ("dim",),
    "projection_rows": ("code dim", "dim"),
    "projection_queries": ("code dim", "dim"),
    "ids": ("rows",),
    "id_offsets": ("rows + 1",),
    "id_bytes": ("bytes",),
}
"""How the shapes of arrays go together; see `FORMAT.md`."""


def require(holds: bool, otherwise: str) -> None:
    """Refuse an index in which something does not hold.

    Raises:
        CorruptDataError: saying what is the case `otherwise`.
    """
    if not holds:
        raise CorruptDataError(f"the index does not fit together: {otherwise}")


def check_shapes(
    arrays: Mapping[str, NDArray[Any]],
    shape: tuple[int, ...],
    *,
    code_dim: int | None = None,
) -> None:
    """Check the arrays of an index against its rows and each other, by shape alone.

    Args:
        arrays: by name, without the rows.
        shape: (n, d) of the rows.
        code_dim: dimensions of their codes; None for d.

    Raises:
        CorruptDataError: naming the array.
    """
    for name, array in arrays.items():
        wanted = len(SHAPES[name])
        require(array.ndim == wanted, f"{name} has shape {array.shape}")
    rows, dim = shape
    require(1 <= rows <= MOST_ROWS, f"vectors has {rows} rows")
    require(1 <= dim <= MAX_DIM, f"vectors has {dim} dimensions")
    sizes = {"rows": rows, "dim": dim, "lists": len(arrays["list_mids"])}
    sizes |= {"entries": len(arrays["entry_rows"])}
    sizes |= {"code dim": dim if code_dim is None else code_dim}
    require(sizes["code dim"] <= dim, f"projection is {code_dim} of {dim} dimensions")
    sizes |= {"lists + 1": sizes["lists"] + 1, "rows + 1": rows + 1}
    for name, array in arrays.items():
        for size, what in zip(array.shape, SHAPES[name], strict=True):
            expected = sizes.get(what, size)
            said = f"{name} has shape {array.shape}, expected {expected} {what}"
            require(size == expected, said)
    # A shard may have fewer rows than the lists of the whole.
    require(sizes["lists"] >= 1, f"list_mids has {sizes['lists']} lists")
    require(sizes["entries"] <= 2 * rows, f"entry_rows has {sizes['entries']} entries")


def check_lists(lists: InvertedLists, *, n: int) -> None:
    """Check that lists hold each of n rows once, and in at most one more list.

    Raises:
        CorruptDataError: naming the array.
    """
    starts, ends, mids = lists.offsets[:-1], lists.offsets[1:], lists.mids
    require(bool(lists.offsets[0] == 0), "list_offsets does not start at 0")
    require(
        bool(lists.offsets[-1] == lists.entries),
        f"list_offsets ends at {lists.offsets[-1]} of {lists.entries} entries",
    )
    ordered = (starts <= mids) & (mids <= ends)
    require(bool(ordered.all()), "list_offsets or list_mids is out of order")
    rows, others = lists.rows, lists.others
    fits = bool(rows.min() >= 0 and rows.max() < n)
    require(fits, f"entry_rows is not within 0..{n - 1}")
    fits = bool(others.min() >= -1 and others.max() < lists.nlist)
    require(fits, f"entry_others is not within -1..{lists.nlist - 1}")
    _check_copies(_entries_of(lists), lists, n=n)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Entries:
    """List and segment of every entry, from the offsets.

    Attributes:
        list_nos: int32 (entries), the list of each entry.
        is_primary: bool (entries).
    """

    list_nos: NDArray[np.int32]
    is_primary: Mask


def _entries_of(lists: InvertedLists) -> _Entries:
    primaries = lists.mids - lists.offsets[:-1]
    sizes = np.diff(lists.offsets)
    parts = np.stack([primaries, sizes - primaries], axis=1).ravel()
    return _Entries(
        list_nos=np.repeat(np.arange(lists.nlist, dtype=np.int32), sizes),
        is_primary=np.repeat(np.tile([True, False], lists.nlist), parts),
    )


def _check_copies(entries: _Entries, lists: InvertedLists, *, n: int) -> None:
    ascends = np.diff(lists.rows) > 0
    same_part = np.diff(entries.list_nos) == 0
    same_part &= entries.is_primary[1:] == entries.is_primary[:-1]
    require(bool((ascends | ~same_part).all()), "entry_rows descends within a list")
    is_primary = entries.is_primary
    first = np.full(n, -1, np.int32)
    first[lists.rows[is_primary]] = entries.list_nos[is_primary]
    count = int(np.count_nonzero(is_primary))
    distinct = count == n and bool((first >= 0).all())
    require(distinct, f"entry_rows has {count} primaries, which are not the {n} rows")
    copies = ~is_primary
    second = np.full(n, -1, np.int32)
    second[lists.rows[copies]] = entries.list_nos[copies]
    spilled = int(np.count_nonzero(second >= 0))
    require(
        spilled == int(np.count_nonzero(copies)), "entry_rows has a row in three lists"
    )
    require(bool((first != second).all()), "entry_rows has a row twice in one list")
    expected = np.where(is_primary, second[lists.rows], first[lists.rows])
    agree = bool((expected == lists.others).all())
    require(agree, "entry_others does not name the other list of a row")


def check_codes(codes: Codes, encoding: Encoding) -> None:
    """Check the numbers that scores of codes are made with.

    Raises:
        CorruptDataError: naming the array.
    """
    scales = codes.scales
    positive = bool(scales.min() > 0 and np.isfinite(scales.max()))
    require(positive, "code_scales has a scale that is not above 0")
    require(bool(np.isfinite(encoding.center).all()), "center is not finite")
    if codes.biases is not None:
        finite = bool(np.isfinite(codes.biases).all())
        require(finite, "code_biases has a bias that is not finite")


def check_lengths(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Check that the center and, where there is one, the centroids are of rows.

    An index of version 1, which has no center, may hold longer rows than those of
    today, and their means.

    Raises:
        CorruptDataError: naming the array.
    """
    if not arrays["center"].any():
        return
    for name in ("center", "centroids"):
        wide = np.atleast_2d(arrays[name]).astype(np.float64)
        longest = float(np.square(wide).sum(axis=1).max())
        # The median of rows can be longer than all of them: half of them lie beyond it
        # in each dimension, so its squared length is at most twice their mean.
        fits = longest <= 2.1 * MOST_SQUARED
        require(fits, f"{name} has squared length {longest:.4g}")


def check_ids(ids: HeldIds) -> None:
    """Check that ids are distinct, and none of them none; texts are not empty by now.

    Raises:
        CorruptDataError: they are not.
    """
    if isinstance(ids, Texts):
        require(repeated_id(ids) is None, "id_bytes has an id twice")
        return
    require(bool(ids.min() >= 0), "ids has an id below 0")
    # In order, as they mostly are, they need no sorting.
    ordered = ids if bool((np.diff(ids) > 0).all()) else np.sort(ids)
    require(bool((np.diff(ordered) > 0).all()), "ids has an id twice")


def check_text_offsets(offsets: NDArray[np.int64], *, size: int) -> None:
    """Check that offsets cut `size` bytes into texts that are not empty.

    Raises:
        CorruptDataError: they do not.
    """
    require(
        bool(offsets[0] == 0 and offsets[-1] == size),
        f"id_offsets goes from {offsets[0]} to {offsets[-1]} in {size} bytes",
    )
    # Compared, not subtracted: differences of forged offsets can leave int64.
    require(bool((offsets[1:] > offsets[:-1]).all()), "id_offsets does not ascend")


def check_points(
    points: tuple[OperatingPoint, ...], *, name: str, n: int, nlist: int
) -> None:
    """Check that operating points of n rows in `nlist` lists can be searched with.

    Raises:
        CorruptDataError: naming the first that cannot.
    """
    for place, point in enumerate(points):
        whole = all(_is_int(v) for v in (point.k, point.nprobe, point.rerank))
        fits = whole and 1 <= point.k <= n and 1 <= point.nprobe <= nlist
        # A rerank above n is measured where k is near n.
        fits = fits and point.k <= point.rerank <= max(n, 16 * point.k)
        fits = fits and _is_number(point.recall) and 0 <= point.recall <= 1
        fits = fits and _is_number(point.entries) and point.entries >= 0
        fits = fits and _is_number(point.error) and point.error >= 0
        require(fits, f"{name}[{place}] is {point}")


def check_pools(pools: tuple[Pool, ...], *, n: int, nlist: int) -> None:
    """Check that pools of n rows in `nlist` lists can be searched with.

    Raises:
        CorruptDataError: naming the first that cannot.
    """
    for place, pool in enumerate(pools):
        whole = all(_is_int(v) for v in (pool.k, pool.nprobe, pool.rerank))
        fits = whole and 1 <= pool.k <= n and 1 <= pool.nprobe <= nlist
        fits = fits and pool.k <= pool.rerank <= max(n, 16 * pool.k)
        require(fits, f"pools[{place}] is {pool}")


def check_efforts(points: tuple[EffortPoint, ...], *, n: int, nlist: int) -> None:
    """Check that settings of the effort can be searched with, as `check_points` does.

    Raises:
        CorruptDataError: naming the first that cannot.
    """
    check_points(points, name="efforts", n=n, nlist=nlist)
    for place, point in enumerate(points):
        fits = _is_int(point.first) and 1 <= point.first <= point.nprobe
        numbers = (point.offset, point.slope, point.lists)
        fits = fits and all(_is_number(v) for v in numbers) and point.lists >= 0
        require(fits, f"efforts[{place}] is {point}")


def check_spill_report(report: SpillReport) -> None:
    """Check that a report of spilling holds numbers.

    Raises:
        CorruptDataError: it does not.
    """
    parts = (report.recalls, report.soar_costs, report.none_costs)
    fits = report.chosen in ("soar", "none") and _is_int(report.k)
    fits = fits and all(isinstance(part, tuple) for part in parts)
    fits = fits and all(_is_number(v) for part in parts for v in part)
    fits = fits and len({len(part) for part in parts}) == 1
    require(fits and _is_number(report.saving), f"spill_report is {report}")


def check_training(training: Training, *, n: int) -> None:
    """Check that a training is one of n rows.

    Raises:
        CorruptDataError: it is not.
    """
    fits = _is_int(training.rows) and _is_int(training.kept)
    fits = fits and 0 <= training.kept <= min(n, training.rows)
    fits = fits and _is_number(training.distortion) and training.distortion >= 0
    added = training.added_distortion
    fits = fits and (added is None) == (training.kept == n)
    fits = fits and (added is None or (_is_number(added) and added >= 0))
    require(fits, f"training is {training}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))
