"""The exactness certificate: which pairs may hide one of a query's k best rows.

A scan bounds from below every entry that it dropped (`bucketing.py`). So where the
bounds of all pairs are worse than the k-th best row found, the k best of all probed
rows, by scan scores, are found; any other pair is scanned again, keeping all it needs.
"""

import torch
from torch import Tensor

from gleann.index.engines.device.keys import NONE, NUMBER_BITS
from gleann.index.engines.device.probe import Probe
from gleann.index.engines.device.scan import Scanner


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
