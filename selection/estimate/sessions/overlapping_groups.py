"""A group-by session with overlapping groups: one oracle and one estimate per group.

Kang et al. 2021, https://arxiv.org/abs/2108.06313, with one predicate a group.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.selection.among import Among, AmongLike
from gleann.selection.estimate.group_estimates import GroupEstimates
from gleann.selection.estimate.labels.known import Known
from gleann.selection.estimate.params import BEFORE_1_1, EstimateParams
from gleann.selection.estimate.sessions.single import EstimateSession
from gleann.selection.estimate.stratified.allocate import capped
from gleann.selection.estimate.stratified.estimators import labelling_cost
from gleann.selection.provenance import check_format, sealed
from gleann.selection.result import Selection
from gleann.selection.saved import rebuilding
from gleann.selection.seeds import stream_seed

FORMAT = "gleann.estimate-groups/1"
_PARTS = ("params", "granted", "sessions")


class OverlappingGroupsSession:
    """One estimate per group, each with its own predicate, proxy and oracle.

    The pilot is split evenly. The rest of the budget goes to the groups in proportion
    to c, the expected squared error times labels: that minimises max(c / labels)
    exactly, where the authors' code searches by Nelder-Mead. Make one with `start` or
    `resume`. Not thread-safe.
    """

    def __init__(
        self, sessions: dict[str, EstimateSession], params: EstimateParams
    ) -> None:
        self._sessions = sessions
        self._params = params
        self._allocated = False

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
        known: Mapping[str, Known] | None = None,
        among: AmongLike | None = None,
    ) -> "OverlappingGroupsSession":
        """Start an estimate for every group.

        Args:
            proxies: (n,) of each group, by its name.
            params: of the estimates, `budget` for all groups together, in two rounds.
                The pilot is reduced if it would leave a group less than one label per
                stratum.
            ids: (n,) names of the rows; None numbers them.
            known: labels of each group known before, by its name, as for
                `EstimateSession.start`.
            among: rows of the population, as for `EstimateSession.start`.

        Raises:
            InvalidInputError: no group, known labels of another group, or proxies, ids
                or known labels that do not fit.
            InvalidParamsError: a budget that does not give each group two labels a
                stratum, or parameters for other than two rounds.
        """
        if not proxies:
            raise InvalidInputError("there must be at least 1 group, got 0")
        own = _own_params(params, groups=len(proxies))
        there = known or {}
        if strange := [name for name in there if name not in proxies]:
            raise InvalidInputError(
                f"{len(strange)} of {len(there)} known groups have no proxy: {strange}"
            )
        sessions = {
            name: EstimateSession.start(
                proxy, mine, ids=ids, known=there.get(name), among=among
            )
            for (name, proxy), mine in zip(proxies.items(), own, strict=True)
        }
        return cls(sessions, params)

    @property
    def params(self) -> EstimateParams:
        """Parameters of the estimates; the budget is that of all groups."""
        return self._params

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return next(iter(self._sessions.values())).among

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled."""
        return self._allocated and all(one.done for one in self._sessions.values())

    @property
    def labels_used(self) -> int:
        """Labels so far, of all groups."""
        return sum(one.labels_used for one in self._sessions.values())

    def next_batch(self) -> tuple[str, Selection] | None:
        """A group and its rows to label next; None when the budget is spent.

        Pilots come first. The same until labels arrive.
        """
        return next(iter(self.next_batches().items()), None)

    def next_batches(self) -> dict[str, Selection]:
        """All rows that can be labelled now, by group; empty when the budget is spent.

        The rest of the pilots of all groups, then all second rounds: for labellers who
        answer many at once.
        """
        pilots = {
            name: one.next_batch()
            for name, one in self._sessions.items()
            if one.pilot is None
        }
        if pilots:
            return pilots
        self._allocate()
        return {
            name: one.next_batch()
            for name, one in self._sessions.items()
            if not one.done
        }

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(self._sessions)

    def labelled_rows(self, group: str) -> Rows:
        """Rows (m,) that the group's labels so far are of."""
        return self._sessions[group].labelled_rows

    def submit(
        self,
        group: str,
        ids: ArrayLike,
        positives: ArrayLike,
        values: ArrayLike | None = None,
    ) -> int:
        """Take labels of a group's batch, as `EstimateSession.submit`.

        Raises:
            InvalidInputError: an unknown group, and as `EstimateSession.submit`.
        """
        if group not in self._sessions:
            known = ", ".join(self._sessions)
            raise InvalidInputError(f"there is no group {group!r}, but {known}")
        return self._sessions[group].submit(ids, positives, values)

    def estimates(self) -> GroupEstimates:
        """The estimate of each group from its finished rounds.

        Raises:
            NotReadyError: a pilot is not fully labelled.
        """
        return GroupEstimates(
            {name: one.estimate() for name, one in self._sessions.items()}
        )

    def state(self) -> dict[str, Any]:
        """All but the proxies, as JSON values for `resume`."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "granted": self._allocated,
                "sessions": {name: one.state() for name, one in self._sessions.items()},
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "OverlappingGroupsSession":
        """Continue from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other groups, proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        parts = saved.part("sessions")
        check_groups(parts.names, list(proxies))
        params = saved.params("params", EstimateParams, absent=BEFORE_1_1)
        with rebuilding("params"):
            own = _own_params(params, groups=len(proxies))
        sessions = {
            name: EstimateSession.resume(parts.value(name), proxy, ids=ids)
            for name, proxy in proxies.items()
        }
        for (name, one), mine in zip(sessions.items(), own, strict=True):
            if one.params != mine:
                parts.refuse(name, "has other parameters than its share of the whole")
        session = cls(sessions, params)
        session._allocated = saved.flag("granted")
        if session._allocated and any(one.pilot is None for one in sessions.values()):
            saved.refuse("granted", "is true before every pilot is labelled")
        return session

    def _allocate(self) -> None:
        """Allocate the rest of the budget after the pilots, once."""
        if self._allocated:
            return
        sessions = list(self._sessions.values())
        costs = [
            labelling_cost(one.design, one.pilot.total)
            for one in sessions
            if one.pilot is not None
        ]
        pilots = np.array([one.design.round_budgets[0] for one in sessions])
        rows = np.array([int(one.design.sizes.sum()) for one in sessions])
        least = max(len(one.design.sizes) for one in sessions)
        shares = capped(
            np.array(costs),
            budget=self._params.budget - int(pilots.sum()),
            room=rows - pilots,
            at_least=least,
        )
        for session, labels in zip(sessions, shares.tolist(), strict=True):
            session.allocate_second_round(labels)
        self._allocated = True


def check_groups(were: list[str], are: list[str]) -> None:
    """Refuse a state of other groups.

    Raises:
        CorruptDataError: other names, or another order.
    """
    if were != are:
        raise CorruptDataError(f"the state is of groups {were}, these are {are}")


def _own_params(params: EstimateParams, *, groups: int) -> list[EstimateParams]:
    """The parameters of each group: an even share of the budget, and its own seed.

    Raises:
        InvalidParamsError: a budget that does not give each group two labels a
            stratum, or parameters for other than two rounds.
    """
    require_two_rounds(params)
    each, extra = divmod(params.budget, groups)
    if each < 2 * params.strata:
        raise InvalidParamsError(
            f"budget is {params.budget}, but {groups} groups with {params.strata}"
            f" strata need {2 * params.strata * groups} labels"
        )
    return [
        replace(
            _even_share(params, budget=each + (number < extra)),
            seed=stream_seed(params.seed, number),
        )
        for number in range(groups)
    ]


def _even_share(params: EstimateParams, *, budget: int) -> EstimateParams:
    """Parameters of one group whose pilot leaves a label per stratum for round 2."""
    most = 1 - params.strata / budget
    return replace(
        params, budget=budget, pilot_share=min(params.even_pilot_share, most)
    )


def require_two_rounds(params: EstimateParams) -> None:
    """Refuse parameters that group-by does not support.

    Raises:
        InvalidParamsError: other than two rounds, or an early stop.
    """
    if params.rounds != 2 or params.may_stop or params.anytime:
        raise InvalidParamsError(
            f"group-by has 2 rounds and spends its budget, got {params.rounds} rounds"
            + (" and a width to stop at" if params.may_stop else "")
            + (" and anytime" if params.anytime else "")
        )
