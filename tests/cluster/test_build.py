"""Builds on Ray: the same files, whatever is killed meanwhile."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gleann.index import BuildParams, Progress
from gleann.index.build import shortlist
from gleann.index.errors import DuplicateIdError, MissingFileError, NonFiniteError
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.build import Asked, ask_for, build_shards
from gleann.index.shards.build.sources import Wanted
from tests.support.build_process import PARAMS, SHARDS
from tests.support.ray_workers import killed_at_random, most_memory, wait_for
from tests.support.shard_builds import (
    assert_same_index,
    files_of,
    reference,
    write_parquet,
)

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster

ROUNDS = int(os.environ.get("GLEANN_KILL_ROUNDS", "2"))
"""Of kills at random moments; 20 are the long form."""

N, DIM = 12_000, 16
BLOCK = 1 << 15
"""Bytes of a block: two dozen of them."""


def rows_of(n: int = N, dim: int = DIM, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((40, dim))
    rows = centres[rng.integers(40, size=n)] + rng.standard_normal((n, dim))
    return rows.astype(np.float32)


def asked_for(source: Path, params: BuildParams = PARAMS, **options: object) -> Asked:
    given = {"shards": SHARDS, "block_bytes": BLOCK} | options
    return ask_for([str(source)], params, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", ["f32", "f16"])
def test_workers_write_what_one_process_writes(
    cluster: "Cluster", tmp_path: Path, keep: str
) -> None:
    rows = rows_of()
    ids = [f"id {n * 7}" for n in range(N)]
    words = [f"w{n % 9}" for n in range(N)]
    params = replace(PARAMS, keep=keep, spill="soar")  # type: ignore[arg-type]
    files = write_parquet(tmp_path / "in", rows, ids=ids, groups=700, word=words)
    wanted = Wanted(schema=Schema.of({"word": "string"}))
    asked = asked_for(files, params, wanted=wanted, runner=cluster.run)
    build_shards(asked, tmp_path / "two", runner=cluster.run)
    one = replace(cluster, workers=1)
    build_shards(asked, tmp_path / "one", runner=one.run)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    there = reference(
        tmp_path, rows, params, shards=SHARDS, ids=ids, payload={"word": words}
    )
    assert_same_index(tmp_path / "two", there)


def test_workers_assign_by_the_choice_of_the_driver(
    cluster: "Cluster", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad one, which is made here alone: workers by themselves compare all lists."""
    files = write_parquet(tmp_path / "in", rows_of(), groups=700)
    build_shards(asked_for(files), tmp_path / "all-lists")
    for least in ("LEAST_LISTS", "LEAST_ROWS", "LEAST_GROUPED"):
        monkeypatch.setattr(shortlist, least, 10)
    for share in ("SAME_FIRST", "SAME_SECOND"):
        monkeypatch.setattr(shortlist, share, 0.0)
    monkeypatch.setattr(shortlist, "GROUPED", ((1, 2),))
    build_shards(asked_for(files), tmp_path / "here")
    build_shards(asked_for(files), tmp_path / "two", runner=cluster.run)
    one = replace(cluster, workers=1)
    build_shards(asked_for(files), tmp_path / "one", runner=one.run)
    found = [files_of(tmp_path / name) for name in ("here", "two", "one", "all-lists")]
    assert found[0] == found[1] == found[2]
    assert found[0] != found[3]


def test_workers_read_files_of_a_store(cluster: "Cluster", tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason="needs obstore (extra cloud)")
    files = write_parquet(tmp_path / "in", rows_of(), groups=700)
    url = f"file://{files}"
    asked = ask_for([url], PARAMS, shards=SHARDS, block_bytes=BLOCK, runner=cluster.run)
    build_shards(asked, tmp_path / "stored", runner=cluster.run)
    build_shards(asked_for(files), tmp_path / "here")
    assert_same_index(tmp_path / "stored", tmp_path / "here")
    (files / "part-2.parquet").unlink()
    with pytest.raises(MissingFileError, match=r"part-2\.parquet"):
        build_shards(asked, tmp_path / "out", runner=cluster.run)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".building"]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_workers_change_nothing(
    cluster: "Cluster", tmp_path: Path, seed: int
) -> None:
    files = write_parquet(tmp_path / "in", rows_of(seed=seed), groups=700)
    asked = asked_for(files)
    build_shards(asked, tmp_path / "calm")
    for number in range(40):  # a build may end before a worker is killed
        out = tmp_path / f"killed-{number}"
        most = (1.0, 0.3, 0.1)[number % 3]
        with killed_at_random(seed + 1000 * number, kills=3, most=most) as dead:
            build_shards(asked, out, runner=cluster.run)
        assert files_of(out) == files_of(tmp_path / "calm")
        if dead:
            break
    assert dead


def test_a_killed_driver_is_gone_on_from(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    files, out = write_parquet(tmp_path / "in", rows_of(), groups=700), tmp_path / "out"
    asked = asked_for(files)
    build_shards(asked, tmp_path / "calm")
    arguments = [str(files), str(out), str(BLOCK)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.build_process", *arguments],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    building = out / ".building"
    assert wait_for(
        lambda: len(list(building.glob("*/placed/block-*"))) >= 3, seconds=100
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "shards.json").exists()
    summary = build_shards(asked, out)
    assert summary.resumed >= 3
    assert files_of(out) == files_of(tmp_path / "calm")


def test_what_is_wrong_with_a_row_comes_out(cluster: "Cluster", tmp_path: Path) -> None:
    rows = rows_of()
    rows[N - 5, 3] = np.inf
    files = write_parquet(tmp_path / "in", rows, groups=700)
    with pytest.raises(NonFiniteError, match=r"part-2\.parquet.* row \d+"):
        build_shards(asked_for(files), tmp_path / "out", runner=cluster.run)
    ids = [*range(N - 1), 0]
    files = write_parquet(tmp_path / "twice", rows_of(), ids=ids, groups=700)
    with pytest.raises(DuplicateIdError, match=r"the id 0 .*part-0.* and .*part-2"):
        build_shards(asked_for(files), tmp_path / "other", runner=cluster.run)
    assert not (tmp_path / "out/shards.json").exists()


class Stopped(Exception):
    """A build that was stopped."""


def test_a_build_that_was_stopped_goes_on(cluster: "Cluster", tmp_path: Path) -> None:
    files = write_parquet(tmp_path / "in", rows_of(), groups=700)
    asked = asked_for(files)
    build_shards(asked, tmp_path / "calm")

    def stop(progress: Progress) -> None:
        if progress.phase == "tune":
            raise Stopped

    with pytest.raises(Stopped):
        build_shards(asked, tmp_path / "out", runner=cluster.run, progress=stop)
    summary = build_shards(asked, tmp_path / "out", runner=cluster.run)
    assert summary.resumed >= 1
    assert files_of(tmp_path / "out") == files_of(tmp_path / "calm")


def test_memory_of_workers_does_not_grow_with_the_rows(
    cluster: "Cluster", tmp_path: Path
) -> None:
    params = BuildParams(metric="l2", nlist=16, tune_queries=0, kmeans_iterations=1)
    peaks = []
    for n in (40_000, 400_000):
        source = tmp_path / f"{n}.npy"
        np.save(source, rows_of(n, 64))
        asked = asked_for(source, params, block_bytes=1 << 22)
        with most_memory() as most:
            build_shards(asked, tmp_path / f"out-{n}", runner=cluster.run)
        peaks.append(max(most.values()))
    # 100 MB of rows: a block of them, and ids and lists of a third, are in memory.
    assert peaks[1] - peaks[0] < 30 << 20
