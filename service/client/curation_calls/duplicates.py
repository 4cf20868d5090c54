"""Client calls for near-duplicates and joins."""

from typing import TYPE_CHECKING, Any, Unpack

from numpy.typing import ArrayLike

from gleann.service.client.curation_calls.starting import SharedOptions, StartingCalls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle, curation_method
from gleann.service.wire.arrays import Column
from gleann.service.wire.curation.duplicates import (
    fill_against,
    fill_near,
    fill_other,
    fill_scores,
)
from gleann.service.wire.fields import fill
from gleann.v1 import curation_pb2, duplicates_pb2

if TYPE_CHECKING:
    from gleann.selection.curation.duplicates import KeepBy


class DuplicateCalls(StartingCalls[M]):
    """Near-duplicates, and pairs of two collections."""

    @curation_method
    async def near_duplicates(  # noqa: PLR0913 (how near, which order, beside what)
        self,
        name: str,
        *,
        radius: float | None = None,
        similarity: float | None = None,
        keep_by: "KeepBy" = "id",
        scores: str | Column | None = None,
        against: str | ArrayLike | None = None,
        known: str = "",
        max_pairs: int | None = None,
        curve: bool = False,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Find all near-duplicates, and keep the first of them in a stated order.

        The curation has the tables "rows", "pairs", "sizes", "examples" and, if it is
        asked for, "curve"; `NearDuplicates` in `duplicates.proto` has their columns.

        Args:
            name: the index; its metric must be cosine or l2.
            radius: the greatest distance of near-duplicates: squared L2, or 1 - cos.
            similarity: under cosine, the least cosine instead.
            keep_by: "id", the lowest; "score", the greatest of `scores`; "newest", the
                greatest of `scores`, which are times, or without them the vector stored
                last; "near_centroid" or "far_from_centroid". Ties by id.
            scores: a column of payload, or (ids, numbers).
            against: another index by its name, or vectors (m, d) whose ids are their
                row numbers: all of them are kept, and come first.
            known: an earlier curation by its name, of a radius at least as great: only
                vectors that it did not have, or that have changed, are joined.
            max_pairs: pairs of different vectors that may be held, at 12 bytes each.
            curve: whether to count how many vectors would go at smaller distances.
            **shared: see `SharedOptions`.

        Raises:
            UnknownIndexError: no such index.
            UnknownJobError: no curation has the name `known`.
            NotReadyError: the index is empty.
            InvalidParamsError: neither or both of radius and similarity, one out of its
                range, an order without its scores, or the metric is "ip".
            InvalidInputError: scores, `against` or `known` that cannot be used.
            LimitError: there are more than `max_pairs` pairs.
        """
        message = duplicates_pb2.NearDuplicates(known=known, curve=curve)
        fill_near(message, radius=radius, similarity=similarity)
        fill(message, {"keep_by": keep_by, "max_pairs": max_pairs})
        fill_scores(message, scores)
        fill_against(message, against)
        request = curation_pb2.CreateCurationJobRequest(
            index=name, near_duplicates=message
        )
        return await self._start(request, **shared)

    @curation_method
    async def rethreshold(
        self,
        name: str,
        curation: str,
        *,
        radius: float | None = None,
        similarity: float | None = None,
        curve: bool = False,
        request_id: str = "",
    ) -> Handle[Any, Any]:
        """The near-duplicates or leakage of a stored curation for a smaller distance.

        Args:
            name: the index of the curation.
            curation: by its name, of `near_duplicates`, `leakage` or `rethreshold`.
            radius: at most that of the curation.
            similarity: under cosine, the least cosine instead.
            curve: as in `near_duplicates`; not for leakage.
            request_id: as in `SharedOptions`.

        Raises:
            UnknownJobError: no such curation.
            InvalidInputError: it is of another method or index.
            InvalidParamsError: neither or both of radius and similarity, or a greater
                radius than that of the curation; leakage that does not list all of its
                pairs, or its curve.
        """
        message = duplicates_pb2.Rethreshold(curation=curation, curve=curve)
        fill_near(message, radius=radius, similarity=similarity)
        request = curation_pb2.CreateCurationJobRequest(index=name, rethreshold=message)
        return await self._start(request, request_id=request_id)

    @curation_method
    async def join(  # noqa: PLR0913 (of what, how near, how many)
        self,
        name: str,
        other: str | ArrayLike | None = None,
        *,
        radius: float | None = None,
        similarity: float | None = None,
        k: int | None = None,
        target_recall: float | None = None,
        max_pairs: int | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Find the pairs of two collections, or of one with itself.

        The curation has the table "pairs": id, other_id, distance.

        Args:
            name: the index; its metric must be cosine or l2.
            other: another index by its name, or vectors (m, d) whose ids are their row
                numbers; None joins the index with itself, each pair once.
            radius: all pairs within this distance: squared L2, or 1 - cos.
            similarity: under cosine, all pairs of at least this cosine; or
            k: for each vector, its k nearest in the other index.
            target_recall: recall@k to aim for with `k`; None takes 0.95, 1 is exact.
            max_pairs: pairs that there may be; None for what the server allows.
            **shared: see `SharedOptions`; `where` is for the vectors of `name`.

        Raises:
            UnknownIndexError: no such index.
            NotReadyError: one of them is empty.
            InvalidParamsError: none or several of radius, similarity and k, one out of
                its range, or k without another index.
            InvalidInputError: vectors that cannot be used.
            LimitError: there are more than `max_pairs` pairs.
        """
        message = duplicates_pb2.Join()
        fill_near(message, radius=radius, similarity=similarity, k=k)
        fill(message, {"target_recall": target_recall, "max_pairs": max_pairs})
        fill_other(message, other)
        request = curation_pb2.CreateCurationJobRequest(index=name, join=message)
        return await self._start(request, **shared)
