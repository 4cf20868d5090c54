"""Several engines as one: copies of an index on each device, or its lists shared out.

Copies answer more queries; shares hold a larger index. What each holds is `IndexData`
like any other, so any engines will do, and mostly they are one a GPU. How much is
gained was not measured: there was no machine with two.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import (
    Engine,
    IndexData,
    Scanned,
    ScanRequest,
    Work,
)
from gleann.index.engines.reference import count_short
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.lists import InvertedLists
from gleann.index.metric import prepare
from gleann.index.params import Metric, Segments

MakeEngine = Callable[[IndexData], Engine]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Share:
    """Some lists of an index, all others empty.

    Attributes:
        data: with rows of its own numbering, in the order of the index's.
        rows: int64, the index's number of each of them, ascending.
    """

    data: IndexData
    rows: Rows


def replicated(data: IndexData, makers: Sequence[MakeEngine]) -> Engine:
    """An engine that gives each of several a part of every batch.

    Args:
        data: the sealed index, of which every engine holds all.
        makers: one an engine, such as `lambda data: triton_engine(data, device=...)`.

    Raises:
        InvalidParamsError: no makers.
        and what the makers raise.
    """
    engines = _made(makers, [data] * len(makers))
    return ReplicatedEngine(engines, metric=data.metric)


def sharded(data: IndexData, makers: Sequence[MakeEngine]) -> Engine:
    """An engine that gives every batch to several, each with its share of the lists.

    Answers are those of one engine with at least its pool. Rows with copies in the
    shares of two are stored by both.

    Args:
        data: the sealed index.
        makers: one an engine.

    Raises:
        InvalidParamsError: no makers, or more than there are lists with rows.
        and what the makers raise.
    """
    share_of = share_lists(data.lists, count=len(makers))
    shares = [share(data, share_of == number) for number in range(len(makers))]
    engines = _made(makers, [part.data for part in shares])
    return ShardedEngine(
        engines,
        rows=tuple(part.rows for part in shares),
        share_of=share_of,
        metric=data.metric,
    )


def share_lists(lists: InvertedLists, *, count: int) -> NDArray[np.int64]:
    """The share (nlist,), of `count`, that each list goes to: the longest first.

    Raises:
        InvalidParamsError: fewer lists with rows than shares.
    """
    lengths = np.diff(lists.offsets)
    if count > (filled := int(np.count_nonzero(lengths))):
        raise InvalidParamsError(
            f"{count} engines were to share {filled} lists that have rows"
        )
    share_of = np.zeros(lists.nlist, np.int64)
    held = np.zeros(count, np.int64)
    for list_no in np.argsort(-lengths, kind="stable"):
        share_of[list_no] = held.argmin()
        held[share_of[list_no]] += lengths[list_no]
    return share_of


def share(data: IndexData, mine: NDArray[np.bool_]) -> Share:
    """The part of `data` that lies in the lists where `mine` (nlist,) is true."""
    lists = data.lists
    lengths = np.diff(lists.offsets)
    entries = np.repeat(mine, lengths)
    rows, local = np.unique(lists.rows[entries], return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(np.where(mine, lengths, 0))])
    primaries = np.where(mine, lists.mids - lists.offsets[:-1], 0)
    vectors = data.vectors[rows]
    codes = data.codes[rows]
    if data.encoding.kind == "float32":  # not copied twice
        codes = replace(codes, values=vectors)
    part = IndexData(
        encoding=data.encoding,
        centroids=data.centroids,
        lists=InvertedLists(
            offsets=offsets.astype(np.int64),
            mids=(offsets[:-1] + primaries).astype(np.int64),
            rows=local.astype(np.int32),
            others=lists.others[entries],
        ),
        codes=codes,
        vectors=vectors,
    )
    return Share(data=part, rows=rows.astype(np.int64))


class _Several:
    """What both have in common."""

    _kind: str

    def __init__(self, engines: tuple[Engine, ...], *, metric: Metric) -> None:
        self._engines = engines
        self._metric = metric

    @property
    def name(self) -> str:
        """Such as "2 shares of triton/cuda/bf16"."""
        return f"{len(self._engines)} {self._kind} of {self._engines[0].name}"

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """As one of them would; see `Engine.choose_segments`."""
        first = self._engines[0]
        return first.choose_segments(both=both, primary=primary, queries=queries)

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """By the first: all have all centroids; see `Engine.rank_lists`."""
        return self._engines[0].rank_lists(queries, nprobe=nprobe)

    def _each(self, ask: Callable[[int, Engine], Scanned]) -> list[Scanned]:
        """Ask all at once."""
        with ThreadPoolExecutor(len(self._engines)) as executor:
            return list(executor.map(ask, range(len(self._engines)), self._engines))


class ReplicatedEngine(_Several):
    """Engines that hold the same; see `replicated`."""

    _kind = "copies"

    def with_threads(self, threads: int) -> "ReplicatedEngine":
        """See `Engine.with_threads`."""
        engines = _with_threads(self._engines, threads)
        return ReplicatedEngine(engines, metric=self._metric)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """See `Engine.scan`."""
        parts = self._parts(len(queries))
        return _stacked(
            self._each(
                lambda i, engine: engine.scan(
                    queries[parts[i]], list_nos[parts[i]], request
                )
            )
        )

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `Engine.search`."""
        parts = self._parts(len(queries))
        try:
            found = self._each(
                lambda i, engine: engine.search(
                    queries[parts[i]], nprobe=nprobe, request=request
                )
            )
        except InvalidInputError:
            # These two say which query is at fault.
            require_finite(queries, name="queries")
            prepare(queries, self._metric, name="queries")
            raise
        return _stacked(found)

    def _parts(self, count: int) -> list[slice]:
        """Equal runs of `count` queries, one an engine."""
        ends = np.linspace(0, count, len(self._engines) + 1).astype(int).tolist()
        return [slice(*pair) for pair in pairwise(ends)]


class ShardedEngine(_Several):
    """Engines that hold different lists; see `sharded`."""

    _kind = "shares"

    def __init__(
        self,
        engines: tuple[Engine, ...],
        *,
        rows: tuple[Rows, ...],
        share_of: NDArray[np.int64],
        metric: Metric,
    ) -> None:
        super().__init__(engines, metric=metric)
        self._rows = rows
        self._share_of = share_of

    def with_threads(self, threads: int) -> "ShardedEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._engines = _with_threads(self._engines, threads)
        return other

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `Engine.search`."""
        require_finite(queries, name="queries")
        prepared = prepare(queries, self._metric, name="queries")
        return self.scan(prepared, self.rank_lists(prepared, nprobe=nprobe), request)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Let each scan the lists that it has; see `Engine.scan`."""
        found = self._each(
            lambda i, engine: engine.scan(
                queries, self._lists_of(i, list_nos), self._request_of(i, request)
            )
        )
        rows = [
            np.where(part.rows < 0, -1, mine[np.maximum(part.rows, 0)])
            for part, mine in zip(found, self._rows, strict=True)
        ]
        nearest, distances = _nearest_distinct(
            np.concatenate(rows, axis=1),
            np.concatenate([part.distances for part in found], axis=1),
            k=request.k,
        )
        return Scanned(
            rows=nearest,
            distances=distances,
            short=count_short(nearest),
            work=_summed([part.work for part in found]),
        )

    def _lists_of(self, number: int, list_nos: ListNos) -> ListNos:
        """The probed lists (nq, at most nprobe) of one share, moved to the front."""
        mine = (list_nos >= 0) & (self._share_of[np.maximum(list_nos, 0)] == number)
        width = int(mine.sum(axis=1).max(initial=0))
        first = np.argsort(~mine, axis=1, kind="stable")[:, :width]
        kept = np.where(mine, list_nos, -1)
        return np.ascontiguousarray(np.take_along_axis(kept, first, axis=1))

    def _request_of(self, number: int, request: ScanRequest) -> ScanRequest:
        if request.allowed is None:
            return request
        return replace(request, allowed=request.allowed[self._rows[number]])


def _made(
    makers: Sequence[MakeEngine], parts: Sequence[IndexData]
) -> tuple[Engine, ...]:
    if not makers:
        raise InvalidParamsError("no engines to share the index were given")
    return tuple(make(part) for make, part in zip(makers, parts, strict=True))


def _with_threads(engines: tuple[Engine, ...], threads: int) -> tuple[Engine, ...]:
    return tuple(engine.with_threads(threads) for engine in engines)


def _nearest_distinct(
    rows: Rows, distances: Distances, *, k: int
) -> tuple[Rows, Distances]:
    """The k nearest of (nq, w), no row twice, ties by lower row."""
    by_row = np.lexsort((distances, rows))
    rows = np.take_along_axis(rows, by_row, axis=1)
    distances = np.take_along_axis(distances, by_row, axis=1)
    again = rows[:, 1:] == rows[:, :-1]
    rows[:, 1:][again] = -1
    distances[:, 1:][again] = np.inf
    nearest = np.lexsort((rows, distances))[:, :k]
    return (
        np.take_along_axis(rows, nearest, axis=1),
        np.take_along_axis(distances, nearest, axis=1),
    )


def _stacked(found: list[Scanned]) -> Scanned:
    """One answer from those to consecutive queries."""
    return Scanned(
        rows=np.concatenate([part.rows for part in found]),
        distances=np.concatenate([part.distances for part in found]),
        short=sum(part.short for part in found),
        work=_summed([part.work for part in found]),
    )


def _summed(parts: list[Work]) -> Work:
    return Work(
        lists_probed=sum(part.lists_probed for part in parts),
        entries_scanned=sum(part.entries_scanned for part in parts),
        survivors=sum(part.survivors for part in parts),
        reranked=sum(part.reranked for part in parts),
    )
