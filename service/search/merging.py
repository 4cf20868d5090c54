"""Answers several searches by one scan, since larger batches scan faster."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchStats
from gleann.index.checks import as_vectors
from gleann.index.errors import GleannError
from gleann.index.found import COUNTS, FoundRows, cut_at
from gleann.index.metric import require_distances
from gleann.service.search import view_search
from gleann.service.search.allowed import allowed_in
from gleann.service.search.task import SearchTask
from gleann.service.views.sharded_view import ShardedView

Outcome = FoundRows | GleannError


def answer_alone(task: SearchTask) -> FoundRows:
    """Answer one search.

    Raises:
        InvalidInputError: queries that are invalid.
        UnknownIdError: unknown allowed id.
        InvalidFilterError: a condition that does not fit the index.
        and what `view_search.search` raises.
    """
    return _cut(_scan(task, task.queries), task)


def answer_together(tasks: Sequence[SearchTask]) -> list[Outcome]:
    """Answer searches with equal merge keys by one scan.

    A search that is refused does not keep the others from being answered.
    """
    if len(tasks) == 1:
        return [_outcome(tasks[0])]
    first = max(tasks, key=lambda task: task.params.k)
    found = _merged(first, np.concatenate([task.queries for task in tasks]))
    if found is None:
        return _apart(tasks)
    parts = _split(found, [len(task.queries) for task in tasks])
    return [
        _cut(_nearest(part, task.params.k), task)
        for part, task in zip(parts, tasks, strict=True)
    ]


def _outcome(task: SearchTask) -> Outcome:
    try:
        return answer_alone(task)
    except GleannError as error:
        return error


def _apart(tasks: Sequence[SearchTask]) -> list[Outcome]:
    """Answer searches whose scan failed.

    Those with valid queries are answered together if others have none, else alone.
    """
    refusals = [_refusal(task) for task in tasks]
    if not any(refusals):
        return [_outcome(task) for task in tasks]
    valid = [task for task, one in zip(tasks, refusals, strict=True) if one is None]
    answers = iter(answer_together(valid) if valid else ())
    return [next(answers) if one is None else one for one in refusals]


def _refusal(task: SearchTask) -> GleannError | None:
    """Why the queries of a search are invalid; None where they are not."""
    try:
        checked = as_vectors(task.queries, name="queries", dim=task.view.dim)
        require_distances(checked, task.view.metric, name="queries")
    except GleannError as error:
        return error
    return None


def _merged(task: SearchTask, queries: NDArray[Any]) -> FoundRows | None:
    """The merged result; None on failure. The error may hold device memory: drop it."""
    try:
        return _scan(task, queries)
    except GleannError:
        return None


def _scan(task: SearchTask, queries: NDArray[Any]) -> FoundRows:
    """Search for queries with what `task` asks for."""
    view = task.view
    if isinstance(view, ShardedView):
        return view.search(
            queries,
            task.params,
            allowed_ids=task.allowed_ids,
            condition=task.condition,
        )
    allowed = allowed_in(view, allowed_ids=task.allowed_ids, condition=task.condition)
    return view_search.search(view, queries, task.params, allowed=allowed)


def _nearest(found: FoundRows, k: int) -> FoundRows:
    """The first k neighbours of those found."""
    if found.rows.shape[1] <= k:
        return found
    return replace(found, rows=found.rows[:, :k], distances=found.distances[:, :k])


def _cut(found: FoundRows, task: SearchTask) -> FoundRows:
    return found if task.radius is None else cut_at(found, task.radius)


def _split(found: FoundRows, counts: list[int]) -> list[FoundRows]:
    total = sum(counts)
    stats = {count: _share(found.stats, count / total) for count in set(counts)}
    return [
        FoundRows(
            rows=found.rows[start:stop],
            distances=found.distances[start:stop],
            stats=stats[stop - start],
        )
        for start, stop in pairwise(accumulate(counts, initial=0))
    ]


def _share(stats: SearchStats, share: float) -> SearchStats:
    return stats._replace(
        **{name: round(getattr(stats, name) * share) for name in COUNTS}
    )
