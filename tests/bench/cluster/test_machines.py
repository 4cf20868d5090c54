"""What a size takes: the formulas by hand, on constants that are round numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.cluster.machines import (
    Growing,
    Machine,
    Phase,
    at_lists,
    build_phases,
    choosing,
    driver_bytes,
    ranked,
    serving,
    trained_rows,
)
from bench.cluster.scale_part import (
    growth_of_entries,
    run_scale,
    scale_tables,
)
from bench.datasets import DatasetError
from bench.records import RESULTS
from gleann.index.build.arrange import auto_nlist

STEPS = ("place", "sample_exact", "sample_ranked", "sample_by_code", "encode", "write")
CONSTANTS = {
    **{name: {"each": 1e-6, "fixed": 0.0} for name in STEPS},
    "assign_10000": {"each": 1e-5, "fixed": 1.0},
    "assign_40000": {"each": 2e-5, "fixed": 3.0},
    "choose_10000": {"each": 0.0, "fixed": 1.0},
    "choose_40000": {"each": 0.0, "fixed": 4.0},
    "train_10000": {"each": 1e-6, "fixed": 0.0},
    "train_40000": {"each": 1e-6, "fixed": 0.0},
    "rank_10000": {"each": 1e-4, "fixed": 0.0},
    "rank_40000": {"each": 4e-4, "fixed": 0.0},
    "scan": {"each": 1e-9, "fixed": 0.0},
    "query": {"each": 1e-5, "fixed": 0.0},
}
MEASURED = {
    "dims": {"128": CONSTANTS, "768": CONSTANTS},
    "sizes": {"assigned": [20_000, 100_000]},
    "merge": {"each": 1e-8, "fixed": 0.0},
    "ray": {"question": 1e-3, "opened": 10.0},
}
GROWING = Growing(n=1_000_000, entries=1000, exponent=0.5, low=0.4, high=0.6)
MACHINE = Machine(cores=10, memory=64e9, kept_free=0.5, disk=1e9)


def test_a_step_grows_with_a_power_of_the_lists():
    few, many = 100_000 * 1e-5 + 1, 100_000 * 2e-5 + 3  # seconds of the whole task
    assert at_lists(CONSTANTS, "assign", 10_000, 100_000) == pytest.approx(few)
    assert at_lists(CONSTANTS, "assign", 40_000, 100_000) == pytest.approx(many)
    power = np.log(many / few) / np.log(4)
    found = at_lists(CONSTANTS, "assign", 90_000, 100_000)
    assert found == pytest.approx(many * 2.25**power)
    assert at_lists(CONSTANTS, "train", 90_000, 7) == pytest.approx(7e-6)


def test_noise_between_a_slope_and_a_fixed_part_changes_nothing():
    """Seconds that moved from one to the other are those of the same task."""
    moved = {
        "assign_10000": {"each": 1e-5, "fixed": 1.0},
        "assign_40000": {"each": 0.0, "fixed": 5.0},
    }
    for nlist in (20_000, 40_000, 90_000):
        assert at_lists(moved, "assign", nlist, 100_000) == pytest.approx(
            at_lists(CONSTANTS, "assign", nlist, 100_000)
        )


def test_what_is_chosen_once_grows_with_the_lists():
    assert choosing(CONSTANTS, 20_000) == pytest.approx(2.0)
    assert choosing(CONSTANTS, 40_000) == pytest.approx(4.0)


def test_ranking_grows_with_the_lists():
    assert ranked(CONSTANTS, 80_000) == pytest.approx(8e-4)


def test_a_phase_lasts_as_long_as_its_slower_part():
    computed = Phase(name="a", core_seconds=1000, read=1e9, written=0)
    moved = Phase(name="b", core_seconds=1, read=1e12, written=1e12, alone=7)
    assert computed.seconds(2, MACHINE) == pytest.approx(50)
    assert moved.seconds(2, MACHINE) == pytest.approx(1007)


def test_the_phases_of_a_build():
    n, dim = 100_000_000, 128
    phases = {one.name: one for one in build_phases(n, dim, MEASURED, MACHINE)}
    rows = 4 * n * dim
    assert phases["place"].core_seconds == pytest.approx(n * 1e-6)
    assert phases["place"].read == rows
    assert phases["place"].written == rows + 8 * n
    assert phases["sample"].read == 5 * rows
    assert phases["sample"].core_seconds == pytest.approx(
        n * 1e-6 * (256 + 256 + 64 + 10_000 + 512)
    )
    assert auto_nlist(n) == 40_000
    assert phases["assign"].core_seconds == pytest.approx(n / 100_000 * 5)
    assert phases["assign"].alone == pytest.approx(4.0)
    assert phases["train"].alone == pytest.approx(10 * 2**29 / 512 * 1e-6 / 10)


def test_k_means_sees_few_wide_rows():
    assert trained_rows(100_000_000, 128, 40_000) == 2**29 // 512
    assert trained_rows(10_000, 128, 100) == 6400
    assert trained_rows(1_000_000_000, 768, 200_000) == 200_000


def test_memory_of_the_driver():
    found = driver_bytes(100_000_000, 128)
    assert found["rows"] == 3e9
    assert found["training"] == 2**29
    assert found["centroids"] == 4 * 128 * 40_000


def test_searches_by_hand():
    n, dim = 100_000_000, 128
    found = serving(n, dim, MEASURED, GROWING, MACHINE)
    assert found.entries == pytest.approx(10_000)
    a_row = dim + 8 + 8 + 8 * 1.5
    assert found.held_bytes == pytest.approx(a_row * n, rel=0.01)
    assert found.shards == 1
    merged = 10 * 1e-8
    assert found.coordinator_seconds == pytest.approx(4e-4 + merged)
    assert found.query_seconds == pytest.approx(4e-4 + merged + 1e-5 + 1e-5)
    assert found.nprobe == np.ceil(10_000 / (1.5 * n / 40_000))
    assert serving(10 * n, dim, MEASURED, GROWING, MACHINE).shards == 5


def test_the_growth_that_was_recorded():
    recorded = json.loads((RESULTS / "growth.json").read_text())
    growing = growth_of_entries(recorded)
    assert growing.n >= 1_000_000
    assert 0.3 < growing.low < growing.exponent < growing.high < 1
    assert growing.at(growing.n) == growing.entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster-constants.json").write_text(json.dumps(MEASURED))
    spread = {"spread": [0.9, 1.0, 1.0, 1.1, 1.6]}
    (tmp_path / "cluster-fan-out.json").write_text(json.dumps(spread))
    (tmp_path / "growth.json").hardlink_to(RESULTS / "growth.json")
    return tmp_path


class _Args:
    def __init__(self, results: Path) -> None:
        self.results = results


def test_every_size_has_its_line_in_every_table(folder, monkeypatch):
    monkeypatch.setattr("bench.cluster.scale_part.BATCHES", 40)
    result = run_scale(_Args(folder))
    tables = scale_tables(result)
    assert len(tables) == 5
    for table in tables.values():
        for name in ("1e8 x 128", "1e8 x 768", "1e9 x 128", "1e9 x 768"):
            assert f"| {name} |" in table
    for cell in result["cells"]:
        lines = [line for line in cell["fan_out"] if "p50" in line]
        assert lines[0]["what"] == "alone"
        assert all(line["p99"] >= line["p50"] > 0 for line in lines)
        one, two = (
            line["availability"] for line in cell["fan_out"] if "availability" in line
        )
        assert one < two <= 1


def test_what_was_not_recorded_is_named(tmp_path):
    with pytest.raises(DatasetError, match="cluster --part constants writes it"):
        run_scale(_Args(tmp_path))
