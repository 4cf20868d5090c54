"""Uniform sampling: the baseline that every method must beat."""

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import IdMap, as_rows, require_count
from gleann.selection.provenance import provenance
from gleann.selection.result import Selection


def uniform_rows(n: int, *, k: int, seed: int, excluded: ArrayLike = ()) -> Rows:
    """Draw `k` distinct rows of 0..n - 1, each set of k equally likely.

    Args:
        n: rows to draw from.
        k: rows to draw.
        seed: the only source of randomness.
        excluded: rows that are never drawn, or a mask (n,) of them.

    Returns:
        (k,), in random order.

    Raises:
        InvalidParamsError: k below 1 or above the rows that may be drawn; a seed below
            0.
    """
    require_count("k", k)
    require_count("n", n)
    require_count("seed", seed, at_least=0)
    closed = as_rows(excluded, n=n, name="excluded")
    allowed = np.setdiff1d(np.arange(n), closed)
    if k > len(allowed):
        raise InvalidParamsError(f"k is {k}, but {len(allowed)} rows may be drawn")
    rows: Rows = np.random.default_rng(seed).permutation(allowed)[:k]
    return rows


def uniform(
    n: int,
    *,
    k: int,
    seed: int = 0,
    ids: ArrayLike | None = None,
    excluded: ArrayLike = (),
    among: AmongLike | None = None,
) -> Selection:
    """`uniform_rows` as a `Selection`.

    Args:
        n: rows to draw from.
        k: rows to draw.
        seed: the only source of randomness.
        ids: (n,) names of the rows; None numbers them.
        excluded: rows that are never drawn, such as the labelled ones: a mask (n,) of
            bool, or their ids where `ids` are given, else rows.
        among: the rows to draw from, given as `excluded`; None for all.
    """
    require_count("n", n)
    names = None if ids is None else IdMap(ids, n=n)
    closed = as_rows(excluded, n=n, name="excluded", names=names)
    within = Among.of(among, n=n, names=names)
    barred = np.zeros(n, np.bool_) if within is None else ~within.mask
    barred[closed] = True
    rows = uniform_rows(n, k=k, seed=seed, excluded=barred)
    return Selection(
        rows=rows,
        ids=(names or IdMap(None, n=n)).ids_of(rows),
        scores=np.ones(k, np.float32),
        weights=np.ones(k, np.float32),
        provenance=provenance(
            "uniform",
            params={"n": n, "k": k, "excluded": len(closed)},
            seed=seed,
            data_hash=None,
        )
        | origin_of(within),
    )
