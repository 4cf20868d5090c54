"""Client calls that choose what to train on: targets, epochs and hard negatives."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.service.client.curation_calls.starting import SharedOptions, StartingCalls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle, curation_method
from gleann.service.wire.arrays import ids_to_wire
from gleann.service.wire.curation.negatives import fill_positives
from gleann.service.wire.curation.queries import fill_queries
from gleann.service.wire.curation.target import fill_caps
from gleann.service.wire.fields import fill
from gleann.v1 import curation_pb2, negatives_pb2, plans_pb2, target_pb2


class TrainingCalls(StartingCalls[M]):
    """Vectors to train on."""

    @curation_method
    async def for_target(  # noqa: PLR0913 (what for, how many, of which, and how)
        self,
        name: str,
        targets: ArrayLike | None = None,
        *,
        budget: int,
        target_ids: ArrayLike | None = None,
        tasks: Sequence[str] = (),
        mode: str = "round_robin",
        allow_targets: bool = False,
        excluded_ids: ArrayLike | None = None,
        group_column: str = "",
        caps: int | Mapping[Any, int] | None = None,
        target_recall: float | None = None,
        shares: Mapping[str, float] | None = None,
        smoothing: float | None = None,
        sample_size: int | None = None,
        positive_fraction: float | None = None,
        seed: int | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Choose vectors that resemble examples of what is wanted.

        The curation has the tables "chosen", "compared" (beside as many random vectors,
        and as many in proportion to the lists of the index) and, with mode "distil",
        "scores"; see `ForTarget` in `target.proto` for their columns.

        Args:
            name: the index.
            targets: vectors (m, d); or
            target_ids: ids of vectors of the index.
            budget: vectors to choose.
            tasks: (m,) the task of each target; empty for one task.
            mode: "round_robin", the nearest of each target or task in turns;
                "best_rank", what any target ranks best; "resample", a draw distributed
                over the lists of the index as the targets are; or "distil", by a linear
                probe that learns best ranks from a sample, and scores all vectors.
            allow_targets: whether vectors of `target_ids` may be chosen.
            excluded_ids: vectors that are never chosen.
            group_column: a column of payload with the group of every vector.
            caps: the most vectors of every group, or of some by name.
            target_recall: of the searches; None takes 0.99, 1 compares all vectors.
            shares: with "resample", share of the budget of each task; even by default.
            smoothing: with "resample", entries of the distribution of all vectors that
                are added to those of the targets; None takes 1.
            sample_size: with "distil", vectors to learn from; None takes 20,000.
            positive_fraction: with "distil", share of these that is positive; None
                takes 0.1.
            seed: the only source of randomness, also of the draws to compare with.
            **shared: see `SharedOptions`; targets need not pass `where`.

        Raises:
            UnknownIndexError: no such index.
            NotReadyError: the index is empty.
            UnknownIdError: a target or an excluded id that no vector has.
            InvalidInputError: neither or both kinds of targets, or a group column that
                cannot be used.
            InvalidParamsError: an option of another mode, or out of its range.
            LimitError: the ranks of so many targets and vectors are too large.
        """
        message = target_pb2.ForTarget(tasks=tasks, allow_targets=allow_targets)
        fill_queries(message, "target", targets, target_ids, name="targets")
        fill_caps(message, caps)
        fill(
            message,
            {
                "budget": budget,
                "mode": mode,
                "group_column": group_column,
                "target_recall": target_recall,
                "smoothing": smoothing,
                "sample_size": sample_size,
                "positive_fraction": positive_fraction,
                "seed": seed,
            },
        )
        if excluded_ids is not None:
            excluded = ids_to_wire(hold_id_array(excluded_ids, name="excluded_ids"))
            message.excluded_ids.CopyFrom(excluded)
        for task, share in (shares or {}).items():
            message.shares.add(task=task, share=share)
        request = curation_pb2.CreateCurationJobRequest(index=name, for_target=message)
        return await self._start(request, **shared)

    @curation_method
    async def epoch_plan(  # noqa: PLR0913 (which epochs, how drawn)
        self,
        name: str,
        *,
        fraction: float,
        first_epoch: int = 0,
        epochs: int = 1,
        mode: str = "in_turns",
        stratum_column: str = "",
        by_lists: bool = False,
        seed: int = 0,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """The vectors of epochs of training, each with a fresh random share (RS2).

        The curation has the table "epochs" (epoch, place, id, weight, stratum), in the
        order of training. Nothing is stored between calls: the same ids, fraction,
        mode, strata and seed give the same plan, also after a build.

        Args:
            name: the index.
            fraction: share of the vectors that an epoch takes, in (0, 1].
            first_epoch: from 0.
            epochs: how many.
            mode: "in_turns", all vectors before one comes again; or "drawn_again".
            stratum_column: a column of payload, each value of which gives an epoch its
                share; or
            by_lists: whether the lists of the index do, which a build changes.
            seed: the only source of randomness.
            **shared: see `SharedOptions`.

        Raises:
            UnknownIndexError: no such index.
            NotReadyError: the index is empty.
            InvalidInputError: a stratum column that cannot be used.
            InvalidParamsError: a parameter out of its range, or both kinds of strata.
            LimitError: the table of so many epochs is too large.
        """
        if stratum_column and by_lists:
            raise InvalidParamsError("give stratum_column or by_lists, got both")
        message = plans_pb2.EpochPlan()
        fill(
            message,
            {
                "fraction": fraction,
                "first_epoch": first_epoch,
                "epochs": epochs,
                "mode": mode,
                "stratum_column": stratum_column or None,
                "by_lists": by_lists or None,
                "seed": seed,
            },
        )
        request = curation_pb2.CreateCurationJobRequest(index=name, epoch_plan=message)
        return await self._start(request, **shared)

    @curation_method
    async def mine_negatives(  # noqa: PLR0913 (the queries, and which rows qualify)
        self,
        name: str,
        queries: ArrayLike | None = None,
        *,
        positives: Sequence[ArrayLike],
        per_query: int,
        query_ids: ArrayLike | None = None,
        window: tuple[int, int] | None = None,
        max_similarity: float | None = None,
        margin: float | None = None,
        relative_margin: float | None = None,
        duplicate_radius: float | None = None,
        sampling: str = "top",
        target_recall: float | None = None,
        seed: int | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Find vectors that resemble a query and do not answer it (STAR).

        The curation has the tables "negatives" (query, rank, id, similarity) and
        "queries" (query, negatives, shortfall). Measure what hard negatives are worth
        on your data: in some domains they have helped no more than random ones.

        Args:
            name: the index.
            queries: vectors (m, d), which are called by their row numbers; or
            query_ids: ids of vectors of the index, never their own negatives.
            positives: m lists with the ids that answer each query.
            per_query: negatives of each query, at most.
            window: first rank, from 0, and the rank after the last, without positives;
                None takes (0, 200).
            max_similarity: no negative is more similar: the cosine, the inner product,
                or minus the squared L2 distance.
            margin: a negative is less similar than every positive, by this at least.
            relative_margin: a negative has at most this share of the similarity of
                every positive; not under l2.
            duplicate_radius: vectors within this distance of a positive are no
                negatives; 0 leaves out equal ones.
            sampling: "top", the most similar; or "random", a draw of all that qualify.
            target_recall: of the searches; None takes 0.99, 1 compares all vectors.
            seed: of random draws.
            **shared: see `SharedOptions`; queries and positives need not pass `where`.

        Raises:
            UnknownIndexError: no such index.
            NotReadyError: the index is empty.
            UnknownIdError: a query or a positive that no vector has.
            InvalidInputError: neither or both kinds of queries.
            InvalidParamsError: a parameter out of its range.
            LimitError: so many negatives or candidates are too large.
        """
        message = negatives_pb2.MineNegatives()
        fill_queries(message, "query", queries, query_ids, name="queries")
        fill_positives(message, positives)
        first, end = (None, None) if window is None else window
        fill(
            message,
            {
                "per_query": per_query,
                "first_rank": first,
                "end_rank": end,
                "max_similarity": max_similarity,
                "margin": margin,
                "relative_margin": relative_margin,
                "duplicate_radius": duplicate_radius,
                "sampling": sampling,
                "target_recall": target_recall,
                "seed": seed,
            },
        )
        request = curation_pb2.CreateCurationJobRequest(
            index=name, mine_negatives=message
        )
        return await self._start(request, **shared)
