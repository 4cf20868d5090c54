"""Every shipped kernel configuration, compiled for real GPUs without one.

The compiler, its assembler and disassembler come with triton. What is looked at is what
a GPU would run: no register spilled, shared memory within limits, matrix instructions.
"""

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="triton is not installed")
pytest.importorskip("torch", reason="torch is not installed")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)
sys.path.append(str(Path(__file__).resolve().parents[2]))  # bench is not installed

from bench.gpu.compile import compiled, dumped, tool, usage_of
from gleann.index.engines.device.plan.kinds import TILE, padded_dim
from gleann.index.engines.triton_kernels.build.assign_lists import (
    assign_lists,
)
from gleann.index.engines.triton_kernels.coarse.quantise_queries import (
    quantise_queries,
)
from gleann.index.engines.triton_kernels.coarse.rank_lists import (
    LEAST_COLUMNS,
    best_lists,
    group_peaks,
)
from gleann.index.engines.triton_kernels.coarse.set_bitmap import set_bitmap
from gleann.index.engines.triton_kernels.configs import (
    ASSIGN,
    ASSIGN_SOAR,
    BITMAP_WARPS,
    BITMAP_WORDS,
    COMPACT_PAIRS,
    COMPACT_WARPS,
    COUNTED_PAIRS,
    CUT_LISTS,
    CUT_WARPS,
    GAINS,
    LISTS_BEFORE,
    MERGE,
    PACK_COLUMNS,
    PACK_QUERIES,
    PACK_WARPS,
    PAIR_BLOCKS,
    PAIR_WARPS,
    PAIRS_A_PROGRAM,
    RANK,
    RANK_WARPS,
    RANKED_AT_ONCE,
    RERANK,
    SQUARES_WARPS,
    adjacent_for,
    constants_for,
    quantise_constants,
    rerank_block_for,
    table_for,
)
from gleann.index.engines.triton_kernels.coreset.pair_squares import (
    pair_squares,
)
from gleann.index.engines.triton_kernels.coreset.sum_gains import sum_gains
from gleann.index.engines.triton_kernels.finish.merge_keys import merge_keys, merge_runs
from gleann.index.engines.triton_kernels.finish.pack_answers import pack_answers
from gleann.index.engines.triton_kernels.finish.rerank_rows import rerank_rows
from gleann.index.engines.triton_kernels.scan.compact_pairs import compact_pairs
from gleann.index.engines.triton_kernels.scan.group_pairs import (
    count_pairs,
    cut_items,
    place_pairs,
)
from gleann.index.engines.triton_kernels.scan.scan_lists import scan_lists
from gleann.index.engines.triton_kernels.scan.scan_pairs import (
    scan_pairs,
    score_pairs,
)

SHARED_LIMIT = {80: 163 << 10, 90: 227 << 10, 100: 227 << 10}
"""Bytes a program may have, by compute capability."""

MATRIX = {80: ("HMMA", "IMMA"), 90: ("HGMMA", "IGMMA"), 100: ("UTCHMMA", "IMMA")}
"""Matrix instructions of floats and of int8: the fastest there are, but for int8 on
sm_100, where the compiler takes those of sm_80."""

LATER_DIMS = [pytest.param(dim, marks=pytest.mark.slow) for dim in (112, 128, 768)]


@pytest.fixture(scope="module", autouse=True)
def tools():
    try:
        tool("cuobjdump")
        tool("nvdisasm")
    except FileNotFoundError as error:
        pytest.skip(str(error))


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


ROUNDED = {
    "bf16": r"cvt\.rn\.bf16",
    "fp16": r"cvt\.rn\.f16",
    "fp32": r"cvt\.rn\.f32\.f64",
    "int8": r"div\.rn\.f64",
}


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


def assert_float_products(code, config):
    """Whole steps of products and no other fused operation; none of TF32."""
    pair = 2 * len(re.findall(r"\bFFMA2\b", code))
    fused = pair + len(re.findall(r"\bFFMA\b", code))
    a_step = config.rows * config.lists // (32 * config.warps) * config.block
    assert fused
    assert fused % a_step == 0
    assert not re.findall(r"\bH(?:G)?MMA\b", code)


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


LESS_USUAL = tuple(pytest.param(c, marks=pytest.mark.slow) for c in MERGE[2:])


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
