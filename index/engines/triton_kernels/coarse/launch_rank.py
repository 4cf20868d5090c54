"""Launches the kernels of the coarse step on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.plan.rank_plan import plan_ranking
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.triton_kernels.coarse.launch_quantise import launch_quantise
from gleann.index.engines.triton_kernels.coarse.rank_lists import (
    best_lists,
    group_peaks,
)
from gleann.index.engines.triton_kernels.configs import (
    RANK,
    RANK_WARPS,
    RANKED_AT_ONCE,
    constants_for,
)


def launch_rank_lists(
    ranking: DeviceRanking, queries: Tensor, *, nprobe: int
) -> tuple[Tensor, Tensor]:
    """Rank lists by the kernels, best first; see `DeviceRanking.likely`.

    A query is in doubt if more lists can be among the best than fit the capacity; its
    lists are -1.
    """
    lists, nq, device = ranking.padded, len(queries), queries.device
    list_nos = torch.empty((nq, nprobe), dtype=torch.int64, device=device)
    doubted = torch.empty(nq, dtype=torch.bool, device=device)
    if nq == 0:
        return list_nos, doubted
    coded, scales = launch_quantise(queries, ranking)
    planned = plan_ranking(nlist=ranking.nlist, nprobe=nprobe)
    peaks = torch.empty((nq, planned.groups), dtype=torch.float32, device=device)
    given = lists.codes, lists.scales, lists.norms, coded, scales, peaks
    shared = constants_for(coded.shape[1], block=RANK.block)
    group_peaks[(-(-nq // RANK.queries), planned.blocks)](
        *given,
        nq,
        ranking.nlist,
        1 << planned.shift,
        int(lists.shifted),
        **shared,
        QUERIES=RANK.queries,
        num_warps=RANK.warps,
        num_stages=RANK.stages,
        enable_fp_fusion=False,
    )
    best_lists[(nq,)](
        *given,
        torch.empty((nq, planned.room), dtype=torch.int32, device=device),
        torch.empty((nq, planned.keys), dtype=torch.int64, device=device),
        list_nos,
        doubted,
        ranking.nlist,
        nprobe,
        planned.blocks,
        planned.shift,
        planned.room,
        int(lists.shifted),
        **shared,
        GROUPS=max(512, 1 << (planned.groups - 1).bit_length()),
        KEYS=planned.keys,
        LISTS=RANKED_AT_ONCE,
        num_warps=RANK_WARPS,
        num_stages=1,
        enable_fp_fusion=False,
    )
    return list_nos, doubted
