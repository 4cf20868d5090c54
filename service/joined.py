"""One answer from those to consecutive blocks of queries."""

from collections.abc import Sequence

import numpy as np

from gleann.index import Found, SearchStats


def joined(parts: Sequence[Found]) -> Found:
    """All of `parts` as one answer; a single part as it is."""
    if len(parts) == 1:
        return parts[0]
    return Found(
        ids=np.concatenate([part.ids for part in parts]),
        distances=np.concatenate([part.distances for part in parts]),
        stats=_summed([part.stats for part in parts]),
    )


def _summed(stats: list[SearchStats]) -> SearchStats:
    return stats[0]._replace(
        lists_probed=sum(part.lists_probed for part in stats),
        entries_scanned=sum(part.entries_scanned for part in stats),
        survivors=sum(part.survivors for part in stats),
        reranked=sum(part.reranked for part in stats),
        completed=sum(part.completed for part in stats),
    )
