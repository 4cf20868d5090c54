"""Rows of an index as callers name them: by a mask or by their ids."""

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex
from gleann.index.arrays import Rows
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.order import id_order
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import rows_of_mask


def rows_named(values: ArrayLike, index: SoarIndex, *, name: str) -> Rows:
    """The rows (m,) that a mask (n,) of bool holds, or that distinct ids (m,) name.

    Raises:
        DimensionMismatchError: a mask of another length.
        DuplicateIdError: one id twice.
        UnknownIdError: an id that no row has.
    """
    masked = rows_of_mask(values, n=len(index), name=name)
    if masked is not None:
        return masked
    hold_distinct(values, name=name)
    return index.rows_of(values)


def among_of(among: AmongLike | None, index: SoarIndex) -> Among | None:
    """The rows to look at, given as a mask (n,), as ids or as `Among`; None for all.

    Raises:
        InvalidInputError: no row; also as `rows_named`.
    """
    if among is None or isinstance(among, Among):
        return Among.of(among, n=len(index))
    mask = np.zeros(len(index), np.bool_)
    mask[rows_named(among, index, name="among")] = True
    return Among.of(mask, n=len(index))


def id_ranks(index: SoarIndex) -> Rows | None:
    """The place (n,) of each row's id in their order; None where they ascend."""
    order = id_order(index.held_ids)
    if (np.diff(order) > 0).all():
        return None
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks
