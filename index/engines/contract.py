"""The contract of the engines, and the values that pass between index and engine.

Given the same index, queries and probed lists, the result of `scan` is the exact top-k
by float32 distance over the distinct, allowed rows of the probed lists, ties by lower
row, except for rows that the scan scores too low to be re-ranked (where more than
`rerank` rows tie at the cut, engines agree in distances, not in rows). No row comes
twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import (
    Distances,
    ListNos,
    Mask,
    RowMatrix,
    Rows,
    Vectors,
)
from gleann.index.codes import Codes, Encoding
from gleann.index.ids.live_rows import LiveRows
from gleann.index.lists import InvertedLists
from gleann.index.operating.effort import Grants
from gleann.index.params import EntryCodes, Metric, Segments

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IndexData:
    """The arrays of a sealed index, as engines read them.

    Attributes:
        encoding: how codes and queries are scored, and the metric.
        centroids: float32 (nlist, d).
        lists: the inverted lists, primary and spilled entries.
        codes: of the rows, by `encoding`.
        vectors: float32 (n, d) wherever it is indexed, prepared rows (unit length under
            cosine); may be memory-mapped, in 16 bits or in a file.
        entry_codes: whether the entries of a row have a code each, or share one; for
            the native engine.
    """

    encoding: Encoding
    centroids: Vectors
    lists: InvertedLists
    codes: Codes
    vectors: RowMatrix
    entry_codes: EntryCodes = "copied"

    @property
    def metric(self) -> Metric:
        """Which distance."""
        return self.encoding.metric


def freeze(part: Any) -> None:
    """Make all arrays of a dataclass read-only, such as those of `IndexData`."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        elif is_dataclass(value):
            freeze(value)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanRequest:
    """A request: what to return of the probed lists.

    Attributes:
        k: neighbours a query.
        rerank: distinct, allowed rows to re-rank in float32, at least k.
        allowed: bool (n,) over rows, or None for all.
        segments: "both", or "primary" to skip spilled entries.
        certain: whether a device engine scans again where its selection may have
            dropped one of the k best; engines whose selection drops none ignore it.
    """

    k: int
    rerank: int
    allowed: Mask | None = None
    segments: Segments = "both"
    certain: bool = True


class Work(NamedTuple):
    """The work of a scan, summed over its queries.

    Attributes:
        lists_probed: (query, list) pairs.
        entries_scanned: entries scored, copies included.
        survivors: entries that passed the threshold, the copy and the allowed tests.
        reranked: rows scored in float32.
    """

    lists_probed: int = 0
    entries_scanned: int = 0
    survivors: int = 0
    reranked: int = 0


class Scanned(NamedTuple):
    """Neighbours by row.

    Attributes:
        rows: int64 (nq, k), nearest first, ties by lower row; -1 past the last.
        distances: float32 (nq, k), ascending; +inf for no row.
        short: queries with fewer than k rows.
        work: its counts.
        engine: name of the fallback engine that answered; "" if none was used.
    """

    rows: Rows
    distances: Distances
    short: int
    work: Work
    engine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundOnDevice:
    """Neighbours by row, as tensors of the device; see `Scanned`.

    Attributes:
        rows: int64 (nq, k), -1 past the last.
        distances: float32 (nq, k), +inf where there is no row.
        short: queries with fewer than k rows.
        work: what it cost.
    """

    rows: "torch.Tensor"
    distances: "torch.Tensor"
    short: int
    work: Work


class Engine(Protocol):
    """One way to rank lists and scan them."""

    @property
    def name(self) -> str:
        """Its name in `doctor` and in search statistics, such as "native/avx512"."""

    def with_threads(self, threads: int) -> "Engine":
        """The same engine with other threads, 0 for all cores; arrays are shared."""

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """The `nprobe` best lists (nq, nprobe) of prepared queries (nq, d), best first.

        By the scores of `metric.ListRanking`; ties go to the lower list number.
        """

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Search the given lists (nq, nprobe; -1 for none, no list twice a query)."""

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """The cheaper of two searches of the same recall, on this engine.

        Args:
            both: lists to probe if second copies are scanned too; tuned at build time
                by the cost on a CPU.
            primary: lists to probe if they are not.
            queries: in the batch.
        """

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Prepare queries (nq, d), rank their lists and scan the best `nprobe`.

        Raises:
            NonFiniteError: a query with NaN or infinity.
            ZeroVectorError: a query of length zero under cosine.
            InvalidInputError: under l2 and ip, a query too long for float32.
        """


@runtime_checkable
class HoldsCopies(Protocol):
    """An engine that holds memory besides the arrays it was made from."""

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes of "codes", "scales" and "biases" of entries; "directions" of lists."""


@runtime_checkable
class ScansSubsets(Protocol):
    """An engine that can scan some of its rows as if there were no others."""

    def over(self, lists: InvertedLists) -> Engine:
        """An engine that scans the same rows in other lists; codes are packed anew.

        Args:
            lists: any lists of any of the rows. All centroids of the new engine are
                zero: it ranks lists by their number, and is to be given lists or to
                search all.
        """


@runtime_checkable
class SearchesRows(Protocol):
    """An engine that holds the rows of the index and can use them as queries."""

    def search_rows(self, rows: Rows, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Search with `rows` (m,) as queries, in the `nprobe` best lists of each."""


class ListChoice(NamedTuple):
    """Which of its best lists a query reads under a filter; see `search/filtered.py`.

    Attributes:
        sizes: int64 (nlist), entries of each list.
        kept: float64 (nlist), entries expected to be allowed.
        entries: int64 (nlist), allowed entries; None where they were not counted.
        reach: share of the entries read without the filter.
        share: of the rows of the index that are allowed.
        nprobe: lists that would do without the filter.
        ranked: lists to choose from, at least `nprobe`.
    """

    sizes: NDArray[np.int64]
    kept: NDArray[np.float64]
    entries: NDArray[np.int64] | None
    reach: float
    share: float
    nprobe: int
    ranked: int


@runtime_checkable
class ChoosesLists(Protocol):
    """An engine that chooses lists under a filter itself."""

    def search_chosen(
        self,
        queries: Vectors,
        choice: ListChoice,
        request: ScanRequest,
        *,
        packed: Engine | None,
        newer: object | None = None,
    ) -> tuple[Scanned, Mask]:
        """Prepare queries (nq, d), choose their lists and scan them.

        Args:
            queries: not prepared and perhaps not finite.
            choice: how lists are chosen.
            request: what to bring back.
            packed: of `over`, with the allowed entries of every list; None scans those
                of the index, with `allowed` of the request.
            newer: of `ScansNewer.join_newer`, scanned in the same lists; None for none.

        Returns:
            The answers, and for which queries (nq,) the lists do. The others read no
            list: `ranked` ones do not reach far enough, or allowed rows are elsewhere.

        Raises:
            NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
        """


@runtime_checkable
class GrantsLists(Protocol):
    """An engine that scans as many lists of each query as its effort grants."""

    def search_by_effort(
        self, queries: Vectors, grants: Grants, request: ScanRequest
    ) -> Scanned:
        """Prepare queries (nq, d), scan their first lists, and then what is granted.

        Args:
            queries: not prepared and perhaps not finite.
            grants: how many, by the depth of a query.
            request: what to bring back, without `allowed`, of both segments; it
                re-ranks at least `grants.deep_rows` rows.

        Raises:
            NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
        """


class PackedPart(Protocol):
    """Consecutive newer rows as an engine scans them; see `ScansNewer.pack_newer`."""

    @property
    def first(self) -> int:
        """Number of its first row among the newer rows."""

    @property
    def end(self) -> int:
        """Number of its last row, plus 1."""


@runtime_checkable
class ScansNewer(Protocol):
    """An engine that scans rows newer than its index together with the lists.

    Newer rows are numbered after those of the index. Answers are those of one index of
    all rows with the same centroids, except that every query scans the flat parts.
    """

    def pack_newer(
        self, codes: Codes, lists: InvertedLists | None, *, first: int
    ) -> PackedPart:
        """Pack consecutive newer rows; any engine of the same index may scan them.

        Args:
            codes: of m rows, by the encoding of the index.
            lists: of those rows, counted from 0; None for a flat part.
            first: number of the first among the newer rows.
        """

    def alone(self, codes: Codes, vectors: Vectors) -> Engine:
        """An engine of some newer rows, coded as those of the index, in one list.

        Args:
            codes: of m rows, by the encoding of the index.
            vectors: float32 (m, d), prepared, of the same rows.
        """

    def join_newer(
        self,
        parts: Sequence[PackedPart],
        vectors: Vectors,
        alive: Mask | None,
        sealed_alive: LiveRows | None = None,
    ) -> object:
        """The newer rows that one state of an index has.

        Args:
            parts: they hold all rows, each once.
            vectors: float32 (m, d), prepared.
            alive: bool (m,), rows that may be returned; longer, and False from m on,
                if parts hold rows behind the m-th. None for all.
            sealed_alive: rows of the index that may be returned in a search with these
                newer ones, as far as the request allows them; None for all.
        """

    def search_newer(
        self, queries: Vectors, *, nprobe: int, request: ScanRequest, newer: object
    ) -> Scanned:
        """`Engine.search` among the rows of the index and `newer` (of `join_newer`)."""

    def scan_newer(
        self, queries: Vectors, request: ScanRequest, newer: object
    ) -> Scanned:
        """Compare prepared queries with all of `newer`, but no row of the index.

        `allowed` and `segments` of the request are ignored.
        """


@runtime_checkable
class SearchesTensors(Protocol):
    """An engine on a device that takes queries and leaves answers there."""

    @property
    def name(self) -> str:
        """See `Engine.name`."""

    @property
    def device(self) -> "torch.device":
        """The device it searches on."""

    def search_tensors(
        self, queries: "torch.Tensor", *, nprobe: int, request: ScanRequest
    ) -> FoundOnDevice:
        """`Engine.search` for float32 queries (nq, d), contiguous, on the device.

        Raises:
            NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
        """
