"""Facility location: rows among which every row has a similar one.

F(S) = sum over all rows x of max(0, the largest x.s with s in S), which is monotone and
submodular; greedy picking reaches 1 - 1/e of the best (Nemhauser, Wolsey and Fisher
1978). On rows of unit length x.s is the cosine. Gains only shrink as rows are picked,
so an earlier gain is an upper bound (Minoux 1978); here the gains of a batch are
recomputed together, as one product.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress, as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.engines.torch import unavailable_reason
from gleann.index.errors import EngineUnavailableError, InvalidInputError
from gleann.index.parallel.blocks import block_slices
from gleann.index.remedies import DEVICE
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.among import Among, AmongLike, rows_in_all
from gleann.selection.checks import as_rows, require_between, require_count
from gleann.selection.progress import ProgressCallback

CANDIDATES = 256
"""Gains recomputed at once."""

BLOCK_SCORES = 1 << 22
LARGEST = 1e15
"""Coordinates beyond it would have products beyond float32."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FacilityLocation(Tabular):
    """Chosen rows, and the gain of each.

    Attributes:
        rows: int64 (k,), in the order they were picked.
        gains: float64 (k,), the increase of `value` by each; descending up to
            rounding.
        value: F of the chosen and the locked rows.
    """

    rows: Rows
    gains: NDArray[np.float64]
    value: float

    def table(self) -> Table:
        """One line per picked row, in the order they were picked."""
        return Table(
            columns={
                "rank": np.arange(len(self.rows)),
                "row": self.rows,
                "gain": self.gains,
            },
            facts={"summary": {"value": self.value}},
        )


class Gains(Protocol):
    """Gains of rows over those chosen so far."""

    def of(self, rows: Rows) -> NDArray[np.float64]:
        """Gain (m,) of each of `rows`: products in float32, summed in float64."""

    def add(self, rows: Rows) -> None:
        """Choose `rows`."""

    @property
    def value(self) -> float:
        """F of the rows chosen."""


def facility_location(
    vectors: ArrayLike,
    *,
    k: int,
    locked: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
    device: str | None = None,
) -> FacilityLocation:
    """Pick `k` rows greedily by the largest gain in F; ties go to the lower row.

    All gains are computed once, O(n^2 d), and then those of 256 rows at a time.

    Args:
        vectors: (n, d); similarity is their inner product, 0 where it is negative.
        k: rows to pick, at most the rows not locked.
        locked: rows that are chosen already, such as labelled ones, or a mask (n,) of
            them; never picked.
        among: the rows to pick from and to have a similar one, or a mask (n,) of them;
            None for all. Locked rows may be others, which F then has too.
        progress: called as gains are computed and before each batch.
        device: torch's name of a device that multiplies; None is the host. Products
            may round differently, so rows of nearly equal gain can change places.

    Raises:
        InvalidInputError: vectors or rows that cannot be used.
        InvalidParamsError: k out of range.
        EngineUnavailableError: no such device, or torch is not installed.
    """
    rows = as_vectors(vectors)
    n = len(rows)
    closed = as_rows([] if locked is None else locked, n=n, name="locked")
    within = Among.of(among, n=n)
    if within is not None:
        within = within.besides(closed)
        rows, closed = rows[within.rows], within.places_of(closed, name="locked")
    if (peak := float(np.abs(rows).max())) > LARGEST:
        raise InvalidInputError(
            f"vectors must be within {LARGEST:g} of 0 for their products to be"
            f" float32, got {peak:g}"
        )
    room = len(rows) - len(closed)
    why = f"{len(rows)} rows, of which {len(closed)} locked"
    require_count("k", k, at_least=0)
    require_between("k", k, low=1, high=room, why=why)
    gains = make_gains(rows, device=device)
    gains.add(closed)
    found = _greedy(gains, _Bounds(gains, len(rows), closed, progress), k=k)
    return replace(found, rows=rows_in_all(found.rows, within))


def make_gains(vectors: Vectors, *, device: str | None) -> Gains:
    """Gains on the host, or on a device.

    Raises:
        EngineUnavailableError: as `facility_location`.
    """
    if device is None:
        return HostGains(vectors)
    if reason := unavailable_reason():
        raise EngineUnavailableError(f"{reason}: to pick on {device!r} needs {DEVICE}")
    from gleann.selection.coreset.methods.device_gains import DeviceGains

    return DeviceGains(vectors, device)


class HostGains:
    """`Gains` by NumPy.

    Args:
        vectors: (n, d).
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._covered = np.zeros(len(vectors), np.float32)

    def of(self, rows: Rows) -> NDArray[np.float64]:
        """See `Gains.of`."""
        found = np.zeros(len(rows))
        if not len(rows):
            return found
        chosen = self._vectors[rows].T
        for block in block_slices(len(self._vectors), BLOCK_SCORES // len(rows)):
            more = self._vectors[block] @ chosen - self._covered[block, None]
            found += np.maximum(more, 0, out=more).sum(axis=0, dtype=np.float64)
        return found

    def add(self, rows: Rows) -> None:
        """See `Gains.add`."""
        for row in rows:
            near = self._vectors @ self._vectors[row]
            np.maximum(self._covered, near, out=self._covered)

    @property
    def value(self) -> float:
        """See `Gains.value`."""
        return float(self._covered.sum(dtype=np.float64))


class _Bounds:
    """Upper bounds on the gains of open rows."""

    def __init__(
        self,
        gains: Gains,
        n: int,
        closed: Rows,
        progress: ProgressCallback | None,
    ) -> None:
        self._gains = gains
        self._progress = progress
        self.bounds = np.full(n, -np.inf)
        every = np.setdiff1d(np.arange(n), closed)
        for block in block_slices(len(every), CANDIDATES):
            self.say("gains", block.start, len(every))
            self.bounds[every[block]] = gains.of(every[block])

    def say(self, phase: str, done: int, total: int) -> None:
        """Report progress to the callback, if there is one."""
        if self._progress is not None:
            self._progress(Progress(phase=phase, done=done, total=total))

    def best(self) -> tuple[int, float]:
        """The open row of largest gain, ties to the lower; and that gain."""
        fresh = np.zeros(len(self.bounds), np.bool_)
        while True:
            row = int(self.bounds.argmax())
            if fresh[row]:
                return row, float(self.bounds[row])
            stale = np.flatnonzero(~fresh & (self.bounds > -np.inf))
            if len(stale) > CANDIDATES:
                highest = np.argsort(-self.bounds[stale], kind="stable")[:CANDIDATES]
                stale = stale[highest]
            self.bounds[stale] = self._gains.of(stale)
            fresh[stale] = True

    def close(self, row: int) -> None:
        """Remove `row`, which is picked."""
        self.bounds[row] = -np.inf


def _greedy(gains: Gains, bounds: _Bounds, *, k: int) -> FacilityLocation:
    picked, added = np.empty(k, np.int64), np.empty(k)
    for done in range(k):
        bounds.say("pick", done, k)
        picked[done], added[done] = bounds.best()
        bounds.close(int(picked[done]))
        gains.add(picked[done : done + 1])
    return FacilityLocation(rows=picked, gains=added, value=gains.value)
