"""One call that audits a choice: diversity, coverage, classes and groups."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.checks import as_vectors, require_one_of
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.metric import prepare
from gleann.index.nouns import number_of
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, as_rows, require_between, require_count
from gleann.selection.curation.audit.coverage import CoverageCurve, coverage_curve
from gleann.selection.curation.audit.result import Audit, Audited, PartContribution
from gleann.selection.curation.audit.tables import Column, group_table
from gleann.selection.curation.audit.vendi import (
    FLOOR,
    SecondMoments,
    order_as_json,
    require_orders,
    vendi_scores,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint, provenance
from gleann.selection.seeds import hashed_order

AuditMetric = Literal["cosine", "l2"]

PURPOSE = "audit baseline"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditRequest:
    """What to audit.

    Attributes:
        chosen: rows of the choice in the order they were picked, or ids where the call
            has ids, or a mask (n,) of bool.
        labels: columns (n,) of integers, strings or other words by name, such as
            classes and groups. The first one also cuts the choice into parts.
        orders: of the Vendi scores: below 1 for rare directions, infinity for
            duplication.
        metric: of the coverage: "cosine" (plain L2 of unit rows) or "l2". Vendi scores
            are of unit rows always.
        shares: of the pool whose radii are told, above 0 up to 1.
        seed: of the random baselines.

    Raises:
        InvalidParamsError: an order, metric, share or seed out of range.
    """

    chosen: ArrayLike
    labels: Mapping[str, ArrayLike] = field(default_factory=dict)
    orders: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, np.inf)
    metric: AuditMetric = "cosine"
    shares: tuple[float, ...] = (0.5, 0.9, 0.99, 1.0)
    seed: int = 0

    def __post_init__(self) -> None:
        require_orders(self.orders)
        require_one_of("metric", self.metric, get_args(AuditMetric))
        require_count("seed", self.seed, at_least=0)
        if not self.shares:
            raise InvalidParamsError("shares must have at least 1 entry, got 0")
        for share in self.shares:
            require_between("shares", share, low=0, high=1)
            if not share:
                raise InvalidParamsError(f"shares must be above 0, got {share!r}")


def audit(
    vectors: ArrayLike,
    request: AuditRequest,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> Audit:
    """Measure a choice beside random rows and the pool.

    Args:
        vectors: (n, d), none of them zero.
        request: the choice, and what to measure.
        ids: (n,) names of the rows; None numbers them.
        among: the pool: a mask (n,) of bool, or ids where `ids` are given, else rows;
            None for all rows. Scores, radii and tables are of these rows alone.
        progress: called as the pool is measured, with the phase "cover".

    Raises:
        InvalidInputError: nothing chosen, or rows that are not in the pool; labels that
            are none.
        DimensionMismatchError: labels not one for each row.
        ZeroVectorError: a row of length zero.
    """
    rows = as_vectors(vectors)
    names = IdMap(ids, n=len(rows))
    own = None if ids is None else names
    within = Among.of(among, n=len(rows), names=own)
    chosen = as_rows(request.chosen, n=len(rows), name="chosen", names=own)
    if not len(chosen):
        raise InvalidInputError(f"chosen has 0 of {number_of(len(rows), 'rows')}")
    columns = [
        Column.of(name, values, n=len(rows)) for name, values in request.labels.items()
    ]
    pool = np.arange(len(rows)) if within is None else within.rows
    places = chosen if within is None else within.places_of(chosen, name="chosen")
    held = names.held if within is None else within.names_of(names).held
    measure = _Measure.of(rows[pool] if within is not None else rows, request, progress)
    sets = [measure.audited("chosen", places)]
    for name, drawn in _baselines(held, len(places), columns, pool, request.seed):
        sets.append(measure.audited(name, drawn))
    return Audit(
        sets=(*sets, measure.whole()),
        orders=request.orders,
        parts=measure.parts(places, columns[0].words, columns[0].numbers[chosen])
        if columns
        else (),
        tables=tuple(group_table(one, pool=pool, chosen=chosen) for one in columns),
        floor=FLOOR,
        provenance=_origin(request, rows, len(chosen)) | origin_of(within),
    )


def _origin(request: AuditRequest, rows: Vectors, chosen: int) -> dict[str, Any]:
    return provenance(
        "audit",
        params={
            "orders": [order_as_json(order) for order in request.orders],
            "metric": request.metric,
            "shares": list(request.shares),
            "labels": list(request.labels),
            "chosen": chosen,
        },
        seed=request.seed,
        data_hash=fingerprint(rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measure:
    """The pool, as it is measured.

    Attributes:
        unit: (m, d) unit rows of the pool.
        rows: (m, d) rows between which distances are measured.
        request: of the audit.
        progress: of the coverage.
    """

    unit: Vectors
    rows: Vectors
    request: AuditRequest
    progress: ProgressCallback | None

    @classmethod
    def of(
        cls, pool: Vectors, request: AuditRequest, progress: ProgressCallback | None
    ) -> "_Measure":
        unit = prepare(pool, "cosine")
        rows = unit if request.metric == "cosine" else prepare(pool, "l2")
        return cls(unit=unit, rows=rows, request=request, progress=progress)

    def audited(self, name: str, places: Rows) -> Audited:
        return self._audited(name, places, self._curve(places))

    def whole(self) -> Audited:
        return self._audited("pool", np.arange(len(self.unit)), None)

    def parts(
        self, places: Rows, words: tuple[Hashable, ...], numbers: Rows
    ) -> tuple[PartContribution, ...]:
        """What the rows of each number add to the chosen ones."""
        all_ = SecondMoments.of(self.unit[places])
        scores = vendi_scores(all_, self.request.orders)
        found = []
        for number in np.unique(numbers).tolist():
            own = numbers == number
            rest = all_ - SecondMoments.of(self.unit[places[own]])
            without = vendi_scores(rest, self.request.orders)
            gains = tuple(
                score / less - 1 if less else float("inf")
                for score, less in zip(scores, without, strict=True)
            )
            found.append(
                PartContribution(part=words[number], rows=int(own.sum()), gains=gains)
            )
        return tuple(found)

    def _curve(self, places: Rows) -> CoverageCurve:
        return coverage_curve(
            self.rows, places, shares=self.request.shares, progress=self.progress
        )

    def _audited(
        self, name: str, places: Rows, coverage: CoverageCurve | None
    ) -> Audited:
        moments = SecondMoments.of(self.unit[places])
        return Audited(
            name=name,
            rows=len(places),
            vendi=vendi_scores(moments, self.request.orders),
            coverage=coverage,
        )


def _baselines(
    held: HeldIds, size: int, columns: list[Column], pool: Rows, seed: int
) -> list[tuple[str, Rows]]:
    """Places in the pool of as many rows, drawn at random, and within groups."""
    order = hashed_order(held, seed=seed, purpose=PURPOSE)
    drawn = [("random", order[:size])]
    if columns:
        numbers = columns[0].numbers[pool]
        drawn.append(("stratified", _in_shares(order, numbers, size)))
    return drawn


def _in_shares(order: Rows, numbers: Rows, size: int) -> Rows:
    """The first rows of each group in `order`, as many as its share of `size`.

    Rounded by largest remainder, ties to the earlier group.
    """
    exact = np.bincount(numbers) * size / len(numbers)
    counts = np.floor(exact).astype(np.int64)
    most = np.argsort(counts - exact, kind="stable")
    counts[most[: size - int(counts.sum())]] += 1
    groups = numbers[order]
    by_group = np.argsort(groups, kind="stable")
    firsts = np.searchsorted(groups[by_group], np.arange(len(counts)))
    rank = np.empty(len(order), np.int64)
    rank[by_group] = np.arange(len(order)) - firsts[groups[by_group]]
    return order[rank < counts[groups]]
