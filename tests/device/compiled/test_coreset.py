"""Distances of pairs and sums of gains, compiled."""

from kernel_mode import compiled_only

compiled_only()

import pytest
from compiled_code import LATER_DIMS, assert_float_products, assert_no_spill

from bench.gpu.compile import compiled
from gleann.index.engines.triton_kernels.configs import (
    GAINS,
    PAIRS_A_PROGRAM,
    SQUARES_WARPS,
)
from gleann.index.engines.triton_kernels.coreset.pair_squares import pair_squares
from gleann.index.engines.triton_kernels.coreset.sum_gains import sum_gains


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_pair_squares(capability):
    made = compiled(
        pair_squares,
        {"PAIRS": PAIRS_A_PROGRAM},
        kind="fp32",
        capability=capability,
        num_warps=SQUARES_WARPS,
        enable_fp_fusion=False,
    )
    code = assert_no_spill(made, capability)
    assert "DMUL" in code
    assert "DFMA" not in code


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, *LATER_DIMS])
def test_sum_gains(dim, capability):
    made = compiled(
        sum_gains,
        {"D": dim, "BLOCK": GAINS.block, "ROWS": GAINS.rows, "LISTS": GAINS.lists},
        kind="fp32",
        capability=capability,
        num_warps=GAINS.warps,
        num_stages=GAINS.stages,
    )
    assert_float_products(assert_no_spill(made, capability), GAINS)
