"""The planner of the device engines, from sizes alone: without torch or a GPU."""

import numpy as np
import pytest

from gleann.index.engines.device.bucketing import (
    MAX_SPAN,
    Bucketing,
    slot_table,
    span_count,
)
from gleann.index.engines.device.kinds import TILE, padded_dim
from gleann.index.engines.device.planner import (
    Sizes,
    choose_kernel,
    choose_query_tile,
    keys_a_pair,
    plan,
    rank_room,
    ranks_in_kernel,
    span_for,
)
from gleann.index.engines.triton_kernels.configs import (
    LONG,
    SHORT,
    config_for,
    parts_of,
    smallest_step,
    table_for,
)


def sizes(**changed):
    given = {
        "queries": 10_000,
        "nprobe": 24,
        "longest": 600,
        "k": 10,
        "pool": 40,
        "nlist": 4096,
    }
    return Sizes(**(given | changed))


@pytest.mark.parametrize(("k", "buckets"), [(1, 32), (16, 32), (17, 128), (100, 128)])
def test_more_neighbours_take_more_buckets(k, buckets):
    planned = plan(sizes(k=k, pool=4 * k), programs=132, budget=1 << 30)
    assert planned.selection == "buckets"
    assert planned.bucketing.buckets == buckets


@pytest.mark.parametrize(
    ("changed", "fused"),
    [
        ({}, True),
        ({"queries": 2048}, True),
        ({"queries": 512}, False),
        ({"nlist": 1000}, False),
        ({"nprobe": 64}, True),
        ({"nprobe": 65}, False),
        ({"queries": 0}, False),
    ],
)
def test_when_lists_are_ranked_in_one_kernel(changed, fused):
    given = {"queries": 10_000, "nlist": 16_384, "nprobe": 32, "tile": 32}
    assert ranks_in_kernel(**(given | changed), programs=132) == fused


@pytest.mark.parametrize("nprobe", [1, 8, 32, 64])
def test_lists_that_score_as_much_as_the_nth_slot_have_room(nprobe):
    """By throwing lists, best first, into slots until nprobe slots are hit."""
    rng = np.random.default_rng(nprobe)
    slots = rng.integers(TILE, size=(2000, 8 * TILE))
    thrown = [
        np.sort(np.unique(row, return_index=True)[1])[nprobe - 1] for row in slots
    ]
    mean = TILE * np.log(TILE / (TILE - nprobe))
    assert np.mean(thrown) + 1 == pytest.approx(mean, rel=0.03, abs=0.5)
    assert max(thrown) < rank_room(nprobe)


def test_many_neighbours_are_sorted_out_of_all_scores():
    assert plan(sizes(k=101), programs=132, budget=1 << 30).selection == "exact"


@pytest.mark.parametrize("k", [1, 50, 1000])
@pytest.mark.parametrize("longest", [0, 1, 600, 100_000])
@pytest.mark.parametrize("budget", [1, 1 << 20, 1 << 30])
def test_blocks_fit_the_budget(k, longest, budget):
    of = sizes(k=k, longest=longest, pool=4 * k)
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
            assert part == 0 or part >= smallest_step(kind)
    assert width - dim < smallest_step(kind)


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
