"""The scanner of the triton engine: launches the kernels on torch's tensors."""

from typing import Any

import torch
from torch import Tensor

from gleann.index.engines.device import merge
from gleann.index.engines.device.bucketing import Bucketing
from gleann.index.engines.device.choice import generation_of, programs_on
from gleann.index.engines.device.coarse import DeviceRanking
from gleann.index.engines.device.grouping import cut_items, group
from gleann.index.engines.device.keys import NONE, key_numbers, smallest
from gleann.index.engines.device.kinds import TILE
from gleann.index.engines.device.layout import DeviceLists
from gleann.index.engines.device.planner import (
    choose_kernel,
    choose_query_tile,
    rank_room,
    ranks_in_kernel,
)
from gleann.index.engines.device.queries import CodedQueries
from gleann.index.engines.device.scan import Kept, nothing_kept
from gleann.index.engines.device.view import ListView
from gleann.index.engines.triton_kernels.configs import (
    MERGE_LEAST,
    MERGE_MOST,
    MERGE_WARPS,
    PAIR_BLOCKS,
    PAIR_WARPS,
    RANK,
    ScanConfig,
    config_for,
    parts_of,
)
from gleann.index.engines.triton_kernels.merge_keys import merge_keys
from gleann.index.engines.triton_kernels.rank_lists import rank_lists
from gleann.index.engines.triton_kernels.scan_lists import scan_lists
from gleann.index.engines.triton_kernels.scan_pairs import scan_pairs, score_pairs

PROGRAMS_A_MULTIPROCESSOR = 2
"""One's selection hides behind the other's matrix instructions."""


class TritonScanner:
    """Scans and merges by Triton kernels; see `device.scan.Scanner`."""

    name = "triton"

    def likely(
        self, ranking: DeviceRanking, queries: Tensor, *, nprobe: int
    ) -> tuple[Tensor, Tensor]:
        """By one kernel where a batch fills the device, else by a matrix product."""
        nprobe = min(nprobe, ranking.nlist)
        fused = ranks_in_kernel(
            queries=len(queries),
            nlist=ranking.nlist,
            nprobe=nprobe,
            tile=RANK.queries,
            programs=programs_on(queries.device),
        )
        if ranking.whole or not fused:
            return ranking.likely(queries, nprobe=nprobe)
        return launch_rank_lists(ranking, queries, nprobe=nprobe)

    def bucketed(
        self,
        queries: CodedQueries,
        list_nos: Tensor,
        view: ListView,
        bucketing: Bucketing,
    ) -> Kept:
        """List-major where lists are shared, query-major where they are not."""
        out = nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
        shared = list_nos.numel() / view.lists.nlist
        if choose_kernel(shared) == "query-major":
            launch_scan_pairs(queries, list_nos, view, bucketing, out)
        else:
            config = config_for(
                view.lists.kind,
                view.lists.dim,
                queries=choose_query_tile(shared),
                generation=generation_of(list_nos.device),
            )
            launch_scan_lists(queries, list_nos, view, bucketing, out, config)
        return out

    def exact(
        self, queries: CodedQueries, list_nos: Tensor, view: ListView, *, keep: int
    ) -> Tensor:
        """Score every entry into memory, and let torch select."""
        longest = max(1, view.longest)
        shape = (len(list_nos), longest)
        out = torch.empty(shape, dtype=torch.int64, device=list_nos.device)
        if len(list_nos):
            score_pairs[(len(list_nos), -(-longest // TILE))](
                *_arrays(queries, view),
                list_nos,
                view.starts,
                view.ends,
                out,
                longest,
                **_shape_of(view.lists, block=PAIR_BLOCKS[view.lists.kind]),
                CODED=view.lists.kind == "int8",
                num_warps=PAIR_WARPS,
            )
        return smallest(out, keep)

    def merge(
        self, keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
    ) -> Tensor:
        """By the kernel, or by torch for a pool that no program can sort."""
        if keep > MERGE_MOST:
            return merge.merge(keys, lists, probed, keep=keep)
        out = torch.empty((len(keys), keep), dtype=torch.int64, device=keys.device)
        if len(keys):
            merge_keys[(len(keys),)](
                keys,
                lists.rows,
                lists.copy_of,
                probed,
                out,
                keys.shape[1],
                probed.shape[1],
                keep,
                KEEP=max(MERGE_LEAST, 1 << (keep - 1).bit_length()),
                num_warps=MERGE_WARPS,
            )
        return out


def launch_rank_lists(
    ranking: DeviceRanking, queries: Tensor, *, nprobe: int
) -> tuple[Tensor, Tensor]:
    """Rank lists by the kernel, best first.

    A query is in doubt where more lists can be among the best than there is room for.
    """
    lists, nq = ranking.padded, len(queries)
    values, scales = ranking.coded(queries)
    coded = values.new_zeros((nq, lists.codes.shape[1]))
    coded[:, : values.shape[1]] = values
    shape = (nq, rank_room(nprobe))
    keys = torch.full(shape, NONE, device=queries.device)
    counts = torch.zeros(nq, dtype=torch.int32, device=queries.device)
    rank_lists[(-(-nq // RANK.queries),)](
        lists.codes,
        lists.scales,
        lists.norms,
        coded,
        2 * scales,
        keys,
        counts,
        nq,
        ranking.nlist,
        nprobe,
        shape[1],
        **_parts(coded.shape[1], block=RANK.block),
        QUERIES=RANK.queries,
        SHIFTED=lists.shifted,
        num_warps=RANK.warps,
        num_stages=RANK.stages,
        enable_fp_fusion=False,
    )
    doubted = (counts > shape[1]) | (counts < nprobe)
    best = key_numbers(smallest(keys, nprobe))
    return torch.where(doubted[:, None], -1, best), doubted


def launch_scan_lists(
    queries: CodedQueries,
    list_nos: Tensor,
    view: ListView,
    bucketing: Bucketing,
    out: Kept,
    config: ScanConfig,
) -> None:
    """Run the list-major kernel; `out` keeps what it holds where nothing is found."""
    spans = out.bounds.shape[2]
    pairs = group(list_nos, nlist=view.lists.nlist)
    items = cut_items(pairs, view, query_tile=config.queries, span=bucketing.span)
    programs = PROGRAMS_A_MULTIPROCESSOR * programs_on(out.keys.device)
    scan_lists[(min(programs, len(items.fields)),)](
        *_arrays(queries, view),
        pairs.slots,
        items.fields,
        items.total,
        out.keys,
        out.bounds,
        list_nos.shape[1],
        spans,
        **_shape_of(view.lists, block=config.block),
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
    scan_pairs[(list_nos.numel(), spans)](
        *_arrays(queries, view),
        list_nos.contiguous(),
        view.starts,
        view.ends,
        out.keys,
        out.bounds,
        list_nos.shape[1],
        spans,
        bucketing.span,
        **_shape_of(view.lists, block=PAIR_BLOCKS[view.lists.kind]),
        BUCKETS=bucketing.buckets,
        CODED=view.lists.kind == "int8",
        num_warps=PAIR_WARPS,
    )


def _arrays(queries: CodedQueries, view: ListView) -> tuple[Tensor, ...]:
    """What every scan kernel begins with."""
    lists = view.lists
    return lists.vectors, view.biases, lists.factors, queries.values, queries.ratios


def _shape_of(lists: DeviceLists, *, block: int) -> dict[str, Any]:
    """The compile-time constants that say how d is cut."""
    return _parts(lists.vectors.shape[1], block=block)


def _parts(width: int, *, block: int) -> dict[str, Any]:
    parts = parts_of(width, block=block)
    return {
        "D": width,
        "BLOCK": parts.block,
        "STEPS": parts.steps,
        "REST": parts.rests[0],
        "LAST": parts.rests[1],
    }
