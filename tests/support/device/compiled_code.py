"""Every shipped kernel configuration, compiled for real GPUs without one.

The compiler, its assembler and disassembler come with triton. What is looked at is what
a GPU would run: no register spilled, shared memory within limits, matrix instructions.
"""

import re

import pytest

from bench.gpu.compile import dumped, usage_of
from gleann.index.engines.device.plan.kinds import TILE, padded_dim
from gleann.index.engines.triton_kernels.configs import (
    PAIR_BLOCKS,
    PAIR_WARPS,
    constants_for,
)

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
    """The products of a tile are there, of one step along d and the rests at least.

    ptxas has left out all of a loop along d, and kept `HGMMA.64x8x16.F16 RZ`, which
    only waits: scores were then those of products of zero.
    """
    depth = HOPPER_DEPTH[config.kind]
    tile = rf"[HI]GMMA\.64x(\d+)x{depth}\.\S+ R\d+,"
    columns = sum(int(width) for width in re.findall(tile, code))
    times = 3 if config.kind == "fp32" else 1  # of TF32
    values = values_once(dim, config.kind, config.block)
    wanted = times * TILE // 64 * config.queries * values // depth
    groups = config.warps // 4
    assert columns * groups >= wanted


def assert_warp_products(code, *, rows, columns, dim, block, warps):
    """Likewise of int8 where a warp multiplies, 16 x 8 x 32 at a time."""
    values = values_once(dim, "int8", block)
    wanted = rows // 16 * columns // 8 * values // 32 // warps
    assert len(re.findall(r"\bIMMA\.16832\.\S+ R\d+,", code)) >= wanted


def assert_lane_products(code, kind, dim):
    """Likewise of the query-major kernels, which no matrix unit helps."""
    wanted = TILE * values_once(dim, kind, PAIR_BLOCKS[kind]) // (32 * PAIR_WARPS)
    plain = r"\b(?:FFMA2?|FMUL2?|IMAD) "
    if kind == "int8":
        # Multiplying two registers: not the moves and shifts that are IMAD too.
        plain = r"\bIMAD R\d+, R\d+(?:\.reuse)?, R\d+"
    found = re.findall(plain, code)
    assert len(found) + sum("2 " in name for name in found) >= wanted


def values_once(dim, kind, block):
    """Values along d of one step and both rests: each is somewhere in the code."""
    parts = shape(dim, kind, block)
    return parts["BLOCK"] + parts["REST"] + parts["LAST"]


def shape(dim, kind, block):
    return constants_for(padded_dim(dim, kind), block=block)


def assert_float_products(code, config):
    """Whole steps of products and no other fused operation; none of TF32."""
    pair = 2 * len(re.findall(r"\bFFMA2\b", code))
    fused = pair + len(re.findall(r"\bFFMA\b", code))
    a_step = config.rows * config.lists // (32 * config.warps) * config.block
    assert fused
    assert fused % a_step == 0
    assert not re.findall(r"\bH(?:G)?MMA\b", code)
