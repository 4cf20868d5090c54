"""Labels under class shares: Sinkhorn label allocation."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Ids, Mask, Rows
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.held import ids_at
from gleann.index.nouns import number_of
from gleann.index.tables.tabular import Table, Tabular, as_json
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, as_probabilities
from gleann.selection.curation.graph_labels.bounds import as_shares, as_upper_bounds
from gleann.selection.curation.graph_labels.labelled import words_of
from gleann.selection.curation.graph_labels.params import AllocationParams
from gleann.selection.curation.graph_labels.sinkhorn import (
    Plan,
    Totals,
    sinkhorn,
    soft_labels,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint, provenance
from gleann.selection.words import Words, shown_words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllocationRequest:
    """Class probabilities of rows, and how many rows each class may get.

    Attributes:
        probabilities: (n, c), of a propagation or of any classifier; a row of zeros has
            no evidence, takes no part and gets no label.
        shares: (c,) of the rows that each class has; they sum to one.
        upper_bounds: (c,) of the rows that each class has at most, in place of
            `shares`; they sum to `params.share` at least.
        classes: names of the columns; None numbers them.
        ids: (n,) names of the rows; None numbers them.
        among: the only rows that get labels, and of which shares are: a mask (n,) of
            bool, or their ids where `ids` are given, else rows; None for all.
        params: share of the rows to label, gamma, tolerance.

    Raises:
        InvalidInputError: shares and upper bounds, or neither.
    """

    probabilities: ArrayLike
    shares: ArrayLike | None = None
    upper_bounds: ArrayLike | None = None
    classes: Sequence[Hashable] | None = None
    ids: ArrayLike | None = None
    among: AmongLike | None = None
    params: AllocationParams = field(default_factory=AllocationParams)

    def __post_init__(self) -> None:
        if (self.shares is None) == (self.upper_bounds is None):
            both = "neither" if self.shares is None else "both"
            raise InvalidInputError(f"give shares or upper_bounds, got {both}")

    def bounds(self, words: Words, *, seen: Mask) -> NDArray[np.float64]:
        """Upper bounds (c,) of the classes; 0 for one that no row can be of.

        Raises:
            InvalidInputError: shares that do not sum to one, bounds that are too low,
                or a share of a class of which no row has a probability above 0.
        """
        c, share = len(words), self.params.share
        if self.upper_bounds is not None:
            bounds = as_upper_bounds(self.upper_bounds, classes=c, share=share)
            return as_upper_bounds(np.where(seen, bounds, 0.0), classes=c, share=share)
        assert self.shares is not None, "one of both is there"
        shares = as_shares(self.shares, classes=c)
        if (empty := np.flatnonzero(~seen & (shares > 0))).size:
            named = [words.words[number] for number in empty.tolist()]
            raise InvalidInputError(
                f"{empty.size} of {number_of(c, 'classes')} have a share above 0, but"
                f" no row has a probability of them above 0: {shown_words(named)}"
            )
        return shares


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allocation(Tabular):
    """The rows that got a label, the surest first.

    As a table it has one line a row: id, row, label, weight.

    Attributes:
        rows: int64 (m,), by weight, the largest first, ties by id.
        ids: (m,) of `rows`.
        words: the classes.
        numbers: int64 (m,), the class of each row, by number.
        weights: float64 (m,), the mass of each row on all classes, 0 to 1: how sure its
            label is.
        totals: float64 (c,), the masses of the classes, over all rows.
        potentials: float64 (c + 1,), of the classes and of the slack.
        gamma: of the parameters.
        summary: facts about the whole.
        provenance: method, params, data_hash, version: JSON values.
    """

    rows: Rows
    ids: Ids
    words: Words
    numbers: NDArray[np.int64]
    weights: NDArray[np.float64]
    totals: NDArray[np.float64]
    potentials: NDArray[np.float64]
    gamma: float
    summary: dict[str, float | int | str | bool] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """The classes, as the columns of the probabilities."""
        return self.words.words

    @property
    def labels(self) -> NDArray[Any]:
        """(m,) the class of each row."""
        return self.words.array[self.numbers]

    def soft_labels(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Masses (p, c) of other rows by the same potentials, without a new plan.

        Args:
            probabilities: (p, c).

        Raises:
            DimensionMismatchError: not c columns.
        """
        table = as_probabilities(probabilities)
        if table.shape[1] != len(self.words):
            raise DimensionMismatchError(
                f"probabilities has {number_of(table.shape[1], 'columns')} for"
                f" {number_of(len(self.words), 'classes')}"
            )
        return soft_labels(_logs(table, self.gamma), self.potentials)

    def table(self) -> Table:
        """One line per labelled row, the surest first."""
        return Table(
            columns={
                "id": self.ids,
                "row": self.rows,
                "label": self.labels,
                "weight": self.weights,
            },
            facts={
                "summary": self.summary,
                "classes": as_json(self.classes),
                "totals": self.totals.tolist(),
                "provenance": self.provenance,
            },
        )


def allocate_labels(
    request: AllocationRequest, *, progress: ProgressCallback | None = None
) -> Allocation:
    """Label a share of the rows so that no class gets more mass than its part.

    Tai, Bailis and Valiant 2021, Sinkhorn Label Allocation,
    https://arxiv.org/abs/2102.08622: of all plans that keep the bounds, nearly the one
    of the largest likelihood. Masses keep the bounds; a row's label is the class of its
    largest mass, so that labels can exceed them where rows are alike, as all of some
    equal rows get one label. The summary tells by how many ("above_bounds").

    Args:
        request: probabilities and bounds.
        progress: called with the phase "allocate".

    Raises:
        InvalidInputError: no probabilities; shares that do not sum to one, or bounds
            that cannot be met; or the totals are not met within `params.max_sweeps`.
        DimensionMismatchError: another number of shares than of classes.
    """
    given, params = CheckedRequest.of(request), request.params
    n, bounds = len(given.rows), given.bounds
    plan = sinkhorn(
        _logs(given.usable, params.gamma),
        totals_of(bounds, n=n, share=params.share),
        tolerance=params.tolerance,
        max_sweeps=params.max_sweeps,
        progress=progress,
    )
    if plan.error > params.tolerance:
        raise InvalidInputError(
            f"after {number_of(plan.sweeps, 'sweeps')} the total of a class is off by"
            f" {plan.error:.3g} of it, above the tolerance {params.tolerance:g}: lower"
            f" gamma (it is {params.gamma:g}), or raise the bounds"
        )
    made = provenance(
        "allocation",
        params={**asdict(params), "upper_bounds": bounds.tolist()},
        seed=None,
        data_hash=fingerprint(given.usable),
    )
    found = _answer(plan, given, params=params, made=made | origin_of(given.within))
    above = _above(found.numbers, n * bounds)
    return replace(found, summary={**found.summary, "above_bounds": above})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedRequest:
    """A request that can be met, but for the totals.

    Attributes:
        held_ids: (n,) of all rows.
        within: the rows that may get labels; None for all.
        rows: int64 (m,), of these the rows with evidence, ascending.
        usable: float64 (m, c), their probabilities.
        words: the classes.
        bounds: float64 (c,), upper bounds of their shares.
    """

    held_ids: HeldIds
    within: Among | None
    rows: Rows
    usable: NDArray[np.float64]
    words: Words
    bounds: NDArray[np.float64]

    @classmethod
    def of(cls, request: AllocationRequest) -> "CheckedRequest":
        """Check all that needs no plan; errors as `allocate_labels`."""
        table = _as_table(request.probabilities)
        names = IdMap(request.ids, n=len(table))
        within = Among.of(
            request.among, n=len(table), names=None if request.ids is None else names
        )
        rows = _rows_with_evidence(table, within)
        usable = as_probabilities(table[rows])
        columns = usable.shape[1]
        classes = range(columns) if request.classes is None else request.classes
        words = words_of(list(classes), stated=list(classes))
        if len(words) != columns:
            raise DimensionMismatchError(
                f"probabilities has {number_of(columns, 'columns')} for"
                f" {number_of(len(words), 'classes')}"
            )
        return cls(
            held_ids=names.held,
            within=within,
            rows=rows,
            usable=usable,
            words=words,
            bounds=request.bounds(words, seen=usable.max(axis=0) > 0),
        )


def totals_of(bounds: NDArray[np.float64], *, n: int, share: float) -> Totals:
    """The totals of a plan that labels `share` of n rows within `bounds` (c,).

    Every total has 1 more than it needs, so that none is empty.
    """
    left = 1 - float(bounds.sum())
    columns = np.append(n * bounds, n * (1 - share + max(left, 0.0))) + 1
    slack_row = 1 + len(bounds) + n * (1 - share - min(left, 0.0))
    return Totals(columns=columns, slack_row=slack_row)


def _as_table(probabilities: ArrayLike) -> NDArray[Any]:
    table = as_array(probabilities, name="probabilities")
    if table.ndim != 2:
        raise InvalidInputError(f"probabilities must be (n, c), got {table.shape}")
    return table


def _rows_with_evidence(table: NDArray[Any], among: Among | None) -> Rows:
    """Rows that get labels: among the allowed ones, and not all zeros.

    Raises:
        InvalidInputError: there is none.
    """
    has = (table != 0).any(axis=1)
    rows = np.flatnonzero(has if among is None else has & among.mask)
    if not len(rows):
        raise InvalidInputError(
            f"0 of {number_of(len(table), 'rows')} have a probability above 0: none can"
            " be labelled"
        )
    return rows


def _logs(probabilities: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """Logs of p times gamma; minus infinity where p is 0."""
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    logs *= gamma
    return logs


def _above(numbers: NDArray[np.int64], bounds: NDArray[np.float64]) -> int:
    """Labels (m,) beyond the bounds (c,) of their classes, rounded up."""
    most = np.ceil(bounds - 1e-9)
    counts = np.bincount(numbers, minlength=len(bounds))
    return int(np.maximum(counts - most, 0).sum())


def _answer(
    plan: Plan,
    given: CheckedRequest,
    *,
    params: AllocationParams,
    made: dict[str, Any],
) -> Allocation:
    rows, held_ids = given.rows, given.held_ids
    weights = plan.masses.sum(axis=1)
    count = min(len(rows), round(params.share * len(rows)))
    # Masses that differ by rounding only are equal.
    order = np.lexsort((ids_at(held_ids, rows), -np.round(weights, 9)))[:count]
    return Allocation(
        rows=rows[order],
        ids=ids_at(held_ids, rows[order]),
        words=given.words,
        numbers=plan.masses[order].argmax(axis=1),
        weights=weights[order],
        totals=plan.masses.sum(axis=0),
        potentials=plan.potentials,
        gamma=params.gamma,
        summary={
            "rows": len(rows),
            "labelled": count,
            "mass": float(weights.sum()),
            "column_error": plan.error,
            "sweeps": plan.sweeps,
        },
        provenance=made,
    )
