"""Launches the merge kernels on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.plan.choice import programs_on
from gleann.index.engines.device.plan.planner import merge_share
from gleann.index.engines.device.steps import merge
from gleann.index.engines.triton_kernels.configs import (
    MERGE_MOST,
    merge_config_for,
)
from gleann.index.engines.triton_kernels.finish.merge_keys import merge_keys, merge_runs


def launch_merge_keys(
    keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
) -> Tensor:
    """Merge by the kernels, or by torch for more candidates than a program can sort.

    With few queries, several programs each merge a part of a query's keys.
    """
    if keep > MERGE_MOST:
        return merge.merge(keys, lists, probed, keep=keep)
    config = merge_config_for(keep)
    share = merge_share(
        len(keys),
        keys.shape[1],
        at_once=config.at_once,
        programs=programs_on(keys.device),
    )
    merged = _merged_parts(keys, lists, probed, keep=keep, share=share)
    if merged.shape[1] == 1:
        return merged[:, 0]
    return launch_merge_runs(merged, keep=keep)


def _merged_parts(
    keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int, share: int
) -> Tensor:
    """Keys (nq, parts, keep) of rows: the best of every `share` keys of a query."""
    nq, width = keys.shape
    parts = max(1, -(-width // share))
    out = torch.empty((nq, parts, keep), dtype=torch.int64, device=keys.device)
    config = merge_config_for(keep)
    if nq:
        merge_keys[(nq * parts,)](
            keys.contiguous(),
            lists.rows,
            lists.copy_of,
            probed,
            out,
            width,
            share,
            parts,
            probed.shape[1],
            keep,
            KEEP=config.keep,
            RUNS=config.runs,
            num_warps=config.warps,
        )
    return out


def launch_merge_runs(runs: Tensor, *, keep: int) -> Tensor:
    """The smallest keys (nq, keep) of ascending runs (nq, parts, length).

    `keep` and `length` are at most `MERGE_MOST`.
    """
    nq, parts, length = runs.shape
    config = merge_config_for(max(keep, length))
    out = torch.empty((nq, keep), dtype=torch.int64, device=runs.device)
    if nq:
        merge_runs[(nq,)](
            runs,
            out,
            parts,
            length,
            keep,
            KEEP=config.keep,
            RUNS=config.sorted_runs,
            num_warps=config.sorted_warps,
        )
    return out
