"""Quotas: a number of rows from each class or group, by any method."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection.checks import require_count, shown
from gleann.selection.coreset.problem import DrawingMethod, Method, Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.seeds import stream_seed

Label = int | str
"""The name of a class or group."""


def within_groups(
    method: Method | DrawingMethod,
    problem: Problem,
    *,
    groups: ArrayLike,
    quotas: Mapping[Label, int],
    seed: int | None = None,
) -> Coreset:
    """Let `method` choose within each group by itself.

    The answer is measured on all rows; it has no lower bound. Its order alternates
    between groups in proportion to their quotas, so that its prefixes are balanced
    too; `why` has each row's group. For quotas on two attributes at once, such as class
    and source, let `groups` name their combinations.

    Args:
        method: called on the problem of each group with a quota, with seed= where it
            draws. Where the quota is all open rows of the group it is not called: they
            are taken, cheapest first.
        problem: of all rows; k is the sum of the quotas. Locked rows cover within their
            group, and do not count towards its quota.
        groups: (n,) integers or strings.
        quotas: rows to choose from each group, at least 0; groups that are not named
            give none. `equal_quotas` and `proportional_quotas` make them.
        seed: of a method that draws: each group gets a stream of its own, so that
            groups of equal size do not draw the same places; None for methods that
            take no seed.

    Raises:
        InvalidInputError: groups that are no integers or strings.
        DimensionMismatchError: not one group per row.
        InvalidParamsError: a quota that is no count, of an unknown group, or larger
            than the group's open rows; or quotas that do not sum to k.
    """
    names = as_groups(groups)
    require_counts(quotas)
    if (total := sum(quotas.values())) != problem.k:
        raise InvalidParamsError(f"the quotas sum to {total}, but k is {problem.k}")
    if len(names) != (n := len(problem.vectors)):
        raise DimensionMismatchError(f"groups has {len(names)} entries for {n} rows")
    require_quotas(names, quotas, locked=problem.locked)
    wanted = {label: quota for label, quota in quotas.items() if quota}
    parts = [
        _part(one, problem, np.flatnonzero(names == label), quota)
        for (label, quota), one in zip(
            wanted.items(), _by_group(method, list(wanted), seed), strict=True
        )
    ]
    rows, order = alternated([chosen for chosen, _ in parts])
    answers = dict(zip(wanted, (part for _, part in parts), strict=True))
    name = next((one.provenance["method"] for one in answers.values() if one), "all")
    return problem.finished(
        problem.measure(rows, method=f"{name}_within_groups"),
        seed=seed if seed is not None else _seed_of(parts),
        params={
            "quotas": {str(label): int(quota) for label, quota in quotas.items()},
            "within": {
                str(label): one.provenance["params"] | {"seed": one.provenance["seed"]}
                for label, one in answers.items()
                if one
            },
        },
        why={"group": names[rows], **_shared_why(parts, order)},
        winners=_winners(parts),
    )


def require_counts(quotas: Mapping[Label, int]) -> None:
    """Refuse quotas that are no counts.

    Raises:
        InvalidParamsError: naming the group.
    """
    for label, quota in quotas.items():
        require_count(f"quota of {label!r}", quota, at_least=0)


def equal_quotas(groups: ArrayLike, *, k: int) -> dict[Label, int]:
    """Share `k` rows among groups as evenly as their sizes allow.

    The remainder goes to the groups that sort first.

    Args:
        groups: (n,) integers or strings.
        k: rows to choose in all, at most n.
    """
    names, sizes = _sizes(groups, k)
    quotas = np.zeros(len(names), np.int64)
    while left := k - int(quotas.sum()):
        open_groups = np.flatnonzero(quotas < sizes)
        share = max(1, left // len(open_groups))
        open_groups = open_groups[:left]
        quotas[open_groups] = np.minimum(
            quotas[open_groups] + share, sizes[open_groups]
        )
    return dict(zip(names.tolist(), quotas.tolist(), strict=True))


def proportional_quotas(groups: ArrayLike, *, k: int) -> dict[Label, int]:
    """Share `k` rows among groups in proportion to their sizes, by largest remainder.

    Args:
        groups: (n,) integers or strings.
        k: rows to choose in all, at most n.
    """
    names, sizes = _sizes(groups, k)
    exact = k * sizes / sizes.sum()
    quotas = np.floor(exact).astype(np.int64)
    order = np.argsort(quotas - exact, kind="stable")
    quotas[order[: k - int(quotas.sum())]] += 1
    return dict(zip(names.tolist(), quotas.tolist(), strict=True))


def _sizes(groups: ArrayLike, k: int) -> tuple[NDArray[Any], Rows]:
    names, sizes = np.unique(as_groups(groups), return_counts=True)
    require_count("k", k)
    if k > sizes.sum():
        raise InvalidParamsError(f"k is {k}, but there are {sizes.sum()} rows")
    return names, sizes


def as_groups(groups: ArrayLike) -> NDArray[Any]:
    """Return `groups` as integers or strings (n,).

    Raises:
        InvalidInputError: they are neither, or not one-dimensional.
    """
    names = as_array(groups, name="groups")
    if names.dtype.kind == "O" and all(isinstance(x, str) for x in names.tolist()):
        names = names.astype(np.str_)
    if names.ndim != 1 or names.dtype.kind not in "iuU":
        raise InvalidInputError(
            "groups must be one-dimensional integers or strings, got"
            f" {names.dtype} {names.shape}"
        )
    return names


def require_quotas(
    names: NDArray[Any], quotas: Mapping[Label, int], *, locked: Rows
) -> None:
    """Refuse a quota that its group cannot fill.

    Raises:
        InvalidParamsError: with the quota and the group's open rows.
    """
    open_rows = np.ones(len(names), np.bool_)
    open_rows[locked] = False
    there, sizes = np.unique(names[open_rows], return_counts=True)
    room = dict(zip(there.tolist(), sizes.tolist(), strict=True))
    for label, quota in quotas.items():
        if quota > room.get(label, 0):
            raise InvalidParamsError(
                f"the quota of group {label!r} is {quota}, but it has"
                f" {room.get(label, 0)} open rows; groups are {shown(there)}"
            )


def _by_group(
    method: Method | DrawingMethod, labels: list[Label], seed: int | None
) -> list[Method]:
    """`method` for each group of `labels`, with its own seed where it draws."""
    if seed is None:
        return [cast(Method, method)] * len(labels)
    return [
        partial(cast(DrawingMethod, method), seed=stream)
        for stream in streams(labels, seed)
    ]


def streams(labels: list[Label], seed: int) -> list[int]:
    """A seed for each group of `labels`.

    It depends on the position of the group among all with a quota, in sorted order, not
    on the order of the quotas.
    """
    require_count("seed", seed, at_least=0)
    places = np.argsort(np.argsort(np.array(labels), kind="stable"))
    return [stream_seed(seed, place) for place in places.tolist()]


def _seed_of(parts: list[tuple[Rows, Coreset | None]]) -> int | None:
    """The seed that was bound to the method, if any."""
    return next((part.provenance["seed"] for _, part in parts if part), None)


def _part(
    method: Method, problem: Problem, rows: Rows, quota: int
) -> tuple[Rows, Coreset | None]:
    """The rows chosen within one group, and the method's answer where it was called."""
    group = problem.within(rows, k=quota)
    if quota == len(rows) - len(group.locked):
        return rows[group.by_cost()], None
    answer = method(group)
    return rows[answer.rows], answer


def alternated(parts: list[Rows]) -> tuple[Rows, Rows]:
    """All rows, ordered by relative position in their part, and their old positions."""
    shares = np.concatenate([(np.arange(len(p)) + 0.5) / len(p) for p in parts])
    order = np.argsort(shares, kind="stable")
    return np.concatenate(parts)[order], order


def _winners(parts: list[tuple[Rows, Coreset | None]]) -> dict[str, int]:
    """In how many groups each candidate set of the method won."""
    counts: Counter[str] = Counter()
    for _, part in parts:
        counts.update(part.winners if part else {})
    return dict(counts)


def _shared_why(
    parts: list[tuple[Rows, Coreset | None]], order: Rows
) -> dict[str, NDArray[Any]]:
    """The radius guess within each row's group, NaN if there is none."""
    guesses = [
        np.full(len(rows), np.nan if part is None else _guess_of(part))
        for rows, part in parts
    ]
    column = np.concatenate(guesses)[order]
    return {} if np.isnan(column).all() else {"radius_guess": column}


def _guess_of(part: Coreset) -> float:
    return np.nan if part.radius_guess is None else part.radius_guess
