"""The planner of the device engines, from sizes alone: without torch or a GPU."""

import numpy as np
import pytest

from gleann.index.engines.device.plan.bucketing import (
    MAX_SPAN,
    Bucketing,
    slot_table,
    span_count,
)
from gleann.index.engines.device.plan.kinds import KINDS, TILE, padded_dim
from gleann.index.engines.device.plan.planner import (
    Sizes,
    choose_kernel,
    choose_query_tile,
    keys_a_pair,
    merge_share,
    plan,
    span_for,
)
from gleann.index.engines.device.plan.rank_plan import plan_ranking, ranks_in_kernels
from gleann.index.engines.triton_kernels.configs import (
    LONG,
    MERGE,
    MERGE_MOST,
    SHORT,
    adjacent_for,
    config_for,
    merge_config_for,
    parts_of,
    rerank_block_for,
    rerank_tile_for,
    table_for,
)


def sizes(**changed):
    given = {
        "queries": 10_000,
        "nprobe": 24,
        "longest": 600,
        "k": 10,
        "rerank": 40,
        "nlist": 4096,
    }
    return Sizes(**(given | changed))


@pytest.mark.parametrize(("k", "buckets"), [(1, 32), (16, 32), (17, 128), (100, 128)])
def test_more_neighbours_take_more_buckets(k, buckets):
    planned = plan(sizes(k=k, rerank=4 * k), programs=132, budget=1 << 30)
    assert planned.selection == "buckets"
    assert planned.bucketing.buckets == buckets


@pytest.mark.parametrize(
    ("nlist", "nprobe", "fused"),
    [
        (16_384, 32, True),
        (1024, 1, True),
        (1023, 1, False),
        (16_384, 128, True),
        (16_384, 129, False),
    ],
)
def test_when_lists_are_ranked_in_kernels(nlist, nprobe, fused):
    assert ranks_in_kernels(nlist=nlist, nprobe=nprobe) == fused


@pytest.mark.parametrize("nlist", [1024, 1025, 4096, 4097, 16_384, 16_385, 1_000_000])
def test_groups_hold_all_lists_in_few_blocks(nlist):
    planned = plan_ranking(nlist=nlist, nprobe=16)
    a_block = TILE << planned.shift
    assert (planned.blocks - 1) * a_block < nlist <= planned.blocks * a_block
    assert 256 < planned.groups <= 1024


@pytest.mark.parametrize(
    ("nlist", "nprobe"), [(1024, 1), (1024, 64), (1024, 128), (4096, 32), (16_384, 128)]
)
def test_lists_above_a_threshold_have_room(nlist, nprobe):
    """By throwing lists, best first, into groups until all that have room are hit."""
    planned = plan_ranking(nlist=nlist, nprobe=nprobe)
    assert planned.room >= nprobe
    rng = np.random.default_rng(nprobe)
    groups = rng.integers(planned.groups, size=(2000, 2 * planned.groups))
    thrown = [
        np.sort(np.unique(row, return_index=True)[1])[planned.room - 1]
        for row in groups
    ]
    mean = planned.groups * np.log(planned.groups / (planned.groups - planned.room))
    assert np.mean(thrown) + 1 == pytest.approx(mean, rel=0.03, abs=0.5)
    assert max(thrown) < planned.keys


@pytest.mark.parametrize("nprobe", [1, 15, 16, 32])
def test_few_probes_share_one_compiled_kernel(nprobe):
    assert plan_ranking(nlist=4096, nprobe=nprobe).keys == 64


def test_many_neighbours_are_sorted_out_of_all_scores():
    assert plan(sizes(k=101), programs=132, budget=1 << 30).selection == "exact"


@pytest.mark.parametrize("k", [1, 50, 1000])
@pytest.mark.parametrize("longest", [0, 1, 600, 100_000])
@pytest.mark.parametrize("budget", [1, 1 << 20, 1 << 30])
def test_blocks_fit_the_budget(k, longest, budget):
    of = sizes(k=k, longest=longest, rerank=4 * k)
    planned = plan(of, programs=132, budget=budget)
    keys = of.nprobe * keys_a_pair(of, planned.selection, planned.bucketing)
    assert 1 <= planned.again <= planned.block <= of.queries
    assert planned.block == 1 or planned.block * keys * 8 <= budget


def test_few_pairs_are_cut_into_more_spans():
    one = sizes(queries=1, nprobe=8, longest=8192)
    assert span_count(8192, span_for(one, programs=132)) * 8 >= 132
    many = sizes(longest=8192)
    assert span_for(many, programs=132) == 8192
    assert span_for(sizes(longest=10**6), programs=132) == MAX_SPAN


@pytest.mark.parametrize(
    ("queries", "span"), [(1, 256), (8, 256), (32, 256), (128, 1792), (10_000, 1792)]
)
def test_small_batches_have_spans_that_drop_nothing_in_slots(queries, span):
    """15 probes of lists of up to 1,792 entries, as at 1M rows."""
    asked = sizes(queries=queries, nprobe=15, longest=1792)
    assert span_for(asked, programs=132) == span
    pairs = queries * 15
    assert span > 256 or pairs * span_count(1792, span) <= 32 * 132


@pytest.mark.parametrize(
    ("queries", "width", "share"),
    [
        (1, 6720, 256),  # 27 programs instead of 27 steps
        (32, 6720, 256),
        (128, 960, 256),
        (128, 768, 768),  # three steps: a second launch takes as long
        (128, 6720, 4 * 256),
        (512, 6720, 14 * 256),
        (10_000, 960, 960),
        (10_000, 6720, 6720),
        (1, 0, 0),
        (0, 960, 256),
    ],
)
def test_keys_of_few_queries_are_merged_by_several_programs(queries, width, share):
    got = merge_share(queries, width, at_once=256, programs=132)
    assert got >= 256
    assert got % 256 == 0
    assert min(got, width) == share
    assert queries == 0 or queries * -(-width // got) <= max(queries, 8 * 132)


def test_each_pool_is_merged_by_the_least_that_keeps_it():
    kept = [merge_config_for(keep).keep for keep in (1, 64, 65, 128, 129, 513, 1024)]
    assert kept == [64, 64, 128, 128, 256, 1024, 1024]
    assert MERGE[-1].keep == MERGE_MOST
    for config in MERGE:
        assert config.at_once >= 256
        assert config.sorted_runs * config.keep == 1024


def test_how_a_pool_is_cut_to_be_reranked():
    widths = 1, 40, 64, 65, 128, 129, 4096
    assert [rerank_tile_for(w) for w in widths] == [64, 64, 64, 128, 128, 128, 128]
    dims = 1, 17, 64, 96, 100, 128, 768, 960
    assert [rerank_block_for(d) for d in dims] == [32, 32, 64, 32, 64, 64, 64, 64]
    assert [adjacent_for(d) for d in dims] == [1, 1, 4, 4, 4, 4, 4, 4]


def test_lists_that_are_shared_are_scanned_list_by_list():
    assert choose_kernel(0.5) == "query-major"
    assert choose_kernel(1.0) == "list-major"
    assert [choose_query_tile(q) for q in (1, 16, 17, 58, 300)] == [16, 16, 32, 64, 64]


@pytest.mark.parametrize("buckets", [32, 64, 128])
def test_every_slot_is_in_one_bucket(buckets):
    table = slot_table(buckets)
    assert len(table) == buckets
    assert sorted(slot for of in table for slot in of) == list(range(128))
    for first, *others in table:
        steps = [slot - first for slot in others]
        assert steps == {32: [8, 64, 72], 64: [8], 128: []}[buckets]
    assert [of[0] for of in table] == sorted(of[0] for of in table)


@pytest.mark.parametrize(
    ("buckets", "span", "bits"),
    [(32, 128, 2), (32, 2048, 6), (32, 8192, 8), (64, 8192, 7), (128, 8192, 6)],
)
def test_scores_lose_as_many_bits_as_a_span_needs(buckets, span, bits):
    bucketing = Bucketing(buckets=buckets, span=span)
    assert bucketing.low_bits == bits
    assert (span // buckets - 1).bit_length() == bits  # entries of a bucket


@pytest.mark.parametrize("kind", ["bf16", "fp16", "fp32", "int8"])
@pytest.mark.parametrize("dim", [8, 17, 96, 100, 112, 128, 200, 768, 960, 1000, 4096])
def test_any_dimension_is_a_sum_of_parts(kind, dim):
    width = padded_dim(dim, kind)
    for queries in (16, 32, 64):
        config = config_for(kind, dim, queries=queries)
        assert config.queries <= queries
        parts = parts_of(width, block=config.block)
        assert parts.steps >= 1
        assert parts.block * parts.steps + sum(parts.rests) == width
        for part in (parts.block, *parts.rests):
            assert part & (part - 1) == 0
            assert part == 0 or part >= KINDS[kind].step
    assert width - dim < KINDS[kind].step


def test_tiles_of_a_generation():
    for dim in (96, 768):
        hopper = table_for(dim, "bf16", generation=9)
        newer = table_for(dim, "bf16", generation=10)
        assert hopper == table_for(dim, "bf16", generation=8)
        assert newer.keys() == hopper.keys()
        changed = {of for of in newer if newer[of] != hopper[of]}
        assert changed == {("bf16", 64), ("fp16", 64)}
        assert newer["bf16", 64].warps == 8 > hopper["bf16", 64].warps
    assert config_for("bf16", 96, queries=64, generation=10).warps == 8
    assert config_for("fp32", 96, queries=64).queries == 32


def test_configurations_are_filed_under_what_they_are():
    for table in (SHORT, LONG):
        for (kind, queries), config in table.items():
            assert (config.kind, config.queries) == (kind, queries)


def test_spans_are_numbered_by_the_bits_there_are():
    assert MAX_SPAN == 8192
    assert Bucketing(buckets=32, span=MAX_SPAN).slots == 4
