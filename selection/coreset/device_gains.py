"""`Gains` of facility location on a device, by torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.blocks import block_slices
from gleann.index.engines.device.build_stream import upload
from gleann.index.engines.device.choice import resolve_device
from gleann.index.engines.device.memory import require_room
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.device.turns import turn_on

BLOCK_SCORES = 1 << 26

WORK_BYTES = 1 << 30
"""Of temporaries: a block's scores, and what is left of them after the covered."""


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
        n, dim = shape = vectors.shape
        needed = 4 * n * (dim + 2) + WORK_BYTES
        with turn_on(self._device):
            require_room(needed, self._device, what=f"{n:,} rows of {dim} values")
            self._vectors = torch.empty(shape, dtype=torch.float32, device=self._device)
            for block, rows in upload(vectors, self._device):
                self._vectors[block] = rows
            self._covered = torch.zeros(shape[0], device=self._device)

    def of(self, rows: Rows) -> NDArray[np.float64]:
        """See `Gains.of`."""
        if not len(rows):
            return np.zeros(0)
        with turn_on(self._device), full_precision():
            chosen = self._vectors[torch.from_numpy(rows).to(self._device)].T
            found = torch.zeros(len(rows), dtype=torch.float64, device=self._device)
            for block in block_slices(len(self._vectors), BLOCK_SCORES // len(rows)):
                more = self._vectors[block] @ chosen
                more.sub_(self._covered[block, None]).clamp_(min=0)
                found += more.sum(dim=0, dtype=torch.float64)
            return found.cpu().numpy()

    def add(self, rows: Rows) -> None:
        """See `Gains.add`."""
        with turn_on(self._device), full_precision():
            for row in rows.tolist():
                near = self._vectors @ self._vectors[row]
                self._covered = torch.maximum(self._covered, near)

    @property
    def value(self) -> float:
        """See `Gains.value`."""
        with turn_on(self._device):
            return float(self._covered.sum(dtype=torch.float64))
