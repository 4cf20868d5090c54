"""The k-nearest-neighbour graph of an index, or of some rows: a list-major self-join.

Every row searches its own lists, in the order of the lists (`self_join.py`), and what
it finds counts for both ends (`mutual.py`): so a graph needs fewer probes than a search
of the same recall (`join_plan.py`). Where rows spread in few dimensions, codes of their
projection choose what is measured (`projection.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann._needed import needing
from gleann.index.arrays import Distances, HeldIds, Ids, Mask, Rows
from gleann.index.checks import as_mask, require_integer, require_threads
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.graph.joined import Joined
from gleann.index.graph.neighbours import Neighbours, find_neighbours
from gleann.index.graph.projection import projected_join
from gleann.index.heartbeat import repeating
from gleann.index.ids.held import ids_at, take_ids, to_numpy
from gleann.index.progress import Progress, ignore
from gleann.index.soar_index import SoarIndex
from gleann.index.tables.tabular import Table, Tabular

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnnGraph(Tabular):
    """The k nearest neighbours of every row, in CSR form.

    Row i has the neighbours `rows[indptr[i]:indptr[i + 1]]`, nearest first, ties by
    lower row; it is never its own neighbour. All rows of the graph have the same number
    of them; rows that are not `among` them have none.

    Attributes:
        indptr: int64 (n + 1).
        rows: int32 (e,), as the rows of `InvertedLists`: half the memory of int64.
        distances: float32 (e,): squared L2, 1 - cos, or -ip.
        held_ids: (n,) the caller's ids, in row order, as the index holds them.
        k: neighbours per row: as requested, or one less than the rows of the graph.
        nprobe: lists that each row probed.
        estimated_recall: recall@k of a sample of rows in this graph.
        engine: which engine scanned.
        among: int64 (m,), the rows of the graph, ascending; None where they are all.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    distances: Distances
    held_ids: HeldIds
    k: int
    nprobe: int
    estimated_recall: float
    engine: str
    among: Rows | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def row_ids(self) -> Ids:
        """(n,) the caller's ids, in row order."""
        return to_numpy(self.held_ids)

    @property
    def ids(self) -> Ids:
        """(m,) the caller's ids of `rows`."""
        return ids_at(self.held_ids, self.rows.astype(np.int64))

    @property
    def neighbours(self) -> NDArray[np.int32]:
        """(n, k) `rows` as a table; (m, k), as the rows of `among`, where it is set."""
        return self.rows.reshape(self._own_count, self.k)

    @property
    def own_rows(self) -> Rows:
        """(m,) the rows of the graph, ascending."""
        return np.arange(len(self)) if self.among is None else self.among

    @property
    def _own_count(self) -> int:
        return len(self) if self.among is None else len(self.among)

    def table(self) -> Table:
        """One line per edge: id, rank, neighbour and distance."""
        own = np.repeat(self.own_rows, self.k)
        return Table(
            columns={
                "id": take_ids(self.held_ids, own),
                "rank": np.tile(np.arange(self.k), self._own_count),
                "neighbour": take_ids(self.held_ids, self.rows.astype(np.int64)),
                "distance": self.distances,
            },
            facts={
                "summary": {
                    "k": self.k,
                    "nprobe": self.nprobe,
                    "estimated_recall": self.estimated_recall,
                    "engine": self.engine,
                    **({} if self.among is None else {"among": len(self.among)}),
                }
            },
        )

    def to_scipy(self) -> "csr_array":
        """The distances as a scipy matrix (n, n); rows are in order of distance.

        A distance of zero, between equal rows, is stored, not left out.
        """
        with needing("to_scipy"):
            from scipy.sparse import csr_array

        n = len(self)
        return csr_array((self.distances, self.rows, self.indptr), shape=(n, n))


def knn_graph(  # noqa: PLR0913 (how far, of what, by whom)
    index: SoarIndex,
    *,
    k: int = 10,
    target_recall: float | None = None,
    nprobe: int | None = None,
    among: Mask | None = None,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> KnnGraph:
    """Find the k nearest other rows of every row, or of some rows among each other.

    Holds about 24 k bytes a row while it works, of which 8 k are its answer, and 6 p
    more where codes of rows projected to p dimensions choose what is measured. The same
    index gives the same graph on any number of threads.

    Args:
        index: of n rows.
        k: neighbours per row; at most as many as there are other rows are returned.
        target_recall: recall@k to aim for, 0.95 if nprobe is not given either; chooses
            nprobe from a sample of rows that the seed of the index draws.
        nprobe: lists a row probes, instead. Rows whose lists hold fewer than k others
            are completed by exhaustive search: with few lists that can be most rows.
        among: bool (n,), True for the rows that have neighbours and can be some, such
            as `index.where("split = 'train'")`; None for all. They are joined in lists
            of theirs alone; their vectors are not copied.
        threads: worker threads; 0 takes every core, None as many as the index does.
        progress: called as phases "plan" and "join" go on; an exception that it raises
            stops the work.

    Raises:
        InvalidParamsError: k, nprobe or target_recall out of their ranges, or both of
            the latter.
        InvalidInputError: `among` is not bool, or has no row.
        DimensionMismatchError: it is of another length.
    """
    _check(index, k=k, target_recall=target_recall, nprobe=nprobe, threads=threads)
    joined = _joined(index, among, threads)
    with repeating(progress or ignore) as report:
        report(Progress(phase="plan", done=0, total=1))
        seed = index.params.seed
        # Lists that the caller counts out are searched by the codes of the index.
        projected = None
        if nprobe is None:
            projected = projected_join(joined, seed=seed, threads=threads or 0)
        found = find_neighbours(
            lambda: joined,
            projected,
            k=min(k, len(joined) - 1),
            target_recall=target_recall,
            nprobe=nprobe,
            seed=seed,
            threads=threads or 0,
            report=report,
        )
    return graph_of(found, held_ids=index.held_ids)


def _joined(index: SoarIndex, among: Mask | None, threads: int | None) -> Joined:
    """The rows to join.

    Raises:
        InvalidInputError: `among` is not bool, or has no row.
        DimensionMismatchError: it is of another length.
    """
    if among is not None:
        mask = as_mask(among, n=len(index), name="among")
        if not mask.any():
            raise InvalidInputError(f"among has 0 of {len(index)} rows")
    engine = index.engine if threads is None else index.engine.with_threads(threads)
    if among is None or mask.all():
        return Joined.all(engine, index.data)
    return Joined.among(engine, index.data, mask)


def _check(
    index: SoarIndex,
    *,
    k: int,
    target_recall: float | None,
    nprobe: int | None,
    threads: int | None,
) -> None:
    require_graph(k=k, target_recall=target_recall, threads=threads)
    if target_recall is not None and nprobe is not None:
        raise InvalidParamsError(
            "give nprobe or target_recall, not both: "
            f"got nprobe {nprobe} and target_recall {target_recall}"
        )
    if nprobe is not None and not 1 <= nprobe <= index.nlist:
        raise InvalidParamsError(
            f"nprobe must be in 1..{index.nlist}, the lists there are; got {nprobe}"
        )


def require_graph(*, k: int, target_recall: float | None, threads: int | None) -> None:
    """Refuse a request that holds of no graph.

    Raises:
        InvalidParamsError: k, target_recall or threads out of their ranges.
    """
    require_integer("k", k, at_least=1)
    if target_recall is not None and not 0 < target_recall <= 1:
        raise InvalidParamsError(
            f"target_recall must be in (0, 1], got {target_recall}"
        )
    if threads is not None:
        require_threads(threads)


def graph_of(found: Neighbours, *, held_ids: HeldIds) -> KnnGraph:
    """What was found, as the graph of the rows that have `held_ids`."""
    n, k = len(held_ids), found.places.shape[1]
    joined = found.joined
    mask = joined.mask
    held = np.ones(n, np.int64) if mask is None else mask.astype(np.int64)
    return KnnGraph(
        indptr=np.concatenate([[0], np.cumsum(held * k)]),
        rows=joined.rows_at(found.places).astype(np.int32, copy=False).ravel(),
        distances=found.distances.ravel(),
        held_ids=held_ids,
        k=k,
        nprobe=found.nprobe,
        estimated_recall=found.estimated_recall,
        engine=joined.scanner.name,
        among=joined.rows,
    )
