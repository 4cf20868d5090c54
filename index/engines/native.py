"""The C++ engine: codes scanned list by list, the best re-ranked from float32 rows.

The kernels exist once per instruction set ("tier"); the best one this CPU has is taken
when the engine is made. All tiers return the same rows.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

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
from gleann.index.checks import require_finite, require_threads
from gleann.index.codes import Codes, Encoding
from gleann.index.engines.assigner import NativeAssigner
from gleann.index.engines.contract import (
    Engine,
    IndexData,
    ListChoice,
    PackedPart,
    Scanned,
    ScanRequest,
    Work,
)
from gleann.index.errors import EngineUnavailableError, InvalidParamsError
from gleann.index.extension import (
    as_packed,
    available,
    compiled,
    tiers,
    unavailable_reason,
)
from gleann.index.ids.live_rows import LiveRows
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.kept.half_rows import HalfRows
from gleann.index.lists import InvertedLists, one_list
from gleann.index.metric import ListRanking, prepare
from gleann.index.operating.effort import Grants
from gleann.index.params import Segments

__all__ = [
    "EMULATED_TIER",
    "NativeAssigner",
    "NativeEngine",
    "available",
    "mutual_neighbours",
    "quantise_rows",
    "tiers",
    "unavailable_reason",
    "unit_rows",
]

_NOTHING = np.empty(0, np.float32)
_NO_AXES = np.empty((0, 0), np.float32)

EMULATED_TIER = "amx-emulated"
"""The AMX kernel on emulated tiles: slow, for tests on any CPU."""


class NativeEngine:
    """Scans on the CPU with the best kernels it has; see `Engine`.

    Queries that share lists are scanned together, so large batches are the fastest.
    Answers depend neither on the batch nor on the number of threads.
    """

    def __init__(
        self, data: IndexData, *, tier: str | None = None, threads: int = 0
    ) -> None:
        """Pack the codes of `data`.

        Args:
            data: the sealed index; its arrays are kept, not copied.
            tier: one of `tiers()` or "amx-emulated"; None takes the best.
            threads: worker threads; 0 takes every core this process may use.

        Raises:
            EngineUnavailableError: the extension is not there.
            InvalidParamsError: this CPU cannot run `tier`.
        """
        if not available():
            raise EngineUnavailableError(
                f"the native kernels are not built: {unavailable_reason()}"
            )
        if tier and tier not in (*tiers(), EMULATED_TIER):
            raise InvalidParamsError(
                f"this CPU runs the tiers {', '.join(tiers())}, not {tier!r}"
            )
        require_threads(threads)
        self._data = data
        self._threads = threads
        self._metric = data.metric
        self._encoding = encoding = data.encoding
        directions = ListRanking(data.centroids, encoding).directions
        codes = _given(data.codes, encoding)
        of_lists = _given(directions, encoding)
        kept, half = _kept(data.vectors)
        projection, shift = encoding.projection, _shift(encoding.center)
        self._scanner = compiled.Scanner(
            metric=data.metric,
            center=shift if projection is None else _NOTHING,
            directions=of_lists.values,
            direction_scales=of_lists.scales,
            direction_biases=of_lists.biases,
            offsets=as_packed(data.lists.offsets, np.int64),
            mids=as_packed(data.lists.mids, np.int64),
            rows=as_packed(data.lists.rows, np.int32),
            others=as_packed(data.lists.others, np.int32),
            codes=codes.values,
            scales=codes.scales,
            biases=codes.biases,
            vectors=kept,
            half=half,
            entry_codes=data.entry_codes,
            axes=_NO_AXES
            if projection is None
            else as_packed(projection.query_axes, np.float32),
            axes_center=_NOTHING if projection is None else shift,
            tier=tier or "",
            threads=threads,
        )
        self._name = f"native/{self._scanner.tier}"

    @property
    def name(self) -> str:
        """Engine and tier, such as "native/avx512"."""
        return self._name

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes that it holds besides `data`: codes, scales, biases, directions."""
        return self._scanner.nbytes

    def with_threads(self, threads: int) -> "NativeEngine":
        """See `Engine.with_threads`."""
        require_threads(threads)
        other = copy(self)
        other._threads = threads
        return other

    def over(self, lists: InvertedLists) -> "NativeEngine":
        """See `ScansSubsets.over`."""
        shape = lists.nlist, self._data.vectors.shape[1]
        unranked = replace(
            self._data,
            lists=lists,
            centroids=np.zeros(shape, np.float32),
            entry_codes="copied",
        )
        tier = self._scanner.tier
        return NativeEngine(unranked, tier=tier, threads=self._threads)

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Score the codes of all lists; see `Engine.rank_lists`."""
        return self._scanner.rank_lists(
            as_packed(queries, np.float32), nprobe=nprobe, threads=self._threads
        )

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Keep the best scores of codes, re-rank those rows; see `Engine.scan`."""
        return _scanned(
            self._scanner.scan(
                as_packed(queries, np.float32),
                as_packed(list_nos, np.int32),
                k=request.k,
                rerank=request.rerank,
                allowed=_packed_mask(request.allowed),
                primary_only=request.segments == "primary",
                threads=self._threads,
            )
        )

    def scan_newer(
        self, queries: Vectors, request: ScanRequest, newer: object
    ) -> Scanned:
        """See `ScansNewer.scan_newer`."""
        return _scanned(
            self._scanner.scan(
                as_packed(queries, np.float32),
                np.empty((len(queries), 0), np.int32),
                k=request.k,
                rerank=request.rerank,
                allowed=None,
                primary_only=False,
                newer=newer,
                newer_only=True,
                threads=self._threads,
            )
        )

    def pack_newer(
        self, codes: Codes, lists: InvertedLists | None, *, first: int
    ) -> PackedPart:
        """On one thread: others search meanwhile; see `ScansNewer.pack_newer`."""
        given = _given(codes, self._encoding)
        held = one_list(len(codes)) if lists is None else lists
        return self._scanner.pack(
            offsets=as_packed(held.offsets, np.int64),
            mids=as_packed(held.mids, np.int64),
            rows=as_packed(held.rows, np.int32),
            others=as_packed(held.others, np.int32),
            codes=given.values,
            scales=given.scales,
            biases=given.biases,
            first=first,
            flat=lists is None,
            threads=1,
        )

    def alone(self, codes: Codes, vectors: Vectors) -> "NativeEngine":
        """See `ScansNewer.alone`."""
        rows = replace(
            self._data,
            lists=one_list(len(vectors)),
            centroids=np.zeros((1, vectors.shape[1]), np.float32),
            codes=codes,
            vectors=vectors,
            entry_codes="copied",
        )
        return NativeEngine(rows, tier=self._scanner.tier, threads=self._threads)

    def join_newer(
        self,
        parts: Sequence[PackedPart],
        vectors: Vectors,
        alive: Mask | None,
        sealed_alive: LiveRows | None = None,
    ) -> object:
        """See `ScansNewer.join_newer`."""
        return self._scanner.newer_rows(
            parts=list(parts),
            vectors=as_packed(vectors, np.float32),
            allowed=_packed_mask(alive),
            sealed_alive=None if sealed_alive is None else sealed_alive.bits,
        )

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """Both: rows have copies only if those pay; see `Engine`."""
        return "both"

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """Everything in one call to the kernels; see `Engine.search`."""
        return self.search_newer(queries, nprobe=nprobe, request=request, newer=None)

    def search_newer(
        self, queries: Vectors, *, nprobe: int, request: ScanRequest, newer: object
    ) -> Scanned:
        """Each list and the newer rows in it, in one scan; see `ScansNewer`."""
        try:
            # By position: names cost a query on its own a few per cent of its time.
            found = self._scanner.search(
                as_packed(queries, np.float32),
                nprobe,
                self._metric == "cosine",
                request.k,
                request.rerank,
                _packed_mask(request.allowed),
                request.segments == "primary",
                self._threads,
                newer,
            )
        except ValueError:
            self._require_valid(queries)
            raise
        return _scanned(found)

    def search_by_effort(
        self, queries: Vectors, grants: Grants, request: ScanRequest
    ) -> Scanned:
        """Everything in one call to the kernels; see `GrantsLists`."""
        try:
            found = self._scanner.search_by_effort(
                as_packed(queries, np.float32),
                grants.most,
                grants.first,
                grants.deep_rows,
                grants.budgets,
                self._metric == "cosine",
                request.k,
                request.rerank,
                self._threads,
            )
        except ValueError:
            self._require_valid(queries)
            raise
        return _scanned(found)

    def search_chosen(
        self,
        queries: Vectors,
        choice: ListChoice,
        request: ScanRequest,
        *,
        packed: Engine | None,
        newer: object | None = None,
    ) -> tuple[Scanned, Mask]:
        """Everything in one call to the kernels; see `ChoosesLists`."""
        scanning = self if packed is None else packed
        assert isinstance(scanning, NativeEngine)
        try:
            found, settled = scanning._scanner.search_chosen(
                as_packed(queries, np.float32),
                self._scanner,
                choice.ranked,
                choice.sizes,
                choice.kept,
                choice.entries,
                choice.reach,
                choice.share,
                choice.nprobe,
                self._metric == "cosine",
                request.k,
                request.rerank,
                _packed_mask(request.allowed),
                request.segments == "primary",
                self._threads,
                newer,
            )
        except ValueError:
            self._require_valid(queries)
            raise
        return _scanned(found), settled

    def _require_valid(self, queries: Vectors) -> None:
        """Name the invalid query, if there is one."""
        require_finite(queries, name="queries")
        prepare(queries, self._metric, name="queries")


def _scanned(
    found: tuple[Rows, Distances, int, tuple[int, int, int, int]],
) -> Scanned:
    rows, distances, short, work = found
    return Scanned(rows=rows, distances=distances, short=short, work=Work(*work))


def mutual_neighbours(
    rows: NDArray[np.int32], distances: Distances, *, k: int, threads: int
) -> tuple[NDArray[np.int32], Distances]:
    """The native twin of `mutual_reference`, on the arrays of `CandidateLists`."""
    return compiled.mutual_neighbours(rows, distances, k=k, threads=threads)


def unit_rows(
    vectors: Vectors, *, threads: int, tier: str = ""
) -> tuple[Vectors, list[int]]:
    """Rows (n, d) at unit length by a tier (empty: the best), and which are zero."""
    packed = as_packed(vectors, np.float32)
    return compiled.unit_rows(packed, tier=tier, threads=threads)


def quantise_rows(
    vectors: Vectors, center: Vectors | None = None, *, threads: int, tier: str = ""
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The native twin of `codes.quantise` in a tier: values (n, d) and scales (n,)."""
    packed, shift = as_packed(vectors, np.float32), _shift(center)
    return compiled.quantise_rows(packed, shift, tier=tier, threads=threads)


class _Given(NamedTuple):
    """`Codes` as the kernels read them: what is not there is empty."""

    values: NDArray[Any]
    scales: NDArray[np.float32]
    biases: NDArray[np.float32]


def _given(codes: Codes, encoding: Encoding) -> _Given:
    whole = encoding.kind == "float32"
    return _Given(
        values=np.ascontiguousarray(codes.values),
        scales=_NOTHING if whole else as_packed(codes.scales, np.float32),
        biases=_NOTHING
        if codes.biases is None
        else as_packed(codes.biases, np.float32),
    )


def _kept(vectors: RowMatrix) -> tuple[Any, str]:
    """Rows to re-rank as the kernels take them, and how 16 bits are to be read."""
    if isinstance(vectors, HalfRows):
        return as_packed(vectors.stored, np.uint16), vectors.kind
    if isinstance(vectors, DiskRows):
        return vectors.native, ""
    return as_packed(np.asarray(vectors), np.float32), ""


def _shift(center: Vectors | None) -> Vectors:
    """A centre (d,) in the form of the kernels: empty if nothing is subtracted."""
    if center is None or not center.any():
        return _NOTHING
    return as_packed(center, np.float32)


def _packed_mask(allowed: Mask | None) -> Mask | None:
    return None if allowed is None else as_packed(allowed, np.bool_)
