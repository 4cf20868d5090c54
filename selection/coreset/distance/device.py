"""`Points` on a device, by torch: the same picks, to the last bit.

As in `NumpyPoints`, a float32 product bounds every distance from below, and only where
the bound does not decide the distance is computed as
`contract.squared_l2` defines it: differences in float64, squared, summed in sixteen
lanes, every operation rounded by itself. So nothing depends on the order in which a
device adds. A Triton kernel computes distances where it can run, torch elsewhere.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import Rows, Vectors
from gleann.index.engines.device.layout.stream import upload
from gleann.index.engines.device.plan.choice import resolve_device
from gleann.index.engines.device.plan.memory import require_room
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.device.turns import turn_on
from gleann.index.engines.triton import device_reason
from gleann.index.parallel.blocks import block_slices
from gleann.selection.coreset.distance.contract import (
    LANES,
    MARGIN,
    TINY,
    UNIT_ROUNDING,
    Covering,
    Squares,
)

GROUP = 256
"""Centres per product of bounds, once there are as many."""

BLOCK_BOUNDS = 1 << 26
PAIR_VALUES = 1 << 24
"""Values of pairs of rows in float64 at once, three times over."""

MOST_PAIRS = 1 << 22
"""Pairs of rows whose distances are settled at once, some 64 bytes each."""

WORK_BYTES = 1 << 30
"""Bytes of temporaries, by the three constants above."""

ROW_BYTES = 40
"""Bytes of a row besides its values: squares, nearest, and temporaries of a pick."""


class DevicePoints:
    """A matrix on a device; see `Points`.

    Args:
        vectors: (n, d), finite and within 1e37.
        device: torch's name of it.

    Raises:
        EngineUnavailableError: there is no such device, or it failed.
        DeviceMemoryError: there is too little memory on it.
    """

    def __init__(self, vectors: Vectors, device: str) -> None:
        self.device = resolve_device(device)
        self._by_kernel = not device_reason(str(self.device))
        with turn_on(self.device):
            _require_room(vectors, self.device)
            self._take(vectors)

    def _take(self, vectors: Vectors) -> None:
        shape = vectors.shape
        self.vectors = torch.empty(shape, dtype=torch.float32, device=self.device)
        for block, rows in upload(vectors, self.device):
            self.vectors[block] = rows
        mean = self._mean()
        peak = max(float((self._wide(b) - mean).abs().max()) for b in self._blocks())
        self.unit = 1 / peak if peak > 0 else 1.0
        self.centred = torch.empty_like(self.vectors)
        self.low_squares = torch.empty(
            shape[0], dtype=torch.float64, device=self.device
        )
        # As in NumpyPoints: a product of d terms is off by d roundings at most.
        low = 1 - (2 * shape[1] + 64) * UNIT_ROUNDING
        for block in self._blocks():
            self.centred[block] = ((self._wide(block) - mean) * self.unit).float()
            squares = self.centred[block].double().square().sum(dim=1)
            self.low_squares[block] = squares * low

    def squared(self, a: Rows, b: Rows) -> Squares:
        """See `Points`."""
        with turn_on(self.device):
            first, second = (torch.from_numpy(rows).to(self.device) for rows in (a, b))
            found = self.pairs(
                first.repeat_interleave(len(second)), second.repeat(len(first))
            )
            return found.view(len(a), len(b)).cpu().numpy()

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """See `Points`; computed all at once."""
        among = self.squared(rows, rows)
        return lambda at: among[at]

    def foremost(
        self, covering: Covering, prices: NDArray[np.float64] | None, *, count: int
    ) -> tuple[Rows, float, int, Squares]:
        """See `Points`."""
        assert isinstance(covering, DeviceCovering)
        with turn_on(self.device):
            keys = _root(covering.found)
            if prices is not None:
                keys -= torch.from_numpy(prices).to(self.device)
            rows, bar, last = _foremost(keys, count=count)
            return rows.cpu().numpy(), bar, last, covering.found[rows].cpu().numpy()

    def covering(self) -> "DeviceCovering":
        """See `Points`."""
        with turn_on(self.device):
            return DeviceCovering(self)

    def pairs(self, a: Tensor, b: Tensor) -> Tensor:
        """Squared distances float64 (m,) of rows `a` (m,) to rows `b` (m,)."""
        if self._by_kernel:
            from gleann.index.engines.triton_kernels.coreset.launch_distances import (
                launch_pair_squares,
            )

            return launch_pair_squares(self.vectors, a, b)
        dim = self.vectors.shape[1]
        found = torch.empty(len(a), dtype=torch.float64, device=self.device)
        for some in block_slices(len(a), PAIR_VALUES // dim):
            found[some] = squared_l2(self.vectors[a[some]], self.vectors[b[some]])
        return found

    def _mean(self) -> Tensor:
        """Does not affect the picks: bounds hold around any point."""
        total = sum(self._wide(block).sum(dim=0) for block in self._blocks())
        return total / len(self.vectors)

    def _wide(self, block: slice) -> Tensor:
        return self.vectors[block].double()

    def _blocks(self) -> list[slice]:
        n, dim = self.vectors.shape
        return block_slices(n, PAIR_VALUES // dim)


class DeviceCovering:
    """`Covering` of `DevicePoints`.

    Attributes:
        found: float64 (n,), squared distances to the nearest centre.
        count: centres so far.
    """

    def __init__(self, points: DevicePoints) -> None:
        n = len(points.vectors)
        self._points = points
        self.count = 0
        self.found = torch.full(
            (n,), torch.inf, dtype=torch.float64, device=points.device
        )
        self._nearest = torch.full((n,), -1, dtype=torch.int64, device=points.device)

    @property
    def squared(self) -> Squares:
        """See `Covering`."""
        with turn_on(self._points.device):
            return self.found.cpu().numpy().copy()

    @property
    def nearest(self) -> Rows:
        """See `Covering`."""
        with turn_on(self._points.device):
            return self._nearest.cpu().numpy().copy()

    def cover(self, rows: Rows) -> None:
        """See `Covering`; one turn per group, so that searches can run in between."""
        done = 0
        while done < len(rows):
            # Bounds are of the distances before the group: while centres are few, a
            # large group would have almost all of its distances computed.
            most = min(GROUP, max(1, self.count))
            with turn_on(self._points.device), full_precision():
                self._cover_group(rows[done : done + most])
            done += most

    def _cover_group(self, rows: Rows) -> None:
        group = torch.from_numpy(rows).to(self._points.device)
        step = BLOCK_BOUNDS // len(group)
        for block in block_slices(len(self.found), step):
            self._cover_block(block, group)
        self.count += len(group)

    def _cover_block(self, block: slice, group: Tensor) -> None:
        near = self._bounds(block, group) < 0
        # As many as there are rows in the block for the first centre of all.
        few = int(near.sum()) <= MOST_PAIRS
        step = len(near) if few else MOST_PAIRS // len(group)
        for some in block_slices(len(near), step):
            rows, places = near[some].nonzero(as_tuple=True)
            if len(rows):
                first, last = block.start + some.start, block.start + some.stop
                self._settle(slice(first, last), rows, group, places)

    def _bounds(self, block: slice, group: Tensor) -> Tensor:
        """Negative (m, g) where a centre may be nearer to a row than its nearest."""
        points = self._points
        limits = self.found[block] * points.unit**2 * (1 + MARGIN) + TINY
        from_row = (points.low_squares[block] - limits).float()
        bounds = torch.addmm(
            points.low_squares[group].float(),
            points.centred[block],
            points.centred[group].T,
            alpha=-2,
        )
        bounds += from_row[:, None]
        return bounds

    def _settle(
        self, block: slice, rows: Tensor, group: Tensor, places: Tensor
    ) -> None:
        """Compute the distances of pairs; ties go to the earlier centre.

        Minima do not depend on the order of the pairs.
        """
        found = self._points.pairs(block.start + rows, group[places])
        before = self.found[block]
        best = before.scatter_reduce(0, rows, found, "amin")
        at_best = torch.where(found == best[rows], places, len(group))
        first = torch.full_like(self._nearest[block], len(group))
        first = first.scatter_reduce(0, rows, at_best, "amin")
        closer = best < before
        self._nearest[block] = torch.where(
            closer, self.count + first, self._nearest[block]
        )
        self.found[block] = best


def squared_l2(a: Tensor, b: Tensor) -> Tensor:
    """The torch twin of `contract.squared_l2`, on rows (m, d), to the last bit."""
    squares = (a.double() - b.double()).square()
    lanes = squares.new_zeros((len(squares), LANES))
    for first in range(0, squares.shape[1], LANES):
        part = squares[:, first : first + LANES]
        lanes[:, : part.shape[1]] += part
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def _root(squares: Tensor) -> Tensor:
    """Correctly rounded, so that rows tie on a device as they do on the host.

    CUDA's is; torch's own on a CPU, by MKL, is not.
    """
    if squares.is_cuda:
        return squares.sqrt()
    return torch.from_numpy(np.sqrt(squares.numpy()))


def _foremost(keys: Tensor, *, count: int) -> tuple[Tensor, float, int]:
    """The torch twin of `contract.foremost`."""
    n = len(keys)
    if n <= count:
        return torch.arange(n, device=keys.device), -np.inf, n
    bar = torch.topk(keys, count, sorted=False).values.min()
    above = (keys > bar).nonzero()[:, 0]
    level = (keys == bar).nonzero()[: count - len(above), 0]
    rows = torch.cat([above, level]).sort().values
    return rows, float(bar), int(level[-1])


def _require_room(vectors: Vectors, device: torch.device) -> None:
    n, dim = vectors.shape
    needed = n * (8 * dim + ROW_BYTES) + WORK_BYTES
    require_room(needed, device, what=f"picking among {n:,} rows of {dim} values")
