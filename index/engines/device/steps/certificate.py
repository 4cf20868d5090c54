"""Exactness certificate: the pairs that may have dropped one of a query's k best rows.

A scan bounds from below every entry that it dropped (`bucketing.py`). If the bounds of
all pairs are worse than the k-th best row found, the k best of all probed rows by scan
score are found. Pairs with a better bound are scanned again without dropping entries.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.steps.compaction import Compacted, counted
from gleann.index.engines.device.steps.keys import NONE, NUMBER_BITS
from gleann.index.engines.device.steps.probe import Probe
from gleann.index.engines.device.steps.scan import Scanner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescanned:
    """The flagged queries of a block of nq that fit a fixed capacity.

    Attributes:
        query_nos: int64 (room,), the flagged queries, in order; 0 past the last.
        candidates: keys (room, keep) of their rows; undefined past the last.
        places: int64 (nq,), the row of `candidates` of each flagged query.
        done: bool (nq,), the queries all of whose flagged pairs were scanned again.
        left: bool (nq,), the flagged queries beyond the capacity.
    """

    query_nos: Tensor
    candidates: Tensor
    places: Tensor
    done: Tensor
    left: Tensor


def violations(bounds: Tensor, merged: Tensor, *, k: int) -> Tensor:
    """Pairs that may have dropped one of the k best rows: bool (nq, nprobe).

    Args:
        bounds: (nq, nprobe, spans), from the scan.
        merged: (nq, at least k), the best rows of each query.
        k: number of best rows that must be exact.
    """
    # Scores are rounded towards zero, which keeps their order but creates ties: only
    # a bound with a strictly worse score is certainly worse.
    kth = (merged[:, k - 1] >> NUMBER_BITS)[:, None, None]
    return (((bounds >> NUMBER_BITS) <= kth) & (bounds != NONE)).any(dim=2)


def rescanned(
    scanner: Scanner, keys: Tensor, violated: Tensor, probe: Probe, *, keep: int
) -> Tensor:
    """Merge again with exact keys for the violated pairs.

    Args:
        scanner: the scanner.
        keys: (nq, nprobe, spans, KEPT, buckets) of queries that all have a violation.
        violated: bool (nq, nprobe).
        probe: these queries.
        keep: rows to keep.

    Returns:
        Keys (nq, keep) of rows.
    """
    nq = len(keys)
    query_nos, ranks = violated.nonzero(as_tuple=True)
    depth = min(keep, probe.view.longest)
    found = scanner.exact(
        probe.queries.take(query_nos),
        probe.list_nos[query_nos, ranks],
        probe.view,
        keep=depth,
    )
    # Pairs are sorted by query: each goes to the next free place of its query.
    counts = violated.sum(dim=1)
    firsts = counts.cumsum(0) - counts
    places = torch.arange(len(query_nos), device=keys.device) - firsts[query_nos]
    extra = keys.new_full((nq, int(counts.max()), depth), NONE)
    extra[query_nos, places] = found
    kept = torch.where(violated[:, :, None, None, None], NONE, keys)
    both = torch.cat([kept.reshape(nq, -1), extra.view(nq, -1)], dim=1)
    return scanner.merge(both, probe.view.lists, probe.probed, keep=keep)


def rescanned_within(
    scanner: Scanner,
    keys: Tensor,
    violated: Tensor,
    probe: Probe,
    *,
    keep: int,
    room: int,
) -> Rescanned:
    """`rescanned` for the first `room` flagged pairs of a block.

    Shapes depend on sizes alone and nothing waits for the device, so it can be
    recorded. A query is done only if all of its flagged pairs are among them.

    Args:
        scanner: the scanner.
        keys: (nq, nprobe, spans, KEPT, buckets) of all queries.
        violated: bool (nq, nprobe).
        probe: all queries.
        keep: rows to keep.
        room: capacity in pairs, at least 1.
    """
    flags = counted(violated)
    first = scanner.compact(flags, probe.list_nos, room=room)
    some = first.query_nos
    extra = _extra_keys(scanner, first, probe, keep=keep)
    kept = torch.where(violated[some, :, None, None, None], NONE, keys[some])
    both = torch.cat([kept.reshape(room, -1), extra], dim=1)
    last = flags.upto[:, -1]
    return Rescanned(
        query_nos=some,
        candidates=scanner.merge(both, probe.view.lists, probe.probed[some], keep=keep),
        places=flags.order.clamp(1, room) - 1,
        done=flags.queries & (last <= room),
        left=flags.queries & (last > room),
    )


def _extra_keys(
    scanner: Scanner, pairs: Compacted, probe: Probe, *, keep: int
) -> Tensor:
    """Exact keys (room, nprobe * depth) of compacted pairs, grouped by query."""
    room, nprobe = len(pairs.rows), probe.list_nos.shape[1]
    depth = min(keep, max(1, probe.view.longest))
    found = scanner.exact(
        probe.queries.take(pairs.queries), pairs.list_nos, probe.view, keep=depth
    )
    extra = found.new_full((room + 1, nprobe, depth), NONE)
    extra[pairs.rows, pairs.columns] = found
    return extra[:room].view(room, -1)
