"""Answers of an oracle: their types, and their checks."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask
from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)
from gleann.selection.checks import shown
from gleann.selection.estimate.stratified.allocate import Target
from gleann.selection.estimate.stratified.tally import LARGEST_VALUE
from gleann.selection.words import Words, as_words

Answers = tuple[ArrayLike, ArrayLike | None] | tuple[ArrayLike]
"""Labels (m,) and values (m,); for a count None, or the labels as a tuple of one."""

Oracle = Callable[[Ids], Answers]
"""Ids (m,) to positives (m,) bool, and values."""

GroupOracle = Callable[[Ids], Answers]
"""Ids (m,) to group numbers (m,), -1 for none, or names, "" for none; and values."""

NO_GROUP = -1


def given_by(answers: object) -> tuple[ArrayLike, ArrayLike | None]:
    """Labels and values, if any, as an oracle returned them.

    Labels alone are refused: two of them would look like labels and values.

    Raises:
        InvalidInputError: neither a pair nor a tuple of one.
    """
    if isinstance(answers, tuple) and len(answers) == 1:
        return answers[0], None
    if isinstance(answers, tuple | list) and len(answers) == 2:
        labels, values = answers
        if np.ndim(labels):
            return labels, values
    kind = type(answers).__name__
    raise InvalidInputError(
        "the oracle must return (labels, values), or for a count (labels, None) or"
        f" (labels,); it returned one {kind} of length {np.size(answers)}"  # type: ignore[arg-type]
    )


def as_positives(positives: ArrayLike, *, n: int) -> Mask:
    """Return `positives` as bool (n,).

    Raises:
        InvalidInputError: neither bool nor 0 and 1.
        DimensionMismatchError: not n of them.
    """
    held = as_array(positives, name="positives")
    if held.size and (held.dtype.kind not in "biu" or not np.isin(held, (0, 1)).all()):
        raise InvalidInputError(
            f"positives must be bool (or 0 and 1), got dtype {held.dtype}"
        )
    if held.shape != (n,):
        raise DimensionMismatchError(f"positives has shape {held.shape} for {n} ids")
    return held.astype(np.bool_)


def as_values(
    values: ArrayLike | None, held: Mask, *, target: Target
) -> NDArray[np.float64]:
    """Return `values` as float64 (m,), 0 where not positive, and 0 for a count.

    Raises:
        InvalidInputError: none given where the target needs them, not numbers, or
            beyond 1e140, whose squares cannot be added up.
        DimensionMismatchError: not one for each of `held` (m,).
        NonFiniteError: a positive's value is NaN or infinite.
    """
    if target == "count":
        return np.zeros(len(held))
    if values is None:
        raise InvalidInputError(
            f"the target {target} needs a value for each of {len(held)} labels,"
            " got none"
        )
    given = as_array(values, name="values")
    if given.size and given.dtype.kind not in "biuf":
        raise InvalidInputError(f"values must be numbers, got dtype {given.dtype}")
    numbers = given.astype(np.float64)
    if numbers.shape != held.shape:
        raise DimensionMismatchError(
            f"values has shape {numbers.shape}, positives has {held.shape}"
        )
    if bad := int((~np.isfinite(numbers[held])).sum()):
        raise NonFiniteError(
            f"values has NaN or infinity for {bad} of {held.sum()} positives"
        )
    kept = np.where(held, numbers, 0.0)
    if (beyond := np.flatnonzero(np.abs(kept) > LARGEST_VALUE)).size:
        raise InvalidInputError(
            f"values of {beyond.size} of {held.sum()} positives are beyond"
            f" {LARGEST_VALUE:g}, such as {kept[beyond[0]]:g}"
        )
    return kept


def require_in_range(
    values: NDArray[np.float64],
    held: Mask,
    ids: Ids,
    value_range: tuple[float, float] | None,
) -> None:
    """Refuse values of positives outside the range that the caller gave.

    Raises:
        InvalidInputError: naming the ids and the values.
    """
    if value_range is None:
        return
    low, high = value_range
    outside = np.flatnonzero(held & ((values < low) | (values > high)))
    if outside.size:
        first = outside[0]
        raise InvalidInputError(
            f"values of {outside.size} of {int(held.sum())} positives are outside"
            f" value_range {low:g} to {high:g}, such as {values[first]:g} of id"
            f" {ids[first]!s}"
        )


def as_groups(labels: ArrayLike, *, n: int, groups: Sequence[str]) -> NDArray[np.int32]:
    """Group numbers (n,), -1 for none.

    Args:
        labels: (n,) numbers of `groups`, -1 for none; or their names, "" for none.
        n: rows they are of.
        groups: names of the groups, in order.

    Raises:
        InvalidInputError: neither integers nor names, or a group that there is not.
        DimensionMismatchError: not n of them.
    """
    named = as_words(labels, name="groups")
    if named is None:
        numbers = as_array(labels, name="groups")
    else:
        words = Words(words=("", *groups), name="groups")
        numbers = words.numbers_of(named) - 1
    if numbers.size and numbers.dtype.kind not in "iu":
        raise InvalidInputError(f"groups must be integers, got dtype {numbers.dtype}")
    if numbers.shape != (n,):
        raise DimensionMismatchError(f"groups has shape {numbers.shape} for {n} ids")
    strange = numbers[(numbers < NO_GROUP) | (numbers >= len(groups))]
    if strange.size:
        raise InvalidInputError(
            f"{strange.size} of {n} groups are not in -1..{len(groups) - 1}:"
            f" {shown(strange)}"
        )
    return numbers.astype(np.int32)
