"""Targets or tasks take turns: each takes its best row that is not taken yet (RDS+)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from gleann.index import Progress, SoarIndex
from gleann.selection.checks import require_count
from gleann.selection.curation.target.answer import Chosen, selection_of
from gleann.selection.curation.target.pool import NO_LIMITS, Limits, Pool
from gleann.selection.curation.target.targets import CheckedTargets, TargetsLike
from gleann.selection.curation.target.turns import Entry, Taker, Turns
from gleann.selection.heads import (
    TARGET_RECALL,
    Heads,
    require_recall,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection

REPORTED = 1024
"""Choices between two progress reports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundRobinRequest:
    """Choose the nearest rows of each target, in turns.

    Attributes:
        targets: examples of what is wanted. Without tasks each of them takes turns;
            with tasks each task does, whose best row is the nearest to any of its
            targets. Tasks are never compared by distance.
        budget: rows to choose.
        limits: which rows may be chosen, and how many of each group.
        target_recall: of the searches for neighbours; 1 looks at every row.

    Raises:
        InvalidParamsError: a budget below 1, or a recall outside (0, 1].
    """

    targets: TargetsLike
    budget: int
    limits: Limits = NO_LIMITS
    target_recall: float = TARGET_RECALL

    def __post_init__(self) -> None:
        require_count("budget", self.budget)
        require_recall(self.target_recall)


def round_robin(
    index: SoarIndex,
    request: RoundRobinRequest,
    *,
    progress: ProgressCallback | None = None,
) -> Selection:
    """Choose rows for targets by turns (RDS+, Ivison et al. 2025).

    https://arxiv.org/abs/2503.01807. The first rows of a larger budget are those of a
    smaller one. Only the heads of the rankings are read, as deep as the turns went:
    with `target_recall` 1 the answer is that of the full matrix of targets and rows.

    Args:
        index: whose rows are chosen, by its metric.
        request: for what, and how many.
        progress: called as rows are chosen.

    Returns:
        The rows in the order they were chosen; `why` has the target that each was
        chosen for ("target", its place; "task" where there are tasks), the "distance"
        to it and the "depth": how many rows are nearer. The summary has the
        "shortfall": how many rows of the budget limits and the index did not have.

    Raises:
        InvalidInputError: no targets, or targets or limits that do not fit the index.
    """
    targets = CheckedTargets.of(request.targets, index)
    pool = Pool.of(index, request.limits, excluded=targets.excluded)
    heads = pool.heads(targets.vectors, target_recall=request.target_recall)
    members = targets.members()
    takers = members.values() if targets.tasks is not None else _each(len(targets))
    turns = Turns(takers, heads, pool)
    picks = _reported(_picks(turns, pool), budget=request.budget, progress=progress)
    entries = list(islice(picks, request.budget))
    return selection_of(
        Chosen.of_entries(entries),
        pool,
        targets,
        method="round_robin",
        budget=request.budget,
        params={"target_recall": float(request.target_recall)},
        facts=_facts(heads, len(members)),
    )


def _picks(turns: Turns, pool: Pool) -> Iterator[Entry]:
    takers = turns.takers
    while takers:
        left: list[Taker] = []
        for taker in takers:
            entry = turns.best(taker)
            if entry is None:
                continue
            pool.take(entry.row)
            left.append(taker)
            yield entry
        takers = left


def _each(count: int) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return list(np.arange(count)[:, None])


def _reported(
    picks: Iterator[Entry], *, budget: int, progress: ProgressCallback | None
) -> Iterator[Entry]:
    for done, pick in enumerate(picks):
        if progress is not None and done % REPORTED == 0:
            progress(Progress(phase="choose", done=done, total=budget))
        yield pick


def _facts(heads: Heads, tasks: int) -> dict[str, int | float]:
    known = {} if heads.least_recall is None else {"recall": heads.least_recall}
    return {"tasks": tasks, "deepest": heads.deepest, **known}
