"""Data sets are read as they are; recall is judged from rows alone."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import Dataset, DatasetError, load_dataset, true_distances
from bench.quality import Judge, repeated
from gleann.index import exact_search


def make_folder(path, metric="l2", *, n=50, nq=20, truths=12, depth=100):
    rng = np.random.default_rng(4)
    base = rng.normal(size=(n, 6)).astype(np.float16)
    queries = rng.normal(size=(nq, 6)).astype(np.float16)
    path.mkdir()
    np.save(path / "base.npy", base)
    np.save(path / "queries.npy", queries)
    (path / "meta.json").write_text(json.dumps({"name": "tiny", "metric": metric}))
    rows, _ = exact_search(
        queries[:truths].astype(np.float32),
        base.astype(np.float32),
        metric=metric,
        k=min(depth, n),
    )
    np.save(path / "gt100.npy", rows)
    return path


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_a_folder_is_read_and_prepared(tmp_path, metric):
    folder = make_folder(tmp_path / "tiny", metric)
    data = load_dataset(folder)
    assert (data.name, data.metric) == ("tiny", metric)
    assert data.base.dtype == np.float32
    if metric == "cosine":
        np.testing.assert_allclose(np.linalg.norm(data.base, axis=1), 1, rtol=1e-6)
    assert data.sha256 == sha256((folder / "base.npy").read_bytes()).hexdigest()
    exact = exact_search(data.queries[:12], data.base, metric=metric, k=10)[1]
    np.testing.assert_allclose(true_distances(data, k=10), exact, rtol=1e-6)


def test_truth_is_computed_where_there_is_none_or_too_little(tmp_path):
    folder = make_folder(tmp_path / "tiny", depth=5)
    data = load_dataset(folder)
    exact = exact_search(data.queries, data.base, metric="l2", k=10)[1]
    np.testing.assert_allclose(true_distances(data, k=10), exact, rtol=1e-6)
    (folder / "gt100.npy").unlink()
    without = load_dataset(folder)
    np.testing.assert_allclose(true_distances(without, k=3), exact[:, :3], rtol=1e-6)


def test_what_is_not_a_data_set_is_refused(tmp_path):
    folder = make_folder(tmp_path / "tiny")
    with pytest.raises(DatasetError, match="no folder or file"):
        load_dataset(tmp_path / "nowhere")
    (folder / "meta.json").write_text('{"name": "tiny", "metric": "hamming"}')
    with pytest.raises(DatasetError, match="hamming"):
        load_dataset(folder)
    (folder / "queries.npy").unlink()
    with pytest.raises(DatasetError, match=r"has no queries\.npy"):
        load_dataset(folder)


def write_hdf5(path, *, distance):
    h5py = pytest.importorskip("h5py", reason="h5py is in the extra bench")
    rng = np.random.default_rng(6)
    train = rng.normal(size=(300, 8)).astype(np.float32)
    test = rng.normal(size=(10, 8)).astype(np.float32)
    metric = {"angular": "cosine", "euclidean": "l2"}.get(distance, "l2")
    rows, distances = exact_search(test, train, metric=metric, k=100)
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = distance
        file.attrs["dimension"] = 8
        file.attrs["type"] = "dense"
        file.attrs["point_type"] = "float"
        file["train"], file["test"] = train, test
        file["neighbors"] = rows.astype(np.int32)
        file["distances"] = distances


@pytest.mark.parametrize(
    ("distance", "metric"), [("angular", "cosine"), ("euclidean", "l2")]
)
def test_an_ann_benchmarks_file_is_read(tmp_path, distance, metric):
    path = tmp_path / "some-8-angular.hdf5"
    write_hdf5(path, distance=distance)
    data = load_dataset(path)
    assert (data.name, data.metric) == ("some-8-angular", metric)
    exact = exact_search(data.queries, data.base, metric=metric, k=10)[1]
    np.testing.assert_allclose(true_distances(data, k=10), exact, rtol=1e-6)


def test_a_file_of_another_distance_is_refused(tmp_path):
    write_hdf5(tmp_path / "x.hdf5", distance="jaccard")
    with pytest.raises(DatasetError, match="jaccard"):
        load_dataset(tmp_path / "x.hdf5")


def line_of_points():
    """Rows 0, 1, 2, ... on a line, one query at the origin."""
    base = np.arange(6, dtype=np.float32)[:, None]
    return Dataset(
        name="line",
        metric="l2",
        base=base,
        queries=np.zeros((1, 1), np.float32),
        truth=np.array([[0, 1, 2]]),
        file=Path("none"),
    )


@pytest.mark.parametrize(
    ("rows", "recall"),
    [
        ([0, 1, 2], 1.0),
        ([2, 0, 1], 1.0),
        ([0, 1, 5], 2 / 3),
        ([0, 0, 0], 1 / 3),  # a repeat counts once
        ([0, 1, -1], 2 / 3),
        ([0, 1, 6], 2 / 3),  # not a row
        ([0, 1], 2 / 3),
        ([0, 1, 2, 3], 1.0),  # only the first k count
        ([3, 4, 5], 0.0),
    ],
)
def test_recall_counts_distinct_existing_rows(rows, recall):
    judge = Judge(line_of_points(), k=3)
    assert judge.recall(np.array([rows])) == pytest.approx(recall)


def test_ties_count_as_hits():
    data = line_of_points()
    tied = Dataset(
        name="tied",
        metric="l2",
        base=np.array([[0], [1], [1], [5]], np.float32),
        queries=data.queries,
        truth=np.array([[0, 1]]),
        file=Path("none"),
    )
    assert Judge(tied, k=2).recall(np.array([[0, 2]])) == 1.0


def test_repeated_marks_all_but_the_first():
    rows = np.array([[3, 1, 3, 3], [1, 2, 3, 4], [5, 5, -1, -1]])
    expected = [
        [False, False, True, True],
        [False, False, False, False],
        [False, True, False, True],
    ]
    assert repeated(rows).tolist() == expected
