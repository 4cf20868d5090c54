"""Launches the kernel that re-ranks on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.steps.keys import smallest
from gleann.index.engines.device.steps.rerank import DeviceRows, RowStore, rerank
from gleann.index.engines.triton_kernels.configs import (
    MERGE_MOST,
    RERANK,
    adjacent_for,
    rerank_block_for,
    rerank_tile_for,
)
from gleann.index.engines.triton_kernels.finish.launch_merge import launch_merge_runs
from gleann.index.engines.triton_kernels.finish.rerank_rows import rerank_rows
from gleann.index.params import Metric


def launch_rerank_rows(
    queries: Tensor, candidates: Tensor, store: RowStore, *, metric: Metric, k: int
) -> Tensor:
    """Re-rank by the kernel; rows in host memory by torch. See `rerank.rerank`.

    With more candidates than one tile, the nearest of each tile are merged.
    """
    if not isinstance(store, DeviceRows):
        return rerank(queries, candidates, store, metric=metric, k=k)
    nearest = _nearest_of_tiles(queries, candidates, store.vectors, metric=metric, k=k)
    if nearest.shape[1:] == (1, k):
        return nearest[:, 0]
    if k > MERGE_MOST:
        return smallest(nearest.flatten(1), k)
    return launch_merge_runs(nearest, keep=k)


def _nearest_of_tiles(
    queries: Tensor, candidates: Tensor, vectors: Tensor, *, metric: Metric, k: int
) -> Tensor:
    """Keys (nq, tiles, min(k, tile)) of rows with their distances, ascending."""
    (nq, width), dim = candidates.shape, vectors.shape[1]
    tile = rerank_tile_for(width)
    tiles, keep = -(-width // tile), min(k, tile)
    out = torch.empty((nq, tiles, keep), dtype=torch.int64, device=candidates.device)
    if nq:
        rerank_rows[(nq * tiles,)](
            queries.contiguous(),
            vectors,
            candidates.contiguous(),
            out,
            width,
            tiles,
            keep,
            D=dim,
            METRIC=metric,
            TILE=tile,
            BLOCK=rerank_block_for(dim),
            ADJACENT=adjacent_for(dim),
            num_warps=RERANK[tile],
        )
    return out
