"""The faiss engine: both copies of a row in an `IndexIVFFlat`, by `add_preassigned`.

faiss scores in float32. The lists hold rows without their centre, which keeps apart
rows that lie far from the origin. Nothing is re-ranked from codes; twice k are fetched
because a row can come back through both of its lists.
"""

from copy import copy
from typing import Any

import numpy as np

from gleann.index.arrays import ListNos, Mask, Rows, Vectors
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.stepwise import StepwiseEngine, count_short
from gleann.index.errors import EngineUnavailableError
from gleann.index.lists import InvertedLists
from gleann.index.metric import pair_distances
from gleann.index.parallel.cores import usable_cores
from gleann.index.params import Segments
from gleann.index.remedies import FAISS

ADD_BLOCK = 65_536


class FaissEngine(StepwiseEngine):
    """IVF-Flat over spilled lists on the CPU.

    An entry's faiss id is its row, plus n when it is a spilled copy: that tells the
    segments apart.

    Raises:
        EngineUnavailableError: faiss is not installed.
    """

    name = "faiss"

    def __init__(self, data: IndexData, *, threads: int = 0) -> None:
        self._faiss = faiss_module()
        super().__init__(data)
        self._threads = threads or self._most_threads()
        # faiss borrows the quantizer: it must live as long as the index.
        self._quantizer = quantizer_of(self._faiss, data)
        self._ivf = host_lists(self._faiss, self._quantizer, data)
        fill(self._ivf, data)

    def with_threads(self, threads: int) -> "FaissEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._threads = threads or self._most_threads()
        return other

    def _most_threads(self) -> int:
        return min(self._faiss.omp_get_max_threads(), usable_cores())

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Search preassigned lists, then drop second copies; see `Engine.scan`."""
        depth = min(2 * request.k, 2 * len(self._data.vectors))
        nprobe = list_nos.shape[1]
        if len(queries) == 0 or nprobe == 0:
            nothing = np.empty((len(queries), 0), np.int64)
            return finish(self._data, queries, nothing, request)
        options = self._faiss.SearchParametersIVF(nprobe=nprobe)
        selector, kept = self._selector(request.allowed, request.segments)
        if selector is not None:
            options.sel = selector
        self._faiss.omp_set_num_threads(self._threads)
        asked = self._data.encoding.float_queries(queries)
        found = search_lists(self._faiss, self._ivf, asked, depth, list_nos, options)
        del kept  # faiss borrows the bitmap: it must outlive the search
        return with_work(
            finish(self._data, queries, found, request), self._data.lists, list_nos
        )

    def _selector(
        self, allowed: Mask | None, segments: Segments
    ) -> tuple[Any, np.ndarray[Any, Any] | None]:
        n = len(self._data.vectors)
        if allowed is None:
            if segments == "both":
                return None, None
            return self._faiss.IDSelectorRange(0, n), None
        copies = allowed if segments == "both" else np.zeros(n, np.bool_)
        bitmap = np.packbits(np.concatenate([allowed, copies]), bitorder="little")
        return self._faiss.IDSelectorBitmap(bitmap), bitmap


def faiss_module() -> Any:
    """Import faiss; the error explains how to install it.

    Raises:
        EngineUnavailableError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        reason = f"the faiss engine needs faiss: {FAISS}"
        raise EngineUnavailableError(reason) from error
    return faiss


def host_lists(faiss: Any, quantizer: Any, data: IndexData) -> Any:
    """Empty lists in host memory."""
    metric = quantizer.metric_type
    ivf = faiss.IndexIVFFlat(quantizer, quantizer.d, data.lists.nlist, metric)
    ivf.is_trained = True
    return ivf


def fill(ivf: Any, data: IndexData) -> None:
    """Put every entry into its list: id row, or row + n for a spilled copy."""
    from faiss.contrib.ivf_tools import add_preassigned

    list_nos = np.repeat(np.arange(data.lists.nlist), np.diff(data.lists.offsets))
    spilled = np.arange(data.lists.entries) >= data.lists.mids[list_nos]
    entry_ids = data.lists.rows + spilled * np.int64(len(data.vectors))
    for start in range(0, data.lists.entries, ADD_BLOCK):
        block = slice(start, start + ADD_BLOCK)
        rows = data.encoding.float_rows(data.vectors[data.lists.rows[block]])
        add_preassigned(  # type: ignore[no-untyped-call]
            ivf, rows, list_nos[block], entry_ids[block]
        )


def quantizer_of(faiss: Any, data: IndexData) -> Any:
    """The centroids. Lists borrow it: it must live as long as they."""
    by_dot = data.metric == "ip"
    metric = faiss.METRIC_INNER_PRODUCT if by_dot else faiss.METRIC_L2
    centroids = data.encoding.float_rows(data.centroids)
    quantizer = faiss.IndexFlat(centroids.shape[1], metric)
    quantizer.add(centroids)
    return quantizer


def search_lists(
    faiss: Any,
    ivf: Any,
    queries: Vectors,
    depth: int,
    list_nos: ListNos,
    options: Any,
) -> Rows:
    """Entry ids int64 (nq, depth), the best first, -1 past the last.

    The Python wrapper of search_preassigned takes no parameters (faiss 1.15), and
    without them nprobe would be state of the shared index.
    """
    pointer = faiss.swig_ptr
    found = np.empty((len(queries), depth), np.int64)
    near = np.empty((len(queries), depth), np.float32)
    asked = np.ascontiguousarray(queries)
    keys = np.ascontiguousarray(list_nos, np.int64)
    coarse = np.zeros(keys.shape, np.float32)
    ivf.search_preassigned_c(
        len(asked),
        pointer(asked),
        depth,
        pointer(keys),
        pointer(coarse),
        pointer(near),
        pointer(found),
        False,
        options,
    )
    return found


def finish(
    data: IndexData, queries: Vectors, found: Rows, request: ScanRequest
) -> Scanned:
    """Fold copies together, order by (distance, row), cut to k and pad."""
    n = len(data.vectors)
    rows = np.where(found >= 0, found % n, n).astype(np.int64)
    rows.sort(axis=1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = n
    none = rows == n
    near = pair_distances(queries, data.vectors[np.where(none, 0, rows)], data.metric)
    near[none] = np.inf
    order = np.lexsort((rows, near), axis=1)[:, : request.k]
    out = np.full((len(queries), request.k), -1, np.int64)
    distances = np.full((len(queries), request.k), np.inf, np.float32)
    width = order.shape[1]
    distances[:, :width] = np.take_along_axis(near, order, axis=1)
    kept = np.take_along_axis(rows, order, axis=1)
    out[:, :width] = np.where(kept == n, -1, kept)
    return Scanned(
        rows=out,
        distances=distances,
        short=count_short(out),
        work=Work(reranked=int((~none).sum())),
    )


def with_work(scanned: Scanned, lists: InvertedLists, list_nos: ListNos) -> Scanned:
    """`scanned` with what looking at the probed lists cost."""
    probed = list_nos[list_nos >= 0]
    sizes = np.diff(lists.offsets)
    work = Work(
        lists_probed=int(probed.size),
        entries_scanned=int(sizes[probed].sum()),
        survivors=scanned.work.reranked,
        reranked=scanned.work.reranked,
    )
    return scanned._replace(work=work)
