"""A choice for targets, compared with plain draws of the same size."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Distances, Rows
from gleann.index.errors import InvalidInputError
from gleann.index.exact import exact_search_prepared
from gleann.index.ids.held import take_ids
from gleann.selection.curation.target.lists import (
    ListFeatures,
    divergence,
    smoothed,
    target_counts,
)
from gleann.selection.curation.target.pool import NO_LIMITS, Limits, Pool
from gleann.selection.curation.target.targets import CheckedTargets, TargetsLike
from gleann.selection.result import Selection
from gleann.selection.seeds import keyed_hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How near some rows are to the targets.

    Attributes:
        rows: how many.
        mean_distance: mean distance of a row to its nearest target, by the metric of
            the index.
        divergence: Kullback-Leibler divergence of the targets' lists from theirs, in
            nats.
        distances: float32 (rows,), of each row to its nearest target.
    """

    rows: int
    mean_distance: float
    divergence: float
    distances: Distances = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A choice and draws from the same rows, of the same size and limits.

    Attributes:
        chosen: the choice.
        random: a uniform draw.
        stratified: a draw in proportion to the sizes of the lists of the index.
    """

    chosen: Nearness
    random: Nearness
    stratified: Nearness

    def summary(self) -> dict[str, float]:
        """The numbers by name, for a report."""
        return {
            f"{name}_{number}": getattr(getattr(self, name), number)
            for name in ("chosen", "random", "stratified")
            for number in ("mean_distance", "divergence")
        }


def compare(
    index: SoarIndex,
    selection: Selection,
    targets: TargetsLike,
    *,
    limits: Limits = NO_LIMITS,
    seed: int = 0,
) -> Comparison:
    """Measure a choice, a uniform draw and a stratified draw.

    Args:
        index: that the rows are of.
        selection: what was chosen.
        targets: what for.
        limits: those of the choice, which the draws obey too.
        seed: of the draws.

    Raises:
        InvalidInputError: nothing was chosen; also as the choice itself.
    """
    if not (k := len(selection)):
        raise InvalidInputError("the selection has 0 rows, at least 1 is needed")
    checked = CheckedTargets.of(targets, index)
    features = ListFeatures.of(index)

    def pool() -> Pool:
        return Pool.of(index, limits, excluded=checked.excluded)

    counts = target_counts(checked, np.arange(len(checked)), features, index)
    wanted = smoothed(counts, np.zeros(features.nlist), weight=0)

    def measured(rows: Rows) -> Nearness:
        return _nearness(index, rows, checked, features, wanted)

    by_chance = _by_chance(pool(), index, seed=seed)
    spread = _stratified(by_chance, features, k=k, seed=seed)
    return Comparison(
        chosen=measured(selection.rows),
        random=measured(pool().take_in_order(by_chance, most=k)),
        stratified=measured(pool().take_in_order(spread, most=k)),
    )


def _by_chance(pool: Pool, index: SoarIndex, *, seed: int) -> Rows:
    """The rows that may be chosen in a random order."""
    rows = pool.by_id(pool.open_rows)
    ids = take_ids(index.held_ids, rows)
    bits = keyed_hashes(ids, seed=seed, purpose="compare with chance")
    return rows[np.argsort(bits, kind="stable")]


def _stratified(rows: Rows, features: ListFeatures, *, k: int, seed: int) -> Rows:
    """Rows in a random order, of which the first k are a systematic draw by lists."""
    by_list = rows[np.argsort(features.primary[rows], kind="stable")]
    start = np.random.default_rng(seed).random()
    places = np.floor((np.arange(k) + start) * len(rows) / k).astype(np.int64)
    first = by_list[places]
    return np.concatenate([first, rows[~np.isin(rows, first)]])


def _nearness(
    index: SoarIndex,
    rows: Rows,
    targets: CheckedTargets,
    features: ListFeatures,
    wanted: NDArray[np.float64],
) -> Nearness:
    if not len(rows):
        return Nearness(
            rows=0,
            mean_distance=float("nan"),
            divergence=float("nan"),
            distances=np.empty(0, np.float32),
        )
    _, distances = exact_search_prepared(
        np.ascontiguousarray(index.stored_rows[rows]),
        targets.vectors,
        metric=index.metric,
        k=1,
    )
    counts = features.counts(rows)
    return Nearness(
        rows=len(rows),
        mean_distance=float(distances.astype(np.float64).mean()),
        divergence=divergence(wanted, counts / counts.sum()),
        distances=distances[:, 0],
    )
