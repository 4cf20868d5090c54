"""Group-by with one oracle a group: a budget shared so that the worst group does best.

Kang et al. 2021, https://arxiv.org/abs/2108.06313, with one predicate a group.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.selection.estimate.allocate import capped
from gleann.selection.estimate.estimators import labelling_cost
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.session import EstimateSession
from gleann.selection.origin import check_format
from gleann.selection.pool import Selection

FORMAT = "gleann.estimate-groups/1"


class GroupsSession:
    """One estimate a group, each with its own predicate, proxy and oracle.

    The pilot is split evenly. What is left goes to the groups in proportion to c, the
    squared error times labels that each is expected to have: that makes max(c / labels)
    as small as it can be, exactly, where the authors' code searches by Nelder-Mead.
    Make one with `start` or `resume`. Not safe for several threads at once.
    """

    def __init__(
        self, sessions: dict[str, EstimateSession], params: EstimateParams
    ) -> None:
        self._sessions = sessions
        self._params = params
        self._granted = False

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
    ) -> "GroupsSession":
        """Begin an estimate for every group.

        Args:
            proxies: (n,) of each group, by its name.
            params: how, `budget` for all groups together, in two rounds. A pilot that
                would leave a group less than one label a stratum is cut down to that.
            ids: (n,) names of the rows; None numbers them.

        Raises:
            InvalidInputError: no group, or proxies or ids that do not fit.
            InvalidParamsError: a budget that does not give each group two labels a
                stratum, or parameters for other than two rounds.
        """
        groups = len(proxies)
        if not groups:
            raise InvalidInputError("there must be at least 1 group, got 0")
        require_two_rounds(params)
        each = params.budget // groups
        if each < 2 * params.strata:
            raise InvalidParamsError(
                f"budget is {params.budget}, but {groups} groups with {params.strata}"
                f" strata need {2 * params.strata * groups} labels"
            )
        own = [
            _even_share(params, budget=each + (number < params.budget % groups))
            for number in range(groups)
        ]
        sessions = {
            name: EstimateSession.start(
                proxy, replace(mine, seed=stream_seed(params.seed, number)), ids=ids
            )
            for number, ((name, proxy), mine) in enumerate(
                zip(proxies.items(), own, strict=True)
            )
        }
        return cls(sessions, params)

    @property
    def params(self) -> EstimateParams:
        """How the estimates are made; the budget is that of all groups."""
        return self._params

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled."""
        return self._granted and all(one.done for one in self._sessions.values())

    @property
    def labels_used(self) -> int:
        """Labels so far, of all groups."""
        return sum(one.labels_used for one in self._sessions.values())

    def next_batch(self) -> tuple[str, Selection] | None:
        """A group, and what to label for it next; None when the budget is spent.

        Pilots come first. The same until labels arrive.
        """
        for name, session in self._sessions.items():
            if session.pilot is None:
                return name, session.next_batch()
        self._grant()
        for name, session in self._sessions.items():
            if not session.done:
                return name, session.next_batch()
        return None

    def submit(
        self,
        group: str,
        ids: ArrayLike,
        positives: ArrayLike,
        values: ArrayLike | None = None,
    ) -> int:
        """Take labels of a group's batch, as `EstimateSession.submit`.

        Raises:
            InvalidInputError: a group that there is not, and what that raises.
        """
        if group not in self._sessions:
            known = ", ".join(self._sessions)
            raise InvalidInputError(f"there is no group {group!r}, but {known}")
        return self._sessions[group].submit(ids, positives, values)

    def estimates(self) -> dict[str, Estimate]:
        """The estimate of each group from its finished rounds.

        Raises:
            NotReadyError: a pilot is not labelled whole.
        """
        return {name: one.estimate() for name, one in self._sessions.items()}

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        return {
            "format": FORMAT,
            "params": asdict(self._params),
            "granted": self._granted,
            "sessions": {name: one.state() for name, one in self._sessions.items()},
        }

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "GroupsSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other groups, proxies or ids.
        """
        check_format(state, expected=FORMAT)
        if list(state["sessions"]) != list(proxies):
            raise CorruptDataError(
                f"the state is of groups {list(state['sessions'])}, these are"
                f" {list(proxies)}"
            )
        sessions = {
            name: EstimateSession.resume(state["sessions"][name], proxy, ids=ids)
            for name, proxy in proxies.items()
        }
        session = cls(sessions, EstimateParams(**state["params"]))
        session._granted = state["granted"]
        return session

    def _grant(self) -> None:
        """Share what the pilots left, once."""
        if self._granted:
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
            session.grant(labels)
        self._granted = True


def _even_share(params: EstimateParams, *, budget: int) -> EstimateParams:
    """Of one group: a pilot that leaves the second round a label for each stratum."""
    most = 1 - params.strata / budget
    return replace(params, budget=budget, pilot_share=min(params.pilot_share, most))


def require_two_rounds(params: EstimateParams) -> None:
    """Refuse what group-by does not do.

    Raises:
        InvalidParamsError: other than two rounds, or an early stop.
    """
    if params.rounds != 2 or params.may_stop:
        raise InvalidParamsError(
            f"group-by has 2 rounds and spends its budget, got {params.rounds} rounds"
            + (" and a width to stop at" if params.may_stop else "")
        )


def stream_seed(seed: int, number: int) -> int:
    """A seed of its own for the `number`-th of several draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
