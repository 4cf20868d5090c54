"""`gleann build` and `gleann search`, end to end on small files."""

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.service.cli import searching
from gleann.service.cli.main import run

N, D, NQ = 600, 12, 40


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    return rng.standard_normal((N, D)).astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(4).standard_normal((NQ, D)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, vectors, queries):
    folder = tmp_path_factory.mktemp("cli")
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    assert run(
        ["build", str(folder / "vectors.npy"), str(folder / "index"), "--seed", "5",
         "--metric", "l2", "--nlist", "16"]
    ) == 0  # fmt: skip
    return folder


def read(path):
    return {name: column.to_numpy() for name, column in _columns(path)}


def _columns(path):
    table = pq.read_table(path)
    return [(name, table[name]) for name in table.column_names]


def one_error(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gleann: error: ")
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def test_build_makes_the_index_that_was_asked_for(folder, vectors):
    index = SoarIndex.load(folder / "index")
    assert (len(index), index.dim, index.metric, index.nlist) == (N, D, "l2", 16)
    assert index.params.seed == 5
    np.testing.assert_array_equal(index.vectors, vectors)


def test_manifest_records_the_job(folder):
    record = json.loads((folder / "index.manifest.json").read_text())
    data = (folder / "vectors.npy").read_bytes()
    assert record["inputs"] == [
        {
            "path": str(folder / "vectors.npy"),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    ]
    assert record["command"] == "build"
    assert record["seed"] == 5
    assert record["parameters"]["nlist"] == 16
    assert record["results"]["n"] == N
    assert set(record["seconds"]) == {"read", "build"}
    assert all(seconds >= 0 for seconds in record["seconds"].values())
    assert record["machine"]["cores"] >= 1
    assert record["versions"]["numpy"] == np.__version__
    stored = sum(f.stat().st_size for f in (folder / "index").rglob("*.*"))
    assert record["results"]["bytes"] == stored


def test_build_chooses_spilling_by_the_queries_given(folder, queries, tmp_path, capsys):
    out = tmp_path / "chosen"
    assert run(
        ["build", str(folder / "vectors.npy"), str(out), "--metric", "l2",
         "--target-recall", "0.9", "--queries", str(folder / "queries.npy")]
    ) == 0  # fmt: skip
    assert "(auto: copies would" in capsys.readouterr().out
    index = SoarIndex.load(out)
    vectors = np.load(folder / "vectors.npy")
    params = BuildParams(metric="l2", target_recall=0.9)
    built = SoarIndex.build(vectors, params, queries=queries)
    assert index.spill_report == built.spill_report
    assert index.spill_report.recalls == (0.9,)
    assert index.params == built.params
    assert index.operating_points == built.operating_points
    record = json.loads((tmp_path / "chosen.manifest.json").read_text())
    assert record["results"]["params"]["spill"] == index.params.spill


def test_search_writes_what_the_library_finds(folder, queries, tmp_path, capsys):
    out = tmp_path / "found.parquet"
    assert run(
        ["search", str(folder / "index"), str(folder / "queries.npy"), "--k", "5",
         "--nprobe", "6", "--out", str(out)]
    ) == 0  # fmt: skip
    index = SoarIndex.load(folder / "index")
    found = index.search(queries, SearchParams(k=5, nprobe=6))
    columns = read(out)
    np.testing.assert_array_equal(columns["query"], np.repeat(np.arange(NQ), 5))
    np.testing.assert_array_equal(columns["rank"], np.tile(np.arange(5), NQ))
    np.testing.assert_array_equal(columns["id"], found.ids.ravel())
    np.testing.assert_array_equal(columns["distance"], found.distances.ravel())
    record = json.loads((tmp_path / "found.parquet.manifest.json").read_text())
    assert record["results"]["entries_scanned"] == found.stats.entries_scanned
    assert record["inputs"][0]["data_hash"] == index.data_hash
    qps = record["results"]["qps"]
    second = capsys.readouterr().out.splitlines()[1]
    assert second == f"{NQ / qps:.2f} s, {qps:,.0f} queries/s, recall not measured"


def test_how_a_search_was_done_is_printed_when_asked(folder, tmp_path, capsys):
    search = ["search", str(folder / "index"), str(folder / "queries.npy"), "--out"]
    assert run([*search, str(tmp_path / "a.csv")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("a.csv: 40 queries, up to 10 neighbours each")
    record = json.loads((tmp_path / "a.csv.manifest.json").read_text())
    recall = record["results"]["estimated_recall"]
    assert second.endswith(f" queries/s, estimated recall {recall:.3f}")
    assert run([*search, str(tmp_path / "b.csv"), "-v"]) == 0
    assert ", nprobe " in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda file: np.savez(file, a=np.ones((4, 3))), "not a .npy file but a .npz"),
        (lambda file: np.save(file, np.float32(1)), "has no rows: shape ()"),
        (lambda file: np.save(file, np.empty((0, 3))), "empty"),
        (lambda file: np.save(file, np.empty((3, 0))), "(3, 0)"),
        (lambda file: np.save(file, np.ones((4, 3), complex)), "complex"),
    ],
)
def test_arrays_that_hold_no_vectors(write, says, tmp_path, capsys):
    with (tmp_path / "x.npy").open("wb") as file:
        write(file)
    assert run(["build", str(tmp_path / "x.npy"), str(tmp_path / "out")]) == 1
    assert says in one_error(capsys)


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f2"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_vectors_of_any_byte_order_and_version(dtype, version, tmp_path):
    rows = np.random.default_rng(0).integers(-9, 9, (50, 4)).astype(dtype)
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, rows, version=version)
    build = ["build", str(tmp_path / "x.npy"), str(tmp_path / "out"), "--metric", "l2"]
    assert run(build) == 0
    assert SoarIndex.load(tmp_path / "out").vectors.tolist() == rows.tolist()


def test_exact_search_is_exact(folder, vectors, queries, tmp_path):
    out = tmp_path / "truth.parquet"
    index, asked = str(folder / "index"), str(folder / "queries.npy")
    assert run(["search", index, asked, "--exact", "--k", "7", "--out", str(out)]) == 0
    rows, _ = exact_search(queries, vectors, metric="l2", k=7)
    np.testing.assert_array_equal(read(out)["id"], rows.ravel())


def test_more_neighbours_than_items_are_all_items(folder, vectors, queries, tmp_path):
    out, n = tmp_path / "all.parquet", len(vectors)
    index, asked = str(folder / "index"), str(folder / "queries.npy")
    assert run(["search", index, asked, "--k", str(n + 1), "--out", str(out)]) == 0
    columns = read(out)
    assert np.bincount(columns["query"]).tolist() == [n] * NQ
    assert (np.sort(columns["id"].reshape(NQ, n), axis=1) == np.arange(n)).all()
    assert np.isfinite(columns["distance"]).all()


def test_search_in_blocks_equals_one_search(folder, queries, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    arguments = ["search", str(folder / "index"), str(folder / "queries.npy"), "--out"]
    assert run([*arguments, str(whole)]) == 0
    monkeypatch.setattr("gleann.service.cli.searching.QUERY_BLOCK", 7)
    assert run([*arguments, str(parts)]) == 0
    assert pq.read_table(whole).equals(pq.read_table(parts))


@pytest.mark.parametrize("kind", ["list", "fixed"])
def test_parquet_gives_the_same_index_as_npy(kind, vectors, folder, tmp_path):
    names = [f"item {i}" for i in range(N)]
    column = pa.array(list(vectors)) if kind == "list" else fixed(vectors)
    table = pa.table({"name": names, "embedding": column, "other": range(N)})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=100)
    out = tmp_path / "index"
    assert run(
        ["build", str(tmp_path / "v.parquet"), str(out), "--id-column", "name",
         "--metric", "l2", "--nlist", "16", "--seed", "5"]
    ) == 0  # fmt: skip
    index = SoarIndex.load(out)
    assert index.ids.tolist() == names
    assert index.data_hash == SoarIndex.load(folder / "index").data_hash


def fixed(vectors):
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def test_a_sliced_parquet_column_is_read_right(vectors, tmp_path):
    table = pa.table({"v": fixed(vectors)}).slice(10, 50)
    pq.write_table(table, tmp_path / "v.parquet")
    assert run(["build", str(tmp_path / "v.parquet"), str(tmp_path / "index")]) == 0
    unit = vectors[10:60] / np.linalg.norm(vectors[10:60], axis=1, keepdims=True)
    built = SoarIndex.load(tmp_path / "index")
    np.testing.assert_allclose(built.vectors, unit, rtol=1e-6)


def test_query_ids_name_the_queries(folder, queries, tmp_path):
    table = pa.table({"who": [f"q{i}" for i in range(NQ)], "v": fixed(queries)})
    pq.write_table(table, tmp_path / "q.parquet")
    out = tmp_path / "found.parquet"
    assert run(
        ["search", str(folder / "index"), str(tmp_path / "q.parquet"), "--k", "2",
         "--id-column", "who", "--out", str(out)]
    ) == 0  # fmt: skip
    assert pq.read_table(out)["query"].to_pylist()[:4] == ["q0", "q0", "q1", "q1"]


@pytest.mark.parametrize("command", ["build", "search"])
def test_nothing_is_overwritten_without_being_told(command, folder, tmp_path, capsys):
    out = tmp_path / ("out" if command == "build" else "out.parquet")
    first = str(folder / ("vectors.npy" if command == "build" else "index"))
    rest = [str(out)] if command == "build" else [
        str(folder / "queries.npy"), "--out", str(out)
    ]  # fmt: skip
    assert run([command, first, *rest]) == 0
    before = snapshot(tmp_path)
    capsys.readouterr()
    assert run([command, first, *rest]) == 1
    assert "--overwrite" in one_error(capsys)
    assert snapshot(tmp_path) == before
    assert run([command, first, *rest, "--overwrite"]) == 0
    assert snapshot(tmp_path) != before


def snapshot(folder):
    return {
        path.relative_to(folder): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def bad_inputs(folder):
    rng = np.random.default_rng(0)
    good = rng.standard_normal((20, D)).astype(np.float32)
    np.save(folder / "objects.npy", np.array([{"a": 1}, None]), allow_pickle=True)
    np.save(folder / "flat.npy", good.ravel())
    np.save(folder / "narrow.npy", good[:, :5])
    np.save(folder / "empty.npy", good[:0])
    np.save(folder / "text.npy", np.array([["a", "b"]]))
    holed = good.copy()
    holed[3, 2] = np.nan
    np.save(folder / "nan.npy", holed)
    zero = good.copy()
    zero[1] = 0
    np.save(folder / "zero.npy", zero)
    np.save(folder / "twice.npy", np.zeros(20, np.int64))
    np.save(folder / "few.npy", np.arange(3))
    (folder / "noise.npy").write_bytes(b"not an array")
    (folder / "cut.npy").write_bytes((folder / "vectors.npy").read_bytes()[:200])
    (folder / "words.txt").write_text("hello")
    ragged = pa.table({"v": [[1.0, 2.0], [1.0]]})
    pq.write_table(ragged, folder / "ragged.parquet")
    pq.write_table(pa.table({"v": [[1.0], None]}), folder / "gaps.parquet")
    two = pa.table({"a": [[1.0]], "b": [[1.0]]})
    pq.write_table(two, folder / "two.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1 but not really")


BAD = {
    "a pickled file": ["build", "objects.npy", "out"],
    "one dimension": ["build", "flat.npy", "out"],
    "no rows": ["build", "empty.npy", "out"],
    "text": ["build", "text.npy", "out"],
    "NaN": ["build", "nan.npy", "out"],
    "a zero vector under cosine": ["build", "zero.npy", "out"],
    "noise": ["build", "noise.npy", "out"],
    "a file cut short": ["build", "cut.npy", "out"],
    "another format": ["build", "words.txt", "out"],
    "no file": ["build", "absent.npy", "out"],
    "no parquet file": ["build", "absent.parquet", "out"],
    "a directory": ["build", "index", "out"],
    "ragged lists": ["build", "ragged.parquet", "out"],
    "gaps": ["build", "gaps.parquet", "out"],
    "two columns": ["build", "two.parquet", "out"],
    "no such column": ["build", "two.parquet", "out", "--vectors-column", "c"],
    "broken parquet": ["build", "broken.parquet", "out"],
    "a column of .npy": ["build", "vectors.npy", "out", "--id-column", "id"],
    "repeated ids": ["build", "narrow.npy", "out", "--ids", "twice.npy"],
    "too few ids": ["build", "vectors.npy", "out", "--ids", "few.npy"],
    "nlist > n": ["build", "narrow.npy", "out", "--nlist", "21"],
    "nlist 0": ["build", "vectors.npy", "out", "--nlist", "0"],
    "no such engine": ["search", "index", "queries.npy", "--engine", "steam",
                       "--out", "out.csv"],
    "no index": ["search", "absent", "queries.npy", "--out", "out.csv"],
    "not an index": ["search", ".", "queries.npy", "--out", "out.csv"],
    "other dimensions": ["search", "index", "narrow.npy", "--out", "out.csv"],
    "no queries": ["search", "index", "empty.npy", "--out", "out.csv"],
    "k 0": ["search", "index", "queries.npy", "--k", "0", "--out", "out.csv"],
    "nprobe > nlist": ["search", "index", "queries.npy", "--nprobe", "17",
                       "--out", "out.csv"],
    "recall 2": ["search", "index", "queries.npy", "--target-recall", "2",
                 "--out", "out.csv"],
    "no such folder": ["search", "index", "queries.npy", "--out", "no/such/out.csv"],
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(case, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    bad_inputs(folder)
    before = {path.name for path in folder.iterdir()}
    assert run(BAD[case]) == 1
    one_error(capsys)
    assert {path.name for path in folder.iterdir()} == before


def test_a_full_disk_keeps_what_was_there(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "found.parquet"
    arguments = ["search", str(folder / "index"), str(folder / "queries.npy"),
                 "--out", str(out)]  # fmt: skip
    assert run(arguments) == 0
    before = out.read_bytes()
    capsys.readouterr()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gleann.service.cli.files.outputs.os.fsync", full)
    assert run([*arguments, "--k", "3", "--overwrite"]) == 1
    assert "No space left" in one_error(capsys)
    assert out.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_progress_goes_to_stderr_when_asked(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gleann.service.cli.progress.DELAY_SECONDS", 0)
    arguments = [str(folder / "vectors.npy"), str(tmp_path / "index")]
    assert run(["build", *arguments, "--progress"]) == 0
    captured = capsys.readouterr()
    assert "train" in captured.err
    assert "train" not in captured.out


def test_a_file_that_is_no_array_is_refused_without_bad_advice(tmp_path, capsys):
    """NumPy's own message tells people to unpickle what it cannot read."""
    (tmp_path / "bad.npy").write_bytes(b"\x00")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    for name, says in (("bad", "is not a .npy file"), ("objects", "never loaded")):
        arguments = ["build", str(tmp_path / f"{name}.npy"), str(tmp_path / "out")]
        assert run(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith("gleann: error: ")
        assert says in said
        assert "allow_pickle" not in said


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_a_query_too_long_for_float32_is_named(folder, queries, capsys, exact):
    long = queries.copy()
    long[2] *= 1e25
    np.save(folder / "long.npy", long)
    files = [str(folder / "index"), str(folder / "long.npy")]
    out = str(folder / "long.parquet")
    assert run(["search", *files, "--out", out, *exact]) == 1
    assert "queries row 2 has squared length" in one_error(capsys)
    assert not Path(out).exists()


def test_neighbours_are_those_that_have_an_id(vectors):
    """An index of an earlier gleann can hold rows that are infinitely far."""
    index = SoarIndex.build(vectors, BuildParams(nlist=4, tune_queries=0))
    found = index.find_rows(vectors[:2], SearchParams(k=3))
    found.distances[1, 2] = np.inf
    found.rows[0, 2] = -1
    ids = index.held_ids[searching.rows_of([found])]
    columns = searching.columns_of([found], np.array([5, 6]), ids)
    assert columns["query"].tolist() == [5, 5, 6, 6, 6]
    assert columns["rank"].tolist() == [0, 1, 0, 1, 2]


def test_k_beyond_all_memory_finds_what_there_is(folder, tmp_path):
    out = tmp_path / "all.parquet"
    assert run(
        ["search", str(folder / "index"), str(folder / "queries.npy"), "--k",
         str(10**15), "--exact", "--out", str(out)]
    ) == 0  # fmt: skip
    assert len(read(out)["id"]) == NQ * N
