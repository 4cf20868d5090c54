"""A group-by session with disjoint groups: one oracle names the group of a row."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike
from gleann.selection.estimate.group_estimates import GroupEstimates
from gleann.selection.estimate.groups.merge import merge
from gleann.selection.estimate.groups.samples import GroupSamples
from gleann.selection.estimate.labels.answers import NO_GROUP, as_groups, as_values
from gleann.selection.estimate.labels.known import (
    KnownGroupRows,
    KnownGroups,
    known_group_rows,
    require_open_rows,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.population import Population, counts_of
from gleann.selection.estimate.sessions.core import CORE_PARTS, SessionCore
from gleann.selection.estimate.sessions.overlapping_groups import (
    check_groups,
    require_two_rounds,
)
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.strata import Proxy
from gleann.selection.provenance import (
    check_format,
    fingerprint,
)
from gleann.selection.result import Selection
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate-classes/4"
_PARTS = (*CORE_PARTS, "groups", "planned", "labels", "values")


class DisjointGroupsSession:
    """Estimates of disjoint groups from labels that name the group.

    Groups are numbered in the order of their proxies. A row that the samples of two
    proxies draw is labelled once and counts in both. The labels that the pilots save
    this way go to the second round; those that the second round saves are not spent.
    Make one with `start` or `resume`. Not thread-safe.
    """

    def __init__(
        self, core: SessionCore[KnownGroupRows], proxies: dict[str, Proxy]
    ) -> None:
        self._core = core
        self._groups = tuple(proxies)
        self._proxies = tuple(proxies.values())
        self._samples = GroupSamples(
            self._proxies, core.params, core.known, core.answers
        )
        self._split: Draws | None = None
        self._core.answers.add_round(self._samples.pilot)

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
        known: KnownGroups | None = None,
        among: AmongLike | None = None,
    ) -> "DisjointGroupsSession":
        """Start the estimates of all groups.

        Args:
            proxies: (n,) of each group, by its name; at least two groups.
            params: of the estimates, `budget` for all groups together, in two rounds.
            ids: (n,) names of the rows; None numbers them.
            known: labels known before, however the rows were chosen. They are counted
                exactly, do not cost budget, and are not queried again.
            among: rows of the population, as for `EstimateSession.start`.

        Raises:
            InvalidInputError: proxies, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label or below two
                labels a stratum and group, or parameters for other than two rounds.
        """
        population = Population.of(ids, among, n=counts_of(proxies))
        checked = population.proxies(proxies)
        _require_plan(params, groups=len(checked))
        before = known_group_rows(known, population, params, groups=list(checked))
        require_open_rows(params, n=len(population), known=before)
        data_hash = fingerprint(*checked.values())
        core = SessionCore.of(params, population, before, data_hash=data_hash)
        return cls(core, checked)

    @property
    def params(self) -> EstimateParams:
        """Parameters of the estimates."""
        return self._core.params

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, by their numbers."""
        return self._groups

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return self._core.among

    @property
    def done(self) -> bool:
        """Whether both rounds are labelled."""
        return self._split is not None and not len(self._core.answers.pending)

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return self._core.answers.used

    @property
    def labelled_rows(self) -> Rows:
        """Rows (m,) labelled so far, those known before not among them."""
        return self._core.in_all(self._core.answers.labelled_rows)

    @property
    def split(self) -> dict[str, int] | None:
        """Second-round labels of each proxy's sample; None before the pilot's end."""
        if self._split is None:
            return None
        return dict(zip(self._groups, self._split.tolist(), strict=True))

    def next_batch(self) -> Selection:
        """The rows to label next; the same until labels arrive, empty at the end."""
        if not len(self._core.answers.pending) and self._split is None:
            self._plan()
        rows = self._core.answers.pending
        return Selection(
            rows=self._core.in_all(rows),
            ids=self._core.names.ids_of(rows),
            scores=np.ones(len(rows), np.float32),
            weights=np.ones(len(rows), np.float32),
            why={
                name: proxy[rows]
                for name, proxy in zip(self._groups, self._proxies, strict=True)
            },
            summary={
                "round": len(self._core.answers.rounds),
                "rounds": 2,
                "labels_used": self.labels_used,
                "budget": self._core.params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, groups: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels of queried rows, some or all of them.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            groups: (m,) numbers of their groups, -1 for a row in none; or their names,
                "" for a row in none.
            values: (m,) the value to add up or average; not needed for a count.

        Returns:
            Number of new labels.

        Raises:
            InvalidInputError: an unknown group, an id that was not queried, or another
                label than before.
            UnknownIdError: an id that no row has.
            DimensionMismatchError: lengths differ.
        """
        rows = self._core.names.rows_of(ids)
        numbers = as_groups(groups, n=len(rows), groups=self._groups)
        held = numbers > NO_GROUP
        given = as_values(values, held, target=self._core.params.statistic)
        # Labels are at least 0 in `RoundAnswers`.
        return self._core.answers.write(rows, numbers + 1, given)

    def estimates(self) -> GroupEstimates:
        """The estimate of each group from its finished rounds.

        Raises:
            NotReadyError: the pilot is not fully labelled.
        """
        finished = len(self._core.answers.finished)
        if not finished:
            need = len(self._core.answers.rounds[0])
            raise NotReadyError(
                f"the pilot needs {need} labels, {self.labels_used} are there"
            )
        precision = self._core.params.precision(2)
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
            both = replace(merged, abae_width=widths[group])
            made[name] = self._core.params.presented(both)
        return GroupEstimates(made)

    def state(self) -> dict[str, Any]:
        """All but the proxies, as JSON values for `resume`."""
        rounds, answers = self._core.answers.rounds, self._core.answers
        return self._core.state(
            FORMAT,
            groups=list(self._groups),
            planned=self._split is not None,
            labels=[answers.labels[rows].tolist() for rows in rounds],
            values=[answers.values[rows].tolist() for rows in rounds],
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "DisjointGroupsSession":
        """Continue from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other groups, proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        population = Population.of_state(saved, ids, n=counts_of(proxies))
        checked = population.proxies(proxies)
        check_groups(saved.texts("groups"), list(checked))
        n = len(population)
        core = SessionCore.resume(
            saved,
            population,
            partial(KnownGroupRows.of_state, n=n, groups=len(checked)),
            data="proxies",
            data_hash=fingerprint(*checked.values()),
        )
        with rebuilding("params"):
            _require_plan(core.params, groups=len(checked))
            require_open_rows(core.params, n=n, known=core.known)
            session = cls(core, checked)
        rounds = 2 if saved.flag("planned") else 1
        session._restore(saved, number=0, rounds=rounds)
        if rounds == 2:
            if len(session._core.answers.pending):
                saved.refuse("planned", "is true before the pilot is labelled whole")
            session._plan()
            session._restore(saved, number=1, rounds=rounds)
        return session

    def _restore(self, saved: Saved, *, number: int, rounds: int) -> None:
        rows = self._core.answers.rounds[number]
        one = Saved(
            {
                name: saved.items(name, length=rounds)[number]
                for name in ("labels", "values")
            }
        )
        self._core.answers.read(one, rows, labels="labels", largest=len(self._groups))

    def _plan(self) -> None:
        """Split the rest of the budget over the cuts, and draw the second round."""
        left = self._core.params.budget - self._core.answers.used
        self._split, drawn = self._samples.draw_second(budget=left)
        self._core.answers.add_round(drawn)

    def _provenance(self) -> dict[str, Any]:
        return self._core.provenance("abae-classes")


def _require_plan(params: EstimateParams, *, groups: int) -> None:
    """Refuse parameters that samples of several proxies do not support.

    Raises:
        InvalidParamsError: other than two rounds, or a budget below two labels a
            stratum and group.
    """
    require_two_rounds(params)
    if params.budget < (least := 2 * params.strata * groups):
        raise InvalidParamsError(
            f"budget is {params.budget}, but {groups} groups with {params.strata}"
            f" strata need {least} labels"
        )
