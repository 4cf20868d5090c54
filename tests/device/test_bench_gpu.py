"""The stages of `bench.gpu` on a CPU, tiny: what they write and what they leave."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
sys.path.append(str(Path(__file__).resolve().parents[2]))  # bench is not installed

from bench import gpu_notes  # noqa: E402
from bench.gpu import __main__ as gpu  # noqa: E402
from bench.gpu import coarse as gpu_coarse  # noqa: E402
from bench.gpu import data as gpu_data  # noqa: E402
from bench.gpu import run as gpu_run  # noqa: E402
from bench.gpu.conformance import counted  # noqa: E402
from bench.gpu.engines import least_nprobe  # noqa: E402
from gleann.index.codes import Encoding  # noqa: E402
from gleann.index.engines.device.coarse import DeviceRanking  # noqa: E402

SET = "made-1m-128"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """All stages, in two calls: the second keeps what the first found."""
    out = tmp_path_factory.mktemp("gpu") / "gpu.json"
    common = ["--device", "cpu", "--quick", "--sets", SET, "--out", str(out)]
    assert gpu.main([*common, "--stage", "ceilings", "build"]) == 0
    rest = [name for name in gpu.STAGES if name not in {"ceilings", "build"}]
    assert gpu.main([*common, "--stage", *rest]) == 0
    return json.loads(out.read_text())


def rows_of(result, stage):
    return result["stages"][stage]["rows"]


def test_every_stage_has_rows_or_says_why_not(result):
    assert set(result["stages"]) == set(gpu.STAGES)
    assert result["device"]["name"] == "CPU"
    assert result["quick"]
    for entry in result["stages"].values():
        assert entry["rows"] or entry["skipped"]
        assert entry["left"] > 0
    said = [s["why"] for e in result["stages"].values() for s in e["skipped"]]
    assert not [why for why in said if "FAILED" in why and "GPU support" not in why]


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
        assert row["same_rows"] > 0.99
        assert row["qps"] == pytest.approx(row["batch"] / row["resident_seconds"])


def test_the_kernel_is_told_beside_its_roofline(result):
    rows = rows_of(result, "kernel")
    assert {row["kind"] for row in rows} == {"bf16", "int8"}
    for row in rows:
        parts = [row[f"predicted_{what}"] for what in ("memory", "matrix", "selection")]
        assert row["predicted_seconds"] == max(parts)


@pytest.mark.parametrize("doubtful", [False, True])
def test_the_kernel_of_the_coarse_step(monkeypatch, doubtful):
    """Here the product stands in for the kernel, which needs a GPU."""
    scanner = pytest.importorskip(
        "gleann.index.engines.triton_kernels.launch_rank",
        reason="triton is not installed",
    )

    def launched(ranking, queries, *, nprobe):
        found, doubted = ranking.likely(queries, nprobe=nprobe)
        return found, torch.full_like(doubted, doubtful)

    monkeypatch.setattr(scanner, "launch_rank_lists", launched)
    monkeypatch.setattr(gpu_coarse, "seconds_of", lambda run, call, most: call() and 1)
    shape = gpu_coarse.QUICK_SHAPE
    drawn = np.random.default_rng(0).normal(size=(shape.nlist + 9, shape.dim))
    rows = torch.from_numpy(drawn.astype(np.float32))
    cpu = torch.device("cpu")
    plain = Encoding.uncentred("l2", shape.dim)
    ranking = DeviceRanking(rows[: shape.nlist].numpy(), plain, cpu)
    written = []
    run = SimpleNamespace(row=lambda **row: written.append(row))
    gpu_coarse._row(run, shape, ranking, rows[shape.nlist :], "kernel")
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
    assert "meets 4,000,000 QPS" in cells[3]
    # 2 copies of 256 bytes and a bias at 4.3 TB/s: all lists are touched.
    least = 2e6 * (128 * 2 + 4) / 4.3e12
    assert gpu_notes.predicted_seconds(result, row) == pytest.approx(least, rel=1e-3)
    (cells,) = gpu_notes.TELLERS["search"](result, row | {"qps": 3e6})
    assert "MISSES" in cells[3]


@pytest.mark.parametrize("inner", [4, 8])
def test_made_rows_have_the_inner_dimension_they_are_made_with(inner):
    made = gpu_data.Made(n=2000, dim=32, inner=inner, nlist=1)
    rows = gpu_data.generate(made, 6000, seed=1, device=gpu_run.torch.device("cpu"))
    rows = rows.numpy().astype(np.float64)
    near = np.sort(np.square(rows[:200, None] - rows[None]).sum(axis=2))[:, 1:40]
    assert inner * 0.7 < gpu_data.inner_dimension(near) < inner * 1.3


def test_made_rows_depend_on_the_seed_alone():
    cpu = gpu_run.torch.device("cpu")
    one, two, other = (
        gpu_data.generate(gpu_data.QUICK, 50, seed=seed, device=cpu)
        for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()


@pytest.mark.parametrize("level", [0.3, 0.85, 1.0])
def test_the_least_nprobe(level):
    asked = []

    def recall_at(nprobe):
        asked.append(nprobe)
        return min(1.0, nprobe / 40)

    found = least_nprobe(recall_at, level, nlist=100)
    assert found == next(p for p in range(1, 101) if p / 40 >= level)
    assert least_nprobe(lambda _: 0.5, level=0.9, nlist=100) is None


def test_a_case_that_fails_leaves_the_others(tmp_path):
    run = gpu_run.Run(
        device=gpu_run.torch.device("cpu"),
        out=tmp_path / "o.json",
        data=None,
        sets=(),
        quick=True,
        seed=0,
        repeats=1,
    )
    gpu_run.open_run(run)
    run.begin("ceilings", seconds=100)
    assert not run.attempt("one", lambda: 1 / 0)
    assert run.attempt("two", lambda: run.row(what="two"))
    run.begin("exact", seconds=-1)
    assert not run.attempt("three", lambda: run.row(what="three"))
    stages = json.loads(run.out.read_text())["stages"]
    assert "ZeroDivisionError" in stages["ceilings"]["skipped"][0]["why"]
    assert [row["what"] for row in stages["ceilings"]["rows"]] == ["two"]
    assert "time was up" in stages["exact"]["skipped"][0]["why"]


def test_pytest_s_last_line_is_counted():
    assert counted("3 failed, 120 passed, 2 skipped in 4s") == {
        "failed": 3,
        "passed": 120,
        "skipped": 2,
    }
