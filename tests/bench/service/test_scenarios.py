"""Every scenario runs on little data, is recorded, and has a table."""

import json
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.recorded import tables
from bench.service import build_beside
from bench.service.build_beside import due_before
from bench.service.calls import SEARCH
from bench.service.memory import MIB, Samples
from bench.service.open_loop import Outcome
from bench.service.server_clock import buckets_of, p99_bound_ms
from gleann import Client


def run(scenario: str, folder: Path) -> dict:
    """The result of a quick run."""
    words = ["--scenarios", scenario, "--quick", "--rows", "2000", "--dim", "16"]
    words += ["--out", str(folder)]
    arguments = make_parser().parse_args(["service", *words])
    assert arguments.run(arguments) == 0
    name = f"service-{scenario}"
    result = json.loads((folder / f"{name}.json").read_text())
    assert result["commit"]
    assert dict(tables({name: result}))[name]
    return result


def test_the_slope_of_memory_that_grows_and_of_memory_that_does_not():
    rng = np.random.default_rng(6)
    moments = np.arange(0, 120, 0.25)
    noise = rng.normal(0, 1, len(moments))
    steady = Samples(moments.tolist(), (MIB * (100 + noise)).tolist())
    found = steady.slope()
    assert found["low"] <= 0 <= found["high"]
    grows = Samples(moments.tolist(), (MIB * (100 + 3 * moments / 60 + noise)).tolist())
    found = grows.slope()
    assert found["mib_a_minute"] == pytest.approx(3, rel=0.2)
    assert found["low"] > 0
    filled = np.minimum(moments, 39)  # a cache that fills in the first third
    early = Samples(moments.tolist(), (MIB * (100 + filled)).tolist())
    assert early.slope()["mib_a_minute"] > 1
    assert early.slope(settled=1 / 3)["mib_a_minute"] == 0


def test_only_calls_due_during_a_build_are_beside_it():
    due = [np.array([0.0, 1.0]), np.array([2.0, 3.0])]
    slices = [
        Outcome(due=one, sent=one, ended=one + 5, codes=np.array(["OK", "OK"]))
        for one in due
    ]
    kept = due_before(slices, 2.5)
    assert kept.due.tolist() == [0, 1, 2]
    assert kept.ended.tolist() == [5, 6, 7]


@pytest.mark.slow
@pytest.mark.alone
def test_overload_is_compared_with_the_peak(tmp_path: Path) -> None:
    result = run("overload", tmp_path)
    assert [case["write_rate"] for case in result["cases"]] == [0, 2]
    for case in result["cases"]:
        goodputs = [step["goodput"] for step in case["steps"]]
        assert case["peak"] == max(goodputs) > 0
        overload = case["overload"]
        assert overload["rate"] == 5 * case["peak"]
        assert overload["offered"] > 3 * case["peak"] * overload["seconds"]
        assert sum(overload["codes"].values()) == overload["offered"]
        assert case["kept"] == round(overload["goodput"] / case["peak"], 4)
        assert case["alive"]
        bound = case["refused_by_server_p99_ms"]
        refused = overload["codes"].get("RESOURCE_EXHAUSTED", 0)
        assert bound is not None or not refused
    written = result["cases"][1]["after"]["writes"]
    assert written["rate"] == 2


@pytest.mark.slow
def test_searches_beside_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Builds of little data end before a search is due: this one is held up."""
    beside, ended = Event(), build_beside.build_once
    offer = build_beside.offer

    def offered(*given: Any, seed: int, **load: Any) -> Any:
        outcome = offer(*given, seed=seed, **load)
        if seed > 0:  # it is not to warm up, and not of searches alone
            beside.set()
        return outcome

    def lasting(client: Client, number: int) -> float:
        ended(client, number)
        assert beside.wait(60)
        return monotonic()

    monkeypatch.setattr(build_beside, "offer", offered)
    monkeypatch.setattr(build_beside, "build_once", lasting)
    result = run("build-beside", tmp_path)
    (one,) = result["rounds"]
    assert one["build_seconds"] > 0
    assert one["beside"]["offered"] > 0
    for name in ("p50", "p99"):
        key = f"{name}_ms"
        ratio = one["beside"]["answered"][key] / one["alone"]["answered"][key]
        assert result["ratios"][name]["median"] == ratio


@pytest.mark.slow
@pytest.mark.alone
def test_upserts_are_counted_by_the_server_too(tmp_path: Path) -> None:
    result = run("ingest", tmp_path)
    assert result["dim"] == 384
    assert result["rates"][0]["unary"] > 1000


@pytest.mark.slow
def test_a_start_is_timed_to_its_first_answer(tmp_path: Path) -> None:
    result = run("restart", tmp_path)
    for starts in result["starts"].values():
        (one,) = starts
        stages = ("listening", "serving", "answered")
        seconds = [one[f"{stage}_seconds"] for stage in stages]
        assert 0 < seconds[0] <= seconds[1] <= seconds[2] < 60
        assert one["mapped_mib"] > 1


def test_the_time_of_refusals_by_the_clock_of_the_server() -> None:
    text = "# TYPE gleann_call_duration_seconds histogram\n" + "".join(
        f'gleann_call_duration_seconds_bucket{{method="{SEARCH}",code="{code}",le="{le}"}}'
        f" {count}\n"
        for code, counts in (("OK", (9, 9, 9)), ("RESOURCE_EXHAUSTED", (90, 199, 200)))
        for le, count in zip(("0.001", "0.004", "+Inf"), counts, strict=True)
    )
    found = buckets_of(text, "RESOURCE_EXHAUSTED")
    assert found == {0.001: 90, 0.004: 199, np.inf: 200}
    assert p99_bound_ms({}, found) == 4
    assert p99_bound_ms({0.001: 89, 0.004: 100, np.inf: 100}, found) == 4
    assert p99_bound_ms(found, found) is None
