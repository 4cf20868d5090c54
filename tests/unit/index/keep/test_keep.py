"""Everything that an index does, on rows kept in every way."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, knn_graph
from gleann.index.engines import native
from gleann.index.engines.choose import make_engine
from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.index.exact import exact_search
from gleann.index.fold import fold_on_disk
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.kept.half_rows import HalfRows
from gleann.index.metric import prepare
from gleann.index.payload.payload import Payload
from tests.support.keeps import (
    DIM,
    KEEPS,
    NLIST,
    N,
    as_kept,
    loaded,
    params_of,
    queries_of,
    rows_of,
)

METRICS = ["l2", "cosine", "ip"]
PARAMS = SearchParams(k=7, nprobe=5, rerank=40)
ENGINES = ["native", "reference", "faiss"] if native.available() else ["reference"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("keep", KEEPS)
def test_rows_are_the_prepared_ones_as_they_are_kept(folder, keep, metric):
    index = loaded(folder, keep, metric)
    want = as_kept(prepare(rows_of(), metric), keep)
    np.testing.assert_array_equal(index.vectors, want)
    np.testing.assert_array_equal(index.stored_rows[np.array([5, 3])], want[[5, 3]])
    kind = {"f16": HalfRows, "bf16": HalfRows, "disk": DiskRows}.get(keep, np.ndarray)
    assert isinstance(index.stored_rows, kind)
    assert index.params.keep == keep


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("keep", KEEPS)
def test_searches_answer_as_those_of_the_same_rows_in_float32(
    folder, keep, metric, engine
):
    index = loaded(folder, keep, metric, engine=engine)
    plain = SoarIndex(
        _in_float32(index),
        ids=index.held_ids,
        header=index.header,
        engine=make_engine(_in_float32(index), name=engine),
    )
    queries = queries_of()
    for some in (queries, queries[:1], queries[:3]):
        got, want = index.search(some, PARAMS), plain.search(some, PARAMS)
        np.testing.assert_array_equal(got.ids, want.ids)
        np.testing.assert_array_equal(got.distances, want.distances)
        assert got.stats.reranked == want.stats.reranked


def _in_float32(index):
    from dataclasses import replace

    return replace(index.data, vectors=np.asarray(index.vectors))


@pytest.mark.parametrize("keep", KEEPS)
def test_exact_search_filters_and_radius_see_what_is_kept(folder, keep):
    index = loaded(folder, keep)
    queries, kept = queries_of(20), as_kept(rows_of(), keep)
    rows, distances = exact_search(queries, kept, metric="l2", k=5)
    found = index.search(queries, SearchParams(k=5, exact=True))
    np.testing.assert_array_equal(found.ids, rows)
    np.testing.assert_array_equal(found.distances, distances)
    allowed = np.arange(N) % 17 == 3
    among = index.search(queries, SearchParams(k=3, allowed=index.allow(allowed)))
    want = exact_search(queries, kept, metric="l2", k=3, allowed=allowed)
    np.testing.assert_array_equal(among.ids, want[0])
    within = index.search_radius(queries, float(distances[:, 2].max()))
    near = ((kept[None] - queries[:, None]).astype(np.float64) ** 2).sum(axis=2)
    counts = (near.astype(np.float32) <= distances[:, 2].max()).sum(axis=1)
    assert np.diff(within.offsets).tolist() == counts.tolist()


@pytest.mark.parametrize("keep", KEEPS)
def test_graph_is_that_of_what_is_kept(folder, keep):
    graph = knn_graph(loaded(folder, keep), k=4, nprobe=NLIST)
    kept = as_kept(rows_of(), keep)
    near = ((kept[:, None] - kept[None]).astype(np.float64) ** 2).sum(axis=2)
    np.fill_diagonal(near, np.inf)
    want = np.sort(near, axis=1)[:, :4].astype(np.float32)
    got = graph.distances.reshape(N, 4)
    assert (np.abs(got - want) <= 1e-5 * want).mean() > 0.99


@pytest.mark.parametrize("keep", KEEPS)
def test_files_of_a_build_on_disk_are_those_of_a_build_and_a_save(tmp_path, keep):
    SoarIndex.build(rows_of(), params_of(keep)).save(tmp_path / "memory")
    summary = SoarIndex.build_on_disk(rows_of(), tmp_path / "disk", params_of(keep))
    files = [
        {file.name: file.read_bytes() for file in (tmp_path / name).glob("data-*/*")}
        for name in ("memory", "disk")
    ]
    assert files[0] == files[1]
    index = SoarIndex.load(tmp_path / "disk")
    assert index.data_hash == summary.data_hash
    size = (tmp_path / "disk").glob("data-*/vectors.npy").__next__().stat().st_size
    assert size - 128 == N * DIM * (2 if keep in ("f16", "bf16") else 4)


@pytest.mark.parametrize("keep", KEEPS)
def test_a_fold_keeps_the_layout_and_a_second_save_the_bytes(tmp_path, keep):
    old = loaded(tmp_path, keep, entry_codes="shared")
    newer = rows_of(100, seed=8)
    keep_rows = np.arange(N) % 5 != 0
    fold_on_disk(
        old, newer, tmp_path / "folded", ids=np.arange(N, N + 100), keep=keep_rows
    )
    folded = SoarIndex.load(tmp_path / "folded")
    want = np.concatenate([as_kept(rows_of(), keep)[keep_rows], as_kept(newer, keep)])
    np.testing.assert_array_equal(folded.vectors, want)
    assert (folded.params.keep, folded.params.entry_codes) == (keep, "shared")
    folded.save(tmp_path / "again")
    np.testing.assert_array_equal(SoarIndex.load(tmp_path / "again").vectors, want)


@pytest.mark.parametrize("keep", KEEPS)
def test_payload_pickles_and_float32_codes_go_with_any_keep(tmp_path, keep):
    payload = Payload.of({"colour": ["red", "blue", None] * (N // 3)})
    params = params_of(keep, codes="float32")
    built = SoarIndex.build(rows_of(), params, payload=payload)
    built.save(tmp_path / "i")
    index = pickle.loads(pickle.dumps(SoarIndex.load(tmp_path / "i")))
    mask = index.where("colour = 'red'")
    found = index.search(queries_of(5), SearchParams(k=3, allowed=mask, nprobe=NLIST))
    want = exact_search(
        queries_of(5), as_kept(rows_of(), keep), metric="l2", k=3, allowed=mask
    )
    np.testing.assert_array_equal(found.ids, want[0])
    assert index.payload_of(found.ids).to_pylist()[0] == {"colour": "red"}


def test_float16_overflow_is_refused_by_every_build(tmp_path):
    rows = rows_of()
    rows[700, 2] = 1e6
    message = r"row 700 has 1000000 in dimension 2, and float16 ends at 65504"
    with pytest.raises(InvalidInputError, match=message):
        SoarIndex.build(rows, params_of("f16"))
    with pytest.raises(InvalidInputError, match=message):
        SoarIndex.build_on_disk(rows, tmp_path / "i", params_of("f16"))
    assert not (tmp_path / "i").exists()
    exact = SoarIndex.build(rows, params_of("f32"))
    with pytest.raises(InvalidInputError, match=message):
        exact.save(tmp_path / "i", keep="f16")
    assert not (tmp_path / "i").exists()
    rows[700, 2] = -65504
    SoarIndex.build(rows, params_of("f16"))
    with pytest.raises(InvalidParamsError, match="keep must be"):
        BuildParams(keep="f8")  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_of_rows_that_was_cut_is_an_error_with_both_lengths(tmp_path, engine):
    index = loaded(tmp_path, "disk", engine=engine)
    file = next((tmp_path / "disk-l2").glob("data-*/vectors.npy"))
    whole = file.stat().st_size
    os.truncate(file, whole - 9)
    message = f"has {whole - 9} bytes and had {whole}"
    for call in (
        lambda: index.search(queries_of(), PARAMS),
        lambda: index.search(queries_of(1), PARAMS),
        lambda: index.vectors,
        lambda: index.save(tmp_path / "copy"),
    ):
        with pytest.raises(CorruptDataError, match=message):
            call()


@pytest.mark.parametrize("projection", [None, 9])
@pytest.mark.parametrize("entry_codes", ["copied", "shared"])
def test_a_file_that_was_cut_is_an_error_of_every_search_and_layout(
    tmp_path, entry_codes, projection
):
    layout = {"entry_codes": entry_codes, "projection": projection}
    index = loaded(tmp_path, "disk", **layout)
    allowed = index.allow(np.arange(N) % 2 == 0)
    queries, k = queries_of(3), 5
    index.search(queries, SearchParams(k=k, allowed=allowed))
    file = next((tmp_path / "disk-l2").glob("data-*/vectors.npy"))
    whole = file.stat().st_size
    os.truncate(file, 4096)
    for call in (
        lambda: index.search(queries),
        lambda: index.search(queries[0], SearchParams(k=k, effort="by_query")),
        lambda: index.search(queries, SearchParams(k=k, exact=True)),
        lambda: index.search(queries, SearchParams(k=k, allowed=allowed)),
        lambda: index.search_radius(queries, 1.0),
        lambda: index.find_rows(queries, newer=index.newer_lists().rows(queries)),
        lambda: index.stored_rows[:5],
    ):
        with pytest.raises(CorruptDataError, match=f"has 4096 bytes and had {whole}"):
            call()


@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
@pytest.mark.parametrize("count", [1, 2, 60])
def test_a_file_that_is_cut_during_a_search_is_an_error_too(tmp_path, count):
    index = loaded(tmp_path, "disk")
    rows = index.stored_rows
    file = next((tmp_path / "disk-l2").glob("data-*/vectors.npy"))
    whole = file.stat().st_size
    os.truncate(file, 1000)  # behind the check that a search begins with
    with pytest.raises(CorruptDataError, match=f"has 1000 bytes and had {whole}"):
        index.engine.search(
            queries_of(count), nprobe=NLIST, request=_request(k=5, rerank=200)
        )
    with pytest.raises(CorruptDataError, match=r"1000 bytes|cut"):
        np.asarray(rows)


def _request(**of):
    from gleann.index.engines.contract import ScanRequest

    return ScanRequest(**of)


def test_a_removed_file_is_read_while_it_is_open(tmp_path):
    index = loaded(tmp_path, "disk")
    before = index.search(queries_of(), PARAMS)
    for file in (tmp_path / "disk-l2").glob("data-*/vectors.npy"):
        file.unlink()
    after = index.search(queries_of(), PARAMS)
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.distances, after.distances)


def test_no_rows_on_disk_are_held_in_memory(folder):
    use = loaded(folder, "disk").memory().parts["rerank_rows"]
    assert use.anonymous == use.mapped == 0
    assert use.on_disk == 4 * N * DIM
