"""The two passes over a block of queries.

The first does what every query needs: scan, merge, re-rank. Its shapes follow from the
sizes alone and nothing in it waits for the device, so that it can be recorded once and
replayed (`recording.py`). The second scans again the few pairs that the certificate
flags; how many there are is known only then.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.certificate import rescanned, violations
from gleann.index.engines.device.merge import bitmap
from gleann.index.engines.device.planner import Plan
from gleann.index.engines.device.probe import Probe
from gleann.index.engines.device.queries import CodedQueries, code_queries
from gleann.index.engines.device.rerank import RowStore
from gleann.index.engines.device.scan import Scanner
from gleann.index.engines.device.view import ListView
from gleann.index.params import Metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """What an engine searches with.

    Attributes:
        scanner: who scans, merges and re-ranks.
        rows: for re-ranking.
        metric: which distance.
    """

    scanner: Scanner
    rows: RowStore
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What one search wants of every block of its queries.

    Attributes:
        view: the lists.
        planned: how they are scanned.
        request: what to bring back.
    """

    view: ListView
    planned: Plan
    request: ScanRequest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passed:
    """A block of nq queries after the first pass.

    Attributes:
        probe: the queries and their lists.
        keys: of entries, as the buckets kept them; see `scan.Kept`.
        pool: (nq, pool), keys of the best distinct rows by scan score, ascending.
        violated: bool (nq, nprobe), pairs that may hide one of the k best.
        near: (nq, k), keys of rows with their distances, ascending.
    """

    probe: Probe
    keys: Tensor
    pool: Tensor
    violated: Tensor
    near: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that the device wrote, each with nq rows."""
        probe = self.probe
        coded = probe.queries
        given = coded.values, coded.ratios, probe.list_nos, probe.probed
        return *given, self.keys, self.pool, self.violated, self.near

    def with_others(self, numbers: Tensor, others: "Passed") -> "Passed":
        """The same, but for the queries at `numbers`, which are those of `others`.

        What a second pass needs, and is over, stays as it was.
        """
        list_nos, pool, near = (
            mine.index_put((numbers,), theirs)
            for mine, theirs in (
                (self.probe.list_nos, others.probe.list_nos),
                (self.pool, others.pool),
                (self.near, others.near),
            )
        )
        return replace(
            self, probe=replace(self.probe, list_nos=list_nos), pool=pool, near=near
        )


def passed_of(tensors: tuple[Tensor, ...], view: ListView, *, count: int) -> Passed:
    """The first `count` queries of `Passed.tensors`."""
    cut = [tensor[:count] for tensor in tensors]
    values, ratios, list_nos, probed, keys, pool, violated, near = cut
    coded = CodedQueries(values=values, ratios=ratios)
    return Passed(
        probe=Probe(queries=coded, list_nos=list_nos, probed=probed, view=view),
        keys=keys,
        pool=pool,
        violated=violated,
        near=near,
    )


def first_pass(
    queries: Tensor, list_nos: Tensor, *, parts: Parts, task: Task
) -> Passed:
    """Scan, merge and re-rank one block.

    Args:
        queries: float32 (nq, d), prepared.
        list_nos: int64 (nq, nprobe), -1 for no list.
        parts: what to search with.
        task: what is wanted.
    """
    lists = task.view.lists
    probe = Probe(
        queries=code_queries(queries, lists),
        list_nos=list_nos,
        probed=bitmap(list_nos, nlist=lists.nlist),
        view=task.view,
    )
    if task.planned.selection == "exact":
        keys = list_nos.new_empty((len(queries), 0))
        pool = exact_pool(parts.scanner, probe, keep=task.request.pool)
        violated = torch.zeros_like(list_nos, dtype=torch.bool)
    else:
        keys, pool, violated = _bucketed_pool(parts.scanner, probe, task)
    near = parts.scanner.rerank(
        queries, pool, parts.rows, metric=parts.metric, k=task.request.k
    )
    return Passed(probe=probe, keys=keys, pool=pool, violated=violated, near=near)


def second_pass(passed: Passed, queries: Tensor, *, parts: Parts, task: Task) -> Passed:
    """Scan again what the certificate flags, and re-rank those queries again.

    The k best rows by scan score are certain after it.
    """
    flagged = passed.violated.any(dim=1).nonzero()[:, 0]
    if len(flagged) == 0:
        return passed
    pool, near = passed.pool.clone(), passed.near.clone()
    request = task.request
    for some in flagged.split(task.planned.again):
        pool[some] = rescanned(
            parts.scanner,
            passed.keys[some],
            passed.violated[some],
            passed.probe.take(some),
            keep=request.pool,
        )
        near[some] = parts.scanner.rerank(
            queries[some], pool[some], parts.rows, metric=parts.metric, k=request.k
        )
    return replace(passed, pool=pool, near=near)


def exact_pool(scanner: Scanner, probe: Probe, *, keep: int) -> Tensor:
    """The best rows (nq, keep) by scores of every probed entry, in memory."""
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


def _bucketed_pool(
    scanner: Scanner, probe: Probe, task: Task
) -> tuple[Tensor, Tensor, Tensor]:
    """Keys kept, the pool, and the pairs that may hide one of its k best."""
    found = scanner.bucketed(
        probe.queries, probe.list_nos, probe.view, task.planned.bucketing
    )
    flat = found.keys.reshape(len(found.keys), -1)
    pool = scanner.merge(flat, probe.view.lists, probe.probed, keep=task.request.pool)
    return found.keys, pool, violations(found.bounds, pool, k=task.request.k)
