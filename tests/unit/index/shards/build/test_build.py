"""Shards that tasks build are those that one process would cut, byte for byte."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, Progress
from gleann.index.build import shortlist
from gleann.index.build.shortlist import GroupedLists
from gleann.index.data.vector_rows import VectorColumn
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    ZeroVectorError,
)
from gleann.index.payload.schema import Schema
from gleann.index.shards.build import kernels
from gleann.index.shards.build.assigned import assign_range
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.index.shards.build.folder import BUILDING
from gleann.index.shards.build.sources import Wanted
from gleann.index.shards.manifest import read, require_shard
from tests.support.shard_builds import (
    assert_same_index,
    cut_passes_up,
    files_of,
    reference,
    write_parquet,
)

N, DIM = 2400, 12
BLOCK = 250 * 4 * DIM


def clustered(n: int = N, dim: int = DIM, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((30, dim))
    rows = centres[rng.integers(30, size=n)] + rng.standard_normal((n, dim))
    rows[7:40:11] = rows[7:8]  # the same row several times
    return rows.astype(np.float32)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_passes_up(monkeypatch)


def backwards(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """A runner that begins with the last task, and does each of them twice."""
    listed = list(tasks)
    found = [(function(task), function(task))[1] for task in reversed(listed)]
    return iter(found[::-1])


def built(
    inputs: Path | list[Path], out: Path, params: BuildParams, **options: Any
) -> Path:
    named = [str(one) for one in (inputs if isinstance(inputs, list) else [inputs])]
    shards = options.pop("shards", 3)
    given = {
        name: options.pop(name) for name in ("wanted", "queries") if name in options
    }
    asked = ask_for(named, params, shards=shards, block_bytes=BLOCK, **given)
    build_shards(asked, out, threads=2, **options)
    return out


CASES = {
    "cosine": BuildParams(nlist=24, tune_queries=300),
    "l2 far off": BuildParams(metric="l2", nlist=24, tune_queries=300),
    "ip": BuildParams(metric="ip", nlist=24, spill="soar", tune_queries=150),
    "float32": BuildParams(codes="float32", nlist=24, tune_queries=300),
    "no copies": BuildParams(nlist=24, spill="none", tune_queries=40),
    "nothing measured": BuildParams(nlist=24, tune_queries=0),
    "f16": BuildParams(keep="f16", nlist=24, tune_queries=150),
    "bf16": BuildParams(keep="bf16", metric="ip", nlist=24, tune_queries=150),
    "disk, shared": BuildParams(
        keep="disk", entry_codes="shared", nlist=24, tune_queries=150
    ),
    "projection": BuildParams(projection=8, nlist=24, tune_queries=300),
    "auto": BuildParams(tune_queries=300),
}


@pytest.mark.parametrize("case", CASES)
def test_shards_are_those_of_one_process(tmp_path: Path, case: str) -> None:
    rows = clustered() + np.float32(300 if case == "l2 far off" else 0)
    params = CASES[case]
    files = write_parquet(tmp_path / "in", rows)
    made = built(files, tmp_path / "made", params, runner=backwards)
    assert_same_index(made, reference(tmp_path, rows, params, shards=3))
    assert not (made / BUILDING).exists()


@pytest.mark.parametrize("shards", [1, 2, 40])
def test_any_number_of_shards(tmp_path: Path, shards: int) -> None:
    rows = clustered(700)
    params = BuildParams(nlist=9, tune_queries=60)
    ids = [f"ïd {number * 7}" for number in range(700)]
    values = {"length": list(range(700)), "word": [f"w{n % 9}" for n in range(700)]}
    files = write_parquet(tmp_path / "in", rows, ids=ids, **values)
    wanted = Wanted(schema=Schema.of({"length": "int64", "word": "string"}))
    made = built(files, tmp_path / "made", params, shards=shards, wanted=wanted)
    assert_same_index(
        made, reference(tmp_path, rows, params, shards=shards, ids=ids, payload=values)
    )
    manifest = read(made)
    assert manifest.n == 700
    for shard in manifest.shards:
        require_shard(made, shard)


def test_few_rows_leave_shards_empty(tmp_path: Path) -> None:
    rows = clustered(5)
    params = BuildParams(nlist=1)
    np.save(tmp_path / "rows.npy", rows)
    made = built(tmp_path / "rows.npy", tmp_path / "made", params, shards=9)
    assert_same_index(made, reference(tmp_path, rows, params, shards=9))
    assert min(shard.n for shard in read(made).shards) == 0


def test_many_lists_are_chosen_by_their_codes(tmp_path: Path) -> None:
    rows = clustered(17_000, 8)
    params = BuildParams(nlist=2100, kmeans_iterations=1, tune_queries=30)
    np.save(tmp_path / "rows.npy", rows)
    made = built(tmp_path / "rows.npy", tmp_path / "made", params, shards=2)
    assert_same_index(made, reference(tmp_path, rows, params, shards=2))


def test_shortlists_are_chosen_once_for_all_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the process that decides; the tasks have the same bytes by its choice."""
    monkeypatch.setattr(shortlist, "LEAST_LISTS", 40)
    monkeypatch.setattr(shortlist, "LEAST_ROWS", 1000)
    monkeypatch.setattr(shortlist, "LEAST_GROUPED", 60)
    monkeypatch.setattr(shortlist, "GROUPED", ((12, 24),))
    rows = clustered()
    params = BuildParams(nlist=60, tune_queries=60)
    np.save(tmp_path / "rows.npy", rows)
    wanted = reference(tmp_path, rows, params, shards=3)
    chosen: list[object] = []
    choose = kernels.choose_for_all

    def counted(*rows: Any, **given: Any) -> object:
        chosen.append(choose(*rows, **given))
        return chosen[-1]

    monkeypatch.setattr(kernels, "choose_for_all", counted)
    assigned: list[int] = []

    def elsewhere(function: Any, tasks: Iterable[Any]) -> Iterator[Any]:
        """Tasks in another process, where nothing is chosen and arrays are fixed."""
        function = fixed(function)
        for task in tasks:
            with monkeypatch.context() as patched:
                if function.func is assign_range:
                    assigned.append(task.start)
                    patched.setattr(shortlist, "choose_shortlist", None)
                    patched.setattr(shortlist, "make_groups", None)
                result = function(fixed(task))
            yield result

    made = built(tmp_path / "rows.npy", tmp_path / "made", params, runner=elsewhere)
    assert_same_index(made, wanted)
    assert [type(one) for one in chosen] == [GroupedLists]
    assert assigned == [0, 600, 1200, 1800]


def fixed(value: Any) -> Any:
    """What arrives elsewhere: a copy whose arrays cannot be written to."""
    parts: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(value, protocol=5, buffer_callback=parts.append)
    return pickle.loads(packed, buffers=[bytes(part) for part in parts])


def test_queries_that_are_given_measure(tmp_path: Path) -> None:
    rows, queries = clustered(), clustered(200, seed=1)
    params = BuildParams(nlist=24, projection=6)
    np.save(tmp_path / "rows.npy", rows)
    made = built(tmp_path / "rows.npy", tmp_path / "made", params, queries=queries)
    wanted = reference(tmp_path, rows, params, shards=3, queries=queries)
    assert_same_index(made, wanted)


def test_ids_are_numbered_over_all_inputs_or_given(tmp_path: Path) -> None:
    rows = clustered(900)
    params = BuildParams(nlist=9, tune_queries=30)
    for number, (start, stop) in enumerate([(0, 100), (100, 101), (101, 900)]):
        np.save(tmp_path / f"rows-{number}.npy", rows[start:stop])
    inputs = [tmp_path / f"rows-{number}.npy" for number in range(3)]
    made = built(inputs, tmp_path / "numbered", params)
    assert_same_index(made, reference(tmp_path / "a", rows, params, shards=3))
    ids = np.random.default_rng(1).permutation(900) * 3
    np.save(tmp_path / "ids.npy", ids)
    given = Wanted(ids=tmp_path / "ids.npy")
    made = built(inputs, tmp_path / "given", params, wanted=given)
    assert_same_index(made, reference(tmp_path / "b", rows, params, shards=3, ids=ids))
    np.savez(tmp_path / "both.npz", vectors=rows, id=ids)
    made = built(tmp_path / "both.npz", tmp_path / "npz", params)
    assert_same_index(made, tmp_path / "given")


def test_folders_with_keys_are_columns(tmp_path: Path) -> None:
    rows = clustered(600)
    for language, start in (("en", 0), ("fr", 300)):
        part = rows[start : start + 300]
        write_parquet(tmp_path / f"in/lang={language}", part, files=1)
    params = BuildParams(nlist=9, tune_queries=30)
    wanted = Wanted(schema=Schema.of({"lang": "string"}))
    made = built(tmp_path / "in", tmp_path / "made", params, wanted=wanted)
    values = {"lang": ["en"] * 300 + ["fr"] * 300}
    assert_same_index(made, reference(tmp_path, rows, params, shards=3, payload=values))


class Stopped(Exception):
    """A build that was stopped."""


@pytest.mark.parametrize(
    "phase", ["place", "gather", "assign", "tune", "write", "done"]
)
def test_a_stopped_build_goes_on(tmp_path: Path, phase: str) -> None:
    rows = clustered()
    params = BuildParams(nlist=24, tune_queries=150)
    files = write_parquet(tmp_path / "in", rows)
    wanted = built(files, tmp_path / "at-once", params)
    asked = ask_for([str(files)], params, shards=3, block_bytes=BLOCK)
    heard = 0

    def stop(progress: Progress) -> None:
        nonlocal heard
        heard += progress.phase == phase
        if heard == (1 if phase == "done" else 2):
            raise Stopped

    with pytest.raises(Stopped):
        build_shards(asked, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out/shards.json").exists()
    assert not list((tmp_path / "out").rglob("tmp-*"))
    summary = build_shards(asked, tmp_path / "out")
    assert summary.resumed > 0
    assert files_of(tmp_path / "out") == files_of(wanted)


@pytest.mark.parametrize("stop_at", range(1, 6))
def test_a_build_that_was_stopped_while_it_was_published_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    params = BuildParams(nlist=9, tune_queries=30)
    np.save(tmp_path / "rows.npy", clustered(600))
    wanted = built(tmp_path / "rows.npy", tmp_path / "at-once", params)
    asked = ask_for([str(tmp_path / "rows.npy")], params, shards=3, block_bytes=BLOCK)
    moved, rename = 0, Path.rename

    def stopping(self: Path, target: Path) -> Path:
        nonlocal moved
        moved += self.parent.name == "shards" and target.parent.name == "out"
        if moved == stop_at:
            raise Stopped
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopping)
    if stop_at <= 3:
        with pytest.raises(Stopped):
            build_shards(asked, tmp_path / "out")
        assert not (tmp_path / "out/shards.json").exists()
        monkeypatch.undo()
        cut_passes_up(monkeypatch)
    build_shards(asked, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(wanted)


def test_what_is_left_of_another_build_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", clustered(600))
    first = BuildParams(nlist=9, tune_queries=30)
    source = [str(tmp_path / "rows.npy")]

    def stop(progress: Progress) -> None:
        if progress.phase == "train":
            raise Stopped

    with pytest.raises(Stopped):
        build_shards(ask_for(source, first, shards=3), tmp_path / "out", progress=stop)
    other = BuildParams(nlist=8, tune_queries=30)
    with pytest.raises(AlreadyExistsError, match=r'params was .*"nlist": 9.* now .*'):
        build_shards(ask_for(source, other, shards=3), tmp_path / "out")
    with pytest.raises(AlreadyExistsError, match="shards was 3, now 4"):
        build_shards(ask_for(source, first, shards=4), tmp_path / "out")
    np.save(tmp_path / "rows.npy", clustered(601))
    with pytest.raises(AlreadyExistsError, match=r"files was .* 600.*now .* 601"):
        build_shards(ask_for(source, first, shards=3), tmp_path / "out")
    asked = ask_for(source, other, shards=2)
    build_shards(asked, tmp_path / "out", overwrite=True)
    assert [s.n > 0 for s in read(tmp_path / "out").shards] == [True, True]


def test_an_index_is_replaced_only_if_asked(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", clustered(600))
    params = BuildParams(nlist=9, tune_queries=30)
    made = built(tmp_path / "rows.npy", tmp_path / "made", params, shards=4)
    before = files_of(made)
    with pytest.raises(AlreadyExistsError, match="there is an index in shards at"):
        built(tmp_path / "rows.npy", made, params, shards=2)
    assert files_of(made) == before
    built(tmp_path / "rows.npy", made, params, shards=2, overwrite=True)
    assert len(read(made).shards) == 2
    assert sorted(p.name for p in made.iterdir()) == [
        "shard-00000",
        "shard-00001",
        "shards.json",
    ]
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/diary.txt").write_text("mine")
    with pytest.raises(AlreadyExistsError, match="holds 1 files that are no index"):
        built(tmp_path / "rows.npy", tmp_path / "foreign", params, overwrite=True)


def bad(kind: str, rows: np.ndarray, ids: list[Any]) -> None:
    if kind == "nan":
        rows[1777, 3] = np.nan
    elif kind == "zero":
        rows[1777] = 0
    elif kind == "twice here":
        ids[1777] = ids[1776]
    elif kind == "twice":
        ids[1777] = ids[0]
    elif kind == "negative":
        ids[1777] = -5


BAD = {
    "nan": (NonFiniteError, r"part-2.parquet.* row 4\d\d"),
    "zero": (ZeroVectorError, r"part-2.parquet.* row 4\d\d"),
    "twice here": (DuplicateIdError, r"part-2.parquet.*5328 2 times"),
    "twice": (DuplicateIdError, r"id 0 is there 2 times.*part-0.parquet and .*part-2"),
    "negative": (InvalidInputError, r"part-2.parquet.*-5 at row"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_rows_are_named_with_their_file(tmp_path: Path, kind: str) -> None:
    rows, ids = clustered(), (np.arange(N) * 3).tolist()
    bad(kind, rows, ids)
    files = write_parquet(tmp_path / "in", rows, ids=ids)
    error, message = BAD[kind]
    with pytest.raises(error, match=message):
        built(files, tmp_path / "out", BuildParams(nlist=9))
    assert not (tmp_path / "out/shards.json").exists()


def test_files_that_do_not_fit_are_refused_with_both_names(tmp_path: Path) -> None:
    rows = clustered(300)
    params = BuildParams(nlist=4)
    write_parquet(tmp_path / "a", rows, files=1, ids=list(range(300)))
    write_parquet(tmp_path / "b", rows[:, :9], files=1, ids=list(range(300)))
    write_parquet(tmp_path / "c", rows, files=1, ids=[str(n) for n in range(300)])
    write_parquet(tmp_path / "d", rows, files=1)
    a, b, c, d = (tmp_path / name for name in "abcd")
    with pytest.raises(DimensionMismatchError, match=r"b/.* 9 dimensions.*a/.* of 12"):
        built([a, b], tmp_path / "out", params)
    with pytest.raises(InvalidInputError, match=r"c/.*strings as ids.*a/.*integers"):
        built([a, c], tmp_path / "out", params)
    with pytest.raises(InvalidInputError, match=r"d/.*row numbers.*a/.*column 'id'"):
        built([a, d], tmp_path / "out", params)
    with pytest.raises(InvalidInputError, match="twice"):
        built([a, a], tmp_path / "out", params)
    np.save(tmp_path / "ids.npy", np.arange(299))
    with pytest.raises(DimensionMismatchError, match=r"\(299,\) for 300 vectors"):
        built(a, tmp_path / "out", params, wanted=Wanted(ids=tmp_path / "ids.npy"))
    np.save(tmp_path / "none.npy", rows[:0])
    with pytest.raises(InvalidInputError, match="no rows"):
        built(tmp_path / "none.npy", tmp_path / "out", params)
    with pytest.raises(InvalidParamsError, match="nlist is 301, but there are 300"):
        built(a, tmp_path / "out", BuildParams(nlist=301))
    with pytest.raises(InvalidParamsError, match="shards must be at least 1"):
        built(a, tmp_path / "out", params, shards=0)
    with pytest.raises(InvalidParamsError, match="at most 4096, got 4097"):
        built(a, tmp_path / "out", params, shards=4097)
    with pytest.raises(InvalidParamsError, match="memory is '8GB'"):
        built(a, tmp_path / "out", BuildParams(memory="8GB"))
    assert not (tmp_path / "out").exists()


def test_files_without_as_many_ids_or_without_dimensions_are_refused(
    tmp_path: Path,
) -> None:
    rows, params = clustered(300), BuildParams(nlist=4)
    np.savez(tmp_path / "few.npz", vectors=rows, id=np.arange(299))
    with pytest.raises(DimensionMismatchError, match=r"few.npz has 299 ids for 300 v"):
        built(tmp_path / "few.npz", tmp_path / "out", params)
    np.save(tmp_path / "flat.npy", rows[:, :0])
    with pytest.raises(DimensionMismatchError, match=r"flat.npy has vectors of 0 dim"):
        built(tmp_path / "flat.npy", tmp_path / "out", params)
    with pytest.raises(InvalidInputError, match="the input has no files"):
        built([], tmp_path / "out", params)
    assert not (tmp_path / "out").exists()


def test_a_row_group_of_many_blocks_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    matrices = VectorColumn.matrices

    def counted(self: VectorColumn, *, first: int = 0, **more: Any) -> Iterator[Any]:
        begun.append(first)
        return matrices(self, first=first, **more)

    rows, ids = clustered(), [f"p{number}" for number in range(N)]
    params = BuildParams(nlist=9, tune_queries=0)
    given = {"ids": ids, "files": 1, "word": [f"w{n % 9}" for n in range(N)]}
    wanted = Wanted(schema=Schema.of({"word": "string"}))
    large = write_parquet(tmp_path / "large", rows, groups=N, **given)
    small = write_parquet(tmp_path / "small", rows, groups=100, **given)
    monkeypatch.setattr(VectorColumn, "matrices", counted)
    one = built(large, tmp_path / "one", params, wanted=wanted)
    assert begun == [0]
    assert_same_index(one, built(small, tmp_path / "many", params, wanted=wanted))


def test_a_file_with_other_rows_meanwhile_is_refused(tmp_path: Path) -> None:
    """As many as before; the build that was asked for was of those."""
    np.save(tmp_path / "rows.npy", clustered(600))
    asked = ask_for([str(tmp_path / "rows.npy")], BuildParams(nlist=9), shards=2)
    np.save(tmp_path / "rows.npy", clustered(600, seed=1))
    with pytest.raises(CorruptDataError, match=r"rows\.npy was changed since"):
        build_shards(asked, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [BUILDING]
    assert not list((tmp_path / "out").rglob("block-*"))


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", clustered(600))
    asked = ask_for([str(tmp_path / "rows.npy")], BuildParams(nlist=9), shards=2)
    np.save(tmp_path / "rows.npy", clustered(601))
    with pytest.raises(CorruptDataError, match=r"had 600 vectors .* has 601"):
        build_shards(asked, tmp_path / "out")
