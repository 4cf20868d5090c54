"""A group-by session with one oracle that names the group of a row."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap
from gleann.selection.estimate.groups.merge import merge
from gleann.selection.estimate.groups.samples import GroupSamples
from gleann.selection.estimate.labels.answers import NO_GROUP, as_groups, as_values
from gleann.selection.estimate.labels.known import (
    KnownGroupRows,
    KnownGroups,
    known_group_rows,
    require_open_rows,
)
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.proxies.choice import as_proxies
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.sessions.overlapping_groups import (
    check_groups,
    require_two_rounds,
)
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.strata import Proxy
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate-classes/4"
_PARTS = (
    "params",
    "data_hash",
    "ids_hash",
    "groups",
    "known",
    "planned",
    "labels",
    "values",
)


class DisjointGroupsSession:
    """Estimates of disjoint groups from labels that name the group.

    Groups are numbered as their proxies are given. A row that the samples of two
    proxies draw is labelled once and counts in both. What the pilots save by that goes
    to the second round; what that saves is not spent. Make one with `start` or
    `resume`. Not safe for several threads at once.
    """

    def __init__(
        self,
        proxies: dict[str, Proxy],
        params: EstimateParams,
        names: IdMap,
        known: KnownGroupRows,
    ) -> None:
        self._params = params
        self._names = names
        self._known = known
        self._groups = tuple(proxies)
        self._proxies = tuple(proxies.values())
        self._answers = RoundAnswers(names)
        self._samples = GroupSamples(self._proxies, params, known, self._answers)
        self._split: Draws | None = None
        self._data_hash = fingerprint(*self._proxies)
        self._ids_hash = ids_hash(names.held)
        self._answers.add_round(self._samples.pilot)

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
        known: KnownGroups | None = None,
    ) -> "DisjointGroupsSession":
        """Begin estimates of all groups.

        Args:
            proxies: (n,) of each group, by its name; at least two groups.
            params: how, `budget` for all groups together, in two rounds.
            ids: (n,) names of the rows; None numbers them.
            known: labels that are there already, chosen in whatever way. They are
                counted exactly, do not cost budget, and are not asked for again.

        Raises:
            InvalidInputError: proxies, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label or below two
                labels a stratum and group, or parameters for other than two rounds, or
                for another interval than "delta".
        """
        checked = as_proxies(proxies)
        _require_plan(params, groups=len(checked))
        n = len(next(iter(checked.values())))
        names = IdMap(ids, n=n)
        before = known_group_rows(
            known, names, groups=len(checked), target=params.target
        )
        require_open_rows(params, n=n, known=before)
        return cls(checked, params, names, before)

    @property
    def params(self) -> EstimateParams:
        """How the estimates are made."""
        return self._params

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, by their numbers."""
        return self._groups

    @property
    def done(self) -> bool:
        """Whether both rounds are labelled."""
        return self._split is not None and not len(self._answers.pending)

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return self._answers.used

    @property
    def split(self) -> dict[str, int] | None:
        """Second-round labels of each proxy's sample; None before the pilot's end."""
        if self._split is None:
            return None
        return dict(zip(self._groups, self._split.tolist(), strict=True))

    def next_batch(self) -> Selection:
        """What to label next; the same until labels arrive, empty at the end."""
        if not len(self._answers.pending) and self._split is None:
            self._plan()
        rows = self._answers.pending
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
            scores=np.ones(len(rows), np.float32),
            weights=np.ones(len(rows), np.float32),
            why={
                name: proxy[rows]
                for name, proxy in zip(self._groups, self._proxies, strict=True)
            },
            summary={
                "round": len(self._answers.rounds),
                "rounds": 2,
                "labels_used": self.labels_used,
                "budget": self._params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, groups: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels of rows that were asked for, some or all of them.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            groups: (m,) numbers of their groups, -1 for a row in none.
            values: (m,) the value to add up or average; not needed for a count.

        Returns:
            How many labels were new.

        Raises:
            InvalidInputError: a group that there is not, an id that was not asked for,
                or another label than before.
            UnknownIdError: an id that no row has.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        numbers = as_groups(groups, n=len(rows), groups=len(self._groups))
        held = numbers > NO_GROUP
        given = as_values(values, held, target=self._params.target)
        # Labels are at least 0 in `RoundAnswers`.
        return self._answers.write(rows, numbers + 1, given)

    def estimates(self) -> dict[str, Estimate]:
        """The estimate of each group from its finished rounds.

        Raises:
            NotReadyError: the pilot is not labelled whole.
        """
        finished = len(self._answers.finished)
        if not finished:
            need = len(self._answers.rounds[0])
            raise NotReadyError(
                f"the pilot needs {need} labels, {self.labels_used} are there"
            )
        precision = self._params.precision(2)
        found = self._samples.found(rounds=finished)
        widths = self._samples.abae_widths(rounds=finished, quantile=precision.quantile)
        made = {}
        for group, name in enumerate(self._groups):
            merged = merge(
                self._samples.cuts_of(group),
                found[group],
                own=group,
                precision=precision,
                provenance=self._provenance(),
            )
            made[name] = replace(merged, abae_width=widths[group])
        return made

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        rounds, answers = self._answers.rounds, self._answers
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "groups": list(self._groups),
                "known": self._known.state(),
                "planned": self._split is not None,
                "labels": [answers.labels[rows].tolist() for rows in rounds],
                "values": [answers.values[rows].tolist() for rows in rounds],
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "DisjointGroupsSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other groups, proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        checked = as_proxies(proxies)
        check_groups(saved.texts("groups"), list(checked))
        n = len(next(iter(checked.values())))
        names = IdMap(ids, n=n)
        check_origin(
            saved,
            data="proxies",
            data_hash=fingerprint(*checked.values()),
            ids_hash=ids_hash(names.held),
        )
        known = KnownGroupRows.of_state(saved.part("known"), n=n, groups=len(checked))
        params = saved.params("params", EstimateParams)
        with rebuilding("params"):
            _require_plan(params, groups=len(checked))
            require_open_rows(params, n=n, known=known)
            session = cls(checked, params, names, known)
        rounds = 2 if saved.flag("planned") else 1
        session._restore(saved, number=0, rounds=rounds)
        if rounds == 2:
            if len(session._answers.pending):
                saved.refuse("planned", "is true before the pilot is labelled whole")
            session._plan()
            session._restore(saved, number=1, rounds=rounds)
        return session

    def _restore(self, saved: Saved, *, number: int, rounds: int) -> None:
        rows = self._answers.rounds[number]
        one = Saved(
            {
                name: saved.items(name, length=rounds)[number]
                for name in ("labels", "values")
            }
        )
        self._answers.read(one, rows, labels="labels", largest=len(self._groups))

    def _plan(self) -> None:
        """Split what the pilots left over the cuts, and draw it."""
        left = self._params.budget - self._answers.used
        self._split, drawn = self._samples.draw_second(budget=left)
        self._answers.add_round(drawn)

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae-classes",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        )


def _require_plan(params: EstimateParams, *, groups: int) -> None:
    """Refuse what samples of several proxies are not made for.

    Raises:
        InvalidParamsError: other than two rounds, another interval than "delta", or a
            budget below two labels a stratum and group.
    """
    require_two_rounds(params)
    if params.interval != "delta":
        raise InvalidParamsError(
            "samples of several proxies are merged with the interval 'delta', got"
            f" {params.interval!r}"
        )
    if params.budget < (least := 2 * params.strata * groups):
        raise InvalidParamsError(
            f"budget is {params.budget}, but {groups} groups with {params.strata}"
            f" strata need {least} labels"
        )
