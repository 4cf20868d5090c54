"""Interface of the numeric kernels of a build.

`build/host.py` implements it on the CPU, `build/device` on a GPU.

Every comparison of rows with centroids goes through `BuildKernels`; sampling, averaging
and decisions are the same code on both.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.codes import Codes, Encoding
from gleann.index.params import BuildParams, Metric

Assigned = Iterator[tuple[slice, ListNos, ListNos]]
"""Each block of rows, the first list of each, and its second, -1 for none."""


class TrainingRows(Protocol):
    """The training rows of k-means."""

    def nearest(self, centroids: Vectors) -> ListNos:
        """The nearest centroid (squared L2) of each row (n,); ties go to the lower."""

    def sums(self, list_nos: ListNos, *, nlist: int) -> Vectors:
        """Sum (nlist, d) of the rows of each list, in float32, in row order."""


class BuildKernels(Protocol):
    """The numeric kernels of a build."""

    def training_rows(self, rows: Vectors) -> TrainingRows:
        """Rows (n, d), prepared for k-means."""

    def assign_blocks(
        self,
        vectors: RowMatrix,
        centroids: Vectors,
        *,
        params: BuildParams,
        center: Vectors | None = None,
    ) -> Assigned:
        """Assign all rows (n, d), which may be memory-mapped; see `assign_blocks`."""

    def distortion(
        self, vectors: RowMatrix, block: slice, centroids: Vectors, primary: ListNos
    ) -> float:
        """The distortion of a block that was assigned just now; see `distortion.py`.

        Args:
            vectors: (n, d), all rows.
            block: (m,) of them.
            centroids: (nlist, d).
            primary: (m,), first list of each row of the block.
        """

    def nearest_rows(
        self,
        queries: Vectors,
        vectors: RowMatrix,
        *,
        metric: Metric,
        k: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Rows, Distances]:
        """The k nearest rows of each query; see `exact_search_prepared`."""

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
        """The k nearest rows of many queries, or of the rows with the best codes.

        See `near_rows.nearest_by_code`; kernels without codes compare all rows.
        """

    def rank_by_code(  # noqa: PLR0913  as the function
        self,
        encoding: Encoding,
        vectors: RowMatrix,
        queries: Vectors,
        *,
        own: Rows | None,
        width: int,
        rng: np.random.Generator,
        progress: Callable[[int, int], None] | None,
    ) -> Rows:
        """The rows with the best codes for each query; see `rank_by_code`."""

    def prepare(
        self, vectors: Vectors, metric: Metric, *, first_row: int = 0
    ) -> Vectors:
        """Rows (n, d) prepared for search; see `metric.prepare`."""

    def codes(self, vectors: Vectors, encoding: Encoding) -> Codes:
        """The codes of prepared rows (n, d); see `Encoding.encode`."""
