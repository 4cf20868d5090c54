"""Client calls for leakage between splits, and splits that control it."""

from collections.abc import Sequence
from typing import Any, Unpack

from gleann.index.errors import InvalidParamsError
from gleann.service.client.curation_calls.starting import SharedOptions, StartingCalls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle, curation_method
from gleann.service.wire.curation.duplicates import fill_near
from gleann.service.wire.fields import fill
from gleann.v1 import curation_pb2, leakage_pb2


class LeakageCalls(StartingCalls[M]):
    """Leakage between splits, and splits by similarity."""

    @curation_method
    async def leakage(  # noqa: PLR0913 (beside what, how near, counted how)
        self,
        name: str,
        reference: str = "",
        *,
        split_column: str = "",
        trained_on: Sequence[str] = ("train",),
        radius: float | None = None,
        similarity: float | None = None,
        group_column: str = "",
        bins: int | None = None,
        max_pairs: int | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Find the vectors whose near-duplicates are training data.

        The curation has the tables "rows", "pairs", "groups" and "histogram";
        `Leakage` in `leakage.proto` has their columns.

        Args:
            name: the index of the vectors that are audited; under cosine or l2.
            reference: the index of the training vectors; or
            split_column: a column of payload with the split of each vector: texts,
                integers or bools.
            trained_on: with it, the splits that are training data, as text; the others
                are audited.
            radius: the cut: squared L2, or 1 - cos.
            similarity: under cosine, the least cosine instead.
            group_column: a column of payload by which vectors are counted; the splits
                if empty.
            bins: of the histograms; None takes 20.
            max_pairs: pairs that are listed; None takes 1,000,000. Of more, only the
                nearest of each vector are.
            **shared: see `SharedOptions`.

        Raises:
            UnknownIndexError: no such index.
            UnknownColumnError: no such column.
            NotReadyError: an index is empty.
            InvalidParamsError: neither or both of `reference` and `split_column`, or of
                radius and similarity; or one out of its range.
            InvalidInputError: a column that names no groups, or a vector without one.
            LimitError: more bins or pairs than the server allows.
        """
        if bool(reference) == bool(split_column):
            given = "both" if reference else "neither"
            raise InvalidParamsError(
                f"give reference or split_column, one of them: got {given}"
            )
        message = leakage_pb2.Leakage(group_column=group_column)
        if reference:
            message.reference_index = reference
        else:
            message.splits.column = split_column
            message.splits.trained_on.extend(trained_on)
        fill_near(message, radius=radius, similarity=similarity)
        fill(message, {"bins": bins, "max_pairs": max_pairs})
        request = curation_pb2.CreateCurationJobRequest(index=name, leakage=message)
        return await self._start(request, **shared)

    @curation_method
    async def similarity_split(
        self,
        name: str,
        *,
        folds: int | None = None,
        held_out: float | None = None,
        together_column: str = "",
        together_curation: str = "",
        seed: int = 0,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Put similar vectors into the same of a few buckets.

        The curation has the tables "rows" (id, bucket, held_out) and "folds".

        Args:
            name: the index.
            folds: buckets, at most as many as the index has lists with vectors that are
                split; None takes 5.
            held_out: share of each bucket that tests inside it; None takes 0.2.
            together_column: vectors with equal values in this column of payload come
                into one bucket; or
            together_curation: those in one group of these near-duplicates, a stored
                curation of the index by its name.
            seed: the only source of randomness.
            **shared: see `SharedOptions`; what passes `where` is split.

        Raises:
            UnknownIndexError: no such index.
            UnknownColumnError: no such column.
            UnknownJobError: no such curation.
            NotReadyError: the index is empty.
            InvalidParamsError: too many folds, or a share outside 0..1, or both of
                `together_column` and `together_curation`.
            InvalidInputError: a column that names no groups, or a curation of another
                method or index.
        """
        if together_column and together_curation:
            raise InvalidParamsError(
                "give together_column or together_curation: got both"
            )
        message = leakage_pb2.SimilaritySplit(seed=seed)
        if together_column:
            message.together_column = together_column
        if together_curation:
            message.together_curation = together_curation
        fill(message, {"folds": folds, "held_out": held_out})
        request = curation_pb2.CreateCurationJobRequest(
            index=name, similarity_split=message
        )
        return await self._start(request, **shared)
