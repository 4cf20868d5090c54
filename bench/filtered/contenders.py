"""Ways to search among allowed rows: ours, the plain ones, and the peers.

A contender is built once over the rows. For each filter it makes a `Ready`, with what a
user would keep between searches already made, and what it can trade for recall.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.metric import prepare

K = 10

Search = Callable[[Vectors, int], Rows]


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A contender with a filter.

    Attributes:
        search: rows (nq, K) of queries (nq, d) at an effort.
        efforts: to try, the cheapest first.
    """

    search: Search
    efforts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What all contenders are built over.

    Attributes:
        rows: (n, d), prepared.
        metric: "cosine", "l2" or "ip".
        index: gleann's own over the same rows.
        recall: that is asked.
    """

    rows: Vectors
    metric: str
    index: SoarIndex
    recall: float


Contender = Callable[[Data], Callable[[Mask], Ready]]


def gleann_kept(data: Data) -> Callable[[Mask], Ready]:
    """`SoarIndex.allow` once a filter; packed, as after some thousand queries."""

    def ready(mask: Mask) -> Ready:
        allowed = data.index.allow(mask)
        params = SearchParams(k=K, target_recall=data.recall, allowed=allowed)
        allowed.pack_lists(data.index.engine, 1 << 60)
        return Ready(lambda q, _: data.index.find_rows(q, params).rows, (0,))

    return ready


def gleann_mask(data: Data) -> Callable[[Mask], Ready]:
    """A plain mask with every call, which nothing is kept of."""

    def ready(mask: Mask) -> Ready:
        params = SearchParams(k=K, target_recall=data.recall, allowed=mask)
        return Ready(lambda q, _: data.index.find_rows(q, params).rows, (0,))

    return ready


def over_fetching(data: Data) -> Callable[[Mask], Ready]:
    """Search more rows without the filter, then cut those that are not allowed."""

    def ready(mask: Mask) -> Ready:
        def search(queries: Vectors, k: int) -> Rows:
            params = SearchParams(k=k, target_recall=data.recall)
            rows = data.index.find_rows(queries, params).rows
            gone = (rows < 0) | ~mask[rows]
            order = np.argsort(gone, axis=1, kind="stable")[:, :K]
            kept = np.take_along_axis(rows, order, axis=1)
            kept[np.take_along_axis(gone, order, axis=1)] = -1
            return kept

        n = len(mask)
        return Ready(
            search,
            tuple(
                k
                for k in (12, 16, 22, 30, 45, 70, 110, 200, 400, 1000, 3000, 10_000)
                if k <= n
            ),
        )

    return ready


def exact_scan(data: Data) -> Callable[[Mask], Ready]:
    """One matrix product with the allowed rows, gathered once a filter."""

    def ready(mask: Mask) -> Ready:
        numbers = np.flatnonzero(mask)
        some = np.ascontiguousarray(data.rows[numbers])
        squares = np.einsum("ij,ij->i", some, some) if data.metric == "l2" else 0.0

        def search(queries: Vectors, _: int) -> Rows:
            asked = prepare(queries, data.index.metric)
            scores = asked @ some.T
            scores *= -2 if data.metric == "l2" else -1
            scores += squares
            best = np.argpartition(scores, K - 1, axis=1)[:, :K]
            order = np.argsort(np.take_along_axis(scores, best, axis=1), axis=1)
            return numbers[np.take_along_axis(best, order, axis=1)]

        return Ready(search, (0,))

    return ready


def faiss_ivf(data: Data) -> Callable[[Mask], Ready]:
    """faiss IVF with 8-bit codes and an `IDSelectorBitmap`, re-ranked in float32."""
    faiss: Any = import_module("faiss")
    n, dim = data.rows.shape
    nlist = round(4 * n**0.5)
    by_l2 = data.metric == "l2"
    metric = faiss.METRIC_L2 if by_l2 else faiss.METRIC_INNER_PRODUCT
    quantizer = faiss.IndexFlatL2(dim) if by_l2 else faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dim, nlist, faiss.ScalarQuantizer.QT_8bit, metric
    )
    index.train(data.rows)
    index.add(data.rows)
    refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(data.rows))

    def ready(mask: Mask) -> Ready:
        bits = np.packbits(mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)

        def search(queries: Vectors, nprobe: int) -> Rows:
            inner = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
            params = faiss.IndexRefineSearchParameters(
                k_factor=2.0, base_index_params=inner
            )
            rows: Rows = refined.search(queries, K, params=params)[1]
            return rows

        return Ready(search, _doubling(4, nlist))

    return ready


def faiss_hnsw(data: Data) -> Callable[[Mask], Ready]:
    """faiss HNSW (M = 16, construction 100) with an `IDSelectorBitmap`."""
    faiss: Any = import_module("faiss")
    by_l2 = data.metric == "l2"
    metric = faiss.METRIC_L2 if by_l2 else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(data.rows.shape[1], 16, metric)
    index.hnsw.efConstruction = 100
    index.add(data.rows)

    def ready(mask: Mask) -> Ready:
        bits = np.packbits(mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)

        def search(queries: Vectors, ef: int) -> Rows:
            params = faiss.SearchParametersHNSW(efSearch=ef, sel=selector)
            rows: Rows = index.search(queries, K, params=params)[1]
            return rows

        return Ready(search, _doubling(16, 4096))

    return ready


def hnswlib_filter(data: Data) -> Callable[[Mask], Ready]:
    """hnswlib (M = 16, construction 100) with a filter function; one thread, as its
    documentation asks for where the function is Python's."""
    hnswlib: Any = import_module("hnswlib")
    n, dim = data.rows.shape
    index = hnswlib.Index(space="l2" if data.metric == "l2" else "ip", dim=dim)
    index.init_index(max_elements=n, ef_construction=100, M=16)
    index.add_items(data.rows)

    def ready(mask: Mask) -> Ready:
        flags = mask.tolist()

        def search(queries: Vectors, ef: int) -> Rows:
            index.set_ef(ef)
            try:
                found, _ = index.knn_query(
                    queries, k=K, num_threads=1, filter=flags.__getitem__
                )
            except RuntimeError:  # fewer than K rows were found
                return np.full((len(queries), K), -1)
            rows: Rows = found.astype(np.int64)
            return rows

        return Ready(search, _doubling(16, 1024))

    return ready


def lancedb_where(data: Data) -> Callable[[Mask], Ready]:
    """LanceDB: IVF_PQ with refinement, and a WHERE on an indexed column before it."""
    lancedb: Any = import_module("lancedb")
    pa: Any = import_module("pyarrow")
    from tempfile import mkdtemp

    connection = lancedb.connect(mkdtemp(prefix="bench-lancedb-"))
    n, dim = data.rows.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(data.rows.ravel()), dim)
    names = iter(range(1000))

    def ready(mask: Mask) -> Ready:
        table = connection.create_table(
            f"rows{next(names)}",
            pa.table(
                {"row": np.arange(n), "vector": vectors, "flag": mask.astype("i4")}
            ),
        )
        metric = "l2" if data.metric == "l2" else "cosine"
        table.create_index(
            metric=metric,
            index_type="IVF_PQ",
            num_partitions=round(n**0.5),
            num_sub_vectors=dim // 4 if dim % 4 == 0 else dim // 2,
        )
        table.create_scalar_index("flag", index_type="BITMAP")

        def search(queries: Vectors, nprobe: int) -> Rows:
            rows = np.full((len(queries), K), -1)
            for q, query in enumerate(queries):
                found = (
                    table.search(query)
                    .where("flag = 1", prefilter=True)
                    .nprobes(nprobe)
                    .refine_factor(10)
                    .limit(K)
                    .select(["row"])
                    .to_arrow()
                )["row"].to_numpy()
                rows[q, : len(found)] = found
            return rows

        return Ready(search, _doubling(10, round(n**0.5)))

    return ready


def _doubling(first: int, last: int) -> tuple[int, ...]:
    efforts = [first]
    while efforts[-1] < last:
        efforts.append(min(last, -(-efforts[-1] * 3 // 2)))
    return tuple(efforts)


CONTENDERS: dict[str, Contender] = {
    "gleann": gleann_kept,
    "gleann-mask": gleann_mask,
    "exact-scan": exact_scan,
    "over-fetching": over_fetching,
    "faiss-ivf": faiss_ivf,
    "faiss-hnsw": faiss_hnsw,
    "hnswlib": hnswlib_filter,
    "lancedb": lancedb_where,
}
"""Those with "gleann" are compared with all others."""


def data_of(rows: Vectors, metric: Any, *, recall: float, seed: int) -> Data:
    """Build gleann's index; the other contenders take the same prepared rows."""
    index = SoarIndex.build(rows, BuildParams(metric=metric, seed=seed))
    prepared = np.ascontiguousarray(index.vectors)
    return Data(rows=prepared, metric=metric, index=index, recall=recall)
