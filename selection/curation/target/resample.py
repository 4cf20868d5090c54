"""Rows drawn so that their lists are distributed as those of the targets (DSIR)."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SoarIndex
from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.held import take_ids
from gleann.selection.checks import require_between, require_count
from gleann.selection.curation.target.answer import Chosen, selection_of
from gleann.selection.curation.target.lists import (
    FLOOR,
    ListFeatures,
    divergence,
    smoothed,
    target_counts,
)
from gleann.selection.curation.target.pool import NO_LIMITS, Limits, Pool
from gleann.selection.curation.target.targets import CheckedTargets, TargetsLike
from gleann.selection.groups import largest_remainder
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection
from gleann.selection.seeds import keyed_uniforms
from gleann.selection.words import shown_words

SMOOTHING = 1.0
"""Entries of the pool's own distribution that are added to those of the targets."""

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResampleRequest:
    """Draw rows by importance, from the lists of the index.

    Attributes:
        targets: examples of what is wanted. Each task is drawn for in turn, in their
            order, from the rows that those before left.
        budget: rows to draw.
        limits: which rows may be drawn, and how many of each group.
        shares: share of the budget of each task; they sum to 1. None shares it
            evenly.
        smoothing: entries of the pool's distribution over lists that are added to those
            of a task's targets; the more there are, the nearer to a plain draw.
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: a budget below 1, a smoothing below 0, or shares outside
            [0, 1] or that do not sum to 1.
    """

    targets: TargetsLike
    budget: int
    limits: Limits = NO_LIMITS
    shares: Mapping[Hashable, float] | None = None
    smoothing: float = SMOOTHING
    seed: int = 0

    def __post_init__(self) -> None:
        require_count("budget", self.budget)
        require_count("seed", self.seed, at_least=0)
        require_between("smoothing", self.smoothing, low=0, high=1e15)
        if self.shares is None:
            return
        for label, share in self.shares.items():
            require_between(f"share of {label!r}", share, low=0, high=1)
        total = sum(self.shares.values())
        if abs(total - 1) > _ROUNDING:
            raise InvalidParamsError(f"shares must sum to 1, they sum to {total:.6g}")


def resample(
    index: SoarIndex,
    request: ResampleRequest,
    *,
    progress: ProgressCallback | None = None,
) -> Selection:
    """Draw rows by the importance of their lists (DSIR, Xie et al. 2023).

    https://arxiv.org/abs/2302.03169. The weight of a row is the sum, over its lists, of
    log(target share) - log(pool share); rows are drawn without replacement by the
    largest log-weight + Gumbel noise, which is a hash of (seed, id). No vector of the
    index is read.

    Args:
        index: whose rows are drawn.
        request: for what, and how many.
        progress: called before each task.

    Returns:
        The rows, largest key first; `why` has the "log_weight" of each (and its
        "task"). Where there is one task and no caps, weights are inverse inclusion
        probabilities: weighted sums estimate those of the pool without bias. The
        summary has the "shortfall", and the mean divergence of tasks from the pool
        ("kl_pool"), from what was drawn ("kl_chosen") and their difference.

    Raises:
        InvalidInputError: no targets, or targets or limits that do not fit the index.
        InvalidParamsError: a share of an unknown task, or a task without a share.
    """
    targets = CheckedTargets.of(request.targets, index)
    pool = Pool.of(index, request.limits, excluded=targets.excluded)
    draw = _Draw.of(index, targets, pool, request)
    parts = _drawn(draw, pool, progress)
    rows = np.concatenate([part.rows for part in parts])
    alone = len(parts) == 1 and not pool.capped
    return selection_of(
        Chosen(
            rows=rows,
            weights=parts[0].inverse_chances() if alone else None,
            why={
                **_tasks(targets, parts),
                "log_weight": np.concatenate([part.log_weights for part in parts]),
            },
        ),
        pool,
        targets,
        method="resample",
        budget=request.budget,
        params={"smoothing": float(request.smoothing), "nlist": index.nlist},
        facts=draw.divergences(rows),
        seed=request.seed,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What was drawn for one task.

    Attributes:
        rows: int64 (b,), largest key first.
        log_weights: float64 (b,).
        next_key: the largest key that was not drawn; -inf where all rows were.
    """

    rows: Rows
    log_weights: NDArray[np.float64]
    next_key: float

    def inverse_chances(self) -> NDArray[np.float32]:
        """One over the chance of each row to be drawn, given the keys of the others.

        A row is drawn if its key exceeds the largest that was not drawn: with chance
        1 - exp(-exp(log-weight - that key)). Sums with these weights are unbiased
        (Cohen and Kaplan 2007, https://doi.org/10.1145/1281100.1281133).
        """
        chances = -np.expm1(-np.exp(self.log_weights - self.next_key))
        return (1 / chances).astype(np.float32)


def _drawn(draw: "_Draw", pool: Pool, progress: ProgressCallback | None) -> list[_Part]:
    """Draw for one task after another."""
    request, members = draw.request, draw.targets.members()
    parts: list[_Part] = []
    for place, count in enumerate(rows_of_tasks(request, list(members))):
        if progress is not None:
            done = sum(len(part.rows) for part in parts)
            progress(Progress(phase="draw", done=done, total=request.budget))
        log_weights = draw.log_weights(list(members.values())[place])
        order, keys = draw.order(log_weights, place=place)
        rows = pool.take_in_order(order, most=count)
        left = float(keys[count]) if count < len(keys) else -np.inf
        parts.append(_Part(rows=rows, log_weights=log_weights[rows], next_key=left))
    return parts


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """What the draws of all tasks share.

    Attributes:
        index: whose rows are drawn.
        targets: of all tasks.
        features: the lists of every row.
        open_rows: int64 (p,), the rows that may be drawn, in the order of their ids.
        raw: float64 (nlist,), the shares of the lists in the entries of these.
        request: of the caller.
    """

    index: SoarIndex
    targets: CheckedTargets
    features: ListFeatures
    open_rows: Rows
    raw: NDArray[np.float64]
    request: ResampleRequest

    @classmethod
    def of(
        cls,
        index: SoarIndex,
        targets: CheckedTargets,
        pool: Pool,
        request: ResampleRequest,
    ) -> "_Draw":
        features = ListFeatures.of(index)
        rows = pool.by_id(pool.open_rows)
        entries = features.counts(rows)
        raw = entries / max(1, entries.sum())
        return cls(index, targets, features, rows, raw, request)

    def wanted(
        self, members: NDArray[np.int64], *, smoothing: float
    ) -> NDArray[np.float64]:
        """The shares (nlist,) of the lists in the entries of some targets."""
        counts = target_counts(self.targets, members, self.features, self.index)
        return smoothed(counts, self.raw, weight=smoothing)

    def log_weights(self, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """The log-weight (n,) of every row for some targets."""
        wanted = self.wanted(members, smoothing=self.request.smoothing)
        return self.features.sums(np.log(wanted + FLOOR) - np.log(self.raw + FLOOR))

    def order(
        self, log_weights: NDArray[np.float64], *, place: int
    ) -> tuple[Rows, NDArray[np.float64]]:
        """The rows that may be drawn by descending key, ties by id, and their keys."""
        ids = take_ids(self.index.held_ids, self.open_rows)
        chances = keyed_uniforms(
            ids, seed=self.request.seed, purpose=f"resample for task {place}"
        )
        keys = log_weights[self.open_rows] - np.log(-np.log(chances))
        order = np.argsort(-keys, kind="stable")
        return self.open_rows[order], keys[order]

    def divergences(self, drawn: Rows) -> dict[str, float]:
        """Mean divergence of the tasks from the pool, and from what was drawn."""
        entries = self.features.counts(drawn)
        found = entries / max(1, entries.sum())
        members = self.targets.members().values()
        wanted = [self.wanted(one, smoothing=0) for one in members]
        before = float(np.mean([divergence(one, self.raw) for one in wanted]))
        after = float(np.mean([divergence(one, found) for one in wanted]))
        return {"kl_pool": before, "kl_chosen": after, "kl_reduction": before - after}


def rows_of_tasks(request: ResampleRequest, tasks: list[Hashable]) -> list[int]:
    """Rows of each task, by largest remainder.

    Raises:
        InvalidParamsError: a share of an unknown task, or a task without a share.
    """
    if request.shares is None:
        even = np.full(len(tasks), request.budget / len(tasks))
        return largest_remainder(even, total=request.budget)
    if set(request.shares) != set(tasks):
        raise InvalidParamsError(
            f"shares are of {shown_words(request.shares)}, but tasks are"
            f" {shown_words(tasks)}"
        )
    exact = np.array([request.shares[task] for task in tasks]) * request.budget
    return largest_remainder(exact, total=request.budget)


def _tasks(
    targets: CheckedTargets, parts: list[_Part]
) -> dict[str, NDArray[np.generic]]:
    if targets.tasks is None:
        return {}
    places = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
    return {"task": targets.tasks.words.array[places]}
