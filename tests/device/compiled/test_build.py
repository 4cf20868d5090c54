"""Assigning rows to lists, compiled."""

from kernel_mode import compiled_only

compiled_only()

import re

import pytest
from compiled_code import LATER_DIMS, assert_no_spill

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
    # Of products only, none of TF32: fused losses would be rounded once.
    pair = 2 * len(re.findall(r"\bFFMA2\b", code))
    fused = pair + len(re.findall(r"\bFFMA\b", code))
    a_step = config.rows * config.lists // (32 * config.warps) * config.block
    assert fused
    assert fused % a_step == 0
    assert not re.findall(r"\bH(?:G)?MMA\b", code)
