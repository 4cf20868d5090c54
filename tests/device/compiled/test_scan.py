"""Scans of lists and pairs, compiled: every shipped configuration."""

from kernel_mode import compiled_only

compiled_only()

import pytest
from compiled_code import (
    assert_lane_products,
    assert_matrix,
    assert_no_spill,
    assert_products,
    shape,
)

from bench.gpu.compile import compiled
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.triton_kernels.coarse.set_bitmap import set_bitmap
from gleann.index.engines.triton_kernels.configs import (
    BITMAP_WARPS,
    BITMAP_WORDS,
    COMPACT_PAIRS,
    COMPACT_WARPS,
    COUNTED_PAIRS,
    CUT_LISTS,
    CUT_WARPS,
    LISTS_BEFORE,
    PAIR_BLOCKS,
    PAIR_WARPS,
    table_for,
)
from gleann.index.engines.triton_kernels.scan.compact_pairs import compact_pairs
from gleann.index.engines.triton_kernels.scan.group_pairs import (
    count_pairs,
    cut_items,
    place_pairs,
)
from gleann.index.engines.triton_kernels.scan.scan_lists import scan_lists
from gleann.index.engines.triton_kernels.scan.scan_pairs import scan_pairs, score_pairs

DIMS = (
    (128, (80, 90, 100)),
    (96, (90,)),
    (100, (90,)),
    (768, (80, 90, 100)),
    (960, (90,)),
)
"""With the compute capabilities to compile for."""


def shipped():
    """Every configuration, on sm_90 at several d; `make test-kernels` takes a part.

    Not slow are: all on sm_90 at 128 or 768; tiles of 32 also at 96 and 960, and those
    of bf16 and int8 on the other GPUs.
    """
    for dim, capabilities in DIMS:
        for capability in capabilities:
            # All kinds are padded alike as far as tables go.
            table = table_for(dim, "bf16", generation=capability // 10)
            for config in table.values():
                name = f"{config.kind}-{config.queries}-{dim}-sm{capability}"
                quick = config.queries == 32 and dim != 100
                if capability != 90:
                    quick &= config.kind in ("bf16", "int8")
                quick |= capability == 90 and dim in (128, 768)
                marks = () if quick else pytest.mark.slow
                yield pytest.param(config, dim, capability, id=name, marks=marks)


def compiled_scan(config, dim, capability, *, buckets):
    made = compiled(
        scan_lists,
        {
            **shape(dim, config.kind, config.block),
            "QUERIES": config.queries,
            "BUCKETS": buckets,
            "CODED": config.kind == "int8",
            "PRECISION": "tf32x3" if config.kind == "fp32" else "ieee",
        },
        kind=config.kind,
        capability=capability,
        num_warps=config.warps,
        num_stages=config.stages,
    )
    code = assert_no_spill(made, capability)
    assert_matrix(code, config.kind, capability)
    if capability == 90:
        assert_products(code, config, dim)
    # Flushing would lose the chunk numbers in the low bits of scores near zero.
    assert "FMNMX.FTZ" not in code


@pytest.mark.parametrize(("config", "dim", "capability"), list(shipped()))
def test_scan_lists(config, dim, capability):
    compiled_scan(config, dim, capability, buckets=32)


def keeping_all():
    """Every tile again, as more than 16 neighbours have it; one a kind is not slow."""
    for dim in (128, 768):
        for capability in (80, 90, 100):
            table = table_for(dim, "bf16", generation=capability // 10, buckets=TILE)
            for config in table.values():
                name = f"{config.kind}-{config.queries}-{dim}-sm{capability}"
                most = 32 if config.kind == "fp32" else 64
                quick = (dim, capability, config.queries) == (128, 90, most)
                marks = () if quick else pytest.mark.slow
                yield pytest.param(config, dim, capability, id=name, marks=marks)


@pytest.mark.parametrize(("config", "dim", "capability"), list(keeping_all()))
def test_scan_lists_that_keep_all_slots(config, dim, capability):
    compiled_scan(config, dim, capability, buckets=TILE)


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, pytest.param(768, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32", "int8"])
@pytest.mark.parametrize("buckets", [32, pytest.param(TILE, marks=pytest.mark.slow)])
def test_scan_pairs(buckets, kind, dim, capability):
    compiled_pairs(kind, dim, capability, buckets=buckets)


@pytest.mark.parametrize("kind", ["bf16", "int8"])
def test_scan_pairs_that_keep_all_slots(kind):
    compiled_pairs(kind, 96, 90, buckets=TILE)


def compiled_pairs(kind, dim, capability, *, buckets):
    made = compiled(
        scan_pairs,
        {
            **shape(dim, kind, PAIR_BLOCKS[kind]),
            "CODED": kind == "int8",
            "BUCKETS": buckets,
        },
        kind=kind,
        capability=capability,
        num_warps=PAIR_WARPS,
    )
    code = assert_no_spill(made, capability)
    assert "FMNMX.FTZ" not in code
    assert_lane_products(code, kind, dim)


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("dim", [96, pytest.param(768, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32", "int8"])
def test_score_pairs(kind, dim, capability):
    constants = {**shape(dim, kind, PAIR_BLOCKS[kind]), "CODED": kind == "int8"}
    score = compiled(
        score_pairs, constants, kind=kind, capability=capability, num_warps=PAIR_WARPS
    )
    assert_lane_products(assert_no_spill(score, capability), kind, dim)


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_group_pairs(capability):
    for kernel, constants, warps in (
        (count_pairs, {"PAIRS": COUNTED_PAIRS}, 4),
        (cut_items, {"LISTS": CUT_LISTS, "BEFORE": LISTS_BEFORE}, CUT_WARPS),
        (place_pairs, {"PAIRS": COUNTED_PAIRS}, 4),
        (set_bitmap, {"WORDS": BITMAP_WORDS}, BITMAP_WARPS),
    ):
        made = compiled(
            kernel, constants, kind="int8", capability=capability, num_warps=warps
        )
        assert_no_spill(made, capability)


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_compacting(capability):
    numbers = "upto order out_queries out_list_nos out_rows out_columns out_query_nos"
    made = compiled(
        compact_pairs,
        {"PAIRS": COMPACT_PAIRS},
        kind="fp32",
        types={
            **dict.fromkeys(numbers.split(), "*i64"),
            "flagged": "*u8",
            "count": "i32",
        },
        capability=capability,
        num_warps=COMPACT_WARPS,
    )
    assert_no_spill(made, capability)
