"""Rows by the best rank that any target gives them (BETR), and a probe of that."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SoarIndex
from gleann.index.arrays import Rows
from gleann.selection.checks import require_count
from gleann.selection.curation.target.answer import Chosen, selection_of
from gleann.selection.curation.target.pool import NO_LIMITS, Limits, Pool
from gleann.selection.curation.target.targets import CheckedTargets, TargetsLike
from gleann.selection.heads import (
    TARGET_RECALL,
    Heads,
    require_recall,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection
from gleann.selection.seeds import keyed_hashes

FIRST_RANKS = 16
"""Ranks that are looked for at first; twice as many each time they are used up."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BestRankRequest:
    """Choose the rows that some target ranks best.

    Attributes:
        targets: examples of what is wanted. Of tasks with unequal numbers of targets,
            as many as the smallest has are drawn from each.
        budget: rows to choose.
        limits: which rows may be chosen, and how many of each group.
        target_recall: of the searches for neighbours; 1 looks at every row.
        seed: draws the targets of tasks.

    Raises:
        InvalidParamsError: a budget below 1, or a recall outside (0, 1].
    """

    targets: TargetsLike
    budget: int
    limits: Limits = NO_LIMITS
    target_recall: float = TARGET_RECALL
    seed: int = 0

    def __post_init__(self) -> None:
        require_count("budget", self.budget)
        require_count("seed", self.seed, at_least=0)
        require_recall(self.target_recall)


def best_rank(
    index: SoarIndex,
    request: BestRankRequest,
    *,
    progress: ProgressCallback | None = None,
) -> Selection:
    """Choose rows by their best rank for any target (BETR, Mizrahi et al. 2025).

    https://arxiv.org/abs/2507.12466. The rank of a row for a target is its place, from
    1, among the rows that may be chosen by distance to the target, ties by id. Rows of
    the same best rank are chosen in the order of their ids. The first rows of a larger
    budget are those of a smaller one. Memory grows with the targets times the deepest
    rank: for a large share of an index, `distil` it instead.

    Args:
        index: whose rows are chosen, by its metric.
        request: for what, and how many.
        progress: called as rows are chosen.

    Returns:
        The rows in the order they were chosen; `why` has the "best_rank" of each, the
        "target" that gives it and, with tasks, its "task". The summary has the
        "shortfall" and the "targets_used".

    Raises:
        InvalidInputError: no targets, or targets or limits that do not fit the index.
    """
    targets = CheckedTargets.of(request.targets, index)
    pool = Pool.of(index, request.limits, excluded=targets.excluded)
    used = balanced(targets, seed=request.seed)
    heads = pool.heads(targets.vectors, target_recall=request.target_recall)
    chosen = take_by_rank(
        ranked(heads, used, pool), pool, budget=request.budget, progress=progress
    )
    known = {} if heads.least_recall is None else {"recall": heads.least_recall}
    return selection_of(
        chosen,
        pool,
        targets,
        method="best_rank",
        budget=request.budget,
        params={"target_recall": float(request.target_recall)},
        facts={"targets_used": len(used), "deepest": heads.deepest, **known},
        seed=request.seed if targets.tasks else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class OfRank:
    """The rows that some targets give a rank, each once, in the order of their ids.

    Attributes:
        rank: from 1.
        rows: int64 (k,).
        targets: int64 (k,), the first target that gives each the rank.
    """

    rank: int
    rows: Rows
    targets: Rows


def ranked(heads: Heads, targets: NDArray[np.int64], pool: Pool) -> Iterator[OfRank]:
    """The rows of rank 1, 2, ... for any of `targets` (numbers), until no row is left.

    A row comes with each rank that it has. A deeper search may find rows before those
    of an earlier one: these keep their ranks, and the others come after them.
    """
    done, goal = 0, FIRST_RANKS
    lists: list[Rows] = [np.empty(0, np.int64)] * len(targets)
    while True:
        deeper = _open_lists(heads, targets, pool, goal=goal)
        lists = [
            np.concatenate([rows[:done], found[~np.isin(found, rows[:done])]])
            for rows, found in zip(lists, deeper, strict=True)
        ]
        longest = max(len(rows) for rows in lists)
        for rank in range(done, min(goal, longest)):
            yield _of_rank(lists, targets, pool, rank=rank)
        if longest < goal:
            return
        done, goal = goal, 2 * goal


def take_by_rank(
    ranks: Iterator[OfRank],
    pool: Pool,
    *,
    budget: int,
    progress: ProgressCallback | None = None,
) -> Chosen:
    """Choose rows that have room, best rank first, ties by id."""
    rows, numbers, owners = [], [], []
    left = budget
    for one in ranks:
        taken = pool.take_in_order(one.rows, most=left)
        rows.append(taken)
        numbers.append(np.full(len(taken), one.rank))
        places = np.flatnonzero(np.isin(one.rows, taken))
        owners.append(one.targets[places])
        left -= len(taken)
        if progress is not None:
            progress(Progress(phase="choose", done=budget - left, total=budget))
        if not left:
            break
    return Chosen(
        rows=_joined(rows),
        targets=_joined(owners),
        why={"best_rank": _joined(numbers)},
    )


def balanced(targets: CheckedTargets, *, seed: int) -> NDArray[np.int64]:
    """As many targets (numbers, ascending) of each task as the smallest task has."""
    members = list(targets.members().values())
    fewest = min(map(len, members))
    bits = keyed_hashes(np.arange(len(targets)), seed=seed, purpose="targets of tasks")
    drawn = [one[np.argsort(bits[one], kind="stable")[:fewest]] for one in members]
    return np.sort(np.concatenate(drawn))


def _open_lists(
    heads: Heads, targets: NDArray[np.int64], pool: Pool, *, goal: int
) -> list[Rows]:
    """The rows of each target that may be chosen: the goal of them, if there are."""
    heads.deepen(targets, goal)
    lists = [_open_rows(heads, target, pool) for target in targets.tolist()]
    while True:
        few = [
            at
            for at, target in enumerate(targets.tolist())
            if len(lists[at]) < goal and not heads.heads[target].complete
        ]
        if not few:
            return lists
        heads.double(targets[few])
        for at in few:
            lists[at] = _open_rows(heads, int(targets[at]), pool)


def _open_rows(heads: Heads, target: int, pool: Pool) -> Rows:
    """The settled rows of a target that may be chosen."""
    head = heads.heads[target]
    rows = head.rows[: head.settled]
    return rows[pool.is_open[rows]]


def _of_rank(
    lists: list[Rows], targets: NDArray[np.int64], pool: Pool, *, rank: int
) -> OfRank:
    there = [at for at, rows in enumerate(lists) if len(rows) > rank]
    rows, first = np.unique([lists[at][rank] for at in there], return_index=True)
    order = np.argsort(pool.id_ranks(rows), kind="stable")
    owners = targets[np.array(there)[first]]
    return OfRank(rank + 1, rows[order], owners[order])


def _joined(parts: list[Rows]) -> Rows:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
