"""Proxies of compound predicates, from those of their parts.

ABae combines proxies as probabilities (Kang et al. 2021,
https://arxiv.org/abs/2108.06313). They steer where labels are spent and never the
estimate's honesty, so independence need not hold.
"""

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.checks import as_scores
from gleann.selection.estimate.stratified.strata import Proxy


def both(*proxies: ArrayLike) -> Proxy:
    """Proxy (n,) of the predicates holding together: the product.

    Args:
        proxies: one or more (n,), in 0..1.

    Raises:
        InvalidInputError: no proxy, or one outside 0..1.
        DimensionMismatchError: lengths differ.
    """
    return _as_probabilities(proxies).prod(axis=0)


def either(*proxies: ArrayLike) -> Proxy:
    """Proxy (n,) of any of the predicates holding: the largest.

    The largest, not 1 - prod(1 - p): proxies of one thing by several models agree, and
    the product would count them as independent witnesses.

    Args:
        proxies: one or more (n,), in 0..1.

    Raises:
        InvalidInputError: no proxy, or one outside 0..1.
        DimensionMismatchError: lengths differ.
    """
    return _as_probabilities(proxies).max(axis=0)


def negated(proxy: ArrayLike) -> Proxy:
    """Proxy (n,) of the predicate not holding: 1 - p.

    Raises:
        InvalidInputError: a proxy outside 0..1.
    """
    return 1 - _as_probabilities((proxy,))[0]


def _as_probabilities(proxies: tuple[ArrayLike, ...]) -> Proxy:
    if not proxies:
        raise InvalidInputError("a compound predicate needs at least 1 proxy, got 0")
    checked = [as_scores(proxy, name="proxy") for proxy in proxies]
    sizes = sorted({len(proxy) for proxy in checked})
    if len(sizes) > 1:
        raise DimensionMismatchError(f"proxies have {sizes} entries: not all the same")
    table = np.stack(checked)
    if table.min() < 0 or table.max() > 1:
        raise InvalidInputError(
            f"proxies must be in 0..1 to be combined, got {table.min():g}"
            f"..{table.max():g}"
        )
    return table
