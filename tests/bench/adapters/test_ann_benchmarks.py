"""The ann-benchmarks class, driven as upstream drives it, on a file in its format."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gleann.index import exact_search

h5py = pytest.importorskip("h5py", reason="h5py is in the extra bench")

FOLDER = Path(__file__).resolve().parents[3] / "bench" / "adapters" / "ann_benchmarks"

_spec = importlib.util.spec_from_file_location("gleann_ann", FOLDER / "module.py")
module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(module)

COUNT = 10
METRICS = {"angular": "cosine", "euclidean": "l2"}


@pytest.fixture(params=METRICS)
def dataset(request, tmp_path, clustered):
    """A file as upstream's `write_output` makes it."""
    distance = request.param
    train, test = clustered(1200, 12, seed=3), clustered(30, 12, seed=3) + 0.05
    test = test.astype(np.float32)
    rows, near = exact_search(test, train, metric=METRICS[distance], k=100)
    path = tmp_path / f"tiny-12-{distance}.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["type"] = "dense"
        file.attrs["distance"] = distance
        file.attrs["dimension"] = 12
        file.attrs["point_type"] = "float"
        file.create_dataset("train", data=train)
        file.create_dataset("test", data=test)
        file.create_dataset("neighbors", data=rows.astype(np.int32))
        file.create_dataset("distances", data=near)
    return path


def upstream_distance(distance, query, rows):
    """As upstream's `distance.py` computes it."""
    if distance == "angular":
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
        return 1 - rows @ query / lengths
    return np.linalg.norm(rows - query, axis=1)


def run_upstream(path, arguments, query_arguments, *, batch):
    """Recall as upstream's runner and metrics have it: by distance threshold."""
    with h5py.File(path) as file:
        train, test = file["train"][:], file["test"][:]
        true = file["neighbors"][:, :COUNT]
        distance = file.attrs["distance"]
    algorithm = module.Gleann(distance, *arguments)
    algorithm.fit(train)
    algorithm.set_query_arguments(*query_arguments)
    if batch:
        algorithm.batch_query(test, COUNT)
        answers = algorithm.get_batch_results()
    else:
        answers = [algorithm.query(query, COUNT) for query in test]
    hits = 0
    for query, rows, neighbours in zip(test, answers, true, strict=True):
        assert len(set(rows.tolist())) == len(rows) == COUNT
        bound = upstream_distance(distance, query, train[neighbours]).max() + 1e-3
        hits += (upstream_distance(distance, query, train[rows]) <= bound).sum()
    return algorithm, hits / (len(test) * COUNT), np.asarray(answers)


@pytest.mark.parametrize("spill", ["soar", "none"])
def test_all_lists_probed_gives_full_recall(dataset, spill):
    _, recall, _ = run_upstream(dataset, [spill, 1.0], [10_000, 10], batch=True)
    assert recall == 1.0


def test_batch_and_single_queries_agree(dataset):
    _, _, batch = run_upstream(dataset, ["soar", 1.0], [4, 4], batch=True)
    algorithm, recall, single = run_upstream(
        dataset, ["soar", 1.0], [4, 4], batch=False
    )
    np.testing.assert_array_equal(batch, single)
    assert 0.5 < recall <= 1.0
    assert algorithm.get_additional()["dist_comps"] > COUNT


def test_more_probes_cost_more_distances(dataset):
    few, _, _ = run_upstream(dataset, ["none", 1.0], [2, 2], batch=True)
    many, _, _ = run_upstream(dataset, ["none", 1.0], [20, 2], batch=True)
    costs = [one.get_additional()["dist_comps"] for one in (few, many)]
    assert costs[0] < costs[1]


def test_the_name_tells_the_arguments_apart():
    algorithm = module.Gleann("angular", "soar", 2.0)
    names = set()
    for query_arguments in ((1, 2), (1, 4), (8, 2)):
        algorithm.set_query_arguments(*query_arguments)
        assert str(algorithm) == algorithm.name
        names.add(str(algorithm))
    assert len(names) == 3
    assert algorithm.get_additional() == {}
    algorithm.done()


def test_zero_rows_do_not_stop_an_angular_build(clustered):
    rows = clustered(200, 5, seed=0)
    rows[7] = 0
    before = rows.copy()
    algorithm = module.Gleann("angular", "soar", 1.0)
    algorithm.fit(rows)
    np.testing.assert_array_equal(rows, before)
    algorithm.set_query_arguments(1000, 2)
    assert 3 in algorithm.query(rows[3], 5)


def test_an_unknown_distance_is_refused():
    with pytest.raises(KeyError, match="hamming"):
        module.Gleann("hamming", "soar", 1.0)


def test_the_config_names_the_class_and_its_arguments():
    yaml = pytest.importorskip("yaml", reason="PyYAML is upstream's dependency")
    config = yaml.safe_load((FOLDER / "config.yml").read_text())
    (entry,) = config["float"]["any"]
    assert hasattr(module, entry["constructor"])
    assert entry["base_args"] == ["@metric"]
    for group in entry["run_groups"].values():
        assert [len(values) for values in group["args"]] == [1, 2]
        assert len(group["query_args"]) == 2
