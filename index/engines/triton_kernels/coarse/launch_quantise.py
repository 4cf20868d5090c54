"""Launches the kernel that codes queries on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.queries import CodedQueries
from gleann.index.engines.triton_kernels.coarse.quantise_queries import quantise_queries
from gleann.index.engines.triton_kernels.configs import quantise_constants


def launch_code_queries(queries: Tensor, lists: DeviceLists) -> CodedQueries:
    """For the scan; see `device.steps.queries.code_queries`."""
    nq, width = len(queries), lists.vectors.shape[1]
    dtype, device = lists.vectors.dtype, queries.device
    values = torch.empty((nq, width), dtype=dtype, device=device)
    ratios = torch.empty(nq, dtype=torch.float32, device=device)
    if nq:
        quantise_queries[(nq,)](
            queries.contiguous(),
            lists.center,
            values,
            ratios,
            None,
            None,
            lists.dim,
            lists.exponent,
            DIFFERENCES=lists.differences,
            **quantise_constants(width),
        )
    return CodedQueries(values=values, ratios=ratios)


def launch_quantise(queries: Tensor, ranking: DeviceRanking) -> tuple[Tensor, Tensor]:
    """For the coarse step: int8 codes (nq, padded d) of queries, and scales (nq,)."""
    nq, width = len(queries), ranking.padded.codes.shape[1]
    codes = torch.empty((nq, width), dtype=torch.int8, device=queries.device)
    scales = torch.empty(nq, dtype=torch.float32, device=queries.device)
    if nq:
        quantise_queries[(nq,)](
            queries.contiguous(),
            ranking.center,
            None,
            None,
            codes,
            scales,
            queries.shape[1],
            0,
            DIFFERENCES=False,
            **quantise_constants(width),
        )
    return codes, scales
