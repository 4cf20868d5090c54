"""Quotas: a number of rows from each class or group, by any method."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_count
from gleann.selection.coreset.problem import DrawingMethod, Method, Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.groups import (
    Groups,
    Label,
    Quota,
    as_groups,
    in_proportion,
    resolved,
)
from gleann.selection.seeds import stream_seed


def within_groups(
    method: Method | DrawingMethod,
    problem: Problem,
    *,
    groups: ArrayLike,
    quotas: Mapping[Label, Quota],
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
        problem: of all rows. Locked rows cover within their group, and do not count
            towards its quota.
        groups: (n,) integers, strings, or other words, of all the caller's rows.
        quotas: rows to choose from each group: an integer is their number, at least 0,
            a float in (0, 1] a share of k. Groups that are not named share what is left
            of k in proportion to their open rows. `equal_quotas` and
            `proportional_quotas` make them.
        seed: of a method that draws: each group gets a stream of its own, so that
            groups of equal size do not draw the same places; None for methods that
            take no seed.

    Raises:
        InvalidInputError: groups that are no integers, strings or other words.
        DimensionMismatchError: not one group per row.
        InvalidParamsError: a quota that is neither a number nor a share, of an unknown
            group, or larger than the group's open rows; quotas that sum to more than k,
            or leave more of it than the other groups have.
    """
    named = Groups.of(problem.of_these(as_groups(groups), name="groups"))
    counts = resolved(quotas, named, k=problem.k, locked=problem.locked)
    wanted = {label: count for label, count in counts.items() if count}
    places = [named.words.places[label] for label in wanted]
    parts = [
        _part(one, problem, named.rows(label), count)
        for (label, count), one in zip(
            wanted.items(), _by_group(method, places, seed), strict=True
        )
    ]
    rows, order = alternated([chosen for chosen, _ in parts])
    answers = dict(zip(wanted, (part for _, part in parts), strict=True))
    name = next((one.provenance["method"] for one in answers.values() if one), "all")
    return problem.finished(
        problem.measure(rows, method=f"{name}_within_groups"),
        seed=seed if seed is not None else _seed_of(parts),
        params={
            "quotas": {str(label): count for label, count in counts.items()},
            "within": {
                str(label): one.provenance["params"] | {"seed": one.provenance["seed"]}
                for label, one in answers.items()
                if one
            },
        },
        why={"group": named.names(rows), **_shared_why(parts, order)},
        winners=_winners(parts),
    )


def equal_quotas(groups: ArrayLike, *, k: int) -> dict[Label, int]:
    """Share `k` rows among groups as evenly as their sizes allow.

    The remainder goes to the groups that sort first.

    Args:
        groups: (n,) integers, strings, or other words.
        k: rows to choose in all, at most n.
    """
    by_label = _sizes(groups, k)
    sizes = np.array(list(by_label.values()))
    quotas = np.zeros(len(sizes), np.int64)
    while left := k - int(quotas.sum()):
        open_groups = np.flatnonzero(quotas < sizes)
        share = max(1, left // len(open_groups))
        open_groups = open_groups[:left]
        quotas[open_groups] = np.minimum(
            quotas[open_groups] + share, sizes[open_groups]
        )
    return dict(zip(by_label, quotas.tolist(), strict=True))


def proportional_quotas(groups: ArrayLike, *, k: int) -> dict[Label, int]:
    """Share `k` rows among groups in proportion to their sizes, by largest remainder.

    Args:
        groups: (n,) integers, strings, or other words.
        k: rows to choose in all, at most n.
    """
    return in_proportion(_sizes(groups, k), k=k)


def _sizes(groups: ArrayLike, k: int) -> dict[Label, int]:
    sizes = Groups.of(groups).sizes(locked=np.empty(0, np.int64))
    require_count("k", k)
    if k > (total := sum(sizes.values())):
        raise InvalidParamsError(f"k is {k}, but there are {total} rows")
    return sizes


def _by_group(
    method: Method | DrawingMethod, places: list[int], seed: int | None
) -> list[Method]:
    """`method` for each group (its place), with its own seed where it draws."""
    if seed is None:
        return [cast(Method, method)] * len(places)
    return [
        partial(cast(DrawingMethod, method), seed=stream)
        for stream in streams(places, seed)
    ]


def streams(places: list[int], seed: int) -> list[int]:
    """A seed for each group, by its place in order among all groups.

    It depends on the position of the group among those with a quota, not on the order
    of the quotas.
    """
    require_count("seed", seed, at_least=0)
    ranks = np.argsort(np.argsort(np.array(places), kind="stable"))
    return [stream_seed(seed, rank) for rank in ranks.tolist()]


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
