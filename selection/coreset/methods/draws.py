"""Random draws from groups, without a metric."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, as_rows
from gleann.selection.coreset.quotas import alternated, streams
from gleann.selection.groups import Groups, Label, Quota, resolved
from gleann.selection.provenance import provenance
from gleann.selection.result import Selection
from gleann.selection.uniform import uniform_rows


def draw_within_groups(  # noqa: PLR0913 (the problem, and its groups)
    groups: ArrayLike,
    *,
    quotas: Mapping[Label, Quota],
    k: int | None = None,
    locked: ArrayLike = (),
    seed: int = 0,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
) -> Selection:
    """The rows of `within_groups(uniform, ...)`, drawn without vectors.

    It also serves inner product, which is no metric: nothing is measured.

    Args:
        groups: (n,) integers, strings, or other words.
        quotas: rows to draw from each group, as in `within_groups`.
        k: rows to draw in all; None is the sum of the quotas, which are numbers then.
        locked: rows that are never drawn: a mask (n,) of bool, or their ids where
            `ids` are given, else rows.
        seed: the only source of randomness.
        ids: (n,) names of the rows; None numbers them.
        among: the rows to draw from, given as `locked`; None for all.

    Raises:
        InvalidInputError: groups or locked rows that cannot be used.
        InvalidParamsError: as `within_groups`; or nothing to draw.
    """
    named = Groups.of(groups)
    n = len(named)
    held = None if ids is None else IdMap(ids, n=n)
    closed = as_rows(locked, n=n, name="locked", names=held)
    within = Among.of(among, n=n, names=held)
    if within is not None:
        closed = np.union1d(closed, np.flatnonzero(~within.mask))
    counts = resolved(quotas, named, k=k, locked=closed)
    wanted = {label: count for label, count in counts.items() if count}
    places = [named.words.places[label] for label in wanted]
    if not wanted:
        raise InvalidParamsError("quotas must add up to at least 1, got 0")
    parts = [
        _part(named.rows(label), count, closed, seed=stream)
        for (label, count), stream in zip(
            wanted.items(), streams(places, seed), strict=True
        )
    ]
    rows, _ = alternated(parts)
    return Selection(
        rows=rows,
        ids=(held or IdMap(None, n=n)).ids_of(rows),
        scores=np.ones(len(rows), np.float32),
        weights=np.ones(len(rows), np.float32),
        why={"group": named.names(rows)},
        provenance=provenance(
            "uniform_within_groups",
            params={
                "n": n,
                "k": len(rows),
                "excluded": len(closed),
                "quotas": {str(label): count for label, count in counts.items()},
            },
            seed=seed,
            data_hash=None,
        )
        | origin_of(within),
    )


def _part(rows: Rows, quota: int, locked: Rows, *, seed: int) -> Rows:
    places = np.flatnonzero(np.isin(rows, locked))
    if quota == len(rows) - len(places):
        return np.setdiff1d(rows, locked)
    return rows[uniform_rows(len(rows), k=quota, seed=seed, excluded=places)]
