"""A session that asks for labels, and answers with a set that keeps a promise."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids, Mask, Rows
from gleann.index.checks import as_array
from gleann.index.errors import InvalidInputError, InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike, origin_of, rows_in_all, state_of
from gleann.selection.checks import IdMap, as_scores
from gleann.selection.promises.answers import Answers, as_held
from gleann.selection.promises.blocks import Blocks
from gleann.selection.promises.params import PromiseParams
from gleann.selection.promises.rates import Seen
from gleann.selection.promises.result import PromisedSet
from gleann.selection.promises.rules import RULES, Plan, Rule
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection, clipped_scores
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.promise/1"
_PARTS = ("params", "data_hash", "ids_hash", "rounds", "labels", "plan")
_ROUNDS = 2


class PromiseSession:
    """Two rounds of labels, then a set: SUPG with tests that hold at any budget.

    Kang et al. 2020, https://arxiv.org/abs/2004.00827; `selection/DEPARTURES.md` lists
    the differences. Make one with `start` or `resume`. Not thread-safe.
    """

    def __init__(
        self,
        params: PromiseParams,
        proxy: ArrayLike,
        names: IdMap,
        among: Among | None,
    ) -> None:
        self._params = params
        self._names = names
        self._among = among
        self._proxy = as_scores(proxy, name="proxy")
        if params.budget > len(names):
            raise InvalidParamsError(
                f"budget is {params.budget}, but there are {len(names)} rows to label"
            )
        self._data_hash = fingerprint(self._proxy)
        self._blocks = Blocks.of(self._proxy, names, seed=params.seed)
        self._numbers = self._blocks.numbers()
        self._rule: Rule = RULES[params.promise](self._blocks, params)
        self._answers = Answers(len(names))
        self._plan = Plan(start=0, aim=0)

    @classmethod
    def start(
        cls,
        proxy: ArrayLike,
        params: PromiseParams,
        *,
        ids: ArrayLike | None = None,
        among: AmongLike | None = None,
    ) -> "PromiseSession":
        """Start a set over rows with these proxies.

        Args:
            proxy: (n,) cheap scores, higher where a row is likelier to be positive. The
                promise holds for a proxy of any quality; a good one makes the set of a
                recall promise small and that of a precision promise large.
            params: of the promise.
            ids: (n,) names of the rows; None numbers them.
            among: rows that the promise is about: a mask (n,) of bool, or their ids
                where `ids` are given, else rows; None for all.

        Raises:
            InvalidInputError: proxies that are not finite numbers, or ids that do not
                fit.
            InvalidParamsError: a budget above the rows there are.
        """
        n = _length(proxy)
        every = IdMap(ids, n=n)
        within = Among.of(among, n=n, names=None if ids is None else every)
        return cls(params, *_of_these(proxy, every, within), within)

    @property
    def params(self) -> PromiseParams:
        """Parameters of the promise."""
        return self._params

    @property
    def among(self) -> Among | None:
        """The rows that the promise is about; None for all."""
        return self._among

    @property
    def labelled_ids(self) -> Ids:
        """Ids that are labelled, in the order of the rows."""
        return self._names.ids_of(np.flatnonzero(self._answers.labels >= 0))

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled."""
        return self.labels_used == self._params.budget

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return self._answers.used

    def next_batch(self) -> Selection:
        """The rows to label next: the rest of this round, or else the next round.

        The same until labels arrive; empty when the budget is spent.
        """
        if not len(self._answers.pending) and len(self._answers.rounds) < _ROUNDS:
            self._draw_round()
        rows = self._answers.pending
        return Selection(
            rows=rows_in_all(rows, self._among),
            ids=self._names.ids_of(rows),
            scores=clipped_scores(self._proxy[rows]),
            weights=np.ones(len(rows), np.float32),
            why={"block": self._numbers[rows], "proxy": self._proxy[rows]},
            summary={
                "round": len(self._answers.rounds),
                "rounds": _ROUNDS,
                "labels_used": self.labels_used,
                "budget": self._params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(self, ids: ArrayLike, positives: ArrayLike) -> int:
        """Take labels of queried rows, some or all of them.

        A label may be submitted twice; the second time changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            positives: (m,) bool.

        Returns:
            Number of new labels.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not queried, or a label that contradicts
                an earlier one.
            DimensionMismatchError: lengths differ.
        """
        rows = self._names.rows_of(ids)
        held = as_held(positives, n=len(rows))
        return self._answers.write(rows, held, ids=self._names.ids_of(rows))

    def promised(self) -> PromisedSet:
        """The set.

        Raises:
            NotReadyError: the budget is not spent. Who stops early has no promise.
        """
        if not self.done:
            raise NotReadyError(
                f"the promise needs all {self._params.budget} labels,"
                f" {self.labels_used} are there"
            )
        first, second = (self._seen(rows) for rows in self._answers.rounds)
        kept = self._rule.kept(first, second, self._plan)
        inside = self._members(kept)
        ranked = self._blocks.ranked
        rows = ranked[inside[ranked]]
        end = int(np.append(0, self._blocks.ends)[kept])
        labelled = np.concatenate(self._answers.rounds)
        everything = self._params.promise == "recall" and end == len(ranked)
        return PromisedSet(
            rows=rows_in_all(rows, self._among),
            ids=self._names.ids_of(rows),
            proxy=self._proxy[rows],
            labelled=self._answers.labels[rows] == 1,
            threshold=float(self._proxy[ranked[end - 1]]) if end else None,
            promise=self._params.promise,
            target=self._params.target,
            confidence=self._params.confidence,
            everything=everything,
            labelled_rows=rows_in_all(labelled, self._among),
            labels=self._answers.labels[labelled] == 1,
            out_of=len(ranked),
            note=self._rule.note(first, second, kept),
            provenance=self._provenance(),
        )

    def state(self) -> dict[str, Any]:
        """All but the proxies, as JSON values for `resume`."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": ids_hash(self._names.held),
                "plan": asdict(self._plan),
                **state_of(self._among),
                **self._answers.state(),
            }
        )

    @classmethod
    def resume(
        cls, state: dict[str, Any], proxy: ArrayLike, *, ids: ArrayLike | None = None
    ) -> "PromiseSession":
        """Continue from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        n = _length(proxy)
        within = Among.of_state(saved, n=n)
        own, names = _of_these(proxy, IdMap(ids, n=n), within)
        checked = as_scores(own, name="proxy")
        check_origin(
            saved,
            data="proxies",
            data_hash=fingerprint(checked),
            ids_hash=ids_hash(names.held),
        )
        with rebuilding("params"):
            params = saved.params("params", PromiseParams)
            session = cls(params, checked, names, within)
        session._restore(saved)
        return session

    def _restore(self, saved: Saved) -> None:
        """Rebuild the rounds: the first must be the one that the seed draws."""
        n, plan = len(self._names), saved.part("plan")
        self._answers = Answers.of_state(saved, n=n, most=_ROUNDS)
        most = len(self._blocks.ends)
        aim = plan.integer("aim", high=most)
        # A recall promise tests from all blocks, a precision promise from its aim's.
        highest = aim if self._params.promise == "precision" else most
        self._plan = Plan(start=plan.integer("start", high=highest), aim=aim)
        planned = (self._params.first_labels, self._second_labels)
        lengths = tuple(map(len, self._answers.rounds))
        if lengths != planned[: len(lengths)]:
            saved.refuse("rounds", f"have {lengths} rows, planned were {planned}")
        if lengths and not np.array_equal(self._answers.rounds[0], self._first_rows()):
            saved.refuse("rounds", "begin with other rows than the seed draws")

    @property
    def _second_labels(self) -> int:
        return self._params.budget - self._params.first_labels

    def _draw_round(self) -> None:
        if not self._answers.rounds:
            self._answers.add_round(self._first_rows())
            return
        first = self._seen(self._answers.rounds[0])
        self._plan, rows = self._rule.second_round(first, labels=self._second_labels)
        self._answers.add_round(rows)

    def _first_rows(self) -> Rows:
        draws = self._blocks.first_draws(self._params.first_labels)
        return self._blocks.drawn(draws, after=np.zeros(len(draws), np.int64))

    def _seen(self, rows: Rows) -> Seen:
        return Seen.of(
            self._numbers[rows],
            self._answers.labels[rows] == 1,
            blocks=len(self._blocks.ends),
        )

    def _members(self, kept: int) -> Mask:
        """Which rows (n,) are in the set that keeps this many blocks."""
        labels = self._answers.labels
        return (labels == 1) | ((self._numbers < kept) & (labels != 0))

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "promised_set",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        ) | origin_of(self._among)


def _length(proxy: ArrayLike) -> int:
    given = as_array(proxy, name="proxy")
    if given.ndim != 1 or not given.size:
        raise InvalidInputError(
            f"proxy must be one-dimensional and not empty, got shape {given.shape}"
        )
    return given.size


def _of_these(
    proxy: ArrayLike, every: IdMap, within: Among | None
) -> tuple[ArrayLike, IdMap]:
    if within is None:
        return proxy, every
    return within.given(proxy, name="proxy"), within.names_of(every)
