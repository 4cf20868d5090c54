"""A group-by session with one oracle that names the group of a row."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap
from gleann.selection.estimate.allocate import Draws
from gleann.selection.estimate.answers import NO_GROUP, as_groups, as_values
from gleann.selection.estimate.book import AnswerBook
from gleann.selection.estimate.choosing import as_proxies
from gleann.selection.estimate.classes import (
    Cut,
    GroupEvidence,
    chances_of,
    costs_of,
    granted,
    merge,
    pilot_rows,
    second_rows,
    split_over_cuts,
)
from gleann.selection.estimate.estimators import Design
from gleann.selection.estimate.groups import require_two_rounds, stream_seed
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.strata import STRATA_CUTS, Proxy, drawing_order
from gleann.selection.estimate.tally import Evidence, Moments
from gleann.selection.estimate.weighted import ChancedLabels, weighted_moments
from gleann.selection.origin import check_format, check_origin, ids_hash
from gleann.selection.pool import Selection, fingerprint, provenance

FORMAT = "gleann.estimate-classes/2"


class ClassesSession:
    """Estimates of disjoint groups from labels that name the group.

    Groups are numbered as their proxies are given. A row that the samples of two
    proxies draw is labelled once and counts in both. What the pilots save by that goes
    to the second round; what that saves is not spent. Make one with `start` or
    `resume`. Not safe for several threads at once.
    """

    def __init__(
        self, proxies: dict[str, Proxy], params: EstimateParams, names: IdMap
    ) -> None:
        self._params = params
        self._names = names
        self._groups = tuple(proxies)
        self._proxies = tuple(proxies.values())
        self._cuts = [
            _cut(proxy, params, number=number, groups=len(proxies))
            for number, proxy in enumerate(self._proxies)
        ]
        self._book = AnswerBook(names)
        self._rounds: list[list[Rows]] = [[] for _ in self._cuts]
        self._split: Draws | None = None
        self._data_hash = fingerprint(*self._proxies)
        self._ids_hash = ids_hash(names.ids)
        for cut, rounds in zip(self._cuts, self._rounds, strict=True):
            rounds.append(pilot_rows(cut)[1])
        self._book.ask(_distinct([rounds[0] for rounds in self._rounds]))

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
    ) -> "ClassesSession":
        """Begin estimates of all groups.

        Args:
            proxies: (n,) of each group, by its name; at least two groups.
            params: how, `budget` for all groups together, in two rounds.
            ids: (n,) names of the rows; None numbers them.

        Raises:
            InvalidInputError: proxies or ids that do not fit.
            InvalidParamsError: a budget above n or below two labels a stratum and
                group, or parameters for other than two rounds, or for another
                interval than "delta".
        """
        checked = as_proxies(proxies)
        require_two_rounds(params)
        if params.interval != "delta":
            raise InvalidParamsError(
                "samples of several proxies are merged with the interval 'delta', got"
                f" {params.interval!r}"
            )
        n = len(next(iter(checked.values())))
        if params.budget > n:
            raise InvalidParamsError(
                f"budget is {params.budget}, but there are {n} rows"
            )
        if params.budget < (least := 2 * params.strata * len(checked)):
            raise InvalidParamsError(
                f"budget is {params.budget}, but {len(checked)} groups with"
                f" {params.strata} strata need {least} labels"
            )
        return cls(checked, params, IdMap(ids, n=n))

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
        return self._split is not None and not len(self._book.pending)

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return self._book.used

    @property
    def split(self) -> dict[str, int] | None:
        """Second-round labels of each proxy's sample; None before the pilot's end."""
        if self._split is None:
            return None
        return dict(zip(self._groups, self._split.tolist(), strict=True))

    def next_batch(self) -> Selection:
        """What to label next; the same until labels arrive, empty at the end."""
        if not len(self._book.pending) and self._split is None:
            self._plan()
        rows = self._book.pending
        return Selection(
            rows=rows,
            ids=self._names.ids[rows],
            scores=np.ones(len(rows), np.float32),
            weights=np.ones(len(rows), np.float32),
            why={
                name: proxy[rows]
                for name, proxy in zip(self._groups, self._proxies, strict=True)
            },
            summary={
                "round": len(self._book.asked),
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
        # The book's labels are at least 0.
        return self._book.write(rows, numbers + 1, given)

    def estimates(self) -> dict[str, Estimate]:
        """The estimate of each group from its finished rounds.

        Raises:
            NotReadyError: the pilot is not labelled whole.
        """
        finished = len(self._book.finished)
        if not finished:
            need = len(self._book.asked[0])
            raise NotReadyError(
                f"the pilot needs {need} labels, {self.labels_used} are there"
            )
        found = self._found(rounds=finished)
        return {
            name: merge(
                self._cuts,
                found[group],
                own=group,
                asked=self._params.asked(2),
                provenance=self._provenance(),
            )
            for group, name in enumerate(self._groups)
        }

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        return {
            "format": FORMAT,
            "params": asdict(self._params),
            "data_hash": self._data_hash,
            "ids_hash": self._ids_hash,
            "planned": self._split is not None,
            "labels": [self._book.labels[rows].tolist() for rows in self._book.asked],
            "values": [self._book.values[rows].tolist() for rows in self._book.asked],
        }

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "ClassesSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        check_format(state, expected=FORMAT)
        session = cls.start(proxies, EstimateParams(**state["params"]), ids=ids)
        check_origin(
            state,
            data="proxies",
            data_hash=session._data_hash,
            ids_hash=session._ids_hash,
        )
        session._restore(state, number=0)
        if state["planned"]:
            session._plan()
            session._restore(state, number=1)
        return session

    def _restore(self, state: dict[str, Any], *, number: int) -> None:
        rows = self._book.asked[number]
        self._book.labels[rows] = state["labels"][number]
        self._book.values[rows] = state["values"][number]

    def _plan(self) -> None:
        """Split what the pilots left over the cuts, and draw it."""
        pilots = self._evidence(rounds=1)
        split = split_over_cuts(costs_of(self._cuts, self._moments(rounds=1)))
        left = self._params.budget - self._book.used
        self._split = granted(self._cuts, split, budget=left)
        for number, labels in enumerate(self._split.tolist()):
            if labels:
                self._cuts[number], rows = second_rows(
                    self._cuts[number], pilots[number][number], labels=labels
                )
                self._rounds[number].append(rows)
        drawn = _distinct([rounds[1] for rounds in self._rounds if len(rounds) > 1])
        self._book.ask(drawn)

    def _found(self, *, rounds: int) -> list[GroupEvidence]:
        """What all samples say of each group."""
        samples, seen = self._evidence(rounds=rounds), self._moments(rounds=rounds)
        rows = self._drawn(rounds=rounds)
        return [
            GroupEvidence(
                samples=[of_cut[group] for of_cut in samples],
                seen=[of_cut[group] for of_cut in seen],
                labelled=len(rows),
                positives=int((self._book.labels[rows] - 1 == group).sum()),
            )
            for group in range(len(self._groups))
        ]

    def _drawn(self, *, rounds: int) -> Rows:
        """Rows that the samples of all cuts drew, each once."""
        return _distinct([part for drawn in self._rounds for part in drawn[:rounds]])

    def _evidence(self, *, rounds: int) -> list[list[Evidence]]:
        """What each cut's sample says of each group."""
        labels = self._book.labels - 1
        return [
            [
                cut.evidence(drawn[:rounds], labels, self._book.values, group=group)
                for group in range(len(self._groups))
            ]
            for cut, drawn in zip(self._cuts, self._rounds, strict=True)
        ]

    def _moments(self, *, rounds: int) -> list[list[Moments]]:
        """Of each group in the strata of each cut, from the samples of all cuts."""
        chances = chances_of(self._cuts, [drawn[:rounds] for drawn in self._rounds])
        rows = self._drawn(rounds=rounds)
        labels = [
            ChancedLabels(
                rows=rows,
                positives=(held := self._book.labels[rows] - 1 == group),
                values=np.where(held, self._book.values[rows], 0.0),
                chances=chances[rows],
            )
            for group in range(len(self._groups))
        ]
        n = len(chances)
        return [
            [
                weighted_moments(
                    cut.numbers[rows],
                    one,
                    strata=len(cut.design.sizes),
                    # Half a row where the group was not seen, so that it has a rate.
                    rate=float((one.positives / one.chances).sum() / n)
                    or 0.5 / (len(rows) + 1),
                )
                for one in labels
            ]
            for cut in self._cuts
        ]

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae-classes",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        )


def _cut(proxy: Proxy, params: EstimateParams, *, number: int, groups: int) -> Cut:
    numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
    sizes = np.bincount(numbers)
    each = params.budget // groups
    pilot = min(max(round(params.pilot_share * each), len(sizes)), each - len(sizes))
    design = Design(
        sizes=sizes.astype(np.float64),
        proxy_means=np.bincount(numbers, weights=proxy) / sizes,
        round_budgets=(pilot, each - pilot),
        target=params.target,
        floor=params.floor,
    )
    seed = stream_seed(params.seed, number)
    return Cut(numbers=numbers, order=drawing_order(numbers, seed=seed), design=design)


def _distinct(parts: list[Rows]) -> Rows:
    """Rows of all parts in order, each once."""
    rows = np.concatenate(parts)
    _, firsts = np.unique(rows, return_index=True)
    return rows[np.sort(firsts)]
