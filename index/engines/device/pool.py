"""The pool of a block of queries: its best distinct rows by scan score."""

import torch
from torch import Tensor

from gleann.index.engines.device.certificate import rescanned, violations
from gleann.index.engines.device.planner import Plan
from gleann.index.engines.device.probe import Probe
from gleann.index.engines.device.scan import Scanner


def pool_of(
    scanner: Scanner, probe: Probe, planned: Plan, *, k: int, keep: int
) -> Tensor:
    """The best rows of each query, as planned.

    Args:
        scanner: who scans.
        probe: a block of queries.
        planned: how.
        k: how many of the best are certain to be found.
        keep: rows to keep, at least k.

    Returns:
        Keys (nq, keep) of distinct rows, ascending.
    """
    if planned.selection == "exact":
        return exact_pool(scanner, probe, keep=keep)
    return bucketed_pool(scanner, probe, planned, k=k, keep=keep)


def bucketed_pool(
    scanner: Scanner, probe: Probe, planned: Plan, *, k: int, keep: int
) -> Tensor:
    """Keep the best of each bucket, then scan again what that may have hidden."""
    found = scanner.bucketed(
        probe.queries, probe.list_nos, probe.view, planned.bucketing
    )
    flat = found.keys.reshape(len(found.keys), -1)
    merged = scanner.merge(flat, probe.view.lists, probe.probed, keep=keep)
    violated = violations(found.bounds, merged, k=k)
    for some in violated.any(dim=1).nonzero()[:, 0].split(planned.again):
        if len(some):
            merged[some] = rescanned(
                scanner, found.keys[some], violated[some], probe.take(some), keep=keep
            )
    return merged


def exact_pool(scanner: Scanner, probe: Probe, *, keep: int) -> Tensor:
    """Score every probed entry into memory, and sort."""
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
