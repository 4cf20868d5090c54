"""Launches the scan kernels on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.choice import programs_on
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.steps.keys import smallest
from gleann.index.engines.device.steps.queries import CodedQueries
from gleann.index.engines.device.steps.scan import Kept
from gleann.index.engines.triton_kernels.configs import (
    PAIR_BLOCKS,
    PAIR_WARPS,
    ScanConfig,
    constants_for,
)
from gleann.index.engines.triton_kernels.scan.launch_group import launch_group_pairs
from gleann.index.engines.triton_kernels.scan.scan_lists import scan_lists
from gleann.index.engines.triton_kernels.scan.scan_pairs import scan_pairs, score_pairs

PROGRAMS_A_MULTIPROCESSOR = 2
"""The selection of one overlaps the matrix instructions of the other."""


def pair_grid(pairs: int, parts: int) -> tuple[int]:
    """Grid of a query-major kernel: programs of one pair's list are adjacent.

    All are on the first axis of the grid, which allows 2^31 - 1 programs; the other two
    allow 65,535.
    """
    return (pairs * parts,)


def launch_scan_lists(
    queries: CodedQueries,
    list_nos: Tensor,
    view: ListView,
    bucketing: Bucketing,
    out: Kept,
    config: ScanConfig,
) -> None:
    """Run the list-major kernel; places of `out` without a result are unchanged."""
    spans = out.bounds.shape[2]
    items = launch_group_pairs(
        list_nos, view, query_tile=config.queries, span=bucketing.span
    )
    programs = PROGRAMS_A_MULTIPROCESSOR * programs_on(out.keys.device)
    scan_lists[(min(programs, len(items.fields)),)](
        *_arrays(queries, view),
        items.slots,
        items.fields,
        items.total,
        out.keys,
        out.bounds,
        list_nos.shape[1],
        spans,
        bucketing.low_bits,
        **constants_for(view.lists.vectors.shape[1], block=config.block),
        QUERIES=config.queries,
        BUCKETS=bucketing.buckets,
        CODED=view.lists.kind == "int8",
        PRECISION="tf32x3" if view.lists.kind == "fp32" else "ieee",
        num_warps=config.warps,
        num_stages=config.stages,
    )


def launch_scan_pairs(
    queries: CodedQueries,
    list_nos: Tensor,
    view: ListView,
    bucketing: Bucketing,
    out: Kept,
) -> None:
    """Run the query-major kernel; it writes all of `out`."""
    if list_nos.numel() == 0:
        return
    spans = out.bounds.shape[2]
    scan_pairs[pair_grid(list_nos.numel(), spans)](
        *_arrays(queries, view),
        list_nos.contiguous(),
        view.starts,
        view.ends,
        out.keys,
        out.bounds,
        list_nos.shape[1],
        spans,
        bucketing.span,
        bucketing.low_bits,
        **constants_for(
            view.lists.vectors.shape[1], block=PAIR_BLOCKS[view.lists.kind]
        ),
        BUCKETS=bucketing.buckets,
        CODED=view.lists.kind == "int8",
        num_warps=PAIR_WARPS,
    )


def launch_score_pairs(
    queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
) -> Tensor:
    """Store the scores of all entries of one list per query, and select by torch."""
    longest = max(1, view.longest)
    shape = (len(list_nos), longest)
    out = torch.empty(shape, dtype=torch.int64, device=list_nos.device)
    if len(list_nos):
        score_pairs[pair_grid(len(list_nos), -(-longest // TILE))](
            *_arrays(queries, view),
            list_nos,
            view.starts,
            view.ends,
            out,
            longest,
            **constants_for(
                view.lists.vectors.shape[1], block=PAIR_BLOCKS[view.lists.kind]
            ),
            CODED=view.lists.kind == "int8",
            num_warps=PAIR_WARPS,
        )
    return smallest(out, keep)


def _arrays(queries: CodedQueries, view: ListView) -> tuple[Tensor, ...]:
    """The first arguments of every scan kernel."""
    lists = view.lists
    return lists.vectors, view.biases, lists.factors, queries.values, queries.ratios
