"""The same answers for twice the work must not pass: counts of work are pinned.

`UPDATE_GOLDEN=1` rewrites the file; the reviewer reads the difference.
"""

import json
import os
from pathlib import Path

import pytest

from bench.work import NLIST, Case, cases, count_work, make_data
from gleann.index.engines import native

GOLDEN = Path(__file__).with_name("work-counts.json")
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
TIERS = [*native.tiers(), native.EMULATED_TIER] if native.available() else []

pytestmark = pytest.mark.golden


def read_golden():
    return json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module", autouse=True)
def _golden_is_fresh():
    if UPDATE:
        counts = {
            engine: {case.name: count_work(case, engine) for case in cases()}
            for engine in ("native", "reference")
        }
        GOLDEN.write_text(json.dumps(counts, indent=1) + "\n")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_reference_does_the_recorded_work(case):
    assert count_work(case, "reference") == read_golden()["reference"][case.name]


@pytest.mark.skipif(not TIERS, reason=native.unavailable_reason())
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_native_tier_does_the_recorded_work(case, tier, monkeypatch):
    monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
    assert count_work(case, "native") == read_golden()["native"][case.name]


@pytest.mark.skipif(not TIERS, reason=native.unavailable_reason())
@pytest.mark.parametrize("threads", [1, 3])
def test_work_does_not_depend_on_the_number_of_threads(threads):
    case = Case(metric="l2", spill="soar", batch="batch")
    counts = count_work(case, "native", threads=threads)
    assert counts == read_golden()["native"][case.name]


def test_no_case_is_missing_or_left_over():
    names = [case.name for case in cases()]
    assert {engine: list(found) for engine, found in read_golden().items()} == {
        "native": names,
        "reference": names,
    }


def test_both_engines_read_the_same_entries():
    golden = read_golden()
    for name, counts in golden["native"].items():
        for count in ("lists_probed", "entries_scanned", "completed"):
            assert counts[count] == golden["reference"][name][count], (name, count)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_the_data_is_exact_in_float32(metric):
    """What keeps the counts the same on every machine."""
    data = make_data(metric, "soar")
    scale = 8.0 if metric == "cosine" else 1.0
    for values in (data.vectors, data.centroids):
        whole = values * scale
        assert (whole == whole.round()).all()
        assert abs(whole).max() <= 32
    assert len(data.centroids) == NLIST
