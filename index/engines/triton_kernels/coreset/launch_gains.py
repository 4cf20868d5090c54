"""Launches the kernel that sums gains of candidates on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.columns import Columns
from gleann.index.engines.device.plan.choice import programs_on
from gleann.index.engines.triton_kernels.build.launch_assign import share_of
from gleann.index.engines.triton_kernels.configs import GAINS
from gleann.index.engines.triton_kernels.coreset.sum_gains import sum_gains


def launch_sum_gains(rows: Columns, chosen: Columns, covered: Tensor) -> Tensor:
    """Coverage gains float64 (m,) of m candidates over `covered`, summed over all rows.

    Args:
        rows: n rows.
        chosen: the candidates, at least one.
        covered: float32 (width,), one per column of `rows`, 0 for padding.
    """
    width, rows_width = chosen.values.shape[1], rows.values.shape[1]
    tiles = -(-chosen.count // GAINS.lists)
    share = share_of(
        rows_width, GAINS.rows, tiles=tiles, places=programs_on(covered.device)
    )
    shares = -(-rows_width // share)
    sums = torch.zeros((shares, width), dtype=torch.float64, device=covered.device)
    sum_gains[(tiles, shares)](
        rows.values,
        chosen.values,
        covered,
        sums,
        rows_width,
        width,
        share,
        D=rows.values.shape[0],
        BLOCK=GAINS.block,
        ROWS=GAINS.rows,
        LISTS=GAINS.lists,
        num_warps=GAINS.warps,
        num_stages=GAINS.stages,
    )
    return sums.sum(dim=0)[: chosen.count]
