"""Out of core: the same files as in memory, in little memory, whole or not at all."""

import errno
import filecmp
import itertools
import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.build import on_disk
from gleann.index.storage import files
from gleann.index.storage.mapped_file import mapped_files

PARAMS = BuildParams(metric="cosine", nlist=24, tune_queries=40, seed=3)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(20, 12))
    noise = 0.5 * rng.normal(size=(2500, 12))
    return (centres[rng.integers(20, size=2500)] + noise).astype(np.float32)


@pytest.fixture
def many_blocks(monkeypatch):
    monkeypatch.setattr(on_disk, "BLOCK_BYTES", 12 * 4 * 333)


def files_of(path):
    return {file.name: file for file in path.glob("data-*/*.npy")}


@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "int8", "uint8"])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_the_files_are_those_of_build_and_save(rows, tmp_path, metric, dtype):
    whole = rows if np.dtype(dtype).kind == "f" else np.abs(rows * 20)
    np.save(tmp_path / "v.npy", whole.astype(dtype))
    source = np.load(tmp_path / "v.npy", mmap_mode="r")
    params = BuildParams(metric=metric, nlist=24, tune_queries=40, seed=3)
    names = np.arange(len(rows)).astype(str)
    built = SoarIndex.build(source, params, ids=names)
    built.save(tmp_path / "a")
    summary = SoarIndex.build_on_disk(source, tmp_path / "b", params, ids=names)
    ours, theirs = files_of(tmp_path / "b"), files_of(tmp_path / "a")
    assert ours.keys() == theirs.keys()
    for name, file in ours.items():
        assert filecmp.cmp(file, theirs[name], shallow=False), name
    loaded = SoarIndex.load(tmp_path / "b")
    assert loaded.operating_points == built.operating_points
    assert loaded.spill_report == built.spill_report == summary.spill_report
    assert loaded.params == built.params == summary.params
    assert summary.data_hash == built.data_hash == loaded.data_hash
    assert (summary.n, summary.dim, summary.nlist) == (2500, 12, 24)
    assert summary.spilled_share == built.spilled_share


def test_the_result_is_searched_from_its_files(rows, tmp_path):
    SoarIndex.build_on_disk(rows, tmp_path / "i", PARAMS)
    index = SoarIndex.load(tmp_path / "i")
    (file,) = mapped_files(index.vectors)
    assert file.path.name == "vectors.npy"
    every = SearchParams(k=5, nprobe=24, rerank=60)
    found = index.search(rows[:50], every)
    exact = index.search(rows[:50], SearchParams(k=5, exact=True))
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_allclose(found.distances, exact.distances, atol=1e-7)


MEASURED = """
import sys, threading
import numpy as np
from gleann.index import BuildParams, SoarIndex
from gleann.index.build import on_disk

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(x.split()[1]) for x in status if x.startswith("RssAnon")) << 10

source = np.load(sys.argv[1], mmap_mode="r")
params = BuildParams(metric="l2", nlist=64, spill="soar", tune_queries=16)
on_disk.BLOCK_BYTES = 1 << 23
few = np.random.default_rng(0).normal(size=(3000, source.shape[1]))
SoarIndex.build(few, params)  # what libraries take once is not the build's
before, peak, ended = anonymous(), 0, threading.Event()

def watch():
    global peak
    while not ended.wait(0.002):
        peak = max(peak, anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
SoarIndex.build_on_disk(source, sys.argv[2], params)
ended.set()
watcher.join()
print(peak - before)
"""


@pytest.mark.alone
def test_memory_does_not_grow_with_the_vectors(tmp_path):
    n, dim = 40_000, 768
    file = tmp_path / "v.npy"
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (n, dim))
    rng = np.random.default_rng(0)
    for start in range(0, n, 4000):
        rows[start : start + 4000] = rng.standard_normal((4000, dim), np.float32)
    rows.flush()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(file), str(tmp_path / "i")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # 123 MB of vectors; held are blocks of 8 MB and a few copies of them.
    assert int(done.stdout) < 100e6


def spoilt(rows, row, value):
    bad = rows.copy()
    bad[row] = value
    return bad


@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda r: spoilt(r, 1234, np.nan), errors.NonFiniteError, "row 1234 has NaN"),
        (lambda r: spoilt(r, 2499, np.inf), errors.NonFiniteError, "row 2499 has NaN"),
        (lambda r: spoilt(r, 700, 0), errors.ZeroVectorError, "row 700 is a zero"),
        (lambda r: r[0], errors.InvalidInputError, "2 dimensions"),
        (lambda r: r[:0], errors.InvalidInputError, "is empty"),
        (lambda r: (r * 1e9).astype(np.int64), errors.InvalidInputError, "row 0"),
        (lambda r: r[:20], errors.InvalidParamsError, "nlist is 24, .* 20 rows"),
    ],
)
def test_bad_vectors_are_refused_and_leave_nothing(
    rows, tmp_path, change, error, message
):
    with pytest.raises(error, match=message):
        SoarIndex.build_on_disk(change(rows), tmp_path / "i", PARAMS)
    assert list(tmp_path.iterdir()) == []


def test_other_bad_arguments(rows, tmp_path):
    with pytest.raises(errors.DuplicateIdError):
        SoarIndex.build_on_disk(rows, tmp_path / "i", PARAMS, ids=[1] * 2500)
    with pytest.raises(errors.DimensionMismatchError, match=r"queries.* 3 .* 12"):
        SoarIndex.build_on_disk(rows, tmp_path / "i", PARAMS, queries=rows[:, :3])
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(errors.AlreadyExistsError, match="holds 1 files"):
        SoarIndex.build_on_disk(rows, tmp_path, PARAMS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("many_blocks")
def test_progress(rows, tmp_path):
    seen = []
    SoarIndex.build_on_disk(rows, tmp_path / "i", PARAMS, progress=seen.append)
    phases = list(dict.fromkeys(p.phase for p in seen))
    assert phases == ["prepare", "train", "assign", "tune", "encode", "done"]
    for phase in phases:
        done = [p.done for p in seen if p.phase == phase]
        assert done == sorted(done)
    for phase in ("prepare", "encode"):
        assert [p.done for p in seen if p.phase == phase][:2] == [333, 666]


def test_progress_of_many_sample_queries_only_grows(rows):
    seen = []
    params = replace(PARAMS, tune_queries=600)
    SoarIndex.build(rows, params, progress=seen.append)
    tuned = [(p.done, p.total) for p in seen if p.phase == "tune"]
    assert tuned == sorted(tuned)
    assert tuned[-1][0] == tuned[-1][1]
    assert len({total for _, total in tuned}) == 1


class Short:
    """Rows that end before their shape says so."""

    dtype = np.dtype(np.float32)
    shape = (1000, 24)

    def __getitem__(self, rows):
        return np.ones((min(rows.stop, 900) - rows.start, 24), np.float32)


def test_a_source_must_keep_to_its_shape(tmp_path):
    with pytest.raises(errors.DimensionMismatchError, match=r"\(900, 24\)"):
        SoarIndex.build_on_disk(Short(), tmp_path / "i", PARAMS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "phase", ["prepare", "train", "assign", "tune", "encode", "done"]
)
def test_a_cancelled_build_leaves_what_was_there(rows, tmp_path, phase):
    def stop(progress):
        if progress.phase == phase:
            raise errors.CancelledError("asked to")

    with pytest.raises(errors.CancelledError):
        SoarIndex.build_on_disk(rows, tmp_path / "new", PARAMS, progress=stop)
    assert list(tmp_path.iterdir()) == []
    SoarIndex.build_on_disk(rows[:500], tmp_path / "old", PARAMS)
    with pytest.raises(errors.CancelledError):
        SoarIndex.build_on_disk(rows, tmp_path / "old", PARAMS, progress=stop)
    assert len(SoarIndex.load(tmp_path / "old")) == 500
    assert len(list((tmp_path / "old").iterdir())) == 2


@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("fail_at", [0, 1, 7, 30, 36])
def test_a_full_disk_leaves_what_was_there(rows, tmp_path, monkeypatch, fail_at):
    SoarIndex.build_on_disk(rows[:500], tmp_path / "old", PARAMS)
    growing, writes = files.GrowingArray, itertools.count()

    class FillingDisk:
        def __init__(self, handle):
            self.handle = handle

        def write(self, content):
            if next(writes) >= fail_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.handle.write(content)

    monkeypatch.setattr(
        files,
        "GrowingArray",
        lambda handle, *rest, **array: growing(FillingDisk(handle), *rest, **array),
    )
    for name in ("old", "new"):
        with pytest.raises(errors.StorageError, match="No space left"):
            SoarIndex.build_on_disk(rows, tmp_path / name, PARAMS)
    assert next(writes) > fail_at
    monkeypatch.undo()
    assert len(SoarIndex.load(tmp_path / "old")) == 500
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_an_error_of_the_source_is_not_the_disk_s(rows, tmp_path):
    class Unplugged:
        dtype, shape = rows.dtype, rows.shape

        def __getitem__(self, block):
            raise OSError(errno.EIO, "the cable")

    with pytest.raises(OSError, match="the cable") as caught:
        SoarIndex.build_on_disk(Unplugged(), tmp_path / "i", PARAMS)
    assert not isinstance(caught.value, errors.GleannError)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
import numpy as np
from gleann.index import BuildParams, SoarIndex

def stop(progress):
    if progress.phase == "assign":
        os.kill(os.getpid(), signal.SIGKILL)

rows = np.load(sys.argv[1], mmap_mode="r")
SoarIndex.build_on_disk(rows, sys.argv[2], BuildParams(nlist=24), progress=stop)
"""


def test_what_a_killed_build_leaves_goes_with_the_next(rows, tmp_path):
    np.save(tmp_path / "v.npy", rows)
    target = tmp_path / "i"
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "v.npy"), str(target)]
    for old in (False, True):
        assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
        leftover = {path.name for path in target.glob("data-*")}
        assert len(leftover) == 1 + old
        if old:
            assert len(SoarIndex.load(target)) == 700
        seen = []

        def look(progress, leftover=leftover, seen=seen):
            seen.append(leftover & {path.name for path in target.glob("data-*")})

        SoarIndex.build_on_disk(rows[:700], target, PARAMS, progress=look)
        published = json.loads((target / "manifest.json").read_text())["data"]
        assert all(len(there) == old for there in seen[:-1])
        there = {path.name for path in target.iterdir()}
        assert there == {"manifest.json", published}


def test_an_unreadable_manifest_keeps_every_folder_until_a_new_one_is_there(
    rows, tmp_path
):
    target = tmp_path / "i"
    SoarIndex.build_on_disk(rows[:700], target, PARAMS)
    kept = next(target.glob("data-*"))
    whole = (target / "manifest.json").read_text()
    (target / "manifest.json").write_text(whole[:-20])

    def stop(progress):
        raise errors.CancelledError("asked to")

    with pytest.raises(errors.CancelledError):
        SoarIndex.build_on_disk(rows, target, PARAMS, progress=stop)
    assert kept.is_dir()
    (target / "manifest.json").write_text(whole)
    assert len(SoarIndex.load(target)) == 700


def test_a_training_sample_is_bounded(rows, tmp_path, monkeypatch):
    """However many lists: the bound is on bytes, and never below one row a list."""
    monkeypatch.setattr("gleann.index.build.kmeans.MOST_TRAIN_BYTES", 12 * 4 * 100)
    for nlist in (24, 150):
        params = BuildParams(nlist=nlist, tune_queries=0)
        SoarIndex.build_on_disk(rows, tmp_path / "i", params)
        index = SoarIndex.load(tmp_path / "i")
        assert index.nlist == nlist
        assert len(np.unique(index.data.lists.rows)) == len(rows)
