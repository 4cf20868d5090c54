"""The native engine over codes of rows in fewer dimensions than it measures."""

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.native import NativeEngine


class ProjectedEngine(NativeEngine):
    """Ranks and scans lists by projected queries and codes, measures the rows as given.

    Its data has int8 codes (n, p) and centroids (nlist, p), and vectors (n, d).
    """

    @classmethod
    def like(cls, engine: NativeEngine, data: IndexData) -> "ProjectedEngine":
        """Over `data`, with the tier and the threads of `engine`."""
        return cls(data, tier=engine._scanner.tier, threads=engine._threads)

    def scan_projected(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest, exact: Vectors
    ) -> Scanned:
        """See `Engine.scan`: codes are scored by `queries`, rows measured by `exact`.

        Args:
            queries: (nq, p), projected.
            list_nos: (nq, nprobe).
            request: of the scan; without a filter.
            exact: (nq, d), the same queries as the rows are given.
        """
        rows, distances, short, work = self._scanner.scan(
            np.ascontiguousarray(queries, np.float32),
            np.ascontiguousarray(list_nos, np.int32),
            k=request.k,
            rerank=request.rerank,
            allowed=None,
            primary_only=request.segments == "primary",
            exact=np.ascontiguousarray(exact, np.float32),
            threads=self._threads,
        )
        return Scanned(rows=rows, distances=distances, short=short, work=Work(*work))
