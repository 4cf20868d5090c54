"""`Gains` of facility location on a device.

Where Triton can run, one kernel multiplies and adds up; torch elsewhere.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import Rows, Vectors
from gleann.index.engines.device.layout.columns import WHOLE_VALUES, empty_columns
from gleann.index.engines.device.layout.stream import upload
from gleann.index.engines.device.plan.choice import resolve_device
from gleann.index.engines.device.plan.memory import require_room
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.device.turns import turn_on
from gleann.index.engines.triton import device_reason
from gleann.index.parallel.blocks import block_slices

BLOCK_SCORES = 1 << 26

WORK_BYTES = 1 << 30
"""Bytes of temporaries: the scores of a block, twice."""


class DeviceGains:
    """`Gains` with all rows on a device; sums are taken in one order.

    Args:
        vectors: (n, d).
        device: torch's name of it.

    Raises:
        EngineUnavailableError: there is no such device, or it failed.
        DeviceMemoryError: there is too little memory on it.
    """

    def __init__(self, vectors: Vectors, device: str) -> None:
        self._device = resolve_device(device)
        self._by_kernel = not device_reason(str(self._device))
        n, dim = vectors.shape
        needed = 4 * n * (dim + WHOLE_VALUES + 2) + WORK_BYTES
        with turn_on(self._device):
            require_room(needed, self._device, what=f"{n:,} rows of {dim} values")
            self._rows = empty_columns(n, dim, device=self._device)
            for block, rows in upload(vectors, self._device):
                self._rows.values[:dim, block] = rows.T
            self._covered = torch.zeros_like(self._rows.values[0])

    def of(self, rows: Rows) -> NDArray[np.float64]:
        """See `Gains.of`."""
        if not len(rows):
            return np.zeros(0)
        with turn_on(self._device), full_precision():
            numbers = torch.from_numpy(rows).to(self._device)
            return self._summed(numbers).cpu().numpy()

    def _summed(self, numbers: Tensor) -> Tensor:
        if self._by_kernel:
            from gleann.index.engines.triton_kernels.coreset.launch_gains import (
                launch_sum_gains,
            )

            return launch_sum_gains(self._rows, self._rows.of(numbers), self._covered)
        values, chosen = self._rows.values, self._rows.values[:, numbers]
        found = torch.zeros(len(numbers), dtype=torch.float64, device=self._device)
        for block in block_slices(self._rows.count, BLOCK_SCORES // len(numbers)):
            more = values[:, block].T @ chosen
            more.sub_(self._covered[block, None]).clamp_(min=0)
            found += more.sum(dim=0, dtype=torch.float64)
        return found

    def add(self, rows: Rows) -> None:
        """See `Gains.add`."""
        values = self._rows.values
        with turn_on(self._device), full_precision():
            for row in rows.tolist():
                near = values.T @ values[:, row]
                self._covered = torch.maximum(self._covered, near)

    @property
    def value(self) -> float:
        """See `Gains.value`."""
        with turn_on(self._device):
            return float(self._covered.sum(dtype=torch.float64))
