"""Assigning rows to lists, compiled."""

from kernel_mode import compiled_only

compiled_only()

import pytest
from compiled_code import LATER_DIMS, assert_float_products, assert_no_spill

from bench.gpu.compile import compiled
from gleann.index.engines.triton_kernels.build.assign_lists import assign_lists
from gleann.index.engines.triton_kernels.configs import ASSIGN, ASSIGN_SOAR

PLAIN = dict.fromkeys(("residuals", "along", "weights", "barred"))

USES = {
    "nearest": (ASSIGN, PLAIN),
    "naive": (ASSIGN, dict.fromkeys(("residuals", "along", "weights"))),
    "soar": (ASSIGN_SOAR, dict.fromkeys(("barred",))),
}
"""Of the kernel that assigns: its configuration, and the arrays it does without."""


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, *LATER_DIMS])
@pytest.mark.parametrize(
    "use", ["nearest", "soar", pytest.param("naive", marks=pytest.mark.slow)]
)
def test_assign_lists(use, dim, capability):
    config, absent = USES[use]
    made = compiled(
        assign_lists,
        {
            **absent,
            "D": dim,
            "BLOCK": config.block,
            "ROWS": config.rows,
            "LISTS": config.lists,
        },
        kind="fp32",
        capability=capability,
        num_warps=config.warps,
        num_stages=config.stages,
        enable_fp_fusion=False,
    )
    code = assert_no_spill(made, capability)
    # Of products only: fused losses would be rounded once.
    assert_float_products(code, config)
