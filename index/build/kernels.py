"""Who does the arithmetic of a build: the host here, a device in `engines/device`.

Everything that compares rows with centroids goes through `BuildKernels`; what is drawn,
averaged, split and decided is the same code for both.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from gleann.index.arrays import Distances, ListNos, Rows, Vectors
from gleann.index.build.assign import assign_blocks, nearest_lists
from gleann.index.build.rows import code_rows, prepare_rows
from gleann.index.build.spill import scale_of
from gleann.index.codes import Codes, Encoding
from gleann.index.engines.torch import unavailable_reason
from gleann.index.errors import EngineUnavailableError
from gleann.index.exact import exact_search_prepared
from gleann.index.params import BuildParams, Metric

Assigned = Iterator[tuple[slice, ListNos, ListNos]]
"""Each block of rows, the first list of each, and its second, -1 for none."""


class TrainingRows(Protocol):
    """The rows that k-means learns from."""

    def nearest(self, centroids: Vectors) -> ListNos:
        """The nearest centroid (squared L2) of each row (n,), ties to the lower."""

    def sums(self, list_nos: ListNos, *, nlist: int) -> Vectors:
        """Sum (nlist, d) of the rows of each list, in float32, in row order."""


class BuildKernels(Protocol):
    """The arithmetic of a build."""

    def training_rows(self, rows: Vectors) -> TrainingRows:
        """Rows (n, d) made ready for k-means."""

    def assign_blocks(
        self,
        vectors: Vectors,
        centroids: Vectors,
        *,
        params: BuildParams,
        center: Vectors | None = None,
    ) -> Assigned:
        """Assign all rows (n, d), which may be memory-mapped; see `assign_blocks`."""

    def nearest_rows(
        self,
        queries: Vectors,
        vectors: Vectors,
        *,
        metric: Metric,
        k: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Rows, Distances]:
        """The k nearest rows of each query; see `exact_search_prepared`."""

    def prepare(
        self, vectors: Vectors, metric: Metric, *, first_row: int = 0
    ) -> Vectors:
        """Rows (n, d) as the index works on them; see `metric.prepare`."""

    def codes(self, vectors: Vectors, encoding: Encoding) -> Codes:
        """The codes of prepared rows (n, d); see `Encoding.encode`."""


def kernels_on(device: str | None, *, threads: int = 0) -> BuildKernels:
    """The kernels of a device, or of the host.

    Args:
        device: torch's name of one, such as "cuda" or "cpu"; None builds without torch.
        threads: of the native kernels, on the host; 0 takes all cores.

    Raises:
        EngineUnavailableError: torch is not installed, or sees no such device.
    """
    if device is None:
        return HostKernels(threads)
    if reason := unavailable_reason():
        raise EngineUnavailableError(
            f"{reason}: to build on {device!r} takes pip install 'gleann[gpu]'"
        )
    from gleann.index.build.device.kernels import DeviceKernels
    from gleann.index.engines.device.plan.choice import resolve_device

    return DeviceKernels(resolve_device(device))


class HostKernels:
    """NumPy and the native kernels.

    Args:
        threads: of the native kernels; 0 takes all cores.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def training_rows(self, rows: Vectors) -> TrainingRows:
        """See `BuildKernels.training_rows`."""
        return HostTrainingRows(rows, threads=self._threads)

    def assign_blocks(
        self,
        vectors: Vectors,
        centroids: Vectors,
        *,
        params: BuildParams,
        center: Vectors | None = None,
    ) -> Assigned:
        """See `BuildKernels.assign_blocks`."""
        return assign_blocks(
            vectors,
            centroids,
            params=params,
            scale=scale_of(vectors, center),
            threads=self._threads,
            center=center,
        )

    def nearest_rows(
        self,
        queries: Vectors,
        vectors: Vectors,
        *,
        metric: Metric,
        k: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Rows, Distances]:
        """See `BuildKernels.nearest_rows`."""
        return exact_search_prepared(
            queries, vectors, metric=metric, k=k, progress=progress
        )

    def prepare(
        self, vectors: Vectors, metric: Metric, *, first_row: int = 0
    ) -> Vectors:
        """See `BuildKernels.prepare`."""
        threads = self._threads
        return prepare_rows(vectors, metric, threads=threads, first_row=first_row)

    def codes(self, vectors: Vectors, encoding: Encoding) -> Codes:
        """See `BuildKernels.codes`."""
        return code_rows(vectors, encoding, threads=self._threads)


class HostTrainingRows:
    """Training rows (n, d) in host memory; see `TrainingRows`."""

    def __init__(self, rows: Vectors, *, threads: int = 0) -> None:
        self._rows = rows
        self._threads = threads

    def nearest(self, centroids: Vectors) -> ListNos:
        """See `TrainingRows.nearest`."""
        return nearest_lists(self._rows, centroids, threads=self._threads)

    def sums(self, list_nos: ListNos, *, nlist: int) -> Vectors:
        """See `TrainingRows.sums`."""
        n = len(self._rows)
        ones = np.ones(n, np.float32)
        member = csr_array((ones, (list_nos, np.arange(n))), shape=(nlist, n))
        sums: Vectors = member @ self._rows
        return sums
