"""Random draws from groups, without a metric."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import IdMap, as_rows
from gleann.selection.coreset.quotas import (
    Label,
    alternated,
    as_groups,
    require_counts,
    require_quotas,
    streams,
)
from gleann.selection.provenance import provenance
from gleann.selection.result import Selection
from gleann.selection.uniform import uniform_rows


def draw_within_groups(
    groups: ArrayLike,
    *,
    quotas: Mapping[Label, int],
    locked: ArrayLike = (),
    seed: int = 0,
    ids: ArrayLike | None = None,
) -> Selection:
    """The rows of `within_groups(uniform, ...)`, drawn without vectors.

    It also serves inner product, which is no metric: nothing is measured.

    Args:
        groups: (n,) integers or strings.
        quotas: rows to draw from each group, as in `within_groups`.
        locked: rows that are never drawn: a mask (n,) of bool, or their ids where
            `ids` are given, else rows.
        seed: the only source of randomness.
        ids: (n,) names of the rows; None numbers them.

    Raises:
        InvalidInputError: groups or locked rows that cannot be used.
        InvalidParamsError: a quota that is no count, of a group that is not there, or
            larger than the group's open rows; or nothing to draw.
    """
    names = as_groups(groups)
    held = None if ids is None else IdMap(ids, n=len(names))
    closed = as_rows(locked, n=len(names), name="locked", names=held)
    require_counts(quotas)
    require_quotas(names, quotas, locked=closed)
    wanted = {label: int(quota) for label, quota in quotas.items() if quota}
    if not wanted:
        raise InvalidParamsError("quotas must add up to at least 1, got 0")
    parts = [
        _part(np.flatnonzero(names == label), quota, closed, seed=stream)
        for (label, quota), stream in zip(
            wanted.items(), streams(list(wanted), seed), strict=True
        )
    ]
    rows, _ = alternated(parts)
    return Selection(
        rows=rows,
        ids=(held or IdMap(None, n=len(names))).ids_of(rows),
        scores=np.ones(len(rows), np.float32),
        weights=np.ones(len(rows), np.float32),
        why={"group": names[rows]},
        provenance=provenance(
            "uniform_within_groups",
            params={
                "n": len(names),
                "k": len(rows),
                "excluded": len(closed),
                "quotas": {str(label): int(quota) for label, quota in quotas.items()},
            },
            seed=seed,
            data_hash=None,
        ),
    )


def _part(rows: Rows, quota: int, locked: Rows, *, seed: int) -> Rows:
    places = np.flatnonzero(np.isin(rows, locked))
    if quota == len(rows) - len(places):
        return np.setdiff1d(rows, locked)
    return rows[uniform_rows(len(rows), k=quota, seed=seed, excluded=places)]
