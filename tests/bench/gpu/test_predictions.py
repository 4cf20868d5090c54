"""Predictions of what a step takes, from counts: sums worked out by hand."""

import json
from dataclasses import asdict, replace

import pytest

pytest.importorskip("triton", reason="triton is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from bench.gpu import (
    predict,
    predicted,
)
from bench.gpu.launches import SETTINGS
from bench.gpu.predict import (
    LAUNCH,
    LOAD,
    Search,
    Work,
    instructions,
    operation_seconds,
    resident_programs,
    search_of,
    step_seconds,
    taken_by,
)
from bench.gpu.sass import Loop
from gleann.index.engines.device.plan.roofline import H200


def loop(count, *inner):
    return Loop(instructions=count, barriers=0, shuffles=0, products=0, inner=inner)


LOOPS = loop(100, loop(50, loop(7)), loop(30))


def counted(loops, *, warps=4, registers=128, shared=0):
    return {
        "warps": warps,
        "registers": registers,
        "shared": shared,
        "loops": asdict(loops),
    }


def test_loops_count_as_often_as_they_run():
    assert instructions(LOOPS, (2, 10)) == 100 + 2 * (50 + 10 * 7) + 2 * 30
    assert instructions(LOOPS, ((2, 5), 10)) == 100 + 2 * (50 + 10 * 7) + 5 * 30
    assert instructions(loop(9), ()) == 9
    with pytest.raises(ValueError, match="zip"):
        instructions(LOOPS, ((1, 2, 3), 1))


@pytest.mark.parametrize(
    ("entry", "programs"),
    [
        (counted(LOOPS), 4),  # 65,536 registers
        (counted(LOOPS, registers=255, warps=8), 1),
        (counted(LOOPS, registers=32, shared=100 << 10), 2),
        (counted(LOOPS, registers=16, warps=4), 16),  # 64 warps
    ],
)
def test_programs_share_a_multiprocessor_as_they_fit(entry, programs):
    assert resident_programs(entry) == programs


def test_a_kernel_takes_the_longest_of_what_bounds_it():
    counts = {"kernels": {"one": counted(loop(1000))}}
    work = Work(case="one", programs=132 * 4 * 10, reads=2)
    taken = taken_by(work, counts, on=H200)
    assert taken.issue == pytest.approx(132 * 40 * 4 * 1000 / H200.warp_instructions)
    # Ten rounds of four programs a multiprocessor, four cycles an instruction.
    assert taken.chain == pytest.approx(10 * (1000 * 4 / 1.98e9 + 2 * LOAD))
    assert taken.bound_by == "latency"
    assert taken.seconds == pytest.approx(LAUNCH + taken.chain)
    moved = taken_by(replace(work, bytes=4.3e9), counts, on=H200)
    assert moved.bound_by == "memory"
    assert moved.seconds == pytest.approx(LAUNCH + 1e-3)
    multiplied = taken_by(replace(work, flops=7.9e14), counts, on=H200)
    assert multiplied.bound_by == "products"
    assert multiplied.seconds == pytest.approx(LAUNCH + 1.0)


def test_operations_of_torch_take_their_launches_and_bytes():
    operation = {"launches": 3, "bytes": 43e6, "rows": 10}
    plain = operation_seconds("add", operation, on=H200)
    assert plain == pytest.approx(3 * LAUNCH + 1e-5)
    assert operation_seconds("sort", operation, on=H200) == pytest.approx(8 * plain)
    few = operation_seconds("topk", operation, on=H200)
    many = operation_seconds("topk", {**operation, "rows": 132 * 320}, on=H200)
    assert few == pytest.approx(3 * LAUNCH + predict.TOPK_ROUND)
    assert many == pytest.approx(3 * LAUNCH + 10 * predict.TOPK_ROUND)


@pytest.fixture(scope="module")
def results():
    return json.loads(predicted.COUNTS.read_text())


def test_every_step_is_predicted_whole(results):
    """No kernel of a step is left out, whichever commit was counted."""
    for counts in results.values():
        for setting in SETTINGS:
            parts = step_seconds(search_of(setting), counts, on=H200)
            names = {k["name"] for k in counts["launches"][setting.name]["kernels"]}
            assert names - predict.SMALL <= parts.keys()
            assert 50e-6 < sum(parts.values()) < 10e-3


def test_the_step_before_agrees_with_an_estimate_by_hand(results):
    """4.1 ms a search of 10,000 in 1M x 128, and 5.3 in 10M x 96, on an H100; 0.7 of
    one query: worked out from the same kernels by other means."""
    for setting, told in zip(SETTINGS, (4.1e-3, 5.3e-3, None, 0.7e-3), strict=True):
        if told is not None:
            whole = predicted.search_seconds(
                setting, "before", results["before"], on=predicted.H100
            )
            assert whole == pytest.approx(told, rel=0.15)


def test_sizes_of_a_search_are_those_of_its_setting():
    search = search_of(SETTINGS[1])
    assert isinstance(search, Search)
    assert (search.batch.entries, search.batch.dim) == (18_500_000, 96)
    assert search.entry_bytes == pytest.approx(18.5e6 * 100, rel=1e-3)


def test_the_notes_have_what_the_counts_predict(results):
    assert predicted.written(results) in predicted.NOTES.read_text()
