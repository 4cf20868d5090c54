"""Whole runs with real processes: peers that work, crash, hang, or are not there."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.ann import Options, Run
from bench.comparison.building import run_builds
from bench.comparison.plots import plot_recall
from bench.comparison.process import PeerFailedError, PeerProcess
from bench.peers import PEERS
from bench.peers.contract import Peer
from bench.tables import ann_tables, build_table

EXACT = '''
"""Exhaustive search over the first `effort` percent of the rows."""
import os, sys, time
import numpy as np
from bench.peers.contract import PeerUnavailableError, Setting, Sweep
{preamble}

def version():
    return f"1.0 with {{os.environ['OMP_NUM_THREADS']}} threads"

def sweep(shape):
    settings = tuple(Setting(build={{"b": b}}, efforts=(50, 100)) for b in (1, 2))
    return Sweep(settings=settings, fixed=({{}},), effort="effort")

def build(base, metric, threads, params):
    {on_build}
    return base

def search(base, queries, k, params):
    rows = base[: len(base) * params["effort"] // 100]
    squares = np.square(rows).sum(axis=1)
    return np.argsort(squares - 2 * queries @ rows.T, axis=1)[:, :k]
'''

PEERS_HERE = {
    "exact_peer": {"preamble": "", "on_build": "pass"},
    "crashing_peer": {
        "preamble": "",
        "on_build": "print('it hurts', flush=True); os._exit(3)",
    },
    "half_peer": {
        "preamble": "",
        "on_build": "assert params['b'] == 2, 'only two will do'",
    },
    "hanging_peer": {"preamble": "", "on_build": "time.sleep(60)"},
    "missing_peer": {"preamble": "import no_such_library", "on_build": "pass"},
    "unfit_peer": {
        "preamble": "raise PeerUnavailableError('this CPU is too old')",
        "on_build": "pass",
    },
}


@pytest.fixture
def peers(tmp_path, monkeypatch):
    """Peers as modules that a child process can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, parts in PEERS_HERE.items():
        (folder / f"{name}.py").write_text(EXACT.format(**parts))
        monkeypatch.setitem(PEERS, name, Peer(module=name))
    monkeypatch.syspath_prepend(folder)
    return PEERS


@pytest.fixture
def data(tmp_path, clustered):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "base.npy", clustered(600, 8, seed=1))
    np.save(folder / "queries.npy", clustered(40, 8, seed=1)[:40])
    (folder / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    return folder


@pytest.fixture
def options(data):
    return Options(
        data=data,
        peers=("gleann", "exact_peer"),
        mode="batch",
        threads=1,
        k=5,
        levels=(0.9, 0.99),
        rounds=2,
        minutes=0.02,
        seed=0,
        quick=False,
    )


def test_a_crash_is_told_with_its_last_words_and_a_restart_helps(peers, data):
    peer = peers["crashing_peer"]
    with PeerProcess(peer, data=data, quick=False, threads=1) as process:
        usable, version = process.ask("open", seconds=60)
        assert usable
        assert version == "1.0 with 1 threads"
        process.ask("load", seconds=60)
        with pytest.raises(PeerFailedError, match="code 3; it hurts"):
            process.ask("build", {"b": 1}, seconds=60)
        process.restart()
        assert process.ask("open", seconds=60)[0]


def test_a_peer_that_hangs_is_ended(peers, data):
    peer = peers["hanging_peer"]
    with PeerProcess(peer, data=data, quick=False, threads=1) as process:
        process.ask("open", seconds=60)
        process.ask("load", seconds=60)
        with pytest.raises(PeerFailedError, match="no answer within 1 s"):
            process.ask("build", {"b": 1}, seconds=1)


@pytest.mark.slow
def test_a_run_names_what_it_skipped_and_what_failed(peers, options, tmp_path):
    missing = ("missing_peer", "unfit_peer", "crashing_peer", "half_peer")
    several = replace(options, peers=(*options.peers, *missing))
    out = tmp_path / "results" / "tiny.json"
    result = Run(several, out).run()
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    status = {name: report["status"] for name, report in result["peers"].items()}
    assert status["missing_peer"] == status["unfit_peer"] == "skipped"
    assert "no_such_library" in result["peers"]["missing_peer"]["reason"]
    assert "too old" in result["peers"]["unfit_peer"]["reason"]
    assert result["peers"]["crashing_peer"]["points"] == []
    assert any("code 3" in w for w in result["peers"]["crashing_peer"]["dropped"])
    assert any("only two will do" in w for w in result["peers"]["half_peer"]["dropped"])
    compared = {(c["theirs"]["name"], c["level"]) for c in result["comparisons"]}
    assert ("exact_peer", 0.99) in compared
    assert ("half_peer", 0.99) in compared
    check_comparisons(result, rounds=2)
    table = ann_tables(result)
    for name in ("missing_peer", "unfit_peer", "crashing_peer", "half_peer"):
        assert name in table
    assert plot_recall(result, tmp_path / "plot.svg")
    assert "exact_peer" in (tmp_path / "plot.svg").read_text()


def check_comparisons(result, *, rounds):
    for found in result["comparisons"]:
        for one in (found["ours"], found["theirs"]):
            assert one["recall"] >= found["level"]
            assert len(one["seconds"]) == len(found["ratios"]) == rounds
            assert min(one["seconds"]) > 0
        assert found["low"] <= found["ratio"] <= found["high"]
        assert found["ours"]["work"]["lists_probed"] >= 1
    for key in ("machine", "versions", "commit", "seed", "threads", "data"):
        assert key in result


@pytest.mark.slow
def test_single_queries_are_judged_by_their_latency(peers, options, tmp_path):
    single = replace(options, mode="single", levels=(0.9,))
    result = Run(single, tmp_path / "single.json").run()
    (found,) = result["comparisons"]
    for one in (found["ours"], found["theirs"]):
        assert 0 < one["p50_seconds"] <= one["p99_seconds"]
        # a median query, so below the whole pass of 40
        assert max(one["costs"]) < min(one["seconds"])
    assert "p50 / p99" in ann_tables(result)


@pytest.mark.slow
def test_builds_are_measured_in_fresh_processes(peers, options):
    several = replace(
        options,
        mode="build",
        rounds=1,
        peers=("gleann", "exact_peer", "crashing_peer"),
    )
    result = run_builds(several)
    runs = {(e["peer"], str(e["build"])): e for e in result["builds"]}
    assert len(runs) == 3 + 2 + 2
    for entry in result["builds"]:
        if entry["peer"] == "crashing_peer":
            assert "code 3" in entry["failure"]
            assert entry["runs"] == []
            continue
        assert len(entry["runs"]) == several.rounds
        for run in entry["runs"]:
            assert run["seconds"] > 0
            assert run["peak_resident_bytes"] > run["serving_bytes"]
    assert "crashing_peer" in build_table(result)
