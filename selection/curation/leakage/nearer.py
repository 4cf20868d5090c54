"""An audit of leakage for a smaller cut, without another search."""

from dataclasses import replace

import numpy as np

from gleann.index.errors import InvalidParamsError
from gleann.index.nouns import number_of
from gleann.selection.curation.leakage.result import Leakage
from gleann.selection.curation.radius import radius_of


def rethreshold(
    found: Leakage,
    *,
    radius: float | None = None,
    similarity: float | None = None,
) -> Leakage:
    """The audit for a smaller cut, from the pairs of a greater one.

    What leaks, and its pairs and nearest training rows, is exact, as in an audit with
    that cut. The nearest rows beyond it are those that `found` has: exact up to its
    cut, where another audit would search with recall 0.99. The bins stay.

    Args:
        found: of `leakage`, with all pairs.
        radius: at most that of `found`.
        similarity: under cosine, the least cosine instead.

    Raises:
        InvalidParamsError: neither or both, or a greater radius than that of `found`;
            or `found` does not list all of its pairs.
    """
    least = radius_of(found.metric, radius=radius, similarity=similarity)
    require_within(least, found.radius)
    require_all_pairs(
        listed=len(found.pairs),
        pairs=int(found.pair_counts.sum()),
        complete=found.pairs_complete,
    )
    pairs = found.pairs.within(least)
    places = np.searchsorted(found.rows, pairs.rows)
    params = {**found.provenance.get("params", {}), "radius": least}
    return replace(
        found,
        radius=least,
        pairs=pairs,
        pair_counts=np.bincount(places, minlength=len(found)),
        provenance={**found.provenance, "params": params},
    )


def require_within(radius: float, known: float) -> None:
    """Refuse a cut beyond that of the audit.

    Raises:
        InvalidParamsError: with both numbers.
    """
    if np.float32(radius) > np.float32(known):
        raise InvalidParamsError(
            f"radius {radius:g} is above {known:g}, up to which pairs are known"
        )


def require_all_pairs(*, listed: int, pairs: int, complete: bool) -> None:
    """Refuse an audit that lists the nearest of each row alone.

    Raises:
        InvalidParamsError: with both numbers.
    """
    if not complete:
        raise InvalidParamsError(
            f"the audit lists {listed} of {number_of(pairs, 'pairs')}, the nearest of"
            f" each row: a smaller cut needs all of them, which max_pairs={pairs} lists"
        )
