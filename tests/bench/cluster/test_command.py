"""The command and its tables: what needs no Ray runs, quickly."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.cluster import answers_part, build_part, kills_part
from bench.cluster.answers_part import same
from bench.cluster.build_part import build_table, run_build
from bench.cluster.command import PARTS, cluster_table
from bench.cluster.demo import QUERIES, README, commands, write_inputs
from bench.cluster.kills_part import Killing, Round, rounds_with_kills
from bench.cluster.processes import DRIVER, descendants, is_worker, watching
from bench.cluster.steps import QUICK, between, measured_steps
from bench.recorded import TABLES
from bench.records import RESULTS, read_results
from gleann.index import SearchParams, SoarIndex


def run(*words: str) -> int:
    arguments = make_parser().parse_args(["cluster", *words])
    return arguments.run(arguments)


def test_answers_of_shards_are_those_of_the_index(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers_part, "QUICK_ROWS", 2000)
    out = tmp_path / "answers.json"
    assert run("--part", "answers", "--quick", "--out", str(out)) == 0
    result = json.loads(out.read_text())
    whole, *cut = result["rows"]
    assert [one["shards"] for one in cut] == [1, 2, 5]
    for one in cut:
        assert one["same"] == 1.0
        for level, of_whole in zip(one["levels"], whole["levels"], strict=True):
            assert level["entries"] == pytest.approx(of_whole["entries"])
            assert abs(level["recall"] - of_whole["recall"]) <= 0.003
    printed = capsys.readouterr().out
    assert "QUICK (not a measurement)" in printed
    assert "| 5 | 100.0000% |" in printed


def test_builds_take_turns_and_have_medians(tmp_path, monkeypatch):
    ran = []

    def timed(words, cores, peaks):
        in_shards = "cluster" in words
        ran.append((cores, in_shards))
        peaks[build_part.DRIVER] = max(peaks.get(build_part.DRIVER, 0), len(ran) << 20)
        words = [str(one) for one in words]
        out = Path(words[words.index("build") + 2] if in_shards else words[-1])
        out.mkdir()
        (out / "file").write_text("the same")
        return [30.0, 20.0, 90.0][(len(ran) - 1) // 4] if in_shards else 10.0

    monkeypatch.setattr(build_part, "timed", timed)
    monkeypatch.setattr(build_part, "started", lambda: {"start": 10.0})
    monkeypatch.setattr(build_part, "ROWS", 10)
    result = run_build(
        argparse.Namespace(quick=False, rows=None, rounds=None, folder=tmp_path)
    )
    assert ran[:4] == [(1, True), (1, False), (2, True), (2, False)]
    assert ran[4:8] == ran[3::-1]
    assert ran[8:] == ran[:4]
    assert list(tmp_path.iterdir()) == []
    table = build_table(result)
    assert "10 x 96 into 5 shards, medians of 3 rounds in turn" in table
    assert "files the same with any number" in table
    assert "| 1 | 30.0 (20.0 to 90.0) | 10.0 (10.0 to 10.0) | +100% (+0% to" in table
    once = {**result, "runs": [{**one, "seconds": 30.0} for one in result["runs"]]}
    del once["rounds"]
    assert "| 2 | 30.0 | 10.0" in build_table(once)


def test_other_answers_are_told():
    rows = np.eye(4, dtype=np.float32)
    index = SoarIndex.build(rows)
    found = index.search(rows, SearchParams(k=1))
    other = index.search(rows[::-1], SearchParams(k=1))
    assert same(found, found) == 1.0
    assert same(found, other) == 1.0  # all at the distance 0
    far = index.search(rows + np.float32(0.25) * rows[::-1], SearchParams(k=1))
    assert same(found, far) > 0  # the same ids


def test_a_quick_result_is_no_record(tmp_path):
    assert set(TABLES) >= {f"cluster-{part}" for part in PARTS}
    for result in read_results(RESULTS).values():
        if result.get("mode", "").startswith("cluster-"):
            assert not result["quick"]
            assert cluster_table(result)


def test_steps_of_small_rows(tmp_path):
    found = dict(measured_steps(8, QUICK, tmp_path))
    named = ("place", "write", "encode", "sample_exact", "scan", "rank_256")
    assert set(named) <= set(found)
    assert all(cost["each"] >= 0 and cost["fixed"] >= 0 for cost in found.values())
    # One of the two may be 0 where the greater task took no longer than the smaller.
    assert found["place"]["each"] + found["place"]["fixed"] > 0
    assert found["choose_256"] == {"each": 0.0, "fixed": found["choose_256"]["fixed"]}


def test_the_slope_and_what_is_fixed(monkeypatch):
    clock = iter(np.cumsum([0, 3.0, 0, 5.0]).tolist())
    monkeypatch.setattr("bench.cluster.steps.process_time", lambda: next(clock))
    cost = between(lambda _: None, (10, 20), 1)
    assert cost.each == pytest.approx(0.2)
    assert cost.fixed == pytest.approx(1.0)


CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}])"


def test_the_processes_of_a_command_are_found_and_one_is_lost():
    grandchild = "import time; x = bytearray(40 << 20); time.sleep(60)"
    words = [sys.executable, "-c", CHILD.format(grandchild)]
    peaks: dict[str, int] = {}
    with subprocess.Popen(words) as process, watching(process.pid, peaks):
        while max(peaks.values(), default=0) < 40 << 20:
            pass
        assert len(descendants(process.pid)) == 1
        [lost] = descendants(process.pid)
        subprocess.run(["kill", "-9", str(lost)], check=True)
        process.wait()
    assert peaks[DRIVER] > 0
    assert descendants(process.pid) == {}


@pytest.mark.parametrize(
    ("title", "works"),
    [
        ("ray::IDLE", True),
        ("ray::ShardActor.answer", True),
        ("ray::DashboardAgent", False),
        ("ray::RuntimeEnvAgent", False),
        ("/opt/ray/core/src/ray/raylet/raylet --raylet_socket_name=x", False),
    ],
)
def test_agents_of_ray_are_no_workers(title, works):
    assert is_worker(title) is works


def test_nothing_is_killed_where_there_is_no_worker():
    rng = np.random.default_rng(0)
    killing = Killing(1, "NoSuchActor", 0.0, rng)
    with killing:
        pass
    assert not killing.killed


def test_rounds_without_a_kill_do_not_count(monkeypatch):
    monkeypatch.setattr(kills_part, "MOST_TRIES", 3)
    killed = [False, True, False, False, True, True]

    def one_round(number: int) -> Round:
        return Round(killed=killed[number], same=True, seconds=0.1)

    assert [one.killed for one in rounds_with_kills("a", one_round, 2)] == killed[:5]
    killed = [True] + [False] * 5
    with pytest.raises(RuntimeError, match="6 rounds, 2 kills wanted"):
        rounds_with_kills("a", one_round, 2)


def test_the_demo_runs_the_commands_of_the_page(tmp_path: Path) -> None:
    found = commands(README.read_text("utf-8"))
    assert found
    assert all(line.startswith("gleann cluster ") for line in found)
    write_inputs(tmp_path, rows=200)
    rows = [np.load(tmp_path / "rows" / f"rows-{part}.npy") for part in (0, 1)]
    assert [len(part) for part in rows] == [100, 100]
    np.testing.assert_allclose(rows[0][:10], rows[1][:10], atol=1e-2)
    assert len(np.load(tmp_path / "queries.npy")) == QUERIES


def test_a_part_must_be_named(capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args(["cluster"])
    assert "--part" in capsys.readouterr().err
    assert isinstance(make_parser().parse_args(["work"]), argparse.Namespace)
