"""The stages of `bench.gpu` on a CPU, tiny: what they write and what they leave."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import gpu_hang

from bench import gpu_notes, provenance
from bench.gpu import (
    __main__ as gpu,
)
from bench.gpu import (
    data as gpu_data,
)
from bench.gpu import (
    parts,
    watch,
    worker,
)
from bench.gpu import (
    run as gpu_run,
)
from bench.gpu.engines import least_nprobe
from bench.gpu.stages import coarse as gpu_coarse
from bench.gpu.stages import kernel as gpu_kernel
from bench.gpu.stages import peer_indexes
from bench.gpu.stages import table as stages
from bench.gpu.stages.conformance import NotGreenError, counted
from bench.gpu.stages.conformance import tests as run_tests
from bench.gpu.unit import Options, Unit
from gleann.index.codes import Encoding
from gleann.index.engines.device.plan.roofline import H200, Batch, bounds
from gleann.index.engines.device.steps.coarse import DeviceRanking

SET = "made-1m-128"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """All stages, by two processes' work: the second keeps what the first found."""
    setup = setup_in(tmp_path_factory.mktemp("gpu"))
    parent = SimpleNamespace(send=lambda said: None)
    early = ["ceilings", "build"]
    late = [name for name in stages.STAGES if name not in early]
    for names in (early, late):
        worker.work(setup, stages.units_of(names, [SET], Options()), parent)
    return json.loads(setup.out.read_text())


def rows_of(result, stage):
    return result["stages"][stage]["rows"]


def test_every_stage_has_rows_or_says_why_not(result):
    assert set(result["stages"]) == set(stages.STAGES)
    assert result["device"]["name"] == "CPU"
    assert result["quick"]
    for entry in result["stages"].values():
        assert entry["rows"] or entry["skipped"]
        assert entry["finished"]
        assert entry["commit"] == result["commit"]
    said = [s["why"] for e in result["stages"].values() for s in e["skipped"]]
    assert not [why for why in said if "FAILED" in why]


def test_what_needs_a_gpu_is_named(result):
    named = {skip["what"] for e in result["stages"].values() for skip in e["skipped"]}
    assert {"send", "tests/device/test_on_gpu.py"} <= named
    assert any("flashlib" in what for what in named)
    assert any("cuvs" in what for what in named)
    assert any("faiss" in what for what in named)


def test_searches_reach_their_recall(result):
    rows = rows_of(result, "search")
    assert {row["segments"] for row in rows} == {"both", "primary"}
    assert {row["engine"] for row in rows} == {"torch/cpu/fp32", "torch/cpu/int8"}
    for row in rows:
        assert row["recall"] > row["level"] - 0.1
        assert row["nprobe"] >= 1
        assert row["inner_dimension"] == result["data"][SET]["inner_dimension"]
        assert row["same_rows"] > 0.99
        assert row["on_device_seconds"] > 0
        assert row["recall"] - 0.1 < row["uncertain_recall"] <= row["recall"]
        assert row["qps"] == pytest.approx(row["batch"] / row["resident_seconds"])


def test_the_kernel_is_told_beside_its_roofline(result):
    rows = rows_of(result, "kernel")
    assert {row["kind"] for row in rows} == {"bf16", "int8"}
    for row in rows:
        parts = [row[f"predicted_{what}"] for what in ("memory", "matrix", "issue")]
        assert row["predicted_seconds"] == max(parts)


@pytest.mark.parametrize("doubtful", [False, True])
def test_the_kernel_of_the_coarse_step(monkeypatch, doubtful):
    """Here the product stands in for the kernel, which needs a GPU."""
    scanner = pytest.importorskip(
        "gleann.index.engines.triton_kernels.coarse.launch_rank",
        reason="triton is not installed",
    )

    def launched(ranking, queries, *, nprobe):
        found, doubted = ranking.likely(queries, nprobe=nprobe)
        return found, torch.full_like(doubted, doubtful)

    monkeypatch.setattr(scanner, "launch_rank_lists", launched)
    monkeypatch.setattr(gpu_coarse, "seconds_of", lambda run, call, most: call() and 1)
    shape = gpu_kernel.QUICK_SHAPE
    drawn = np.random.default_rng(0).normal(size=(shape.nlist + 9, shape.dim))
    rows = torch.from_numpy(drawn.astype(np.float32))
    cpu = torch.device("cpu")
    plain = Encoding.uncentred("l2", shape.dim)
    ranking = DeviceRanking(rows[: shape.nlist].numpy(), plain, cpu)
    written = []
    run = SimpleNamespace(row=lambda **row: written.append(row))
    gpu_coarse.record_row(run, shape, ranking, rows[shape.nlist :], "kernel")
    (row,) = json.loads(json.dumps(written, allow_nan=False))
    assert (row["way"], row["batch"], row["doubted"]) == ("kernel", 9, doubtful)
    assert row["same_lists"] == (None if doubtful else 1.0)
    longer = replace(shape, dim=768)
    product, kernel = (
        [gpu_coarse.predicted_seconds(of, 9, name) for of in (shape, longer)]
        for name in ("product", "kernel")
    )
    assert 0 < product[0] < product[1]
    assert 0 < kernel[0] < kernel[1]


def test_the_coarse_step_finds_the_best_lists(result):
    for row in rows_of(result, "coarse"):
        assert row["same_lists"] == 1
        assert row["doubted"] < 0.1


def test_exhaustive_search_is_right(result):
    for row in rows_of(result, "exact"):
        assert row["recall"] > 0.999


def test_builds_and_picks_are_those_of_the_host(result):
    (build,) = rows_of(result, "build")
    assert build["same_first"] > 0.99
    assert build["same_second"] > 0.99
    picks = [row for row in rows_of(result, "select") if "same_picks" in row]
    assert [row["same_picks"] for row in picks] == [1.0]


def test_notes_have_a_line_for_everything(result):
    lines = gpu_notes.table(result).splitlines()
    count = sum(len(e["rows"]) + len(e["skipped"]) for e in result["stages"].values())
    assert len(lines) == count + 4
    assert all(line.count(" | ") == 3 for line in lines[4:])


def test_targets_are_judged():
    row = {
        "set": SET,
        "engine": "triton/cuda/bf16",
        "segments": "both",
        "batch": 10_000,
        "nprobe": 24,
        "recall": 0.951,
        "level": 0.95,
        "qps": 5e6,
        "seconds": 3e-3,
        "resident_seconds": 2e-3,
    }
    data = {SET: {"n": 1_000_000, "dim": 128, "nlist": 4096}}
    result = {"data": data}
    (cells,) = gpu_notes.TELLERS["search"](result, row)
    assert "meets 3,400,000 QPS" in cells[3]
    # 58 queries a list, and every row twice.
    batch = Batch(queries=10_000, nprobe=24, nlist=4096, entries=2_000_000, dim=128)
    least = bounds(batch, kind="bf16", on=H200, query_tile=64).scan
    assert gpu_notes.predicted_seconds(result, row) == least
    (cells,) = gpu_notes.TELLERS["search"](result, row | {"qps": 3e6})
    assert "MISSES" in cells[3]


@pytest.mark.parametrize("level", [0.3, 0.85, 1.0])
def test_the_least_nprobe(level):
    asked = []

    def recall_at(nprobe):
        asked.append(nprobe)
        return min(1.0, nprobe / 40)

    found = least_nprobe(recall_at, level, nlist=100)
    assert found == next(p for p in range(1, 101) if p / 40 >= level)
    assert least_nprobe(lambda _: 0.5, level=0.9, nlist=100) is None


def new_run(folder):
    setup = setup_in(folder)
    return gpu_run.open_run(
        gpu_run.Run(
            device=torch.device("cpu"),
            out=setup.out,
            data=None,
            quick=True,
            seed=0,
            repeats=1,
        )
    )


def setup_in(folder, **changes):
    return worker.Setup(
        **{
            "device": "cpu",
            "out": folder / "o.json",
            "data": None,
            "quick": True,
            "seed": 0,
            "repeats": 1,
        }
        | changes
    )


def unit(stage, *, seconds=100.0, **options):
    name = SET if stages.STAGES[stage].on_a_set else ""
    return Unit(stage=stage, name=name, seconds=seconds, options=Options(**options))


def test_a_case_that_fails_leaves_the_others(tmp_path):
    run = new_run(tmp_path)
    run.begin(unit("ceilings"))
    assert not run.attempt("one", lambda: 1 / 0)
    assert run.attempt("two", lambda: run.row(what="two"))
    run.end()
    run.begin(unit("exact", seconds=-1))
    assert not run.attempt("three", lambda: run.row(what="three"))
    run.end()
    entries = json.loads(run.out.read_text())["stages"]
    assert "ZeroDivisionError" in entries["ceilings"]["skipped"][0]["why"]
    assert [row["what"] for row in entries["ceilings"]["rows"]] == ["two"]
    assert "the stage was up" in entries["exact"]["skipped"][0]["why"]
    assert entries["ceilings"]["finished"] == entries["exact"]["finished"] == []


def test_a_resumed_unit_repeats_only_what_failed(tmp_path):
    for broken in (True, False):
        half_measured(new_run(tmp_path), broken=broken)
    entry = json.loads(setup_in(tmp_path).out.read_text())["stages"]["ceilings"]
    assert [(row["what"], row["broken"]) for row in entry["rows"]] == [
        ("sound", True),
        ("half", False),
    ]
    assert entry["skipped"] == []
    assert entry["finished"] == [unit("ceilings").key]


def half_measured(run, *, broken):
    def half():
        run.row(what="half", broken=broken)
        assert not broken

    run.begin(unit("ceilings"))
    run.attempt("sound", lambda: run.row(what="sound", broken=broken))
    run.attempt("half", half)
    run.end()


def test_what_other_code_measured_is_measured_again(tmp_path):
    run = new_run(tmp_path)
    run.begin(unit("ceilings"))
    run.end()
    now = {"commit": run.result["commit"], "quick": True, "seed": 0}
    assert gpu_run.stale_stages(run.out, now=now) == []
    assert gpu_run.stale_stages(run.out, now=now | {"commit": "0"}) == ["ceilings"]
    assert gpu_run.stale_stages(run.out, now=now | {"seed": 1}) == ["ceilings"]
    gpu_run.drop_stages(run.out, ["ceilings"])
    assert gpu_run.read_result(run.out)["stages"] == {}


@pytest.mark.slow
def test_only_what_is_asked_for_is_measured(tmp_path):
    asked = ["--kinds", "int8", "--segments", "primary", "--batches", "3", "7"]
    where = ["--device", "cpu", "--quick", "--sets", SET, "--out"]
    out = tmp_path / "o.json"
    assert gpu.main([*where, str(out), *asked, "--stage", "search", "exact"]) == 0
    result = json.loads(out.read_text())
    rows = [(r["engine"], r["segments"], r["batch"]) for r in rows_of(result, "search")]
    assert rows == [("torch/cpu/int8", "primary", batch) for batch in (3, 7)]
    assert [r["way"] for r in rows_of(result, "exact")] == []  # below the least batch


@pytest.mark.slow
def test_a_hanging_and_a_dying_stage_leave_the_rest(tmp_path, monkeypatch):
    """Each costs itself and no other: what it had measured stays."""
    monkeypatch.setattr(watch, "GRACE", 0.5)
    units = [unit("kernel", seconds=8), unit("coarse", seconds=60), unit("ceilings")]
    setup = setup_in(tmp_path)
    assert not watch.measure(setup, units, resume=False, target=gpu_hang.work)
    entries = json.loads(setup.out.read_text())["stages"]
    assert [row["what"] for row in entries["kernel"]["rows"]] == ["quick"]
    assert "killed" in entries["kernel"]["skipped"][0]["why"]
    assert [row["what"] for row in entries["coarse"]["rows"]] == ["last words"]
    assert "status -9" in entries["coarse"]["skipped"][0]["why"]
    assert len(entries["ceilings"]["rows"]) == 4
    assert [len(entries[s]["finished"]) for s in ("kernel", "coarse", "ceilings")] == [
        0,
        0,
        1,
    ]


@pytest.mark.slow
def test_a_process_that_cannot_begin_ends_the_run(tmp_path):
    setup = setup_in(tmp_path, device="cuda:99")
    assert not watch.measure(setup, [unit("ceilings")], resume=False)


@pytest.mark.slow
def test_a_killed_run_is_resumed(tmp_path):
    """Killed in the middle of a stage, the process that measures dies with it."""
    out = tmp_path / "o.json"
    asked = ["--stage", "search", "exact", "--sets", SET, "made-1m-768", "--resume"]
    asked += ["--device", "cpu", "--quick", "--out", str(out)]
    command = [sys.executable, "-m", "bench.gpu", *asked]
    root = Path(gpu.__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 200
        while not searched(out) and time.monotonic() < deadline:
            time.sleep(0.002)
        running.kill()
    before = searched(out)
    assert 0 < len(before) < 16
    assert gpu.main(asked) == 0
    after = searched(out)
    assert len(after) == 16
    done = [row for row in before if row in after]  # to the last digit of its seconds
    assert len(done) >= len(before) - 1  # a row may be written before its case is done
    cases = [row["case"] for row in after]
    assert len(set(cases)) == len(cases)
    assert rows_of(json.loads(out.read_text()), "exact")


def searched(path):
    return gpu_run.read_result(path).get("stages", {}).get("search", {}).get("rows", [])


@pytest.mark.parametrize("name", parts.PARTS)
def test_parts_fit_their_calls(name):
    part = parts.PARTS[name]
    assert sum(asked.seconds for asked in part.units) <= 1.35 * part.seconds
    assert len({asked.key for asked in part.units}) == len(part.units)
    assert {asked.name for asked in part.units} - {""} <= {
        *gpu_data.MADE,
        *gpu_data.REAL,
    }


def test_parts_fit_fifteen_minutes():
    starts = 60 * len(parts.PARTS)
    assert sum(part.seconds for part in parts.PARTS.values()) + starts <= 15 * 60


@pytest.mark.slow
@pytest.mark.parametrize("name", parts.PARTS)
def test_a_part_says_what_to_read_first(name, tmp_path, capsys):
    out = tmp_path / "o.json"
    parts.main([name, "--device", "cpu", "--quick", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("== CPU, commit ")
    for stage in {asked.stage for asked in parts.PARTS[name].units}:
        assert f"== {stage}" in lines
    assert any("nprobe=" in line and "same_rows=1.0000" in line for line in lines)
    missing = [line for line in lines if "no folder sift-128" in line]
    assert bool(missing) == (name == "B" and worker.data_folder() is None)


@pytest.mark.slow
def test_a_suite_in_which_a_test_is_skipped_is_not_green(tmp_path):
    run = new_run(tmp_path)
    run.begin(unit("conformance"))
    with pytest.raises(NotGreenError, match="skipped"):
        run_tests(run, "core", ("tests/device/test_on_gpu_build.py",))
    (row,) = run.entry["rows"]
    assert row["skipped"] == 1


def test_a_part_begins_with_what_was_brought_back(tmp_path, monkeypatch):
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    monkeypatch.setattr(parts, "BROUGHT_BACK", tmp_path)
    assert not parts.out_of("A").exists()
    (tmp_path / "gpu-A.json").write_text("{}")
    assert parts.out_of("A").read_text() == "{}"
    parts.out_of("A").write_text("[]")
    assert parts.out_of("A").read_text() == "[]"  # newer: not written over


def test_hardware_needs_a_commit():
    assert worker.no_source("cuda", None)
    assert worker.no_source("cuda", "abc") == ""
    assert worker.no_source("cpu", None) == ""


@pytest.mark.parametrize("changed", [False, True])
def test_the_commit_that_is_sent_along(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(provenance, "run_git", lambda *_: None)
    monkeypatch.setattr(provenance, "COMMIT_FILE", tmp_path / "commit")
    monkeypatch.delenv("GLEANN_COMMIT", raising=False)
    assert provenance.commit() is None
    sent = "abc" + "+changes" * changed
    (tmp_path / "commit").write_text(sent + "\n")
    assert (provenance.commit(), provenance.uncommitted()) == ("abc", changed)
    monkeypatch.setenv("GLEANN_COMMIT", "def")
    assert (provenance.commit(), provenance.uncommitted()) == ("def", False)


def test_peers_are_tuned_in_steps_of_a_quarter():
    steps = peer_indexes.PROBES
    assert all(b <= max(a + 1, 1.26 * a) for a, b in pairwise(steps))


def test_pytest_s_last_line_is_counted():
    assert counted("3 failed, 120 passed, 2 skipped in 4s") == {
        "failed": 3,
        "passed": 120,
        "skipped": 2,
    }
