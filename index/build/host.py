"""Numeric kernels of the build on the CPU; those of a GPU are in `build/device`."""

from collections.abc import Callable

import numpy as np

from gleann._needed import needing
from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.assign import assign_blocks, nearest_lists
from gleann.index.build.contract import Assigned, TrainingRows
from gleann.index.build.distortion import total_distortion
from gleann.index.build.near_rows import nearest_by_code
from gleann.index.build.rank_by_code import rank_by_code
from gleann.index.build.rows import code_rows, prepare_rows
from gleann.index.build.spill import scale_of
from gleann.index.codes import Codes, Encoding
from gleann.index.engines import native
from gleann.index.exact import exact_search_prepared
from gleann.index.params import BuildParams, Metric


class HostKernels:
    """NumPy and the native kernels.

    Args:
        threads: threads of the native kernels; 0 takes all cores.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def training_rows(self, rows: Vectors) -> TrainingRows:
        """See `BuildKernels.training_rows`."""
        return HostTrainingRows(rows, threads=self._threads)

    def assign_blocks(
        self,
        vectors: RowMatrix,
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
        return exact_search_prepared(
            queries, vectors, metric=metric, k=k, progress=progress
        )

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
        """See `BuildKernels.nearest_by_code`; exact where kernels are not compiled."""
        if not native.available():
            return self.nearest_rows(
                queries, vectors, metric=metric, k=k, progress=progress
            )
        return nearest_by_code(
            queries,
            vectors,
            encoding,
            k=k,
            threads=self._threads,
            progress=progress,
        )

    rank_by_code = staticmethod(rank_by_code)

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
        # Imported here: what only reads an index does not need it.
        with needing("a build"):
            from scipy.sparse import csr_array

        member = csr_array((ones, (list_nos, np.arange(n))), shape=(nlist, n))
        sums: Vectors = member @ self._rows
        return sums
