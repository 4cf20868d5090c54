"""The exactness certificate: which pairs may hide one of a query's k best rows.

A scan bounds from below every entry that it dropped (`bucketing.py`). So where the
bounds of all pairs are worse than the k-th best row found, the k best of all probed
rows, by scan scores, are found; any other pair is scanned again, keeping all it needs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.keys import NONE, NUMBER_BITS
from gleann.index.engines.device.probe import Probe
from gleann.index.engines.device.scan import Scanner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescanned:
    """The flagged queries of a block of nq for which fixed room sufficed.

    Attributes:
        query_nos: int64 (room,), the flagged queries, in order; 0 past the last.
        pool: keys (room, keep) of their rows; of no meaning past the last.
        places: int64 (nq,), where in `pool` each query is; of no meaning for others.
        done: bool (nq,), the queries all of whose flagged pairs were scanned again.
        left: bool (nq,), the flagged queries for which there was no room.
    """

    query_nos: Tensor
    pool: Tensor
    places: Tensor
    done: Tensor
    left: Tensor


def violations(bounds: Tensor, merged: Tensor, *, k: int) -> Tensor:
    """Which pairs may hide a row of the k best: bool (nq, nprobe).

    Args:
        bounds: (nq, nprobe, spans), as scanned.
        merged: (nq, at least k), the best rows of each query.
        k: how deep the answer must be exact.
    """
    # Scores are rounded towards zero, which keeps their order but makes ties: only a
    # bound of a worse score is known to be worse.
    kth = (merged[:, k - 1] >> NUMBER_BITS)[:, None, None]
    return (((bounds >> NUMBER_BITS) <= kth) & (bounds != NONE)).any(dim=2)


def rescanned(
    scanner: Scanner, keys: Tensor, violated: Tensor, probe: Probe, *, keep: int
) -> Tensor:
    """Merge again, with exact keys in place of those of the violated pairs.

    Args:
        scanner: who scans.
        keys: (nq, nprobe, spans, KEPT, buckets) of queries that all have a violation.
        violated: bool (nq, nprobe).
        probe: those queries.
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
    # Pairs come by query: each goes to the next free place of its query.
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
    """`rescanned` for the first `room` flagged pairs of a block, whatever is flagged.

    Shapes follow from sizes alone and nothing waits for the device, so it can be
    recorded. A query is done only if all of its flagged pairs are among them.

    Args:
        scanner: who scans.
        keys: (nq, nprobe, spans, KEPT, buckets) of all queries.
        violated: bool (nq, nprobe).
        probe: all queries.
        keep: rows to keep.
        room: pairs, at least 1.
    """
    nq, nprobe = violated.shape
    upto = violated.reshape(-1).cumsum(0).view(nq, nprobe)
    flagged = violated.any(dim=1)
    order = flagged.cumsum(0)
    last = upto[:, -1]
    query_nos = _compacted(flagged, order, room)
    pairs = _Pairs(violated=violated, upto=upto, places=order - 1)
    extra = _extra_keys(scanner, pairs, probe, keep=keep, room=room)
    kept = torch.where(violated[query_nos, :, None, None, None], NONE, keys[query_nos])
    both = torch.cat([kept.reshape(room, -1), extra], dim=1)
    lists, probed = probe.view.lists, probe.probed[query_nos]
    return Rescanned(
        query_nos=query_nos,
        pool=scanner.merge(both, lists, probed, keep=keep),
        places=(order - 1).clamp(0, room - 1),
        done=flagged & (last <= room),
        left=flagged & (last > room),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pairs:
    """The pairs (nq, nprobe) of a block.

    Attributes:
        violated: bool (nq, nprobe).
        upto: int64 (nq, nprobe), violated pairs up to each, itself included.
        places: int64 (nq,), the place of each flagged query among them.
    """

    violated: Tensor
    upto: Tensor
    places: Tensor


def _extra_keys(
    scanner: Scanner, pairs: _Pairs, probe: Probe, *, keep: int, room: int
) -> Tensor:
    """Exact keys (room, nprobe * depth) of the first `room` flagged pairs, by query."""
    nprobe = pairs.violated.shape[1]
    upto = pairs.upto.reshape(-1)
    pair_nos = _compacted(pairs.violated.reshape(-1), upto, room)
    numbers = torch.arange(room, device=upto.device)
    used = numbers < upto[-1]
    queries = pair_nos // nprobe
    depth = min(keep, max(1, probe.view.longest))
    found = scanner.exact(
        probe.queries.take(queries),
        torch.where(used, probe.list_nos.reshape(-1)[pair_nos], -1),
        probe.view,
        keep=depth,
    )
    # Pairs come by query: each goes to the next free place of its query. What is not
    # used goes to a row of its own.
    firsts = pairs.upto[:, -1] - pairs.violated.sum(dim=1)
    rows = torch.where(used, pairs.places[queries], room)
    columns = torch.where(used, numbers - firsts[queries], 0)
    extra = found.new_full((room + 1, nprobe, depth), NONE)
    extra[rows, columns] = found
    return extra[:room].view(room, -1)


def _compacted(flags: Tensor, upto: Tensor, room: int) -> Tensor:
    """The numbers int64 (room,) of the first `room` true flags; 0 past the last.

    Args:
        flags: bool (m,).
        upto: int64 (m,), how many are true up to each, itself included.
        room: at least 1.
    """
    places = torch.where(flags & (upto <= room), upto - 1, room)
    numbers = torch.arange(len(flags), device=flags.device)
    return numbers.new_zeros(room + 1).scatter_(0, places, numbers)[:room]
