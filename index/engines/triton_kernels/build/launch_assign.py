"""Launches the kernel that assigns rows to lists on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.columns import Columns, Pull, columns_of
from gleann.index.engines.device.plan.choice import programs_on
from gleann.index.engines.triton_kernels.build.assign_lists import assign_lists
from gleann.index.engines.triton_kernels.configs import (
    ASSIGN,
    ASSIGN_SOAR,
    PROGRAMS_A_PLACE,
)


def best_lists(
    rows: Columns,
    lists: Columns,
    biases: Tensor,
    *,
    pull: Pull | None = None,
    barred: Tensor | None = None,
) -> Tensor:
    """The best list int32 (m,) of each row; ties go to the lower list.

    Args:
        rows: m rows.
        lists: the centroids.
        biases: float32 (nlist,), -|c'|^2 / 2.
        pull: the SOAR penalty; None finds the nearest list.
        barred: int32 (m,), an excluded list for each row.
    """
    config = ASSIGN if pull is None else ASSIGN_SOAR
    tiles = -(-rows.count // config.rows)
    places = programs_on(biases.device)
    share = share_of(lists.count, config.lists, tiles=tiles, places=places)
    shape = -(-lists.count // share), rows.count
    best = torch.empty(shape, dtype=torch.float32, device=biases.device)
    found = torch.empty(shape, dtype=torch.int32, device=biases.device)
    if tiles:
        assign_lists[(tiles, shape[0])](
            rows.values,
            lists.values,
            biases,
            *_pulling(pull),
            barred,
            best,
            found,
            rows.count,
            lists.count,
            rows.values.shape[1],
            lists.values.shape[1],
            share,
            D=rows.values.shape[0],
            BLOCK=config.block,
            ROWS=config.rows,
            LISTS=config.lists,
            num_warps=config.warps,
            num_stages=config.stages,
            enable_fp_fusion=False,
        )
    # Shares ascend, and torch takes the first of ties.
    return found.gather(0, best.argmax(dim=0)[None])[0]


def share_of(count: int, tile: int, *, tiles: int, places: int) -> int:
    """Lists of `count` that one program scans, in whole tiles of `tile`.

    All, if `tiles` tiles of rows fill the device's `places` often enough; else fewer.
    """
    columns = -(-count // tile)
    shares = min(columns, -(-PROGRAMS_A_PLACE * places // max(1, tiles)))
    return tile * -(-columns // shares)


def _pulling(pull: Pull | None) -> tuple[Tensor | None, ...]:
    if pull is None:
        return None, None, None
    return columns_of(pull.residuals).values, pull.along, pull.weights
