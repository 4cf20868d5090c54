"""The closed-form costs that searches are planned by, against figures worked out."""

import json
from pathlib import Path

import pytest

from gleann.index.engines.device.plan.planner import (
    choose_kind,
    choose_segments,
    usual_batch,
)
from gleann.index.engines.device.plan.roofline import (
    H100,
    H200,
    SCAN_COSTS,
    Batch,
    bounds,
    items_of,
)
from gleann.index.engines.triton_kernels.configs import merge_config_for

COUNTS = Path(__file__).resolve().parents[5] / "bench/results/gpu-counts.json"


def batch(*, queries=10_000, nprobe, nlist=4096, entries, dim=128):
    return Batch(queries=queries, nprobe=nprobe, nlist=nlist, entries=entries, dim=dim)


SIFT_BOTH = batch(nprobe=14, entries=2_000_000)
SIFT_PRIMARY = batch(nprobe=28, entries=1_000_000)
"""Of equal recall, 0.95, on 1M x 128 of realistic spread."""


def test_items_are_lists_by_tiles_of_queries():
    one_query_a_list = batch(queries=4, nprobe=1, nlist=10**6, entries=128 * 10**6)
    items = items_of(one_query_a_list, query_tile=16)
    assert items.count == pytest.approx(4, rel=1e-3)
    assert items.tiles == 1.5
    saturated = batch(queries=10_000, nprobe=32, nlist=1000, entries=8_192_000)
    items = items_of(saturated, query_tile=64)
    assert items.count == pytest.approx(1000 * (320 / 64 + 0.5))
    assert items.tiles == 64.5
    # Longer lists than can be numbered are cut into spans.
    longer = batch(queries=10_000, nprobe=32, nlist=1000, entries=2 * 8_192_000)
    twice = items_of(longer, query_tile=64)
    assert twice.count == 2 * items.count
    assert twice.tiles == items.tiles


def test_bounds_are_sums_worked_out_by_hand():
    found = bounds(SIFT_BOTH, kind="bf16", on=H200, query_tile=64)
    assert found.memory == pytest.approx(2e6 * 260 / 4.3e12, rel=1e-6)
    assert found.matrix == pytest.approx(
        2 * 10_000 * 2e6 * 14 / 4096 * 128 / 7.9e14, rel=1e-6
    )
    cost = SCAN_COSTS[64]
    tiles = 2e6 / 4096 / 128 + 0.5
    groups = 10_000 * 14 / 4096 / 64 + 0.5
    issued = (
        4096 * groups * cost.warps * (cost.item + tiles * (cost.tile + cost.step * 2))
    )
    assert found.issue == pytest.approx(issued / (132 * 4 * 1.98e9), rel=1e-6)
    assert found.pairs == pytest.approx(140_000 * H200.pair_seconds, rel=1e-9)
    assert found.scan == max(found.memory, found.matrix, found.issue)
    assert found.seconds == found.scan + found.pairs


def test_costs_are_those_counted_in_what_is_compiled():
    """Items and tiles of the latest count, within a sixth."""
    kernels = list(json.loads(COUNTS.read_text()).values())[-1]["kernels"]
    for query_tile, cost in SCAN_COSTS.items():
        for dim in (96, 128, 768):
            counted = kernels[f"scan_lists d={dim} bf16 tile {query_tile}"]
            (item,) = counted["loops"]["inner"]
            (tile,) = item["inner"]
            assert counted["warps"] == cost.warps
            assert item["instructions"] == pytest.approx(cost.item, rel=1 / 6)
            said = cost.of_item(tiles=1, dim=dim) / cost.warps - cost.item
            assert tile["instructions"] == pytest.approx(said, rel=1 / 6)


@pytest.mark.parametrize("on", [H100, H200])
def test_a_pair_costs_a_step_of_the_merge_and_its_keys(on):
    """A pair leaves 64 keys, which are written and read, and merged with others'."""
    kernels = list(json.loads(COUNTS.read_text()).values())[-1]["kernels"]
    merge = kernels["merge_keys 64 kept"]
    (step,) = merge["loops"]["inner"]
    pairs = merge_config_for(64).at_once / 64
    issued = merge["warps"] * step["instructions"] / pairs / on.warp_instructions
    moved = 2 * (64 * 8 + 8) / on.bytes_a_second
    assert on.pair_seconds == pytest.approx(issued + moved, rel=0.1)


def test_copies_that_save_half_the_pairs_win_a_batch_that_touches_all_lists():
    """14 probes with copies or 28 without, at recall 0.95 of 1M x 128."""
    for on in (H100, H200):
        assert choose_segments(SIFT_BOTH, SIFT_PRIMARY, kind="bf16", on=on) == "both"
    # By what they read alone primaries would, as by any scan without its folds.
    with_copies = bounds(SIFT_BOTH, kind="bf16", on=H200, query_tile=64)
    without = bounds(SIFT_PRIMARY, kind="bf16", on=H200, query_tile=64)
    assert without.memory < with_copies.memory
    assert without.seconds > with_copies.seconds


def test_copies_pay_where_few_lists_are_touched():
    def chosen(queries, both, primary, *, dim):
        return choose_segments(
            batch(queries=queries, nprobe=both, nlist=16_384, entries=2e7, dim=dim),
            batch(queries=queries, nprobe=primary, nlist=16_384, entries=1e7, dim=dim),
            kind="bf16",
            on=H200,
        )

    assert chosen(32, 32, 80, dim=96) == "both"
    # Every list is read, rows are long, and few pairs are saved.
    assert chosen(4000, 32, 40, dim=768) == "primary"


@pytest.mark.parametrize(
    ("nlist", "entries", "dim", "kind"),
    [
        (4096, 2_000_000, 128, "bf16"),  # bytes are a part of the time only
        (16_384, 20_000_000, 96, "int8"),
        (2048, 2_000_000, 768, "int8"),
    ],
)
def test_kinds_of_the_usual_batch(nlist, entries, dim, kind):
    usual = usual_batch(nlist=nlist, entries=entries, dim=dim)
    assert choose_kind(usual, on=H200) == kind


def test_the_usual_batch_has_as_many_probes_as_recall_095_takes():
    probes = {
        nlist: usual_batch(nlist=nlist, entries=10**6, dim=96).nprobe
        for nlist in (1, 4096, 16_384)
    }
    assert probes == {1: 1, 4096: 16, 16_384: 32}
