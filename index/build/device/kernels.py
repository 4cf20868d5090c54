"""Numeric kernels of the build on a GPU; see `BuildKernels`.

Rows stay in host memory or on disk and are copied to the device block by block, so an
index can be larger than the memory of the device. Scores of a block against all
centroids are kept for as many rows as fit the cache of the device; the Triton kernel
keeps none.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.contract import Assigned
from gleann.index.build.device.assigner import DeviceAssigner
from gleann.index.build.distortion import total_distortion
from gleann.index.build.host import HostKernels
from gleann.index.build.rank_by_code import rank_by_code
from gleann.index.build.rows import code_rows, prepare_rows
from gleann.index.codes import Codes, Encoding
from gleann.index.engines.device.exact import DeviceExact
from gleann.index.engines.device.layout.stream import (
    Arrays,
    by_turns,
    in_turn,
    upload,
)
from gleann.index.engines.device.plan.memory import RESERVE, require_room
from gleann.index.engines.device.steps.queries import quantise
from gleann.index.engines.device.turns import turn_on
from gleann.index.params import BuildParams, Metric

Fetched = Iterator[tuple[slice, tuple[NDArray[Any], ...]]]


class DeviceKernels:
    """Trains, assigns and encodes on one device.

    Products are computed in float32 without TF32 and sums in a fixed order, so builds
    are reproducible. The result equals that of `HostKernels` except for rows to which
    two lists are equally good to rounding.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def training_rows(self, rows: Vectors) -> "DeviceTrainingRows":
        """See `BuildKernels.training_rows`."""
        return DeviceTrainingRows(rows, self._device)

    def assign_blocks(
        self,
        vectors: RowMatrix,
        centroids: Vectors,
        *,
        params: BuildParams,
        center: Vectors | None = None,
    ) -> Assigned:
        """See `BuildKernels.assign_blocks`."""
        with turn_on(self._device):
            shift = self._shift(vectors, center)
        scale = self._scale_of(vectors, shift)
        with turn_on(self._device):
            there = _sent(centroids, self._device) - shift
            assigner = DeviceAssigner(there, params, scale=scale)
        parts = self._passed(vectors, lambda rows: assigner.assign(rows - shift))
        for block, (first, second) in parts:
            yield block, first, second

    def distortion(
        self, vectors: RowMatrix, block: slice, centroids: Vectors, primary: ListNos
    ) -> float:
        """See `BuildKernels.distortion`."""
        return total_distortion(vectors[block], centroids, primary)

    def nearest_rows(
        self,
        queries: Vectors,
        vectors: RowMatrix,
        *,
        metric: Metric,
        k: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Rows, Distances]:
        """See `BuildKernels.nearest_rows`."""
        with turn_on(self._device):
            there = _sent(queries, self._device)
            search = DeviceExact(there, metric=metric, k=k)
        for block, rows in by_turns(upload(vectors, self._device), self._device):
            with turn_on(self._device):
                search.offer(rows, first_row=block.start)
            if progress is not None:
                progress(block.stop, len(vectors))
        with turn_on(self._device):
            return search.found(vectors)

    def nearest_by_code(
        self,
        queries: Vectors,
        vectors: RowMatrix,
        encoding: Encoding,
        *,
        metric: Metric,
        k: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Rows, Distances]:
        """See `BuildKernels.nearest_by_code`; on the host, as builds there do."""
        return HostKernels().nearest_by_code(
            queries, vectors, encoding, metric=metric, k=k, progress=progress
        )

    rank_by_code = staticmethod(rank_by_code)

    def prepare(
        self, vectors: Vectors, metric: Metric, *, first_row: int = 0
    ) -> Vectors:
        """See `BuildKernels.prepare`; on the host, which reads and writes the rows."""
        return prepare_rows(vectors, metric, threads=0, first_row=first_row)

    def codes(self, vectors: Vectors, encoding: Encoding) -> Codes:
        """See `BuildKernels.codes`."""
        if encoding.kind == "float32":
            return encoding.encode(vectors)
        if encoding.projection is not None:
            return code_rows(vectors, encoding, threads=0)
        with turn_on(self._device):
            shift = self._shift(vectors, encoding.center)
        values = np.empty(vectors.shape, np.int8)
        scales = np.empty(len(vectors), np.float32)
        parts = self._passed(vectors, lambda rows: quantise(rows - shift))
        for block, (coded, scale) in parts:
            values[block], scales[block] = coded, scale
        return encoding.with_biases(Codes(values=values, scales=scales), vectors)

    def _shift(self, vectors: RowMatrix, center: Vectors | None) -> Tensor:
        """The centre that is subtracted from rows (n, d), on the device."""
        if center is None:
            center = np.zeros(vectors.shape[1], np.float32)
        return _sent(center, self._device)

    def _scale_of(self, vectors: RowMatrix, shift: Tensor) -> float:
        """Mean squared length of the rows minus `shift`, as `spill.scale_of`."""
        parts = self._passed(vectors, lambda rows: _squared_length(rows - shift))
        return sum(float(total) for _, (total,) in parts) / len(vectors)

    def _passed(self, vectors: RowMatrix, work: Callable[[Tensor], Arrays]) -> Fetched:
        """Apply `work` to the rows block by block; searches may run between blocks."""
        rows = upload(vectors, self._device)
        return by_turns(in_turn(work, rows), self._device)


class DeviceTrainingRows:
    """Training rows on a device; see `TrainingRows`."""

    def __init__(self, rows: Vectors, device: torch.device) -> None:
        n, dim = rows.shape
        with turn_on(device):
            # Counted twice: they are sorted by list before they are summed.
            needed = 2 * 4 * n * dim + RESERVE
            require_room(needed, device, what=f"training on {n:,} rows of {dim} values")
            self._rows = torch.empty(rows.shape, dtype=torch.float32, device=device)
            for block, part in upload(rows, device):
                self._rows[block] = part

    def nearest(self, centroids: Vectors) -> ListNos:
        """See `TrainingRows.nearest`."""
        device = self._rows.device
        with turn_on(device):
            params = BuildParams(spill="none")
            assigner = DeviceAssigner(_sent(centroids, device), params, scale=0.0)
            return assigner.nearest(self._rows).cpu().numpy()

    def sums(self, list_nos: ListNos, *, nlist: int) -> Vectors:
        """See `TrainingRows.sums`.

        Rows are sorted first: sums by atomics are not reproducible.
        """
        device = self._rows.device
        with turn_on(device):
            numbers = torch.from_numpy(list_nos.astype(np.int64)).to(device)
            order = torch.sort(numbers, stable=True).indices
            lengths = torch.bincount(numbers, minlength=nlist)
            sums = torch.segment_reduce(
                self._rows[order], "sum", lengths=lengths, axis=0
            )
            return sums.cpu().numpy()


def _sent(values: Vectors, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32)).to(device)


def _squared_length(rows: Tensor) -> Arrays:
    return (rows.double().square().sum(),)
