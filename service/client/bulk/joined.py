"""Combine search results of query blocks or of filter parts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import Found
from gleann.index.found import FoundWithin, SearchStats, sum_stats


def joined(parts: Sequence[Found]) -> Found:
    """Concatenate results of query blocks; a single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    return Found(
        ids=np.concatenate([part.ids for part in parts]),
        distances=np.concatenate([part.distances for part in parts]),
        stats=sum_stats([part.stats for part in parts]),
        payload=_joined_payload(parts),
    )


def joined_within(parts: Sequence[FoundWithin]) -> FoundWithin:
    """Concatenate results of query blocks; a single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return replace(
        parts[0],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        ids=np.concatenate([part.ids for part in parts]),
        distances=np.concatenate([part.distances for part in parts]),
        complete=all(part.complete for part in parts),
        stats=sum_stats([part.stats for part in parts]),
        payload=_joined_payload(parts),
    )


def _joined_payload(parts: Sequence[Found] | Sequence[FoundWithin]) -> Any:
    if parts[0].payload is None:
        return None
    import pyarrow as pa

    return pa.concat_tables([part.payload for part in parts])


def merged(parts: Sequence[Found]) -> Found:
    """Merge results of the same queries; a single part is returned as it is.

    The parts have the same k and disjoint ids.
    """
    if len(parts) == 1:
        return parts[0]
    stats = [part.stats for part in parts]
    # The least of all parts: of one of them none may be known.
    least = min(stats, key=_low_of)
    ids = np.concatenate([part.ids for part in parts], axis=1)
    distances = np.concatenate([part.distances for part in parts], axis=1)
    k = parts[0].ids.shape[1]
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return Found(
        ids=np.take_along_axis(ids, order, axis=1),
        distances=np.take_along_axis(distances, order, axis=1),
        stats=sum_stats(stats)._replace(
            estimated_recall=least.estimated_recall,
            recall_low=least.recall_low,
            recall_high=least.recall_high,
        ),
        payload=_merged_payload(parts, order),
    )


def _low_of(stats: SearchStats) -> float:
    """The estimated recall, below all others where there is none."""
    return -1.0 if stats.estimated_recall is None else stats.estimated_recall


def _merged_payload(parts: Sequence[Found], order: NDArray[np.intp]) -> Any:
    """The payload of the neighbours at `order` (nq, k) of all parts side by side."""
    together = _joined_payload(parts)
    if together is None or not together.num_columns:
        return together
    from gleann.index.payload.gather import take

    nq, k = order.shape
    part, place = np.divmod(order, k)
    query = np.arange(nq)[:, None]
    rows = ((part * nq + query) * k + place).ravel()
    taken = [take(column, rows) for column in together.columns]
    return type(together).from_arrays(taken, schema=together.schema)
