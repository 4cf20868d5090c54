"""The two passes over a block of queries.

The first scans, merges and re-ranks every query. Its shapes depend on sizes alone and
nothing waits for the device, so that it can be recorded once and replayed
(`recording.py`). The second scans again the few pairs that the certificate flags:
either all of them, a number known only at run time, or as many as fit a fixed capacity,
and then it can be recorded too.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.planner import KEY_BYTES, TEMPORARIES, Plan
from gleann.index.engines.device.steps.certificate import (
    rescanned,
    rescanned_within,
    violations,
)
from gleann.index.engines.device.steps.packed import Block
from gleann.index.engines.device.steps.probe import Probe
from gleann.index.engines.device.steps.rerank import RowStore
from gleann.index.engines.device.steps.scan import Scanner
from gleann.index.params import Metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The components of a search.

    Attributes:
        scanner: scans, merges and re-ranks.
        rows: the rows for re-ranking.
        metric: the metric.
    """

    scanner: Scanner
    rows: RowStore
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """The task of one search, the same for every block of its queries.

    Attributes:
        view: the lists.
        planned: the scan plan.
        request: the scan request.
        room: capacity for pairs of a block that a recorded second pass scans again; 0
            for none.
        budget: bytes for the keys of a block.
    """

    view: ListView
    planned: Plan
    request: ScanRequest
    budget: int
    room: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passed:
    """A block of nq queries after the first pass.

    Attributes:
        probe: the queries and their lists.
        keys: keys of the kept entries; see `scan.Kept`.
        candidates: (nq, rerank), keys of the best rows by scan score, ascending.
        violated: bool (nq, nprobe), pairs that may have dropped one of the k best.
        near: (nq, k), keys of rows with their distances, ascending.
    """

    probe: Probe
    keys: Tensor
    candidates: Tensor
    violated: Tensor
    near: Tensor

    @property
    def found(self) -> Block:
        """The results for the caller."""
        return Block(
            near=self.near,
            candidates=self.candidates,
            list_nos=self.probe.list_nos,
            view=self.probe.view,
        )


def first_pass(
    queries: Tensor, list_nos: Tensor, *, parts: Parts, task: Task
) -> Passed:
    """Scan, merge and re-rank one block.

    Args:
        queries: float32 (nq, d), prepared.
        list_nos: int64 (nq, nprobe), -1 for no list.
        parts: components of the search.
        task: the task.
    """
    lists = task.view.lists
    probe = Probe(
        queries=parts.scanner.coded(queries, lists),
        list_nos=list_nos,
        probed=parts.scanner.probed(list_nos, nlist=lists.nlist),
        view=task.view,
    )
    if task.planned.selection == "exact":
        keys = list_nos.new_empty((len(queries), 0))
        candidates = exact_candidates(parts.scanner, probe, keep=task.request.rerank)
        violated = torch.zeros_like(list_nos, dtype=torch.bool)
    else:
        keys, candidates, violated = _bucketed_candidates(parts.scanner, probe, task)
    near = parts.scanner.rerank(
        queries, candidates, parts.rows, metric=parts.metric, k=task.request.k
    )
    return Passed(
        probe=probe, keys=keys, candidates=candidates, violated=violated, near=near
    )


def second_pass(passed: Passed, queries: Tensor, *, parts: Parts, task: Task) -> Passed:
    """Scan the flagged pairs again, and re-rank their queries again.

    The k best rows by scan score are exact afterwards.
    """
    flagged = passed.violated.any(dim=1).nonzero()[:, 0]
    if len(flagged) == 0:
        return passed
    candidates, near = passed.candidates.clone(), passed.near.clone()
    request = task.request
    for some in flagged.split(task.planned.again):
        candidates[some] = rescanned(
            parts.scanner,
            passed.keys[some],
            passed.violated[some],
            passed.probe.take(some),
            keep=request.rerank,
        )
        near[some] = parts.scanner.rerank(
            queries[some],
            candidates[some],
            parts.rows,
            metric=parts.metric,
            k=request.k,
        )
    return replace(passed, candidates=candidates, near=near)


def second_pass_within(
    passed: Passed, queries: Tensor, *, parts: Parts, task: Task
) -> tuple[Passed, Tensor]:
    """`second_pass` for the pairs that fit `task.room`; it can be recorded.

    Returns:
        The block, and bool (nq,): the flagged queries that are unchanged.
    """
    if task.room == 0:
        return passed, passed.violated.any(dim=1)
    request = task.request
    again = rescanned_within(
        parts.scanner,
        passed.keys,
        passed.violated,
        passed.probe,
        keep=request.rerank,
        room=task.room,
    )
    near = parts.scanner.rerank(
        queries[again.query_nos],
        again.candidates,
        parts.rows,
        metric=parts.metric,
        k=request.k,
    )
    done = again.done[:, None]
    candidates = torch.where(done, again.candidates[again.places], passed.candidates)
    near = torch.where(done, near[again.places], passed.near)
    return replace(passed, candidates=candidates, near=near), again.left


ROOM_SHARE = 16
"""A block's capacity is one flagged pair per this many queries.

Small blocks have none: the launches would cost more than the few second scans."""

MOST_ROOM_KEYS = 1 << 22
"""Maximum keys of a recorded second scan, whose unused capacity costs time too."""


def room_for(planned: Plan, *, queries: int, longest: int, budget: int) -> int:
    """Capacity of a recorded second pass in pairs; 0 omits the pass.

    Args:
        planned: the plan of the first pass.
        queries: queries per block.
        longest: entries of the longest list.
        budget: bytes of a block; the second pass may take a quarter of it more.
    """
    if planned.selection == "exact":
        return 0
    keys = min(MOST_ROOM_KEYS, budget // (4 * TEMPORARIES * KEY_BYTES))
    # Each pair may be of another query, and each query is merged again.
    most = min(keys // max(1, longest), planned.again // 4)
    return min(queries // ROOM_SHARE, most)


def exact_candidates(scanner: Scanner, probe: Probe, *, keep: int) -> Tensor:
    """The best rows (nq, keep) from the stored scores of all probed entries."""
    nq, nprobe = probe.list_nos.shape
    numbers = torch.arange(nq, device=probe.list_nos.device)
    depth = min(keep, max(1, probe.view.longest))
    keys = scanner.exact(
        probe.queries.take(numbers.repeat_interleave(nprobe)),
        probe.list_nos.reshape(-1),
        probe.view,
        keep=depth,
    )
    flat = keys.view(nq, nprobe * depth)
    return scanner.merge(flat, probe.view.lists, probe.probed, keep=keep)


def _bucketed_candidates(
    scanner: Scanner, probe: Probe, task: Task
) -> tuple[Tensor, Tensor, Tensor]:
    """Kept keys, candidates, and the pairs that may have dropped one of the k best."""
    found = scanner.bucketed(
        probe.queries, probe.list_nos, probe.view, task.planned.bucketing
    )
    flat = found.keys.reshape(len(found.keys), -1)
    candidates = scanner.merge(
        flat, probe.view.lists, probe.probed, keep=task.request.rerank
    )
    return (
        found.keys,
        candidates,
        violations(found.bounds, candidates, k=task.request.k),
    )
