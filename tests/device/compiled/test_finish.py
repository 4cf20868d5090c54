"""Packing, merging and reranking, compiled."""

from kernel_mode import compiled_only

compiled_only()

import re

import pytest
from compiled_code import assert_no_spill

from bench.gpu.compile import compiled
from gleann.index.engines.triton_kernels.configs import (
    MERGE,
    PACK_COLUMNS,
    PACK_QUERIES,
    PACK_WARPS,
    RERANK,
    adjacent_for,
    rerank_block_for,
)
from gleann.index.engines.triton_kernels.finish.merge_keys import merge_keys, merge_runs
from gleann.index.engines.triton_kernels.finish.pack_answers import pack_answers
from gleann.index.engines.triton_kernels.finish.rerank_rows import rerank_rows

LESS_USUAL = tuple(pytest.param(c, marks=pytest.mark.slow) for c in MERGE[2:])


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_packing(capability):
    made = compiled(
        pack_answers,
        {"QUERIES": PACK_QUERIES, "COLUMNS": PACK_COLUMNS},
        kind="fp32",
        types={"near": "*i64", "candidates": "*i64", "unanswered": "*u8", "k": "i32"},
        capability=capability,
        num_warps=PACK_WARPS,
    )
    assert_no_spill(made, capability)


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("config", [*MERGE[:2], *LESS_USUAL])
def test_merge_keys(config, capability):
    made = compiled(
        merge_keys,
        {"KEEP": config.keep, "RUNS": config.runs},
        kind="fp32",
        capability=capability,
        num_warps=config.warps,
    )
    code = assert_no_spill(made, capability)
    if config.keep < 512:
        assert "BAR.SYNC" not in code


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("config", [*MERGE[:2], *LESS_USUAL])
def test_merge_runs(config, capability):
    made = compiled(
        merge_runs,
        {"KEEP": config.keep, "RUNS": config.sorted_runs},
        kind="fp32",
        capability=capability,
        num_warps=config.sorted_warps,
    )
    assert_no_spill(made, capability)


def reranks():
    """d, tile and metric; not slow are those of l2, and all at d = 128 and tile 64."""
    shapes = (1, 64), (17, 128), (96, 64), (100, 64), (128, 64), (128, 128), (768, 64)
    for dim, tile in shapes:
        for metric in ("l2", "ip", "cosine"):
            quick = metric == "l2" or (dim, tile) == (128, 64)
            marks = () if quick else pytest.mark.slow
            yield pytest.param(dim, tile, metric, marks=marks)


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize(("dim", "tile", "metric"), list(reranks()))
def test_rerank_rows(dim, tile, metric, capability):
    made = compiled(
        rerank_rows,
        {
            "D": dim,
            "METRIC": metric,
            "TILE": tile,
            "BLOCK": rerank_block_for(dim),
            "ADJACENT": adjacent_for(dim),
        },
        kind="fp32",
        capability=capability,
        num_warps=RERANK[tile],
    )
    code = assert_no_spill(made, capability)
    assert "DFMA" in code
    # Flushing would merge distances near zero.
    assert "FADD.FTZ" not in code
    if dim % 4 == 0:
        assert re.search(r"LDG\.E\.128", code)
