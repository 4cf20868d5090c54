"""Client calls for coreset selection."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from numpy.typing import ArrayLike

from gleann.index.ids.checks import hold_id_array
from gleann.service.client.connection import Calls, all_pages_of
from gleann.service.client.modes import M, method
from gleann.service.client.operation import Handle, operation_method, read_selection
from gleann.service.values import Selected, SelectionInfo
from gleann.service.wire.arrays import Column, ids_to_wire, optional_ids_to_wire
from gleann.service.wire.coreset_messages import (
    Groups,
    Quotas,
    cost_on_to_wire,
    costs_to_wire,
    quotas_to_wire,
)
from gleann.service.wire.fields import fill
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.selected_messages import selection_info_of
from gleann.v1 import coreset_pb2


class SharedOptions(TypedDict, total=False):
    """Options of every method.

    Attributes:
        groups: (ids, names) of all candidates; k is then split among the groups, and
            the method chooses within each. Default None, no groups.
        quotas: the split: "proportional" to group sizes (the default), "equal", or the
            quota of some groups by name: an integer is their number of vectors, a float
            in (0, 1] their share of k, and the other groups share what is left.
        allowed_ids: if set, only these vectors are candidates.
        where: a condition on payload, such as "split = 'train' AND score > $1"; only
            vectors that pass are candidates (those of `allowed_ids`, if both are set),
            and only they are covered. Locked vectors need not pass. Default None, no
            condition.
        parameters: the values of $1, $2 and so on.
        request_id: a repeat with the same string returns the same operation.
    """

    groups: Groups | None
    quotas: Quotas
    allowed_ids: ArrayLike | None
    where: str | None
    parameters: Sequence[object]
    request_id: str


class LockedOptions(SharedOptions, total=False):
    """Options of every method but farthest-first: `SharedOptions` and locked vectors.

    Attributes:
        locked_ids: vectors that count as chosen already and are not returned.
    """

    locked_ids: ArrayLike | None


class CoresetCalls(Calls[M]):
    """Coreset methods: `client.coresets`."""

    @operation_method
    async def weighted_k_center(
        self,
        name: str,
        *,
        k: int,
        costs: Column | None = None,
        cost_weight: float | None = None,
        cost_on: str = "sum",
        eps: float | None = None,
        **shared: Unpack[LockedOptions],
    ) -> Handle[Any, Selected]:
        """Choose k vectors that cover the rest and are cheap (weighted k-center).

        The summary also has the figures of as many random vectors (`random_radius`,
        `random_cost`, `random_objective`), of a random draw in proportion to cells of
        the space (`stratified_radius` and so on), the epochs that fresh random draws
        take to see all vectors (`random_epochs`), and of the strongest baseline:
        `baseline` is its name, "farthest_first" or "margin", whichever has the lower
        objective (`baseline_radius`, `baseline_cost`, `baseline_objective`). The
        summaries of the other methods have them too.

        Args:
            name: the index; its metric must be cosine or l2.
            k: vectors to choose.
            costs: (ids, costs) of all candidates, costs at least 0; None sets all costs
                to 0.
            cost_weight: weight of one unit of cost relative to one unit of radius.
            cost_on: the weighted cost, "sum" or "mean" over the chosen vectors.
            eps: relative step between the radius guesses.
            **shared: see `LockedOptions`.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            InvalidInputError: a vector without a cost or a group.
            InvalidFilterError: `where` does not fit the columns.
            InvalidParamsError: k above the number of vectors, or the metric is "ip".
        """
        strategy = coreset_pb2.WeightedKCenter(costs=costs_to_wire(costs))
        fill(strategy, {"cost_weight": cost_weight, "eps": eps})
        strategy.cost_on = cost_on_to_wire(cost_on)
        request = coreset_pb2.CreateSelectionJobRequest(
            index=name, weighted_k_center=strategy
        )
        return await self._select_with_locked(request, k, **shared)

    @operation_method
    async def farthest_first(
        self,
        name: str,
        *,
        k: int,
        covered_ids: ArrayLike | None = None,
        seed: int = 0,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Selected]:
        """Choose the vector farthest from the chosen ones, k times (Gonzalez 1985).

        Args:
            name: the index; its metric must be cosine or l2.
            k: vectors to choose.
            covered_ids: vectors that count as chosen already and are not returned.
            seed: selects the first vector if nothing is covered.
            **shared: see `SharedOptions`.

        Raises:
            As `weighted_k_center`.
        """
        strategy = coreset_pb2.FarthestFirst(
            covered_ids=optional_ids_to_wire(covered_ids)
        )
        fill(strategy, {"seed": seed})
        request = coreset_pb2.CreateSelectionJobRequest(
            index=name, farthest_first=strategy
        )
        return await self._select(request, k, **shared)

    @operation_method
    async def margin(
        self,
        name: str,
        *,
        k: int,
        costs: Column,
        **shared: Unpack[LockedOptions],
    ) -> Handle[Any, Selected]:
        """Choose the k vectors of lowest cost; arguments as `weighted_k_center`."""
        strategy = coreset_pb2.Margin(costs=costs_to_wire(costs))
        request = coreset_pb2.CreateSelectionJobRequest(index=name, margin=strategy)
        return await self._select_with_locked(request, k, **shared)

    @operation_method
    async def gist(
        self,
        name: str,
        *,
        k: int,
        costs: Column,
        diversity: float = 1.0,
        eps: float | None = None,
        **shared: Unpack[LockedOptions],
    ) -> Handle[Any, Selected]:
        """Choose k vectors that are far apart, with a large sum of 1 - cost (GIST).

        Args:
            name: the index; its metric must be cosine or l2.
            k: vectors to choose.
            costs: (ids, costs) of all candidates, costs in 0..1.
            diversity: weight of the minimum distance between two chosen vectors.
            eps: relative step between the distance thresholds.
            **shared: see `LockedOptions`.
        """
        strategy = coreset_pb2.Gist(costs=costs_to_wire(costs))
        fill(strategy, {"diversity": diversity, "eps": eps})
        request = coreset_pb2.CreateSelectionJobRequest(index=name, gist=strategy)
        return await self._select_with_locked(request, k, **shared)

    @operation_method
    async def ccs(
        self,
        name: str,
        *,
        k: int,
        costs: Column,
        hardest_share: float | None = None,
        strata: int | None = None,
        seed: int = 0,
        **shared: Unpack[LockedOptions],
    ) -> Handle[Any, Selected]:
        """Choose k vectors at random, evenly over strata of cost (CCS).

        Args:
            name: the index; its metric must be cosine or l2.
            k: vectors to choose.
            costs: (ids, costs) of all candidates, costs at least 0.
            hardest_share: share of the vectors with the lowest costs, dropped first.
            strata: number of cost strata.
            seed: the only source of randomness.
            **shared: see `LockedOptions`.
        """
        strategy = coreset_pb2.Ccs(costs=costs_to_wire(costs))
        fill(strategy, {"hardest_share": hardest_share, "strata": strata, "seed": seed})
        request = coreset_pb2.CreateSelectionJobRequest(index=name, ccs=strategy)
        return await self._select_with_locked(request, k, **shared)

    @operation_method
    async def uniform(
        self,
        name: str,
        *,
        k: int,
        seed: int = 0,
        **shared: Unpack[LockedOptions],
    ) -> Handle[Any, Selected]:
        """Choose k vectors at random; arguments and errors as `weighted_k_center`."""
        strategy = coreset_pb2.Random()
        fill(strategy, {"seed": seed})
        request = coreset_pb2.CreateSelectionJobRequest(index=name, random=strategy)
        return await self._select_with_locked(request, k, **shared)

    @method
    async def get(self, name: str) -> Selected:
        """The stored selection `name`, such as "selections/3f2a".

        Raises:
            UnknownJobError: no such selection.
        """
        request = coreset_pb2.GetSelectionRequest(name=name)
        selection = await self._stubs.coreset.GetSelection(request)
        return await read_selection(selection, self._stubs)

    @method
    async def list(self, index: str = "") -> list[SelectionInfo]:
        """Describe the stored selections, oldest first.

        They are kept for `keep_days` of the configuration.

        Args:
            index: only selections from this index; from all indexes if empty.
        """
        request = coreset_pb2.ListSelectionsRequest(index=index)
        pages = await all_pages_of(self._stubs.coreset.ListSelections, request)
        return [selection_info_of(one) for page in pages for one in page.selections]

    @method
    async def delete(self, name: str | SelectionInfo | Selected) -> None:
        """Remove a stored selection; its vectors stay in the index.

        Raises:
            UnknownJobError: no such selection.
        """
        named = name if isinstance(name, str) else name.name
        request = coreset_pb2.DeleteSelectionRequest(name=named)
        await self._stubs.coreset.DeleteSelection(request)

    async def _select_with_locked(
        self,
        request: coreset_pb2.CreateSelectionJobRequest,
        k: int,
        *,
        locked_ids: ArrayLike | None = None,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Selected]:
        if locked_ids is not None:
            method = request.WhichOneof("strategy")
            assert method is not None
            locked = ids_to_wire(hold_id_array(locked_ids))
            getattr(request, method).locked_ids.CopyFrom(locked)
        return await self._select(request, k, **shared)

    async def _select(  # noqa: PLR0913 (`SharedOptions`)
        self,
        request: coreset_pb2.CreateSelectionJobRequest,
        k: int,
        *,
        groups: Groups | None = None,
        quotas: Quotas = "proportional",
        allowed_ids: ArrayLike | None = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> Handle[Any, Selected]:
        if groups is not None:
            request.quotas.CopyFrom(quotas_to_wire(groups, quotas))
        if allowed_ids is not None:
            request.allowed_ids.CopyFrom(ids_to_wire(hold_id_array(allowed_ids)))
        if (condition := filter_to_wire(where, parameters)) is not None:
            request.filter.CopyFrom(condition)
        fill(request, {"k": k, "request_id": request_id})
        await self._connection.require_sendable(request)
        message = await self._stubs.coreset.CreateSelectionJob(request)
        return self._connection.operation(message)
