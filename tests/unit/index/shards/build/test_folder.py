"""The folder of a build: whose it is, and what in it is gone on with."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, Progress
from gleann.index.errors import AlreadyExistsError, ConflictError, StorageError
from gleann.index.shards.build import build
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.index.shards.build.folder import BUILDING, opened_folder, require_free
from gleann.index.shards.manifest import read
from gleann.index.shards.whole import whole_folder
from tests.support.shard_builds import files_of

N, DIM = 600, 12
BLOCK = 250 * 4 * DIM
PARAMS = BuildParams(nlist=9, tune_queries=30)


class Stopped(Exception):
    """A build that was stopped."""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of rows."""
    return saved(tmp_path / "rows.npy")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A file of other rows."""
    return saved(tmp_path / "other.npy", seed=5)


def saved(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    np.save(path, rng.standard_normal((N, DIM), dtype=np.float32))
    return path


def built(file: Path, out: Path, *, shards: int = 3, **options: Any) -> Path:
    asked = ask_for([str(file)], PARAMS, shards=shards, block_bytes=BLOCK)
    build_shards(asked, out, threads=2, **options)
    return out


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_that_only_sound_like_shards_are_left_alone(
    tmp_path: Path, rows: Path, overwrite: bool
) -> None:
    mine = tmp_path / "mine"
    (mine / "shard-00000").mkdir(parents=True)
    (mine / "shard-00000/diary.txt").write_text("mine")
    (mine / "shard-00001.tar").write_text("mine, too")
    before = files_of(mine)
    with pytest.raises(AlreadyExistsError, match="holds 2 files that are no index"):
        built(rows, mine, overwrite=overwrite)
    assert files_of(mine) == before
    made = built(rows, tmp_path / "made")
    (made / "shard-notes").mkdir()
    with pytest.raises(AlreadyExistsError, match="holds 5 files that are no index"):
        built(rows, made, overwrite=True)


@pytest.mark.parametrize("phase", ["train", "done"])
def test_pieces_of_a_build_that_is_not_known_are_not_taken(
    tmp_path: Path, rows: Path, other: Path, phase: str
) -> None:
    """As where a process was killed while it removed them."""

    def stop(progress: Progress) -> None:
        if progress.phase == phase:
            raise Stopped

    out = tmp_path / "out"
    with pytest.raises(Stopped):
        built(other, out, progress=stop)
    (out / BUILDING / "asked.json").unlink()
    wanted = built(rows, tmp_path / "wanted")
    assert files_of(built(rows, out)) == files_of(wanted)


KILLED = """
import os, signal, sys
from pathlib import Path
from gleann.index import BuildParams
from gleann.index.shards.build import build

def killed(folder):
    os.kill(os.getpid(), signal.SIGKILL)

build.remove_pieces = killed
source, out, nlist, queries, block = sys.argv[1:]
params = BuildParams(nlist=int(nlist), tune_queries=int(queries))
asked = build.ask_for([source], params, shards=3, block_bytes=int(block))
build.build_shards(asked, Path(out), threads=1)
"""


def test_a_build_that_was_killed_before_its_folder_was_gone_ends_it(
    tmp_path: Path, rows: Path
) -> None:
    out = tmp_path / "out"
    numbers = [str(one) for one in (PARAMS.nlist, PARAMS.tune_queries, BLOCK)]
    words = [sys.executable, "-c", KILLED, str(rows), str(out), *numbers]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (out / "shards.json").exists()
    assert (out / BUILDING / "asked.json").exists()
    require_free(out, overwrite=False)
    with pytest.raises(AlreadyExistsError, match="there is an index in shards at"):
        built(rows, out, shards=2)
    asked = ask_for([str(rows)], PARAMS, shards=3, block_bytes=BLOCK)
    summary = build_shards(asked, out, threads=1)
    assert not (out / BUILDING).exists()
    calm = build_shards(asked, tmp_path / "calm", threads=1)
    assert summary == replace(calm, resumed=3)
    assert files_of(out) == files_of(tmp_path / "calm")
    with pytest.raises(AlreadyExistsError, match="there is an index in shards at"):
        require_free(out, overwrite=False)


@pytest.mark.parametrize("removed", range(1, 6))
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_removal_that_was_stopped_is_ended(
    tmp_path: Path,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    removed: int,
    overwrite: bool,
) -> None:
    """Pieces go one by one; the index is there, and no task is run again."""
    out, rmtree, heard = tmp_path / "out", shutil.rmtree, 0

    def stopping(path: Path, **options: Any) -> None:
        nonlocal heard
        heard += (out / "shards.json").exists()
        if heard == removed:
            raise Stopped
        rmtree(path, **options)

    def nobody(*_: Any) -> Any:
        raise AssertionError("a task is run again")

    monkeypatch.setattr(shutil, "rmtree", stopping)
    with pytest.raises(Stopped):
        built(rows, out)
    monkeypatch.undo()
    before = files_of(out / "shard-00000") | {"": (out / "shards.json").read_bytes()}
    assert (out / BUILDING).exists()
    built(rows, out, runner=nobody, overwrite=overwrite)
    after = files_of(out / "shard-00000") | {"": (out / "shards.json").read_bytes()}
    assert after == before
    assert not (out / BUILDING).exists()


def test_what_is_left_beside_another_index_is_not_taken_for_its_build(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `shards.json` was replaced since, or damaged."""
    out = tmp_path / "out"
    asked = ask_for([str(rows)], PARAMS, shards=3, block_bytes=BLOCK)
    monkeypatch.setattr(build, "remove_pieces", lambda _: None)
    build_shards(asked, out)
    monkeypatch.undo()
    built(rows, tmp_path / "other", shards=2)
    for text in ((tmp_path / "other/shards.json").read_text(), "{}", "no JSON"):
        (out / "shards.json").write_text(text)
        with pytest.raises(AlreadyExistsError, match="there is an index in shards at"):
            build_shards(asked, out)
    build_shards(asked, out, overwrite=True)
    assert files_of(out) == files_of(built(rows, tmp_path / "wanted"))


def test_a_task_that_outlives_its_build_does_not_reach_the_next(
    tmp_path: Path, rows: Path, other: Path
) -> None:
    late: list[Callable[[], Any]] = []

    def losing(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Any:
        late.extend(partial(function, task) for task in tasks)
        raise Stopped

    def beside_late_ones(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Any:
        while late:
            late.pop()()
        return map(function, tasks)

    out = tmp_path / "out"
    with pytest.raises(Stopped):
        built(other, out, runner=losing)
    assert late
    made = built(rows, out, runner=beside_late_ones, overwrite=True)
    assert not late
    assert files_of(made) == files_of(built(rows, tmp_path / "wanted"))


@pytest.mark.parametrize("removed", [False, True])
def test_a_task_that_ends_while_its_rest_is_removed_makes_no_broken_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, removed: bool
) -> None:
    """It is whole where the task was first, or is not there."""
    asked, remove = {"build": "the same"}, shutil.rmtree

    def end(path: Path, **_: Any) -> None:
        if removed:
            next(Path(path).iterdir()).unlink()
        with suppress(FileNotFoundError):
            temporary.rename(placed)
        remove(path, ignore_errors=True)

    with opened_folder(tmp_path / "out", asked, overwrite=False) as folder:
        placed = folder.placed(0)
    with suppress(StorageError), whole_folder(placed) as temporary:
        for name in ("rows", "counts"):
            (temporary / name).touch()
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(shutil, "rmtree", end)
            with opened_folder(tmp_path / "out", asked, overwrite=False):
                assert not temporary.exists()
    assert not placed.exists() or len(list(placed.iterdir())) == 2
    assert not list((tmp_path / "out").rglob("tmp-*"))


def test_a_build_that_ended_meanwhile_is_not_replaced(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, opened = tmp_path / "out", os.open

    def open_late(path: Any, *rest: Any, **named: Any) -> int:
        if Path(path) == out / BUILDING / "lock":
            monkeypatch.setattr(os, "open", opened)
            built(rows, out, shards=2)
            (out / BUILDING).mkdir()
        return opened(path, *rest, **named)

    monkeypatch.setattr(os, "open", open_late)
    with pytest.raises(AlreadyExistsError, match="there is an index in shards"):
        built(rows, out, shards=3)
    assert len(read(out).shards) == 2


def test_nothing_that_tasks_write_is_looked_for_before_it_is_there(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems of several machines remember what was not there."""
    in_vain: set[Path] = set()
    written: set[Path] = set()
    stat, in_task = Path.stat, False

    def watched(self: Path, **options: Any) -> os.stat_result:
        try:
            return stat(self, **options)
        except FileNotFoundError:
            if not in_task:
                in_vain.add(self)
            raise

    def tasks_apart(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Any:
        nonlocal in_task
        for task in list(tasks):
            before, in_task = set((tmp_path / "out").rglob("*")), True
            result = function(task)
            written.update(set((tmp_path / "out").rglob("*")) - before)
            in_task = False
            yield result

    monkeypatch.setattr(Path, "stat", watched)
    built(rows, tmp_path / "out", runner=tasks_apart)
    assert len(written) > 10
    assert not written & in_vain


def test_one_process_builds_in_a_folder(tmp_path: Path, rows: Path) -> None:
    asked = ask_for([str(rows)], PARAMS, shards=2)
    with (
        opened_folder(tmp_path / "out", asked.values, overwrite=False),
        pytest.raises(ConflictError, match="another process builds in"),
    ):
        build_shards(asked, tmp_path / "out")


def test_a_lock_that_was_removed_is_not_one(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def removed_first(descriptor: int, operation: int) -> None:
        (tmp_path / "out" / BUILDING / "lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with pytest.raises(ConflictError, match="another process builds in"):
        built(rows, tmp_path / "out")
