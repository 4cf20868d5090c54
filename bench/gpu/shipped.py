"""The kernels whose instructions are counted, at the settings that searches use.

A new kernel, or a new way to build one, is one more `Case` here; `bench.gpu.counts`
compiles them all. Names stay: results of earlier commits are compared by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gleann.index.engines.device.plan.kinds import padded_dim
from gleann.index.engines.device.plan.rank_plan import FEWEST_KEYS
from gleann.index.engines.triton_kernels.coarse.quantise_queries import quantise_queries
from gleann.index.engines.triton_kernels.coarse.rank_lists import (
    best_lists,
    group_peaks,
)
from gleann.index.engines.triton_kernels.coarse.set_bitmap import set_bitmap
from gleann.index.engines.triton_kernels.configs import (
    BITMAP_WARPS,
    BITMAP_WORDS,
    COUNTED_PAIRS,
    CUT_LISTS,
    CUT_WARPS,
    LISTS_BEFORE,
    MERGE,
    PAIR_BLOCKS,
    PAIR_WARPS,
    RANK,
    RANK_WARPS,
    RANKED_AT_ONCE,
    RERANK,
    adjacent_for,
    config_for,
    constants_for,
    quantise_constants,
    rerank_block_for,
)
from gleann.index.engines.triton_kernels.finish.merge_keys import merge_keys, merge_runs
from gleann.index.engines.triton_kernels.finish.rerank_rows import rerank_rows
from gleann.index.engines.triton_kernels.scan.group_pairs import (
    count_pairs,
    cut_items,
    place_pairs,
)
from gleann.index.engines.triton_kernels.scan.scan_lists import scan_lists
from gleann.index.engines.triton_kernels.scan.scan_pairs import scan_pairs, score_pairs

BUCKETS = 32
"""Of a list, for up to 16 neighbours."""

DIMS = (96, 128, 768)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A compiled kernel configuration.

    Attributes:
        name: in results.
        kernel: a function under `triton.jit`.
        constants: its `constexpr` arguments.
        options: `num_warps`, `num_stages`, `enable_fp_fusion`.
        kind: of number, for arrays that `compile.TYPES` does not name.
        types: by argument, where the kernel differs from `compile.TYPES`.
    """

    name: str
    kernel: Any
    constants: dict[str, Any]
    options: dict[str, Any]
    kind: str = "fp32"
    types: dict[str, str] = field(default_factory=dict)


def shipped() -> list[Case]:
    """All cases."""
    return [
        *_scans(),
        *_pairs(),
        *_ranks(),
        *_groupings(),
        *_codes(),
        *_merges(),
        *_reranks(),
    ]


SCANS = (
    *((128, "bf16", queries) for queries in (16, 32, 64)),
    *((128, "int8", queries) for queries in (16, 32, 64)),
    *((96, "bf16", queries) for queries in (16, 32, 64)),
    *((96, "int8", queries) for queries in (16, 32, 64)),
    *((768, "bf16", queries) for queries in (16, 32, 64)),
    *((768, "int8", queries) for queries in (16, 32, 64)),
)
"""d, number kind, queries per tile."""


def _scans() -> Iterator[Case]:
    for dim, kind, queries in SCANS:
        config = config_for(kind, dim, queries=queries)
        yield Case(
            name=f"scan_lists d={dim} {kind} tile {queries}",
            kernel=scan_lists,
            constants={
                **constants_for(padded_dim(dim, kind), block=config.block),
                "QUERIES": config.queries,
                "BUCKETS": BUCKETS,
                "CODED": kind == "int8",
                "PRECISION": "ieee",
            },
            options={"num_warps": config.warps, "num_stages": config.stages},
            kind=kind,
        )


def _pairs() -> Iterator[Case]:
    for dim in DIMS:
        for kind in ("bf16", "int8"):
            constants = {
                **constants_for(padded_dim(dim, kind), block=PAIR_BLOCKS[kind]),
                "CODED": kind == "int8",
            }
            options = {"num_warps": PAIR_WARPS}
            yield Case(
                name=f"scan_pairs d={dim} {kind}",
                kernel=scan_pairs,
                constants={**constants, "BUCKETS": BUCKETS},
                options=options,
                kind=kind,
            )
            yield Case(
                name=f"score_pairs d={dim} {kind}",
                kernel=score_pairs,
                constants=constants,
                options=options,
                kind=kind,
            )


def _ranks() -> Iterator[Case]:
    for dim in DIMS:
        shape = constants_for(padded_dim(dim, "int8"), block=RANK.block)
        yield Case(
            name=f"group_peaks d={dim}",
            kernel=group_peaks,
            constants={**shape, "QUERIES": RANK.queries},
            options={
                "num_warps": RANK.warps,
                "num_stages": RANK.stages,
                "enable_fp_fusion": False,
            },
            kind="int8",
        )
        for groups in (512, 1024):
            yield Case(
                name=f"best_lists d={dim} {groups} groups",
                kernel=best_lists,
                constants={
                    **shape,
                    "GROUPS": groups,
                    "KEYS": FEWEST_KEYS,
                    "LISTS": RANKED_AT_ONCE,
                },
                options={
                    "num_warps": RANK_WARPS,
                    "num_stages": 1,
                    "enable_fp_fusion": False,
                },
                kind="int8",
            )


def _groupings() -> Iterator[Case]:
    for kernel, constants, warps in (
        (count_pairs, {"PAIRS": COUNTED_PAIRS}, 4),
        (cut_items, {"LISTS": CUT_LISTS, "BEFORE": LISTS_BEFORE}, CUT_WARPS),
        (place_pairs, {"PAIRS": COUNTED_PAIRS}, 4),
        (set_bitmap, {"WORDS": BITMAP_WORDS}, BITMAP_WARPS),
    ):
        yield Case(
            name=kernel.fn.__name__,
            kernel=kernel,
            constants=constants,
            options={"num_warps": warps},
        )


def _codes() -> Iterator[Case]:
    for dim in DIMS:
        for kind in ("bf16", "int8"):
            options = quantise_constants(padded_dim(dim, kind))
            constants = {name: options.pop(name) for name in ("WIDTH", "BLOCK")}
            absent = {"codes": None, "scales": None}
            yield Case(
                name=f"quantise_queries d={dim} {kind}",
                kernel=quantise_queries,
                constants={**constants, **absent, "DIFFERENCES": False},
                options=options,
                kind=kind,
            )


def _merges() -> Iterator[Case]:
    for config in MERGE:
        yield Case(
            name=f"merge_keys {config.keep} kept",
            kernel=merge_keys,
            constants={"KEEP": config.keep, "RUNS": config.runs},
            options={"num_warps": config.warps},
        )
        yield Case(
            name=f"merge_runs {config.keep} kept",
            kernel=merge_runs,
            constants={"KEEP": config.keep, "RUNS": config.sorted_runs},
            options={"num_warps": config.sorted_warps},
        )


def _reranks() -> Iterator[Case]:
    for dim in DIMS:
        for tile, warps in RERANK.items():
            yield Case(
                name=f"rerank_rows d={dim} tile {tile}",
                kernel=rerank_rows,
                constants={
                    "D": dim,
                    "METRIC": "l2",
                    "TILE": tile,
                    "BLOCK": rerank_block_for(dim),
                    "ADJACENT": adjacent_for(dim),
                },
                options={"num_warps": warps},
            )
