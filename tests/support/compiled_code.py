"""Every shipped kernel configuration, compiled for real GPUs without one.

The compiler, its assembler and disassembler come with triton. What is looked at is what
a GPU would run: no register spilled, shared memory within limits, matrix instructions.
"""

import re

import pytest

from bench.gpu.compile import dumped, usage_of
from gleann.index.engines.device.plan.kinds import TILE, padded_dim
from gleann.index.engines.triton_kernels.configs import constants_for

SHARED_LIMIT = {80: 163 << 10, 90: 227 << 10, 100: 227 << 10}
"""Bytes a program may have, by compute capability."""

MATRIX = {80: ("HMMA", "IMMA"), 90: ("HGMMA", "IGMMA"), 100: ("UTCHMMA", "IMMA")}
"""Matrix instructions of floats and of int8: the fastest there are, but for int8 on
sm_100, where the compiler takes those of sm_80."""

LATER_DIMS = [pytest.param(dim, marks=pytest.mark.slow) for dim in (112, 128, 768)]


def assert_no_spill(made, capability):
    usage = usage_of(made)
    assert usage.stack == 0
    assert usage.shared <= SHARED_LIMIT[capability]
    code = dumped(made, "-sass")
    assert not re.findall(r"\b(?:LDL|STL)\b", code)
    return code


def assert_matrix(code, kind, capability):
    assert re.search(rf"\b{MATRIX[capability][kind == 'int8']}\b", code)


HOPPER_DEPTH = {"bf16": 16, "fp16": 16, "fp32": 8, "int8": 32}
"""Values along d that one warpgroup instruction takes."""


def assert_products(code, config, dim):
    """The products of a tile are there, of one step along d at least.

    ptxas has left out all of a loop along d, and kept `HGMMA.64x8x16.F16 RZ`, which
    only waits: scores were then those of products of zero.
    """
    depth = HOPPER_DEPTH[config.kind]
    tile = rf"[HI]GMMA\.64x(\d+)x{depth}\.\S+ R\d+,"
    columns = sum(int(width) for width in re.findall(tile, code))
    block = shape(dim, config.kind, config.block)["BLOCK"]
    times = 3 if config.kind == "fp32" else 1  # of TF32
    wanted = times * TILE // 64 * config.queries * block // depth
    groups = config.warps // 4
    assert columns * groups >= wanted


def shape(dim, kind, block):
    return constants_for(padded_dim(dim, kind), block=block)
