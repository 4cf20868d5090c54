"""Queries as the scan and the coarse step read them.

The twins in plain torch are `device.steps.queries.code_queries` and `quantise`: values
are theirs to the last bit. Divisions are rounded as IEEE has it; powers of two
multiply.
"""

import triton
import triton.language as tl

from gleann.index import codes as host_codes
from gleann.index.engines.device.steps import queries as device_queries

CODE_MAX = tl.constexpr(float(host_codes.CODE_MAX))
LEAST_RATIO = tl.constexpr(device_queries.RATIO_RANGE[0])
MOST_RATIO = tl.constexpr(device_queries.RATIO_RANGE[1])
ROUNDER = tl.constexpr(1.5 * 2**23)
"""Added to a float32 below 2^22, it leaves no digits for a fraction."""


@triton.jit
def quantised(values, peak):
    """int8 codes of `values`, and their scale; see `codes.quantise`."""
    scale = tl.div_rn(peak, CODE_MAX)
    scale = tl.where(scale == 0, 1.0, scale)
    coded = (tl.div_rn(values, scale) + ROUNDER) - ROUNDER
    coded = tl.minimum(tl.maximum(coded, -CODE_MAX), CODE_MAX)
    return coded.to(tl.int8), scale


@triton.jit
def exponent_above(peak):
    """The least e (int64) with peak < 2^e; 0 for zero."""
    bits = peak.to(tl.float64).to(tl.int64, bitcast=True)
    return tl.where(peak == 0, 0, (bits >> 52) - 1022)


@triton.jit
def power_of_two(exponent):
    """Exactly 2^e (float64), for an int64 e."""
    return ((exponent + 1023) << 52).to(tl.float64, bitcast=True)


@triton.jit(
    do_not_specialize=["dim", "exponent"],
    do_not_specialize_on_alignment=["prepared"],
)
def quantise_queries(
    prepared,  # float32 (nq, dim)
    center,  # float32 (dim)
    values,  # (nq, WIDTH) for the scan, or None
    ratios,  # float32 (nq), or None
    codes,  # int8 (nq, WIDTH) for the coarse step, or None
    scales,  # float32 (nq), or None
    dim,
    exponent,  # of the unit of the lists
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    DIFFERENCES: tl.constexpr,
):
    """One query; BLOCK values hold it. WIDTH is padded with zeros."""
    query = tl.program_id(0).to(tl.int64)
    along = tl.arange(0, BLOCK)
    given = tl.load(prepared + query * dim + along, mask=along < dim, other=0.0)
    centred = given - tl.load(center + along, mask=along < dim, other=0.0)
    peak = tl.max(tl.abs(centred), axis=0)
    coded, scale = quantised(centred, peak)
    if codes is not None:
        tl.store(codes + query * WIDTH + along, coded, mask=along < WIDTH)
        tl.store(scales + query, scale)
    if values is not None:
        unit = exponent.to(tl.int64)
        target = values + query * WIDTH + along
        if values.dtype.element_ty == tl.int8:
            tl.store(target, coded, mask=along < WIDTH)
            ratio = power_of_two(unit) / scale.to(tl.float64)
        else:
            own = exponent_above(peak)
            if DIFFERENCES:
                own = tl.maximum(own, unit)
            # Through float32, as torch rounds float64 to shorter kinds.
            scaled = (centred.to(tl.float64) * power_of_two(-own)).to(tl.float32)
            tl.store(target, scaled.to(values.dtype.element_ty), mask=along < WIDTH)
            ratio = power_of_two(unit - own)
        if not DIFFERENCES:
            ratio = tl.minimum(tl.maximum(ratio, LEAST_RATIO), MOST_RATIO)
        tl.store(ratios + query, ratio.to(tl.float32))
