"""Launches the kernel of the coarse step on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.coarse import DeviceRanking
from gleann.index.engines.device.keys import NONE, key_numbers, smallest
from gleann.index.engines.device.planner import rank_room
from gleann.index.engines.triton_kernels.configs import RANK, constants_for
from gleann.index.engines.triton_kernels.rank_lists import rank_lists


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
        **constants_for(coded.shape[1], block=RANK.block),
        QUERIES=RANK.queries,
        SHIFTED=lists.shifted,
        num_warps=RANK.warps,
        num_stages=RANK.stages,
        enable_fp_fusion=False,
    )
    doubted = (counts > shape[1]) | (counts < nprobe)
    best = key_numbers(smallest(keys, nprobe))
    return torch.where(doubted[:, None], -1, best), doubted
