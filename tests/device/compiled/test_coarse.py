"""Ranking lists and coding queries, compiled."""

from kernel_mode import compiled_only

compiled_only()

import re

import pytest
from compiled_code import (
    assert_matrix,
    assert_no_spill,
    assert_products,
    assert_warp_products,
    shape,
)

from bench.gpu.compile import compiled
from gleann.index.engines.device.plan.kinds import TILE, padded_dim
from gleann.index.engines.triton_kernels.coarse.quantise_queries import quantise_queries
from gleann.index.engines.triton_kernels.coarse.rank_lists import (
    LEAST_COLUMNS,
    best_lists,
    group_peaks,
)
from gleann.index.engines.triton_kernels.configs import (
    RANK,
    RANK_WARPS,
    RANKED_AT_ONCE,
    quantise_constants,
)

RANKED_DIMS = [96, 128, *(pytest.param(d, marks=pytest.mark.slow) for d in (100, 768))]


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", RANKED_DIMS)
def test_group_peaks(dim, capability):
    made = compiled(
        group_peaks,
        {**shape(dim, "int8", RANK.block), "QUERIES": RANK.queries},
        kind="int8",
        capability=capability,
        num_warps=RANK.warps,
        num_stages=RANK.stages,
        enable_fp_fusion=False,
    )
    code = assert_no_spill(made, capability)
    assert_matrix(code, "int8", capability)
    if capability == 90:
        assert_products(code, RANK, dim)
    else:
        assert_warp_products(
            code,
            rows=TILE,
            columns=RANK.queries,
            dim=dim,
            block=RANK.block,
            warps=RANK.warps,
        )
    # Scores would be rounded once where the host rounds twice.
    assert "FFMA" not in code


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", RANKED_DIMS)
@pytest.mark.parametrize(
    ("groups", "keys"),
    [(512, 64), *(pytest.param(1024, k, marks=pytest.mark.slow) for k in (128, 256))],
)
def test_best_lists(groups, keys, dim, capability):
    made = compiled(
        best_lists,
        {
            **shape(dim, "int8", RANK.block),
            "GROUPS": groups,
            "KEYS": keys,
            "LISTS": RANKED_AT_ONCE,
        },
        kind="int8",
        capability=capability,
        num_warps=RANK_WARPS,
        num_stages=1,
        enable_fp_fusion=False,
    )
    code = assert_no_spill(made, capability)
    assert_warp_products(
        code,
        rows=RANKED_AT_ONCE,
        columns=LEAST_COLUMNS.value,
        dim=dim,
        block=RANK.block,
        warps=RANK_WARPS,
    )
    assert "FFMA" not in code


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, pytest.param(960, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32", "int8"])
def test_quantise_queries(kind, dim, capability):
    options = quantise_constants(padded_dim(dim, kind))
    constants = {name: options.pop(name) for name in ("WIDTH", "BLOCK")}
    constants |= {"codes": None, "scales": None, "DIFFERENCES": False}
    made = compiled(
        quantise_queries, constants, kind=kind, capability=capability, **options
    )
    assert_no_spill(made, capability)
    # Divisions are IEEE's, and 16-bit numbers are rounded to the nearest.
    assert not re.findall(r"\bfma\.|div\.(?:full|approx)|ftz", made.asm["ptx"])
    rounded = {
        "bf16": r"cvt\.rn\.bf16",
        "fp16": r"cvt\.rn\.f16",
        "int8": r"div\.rn\.f64",
    }
    assert re.search(rounded.get(kind, r"cvt\.rn\.f32\.f64"), made.asm["ptx"])


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, pytest.param(960, marks=pytest.mark.slow)])
def test_quantise_queries_for_the_coarse_step(dim, capability):
    options = quantise_constants(padded_dim(dim, "int8"))
    constants = {name: options.pop(name) for name in ("WIDTH", "BLOCK")}
    constants |= {"values": None, "ratios": None, "DIFFERENCES": False}
    made = compiled(
        quantise_queries, constants, kind="int8", capability=capability, **options
    )
    assert_no_spill(made, capability)
    assert not re.findall(r"\bfma\.|div\.(?:full|approx)|ftz", made.asm["ptx"])
    assert "div.rn.f32" in made.asm["ptx"]
