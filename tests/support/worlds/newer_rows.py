"""Rows that came after a build, and one index of all rows to compare with."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.build.assign import assign_blocks
from gleann.index.build.spill import scale_of
from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.lists import invert
from gleann.index.newer.lists import NewerLists
from gleann.index.search.list_stats import ListStats

if not native.available():
    pytest.skip(native.unavailable_reason(), allow_module_level=True)

TIERS = [*native.tiers(), native.EMULATED_TIER]
METRICS = ["ip", "cosine", "l2"]
REQUEST = ScanRequest(k=10, rerank=24)


def lists_of(index, engine):
    return NewerLists(
        index.data, index.params, stats=ListStats(index.data), engine=engine
    )


def make_newer(index, count, *, seed=3):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, index.dim)).astype(np.float32)
    if index.metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def one_index(index, newer, assigned):
    """The index with newer rows in its lists, all of them sealed; others are absent."""
    data, center = index.data, index.data.encoding.center
    shift = center if center.any() else None
    blocks = [
        (first, second)
        for _, first, second in assign_blocks(
            newer[:assigned],
            data.centroids,
            params=index.params,
            scale=scale_of(np.asarray(data.vectors), shift),
            center=shift,
        )
    ]
    n = len(index)
    primary, secondary = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    for j in range(index.nlist):
        low, mid, high = (
            data.lists.offsets[j],
            data.lists.mids[j],
            data.lists.offsets[j + 1],
        )
        primary[data.lists.rows[low:mid]] = j
        secondary[data.lists.rows[mid:high]] = j
    primary = np.concatenate([primary, *(first for first, _ in blocks)])
    secondary = np.concatenate([secondary, *(second for _, second in blocks)])
    vectors = np.concatenate([data.vectors, newer[:assigned]])
    return replace(
        data,
        lists=invert(primary, secondary, nlist=index.nlist),
        codes=data.encoding.encode(vectors),
        vectors=vectors,
    )
