"""Each peer answers rightly at full effort; ScaNN's settings are what they say."""

from importlib import import_module

import numpy as np
import pytest

from bench.measures.kmeans import compare_trainers, draw_sample, objective
from bench.peers import DEFAULT_PEERS, PEERS
from bench.peers.contract import PeerUnavailableError, Shape
from bench.peers.faiss_ivfpq import sub_quantizers
from bench.peers.scann import lifted_queries, lifted_rows, threshold
from gleann.index import exact_search
from gleann.index.build.kmeans import TRAIN_ROWS_PER_LIST
from gleann.index.metric import prepare

N, DIM, K = 1500, 16, 10


def shape_of(metric, mode="batch"):
    return Shape(n=N, dim=DIM, metric=metric, k=K, mode=mode, seed=0)


def load(name):
    module = import_module(PEERS[name].module)
    try:
        module.version()
    except (ImportError, PeerUnavailableError) as error:
        pytest.skip(f"{name} is not usable here: {error}")
    return module


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("name", DEFAULT_PEERS)
def test_a_peer_at_full_effort_finds_the_neighbours(clustered, name, metric):
    module = load(name)
    base = prepare(clustered(N, DIM, seed=2), metric)
    queries = prepare(clustered(20, DIM, seed=2) + np.float32(0.1), metric)
    exact, _ = exact_search(queries, base, metric=metric, k=K)
    sweep = PEERS[name].sweep(module, shape_of(metric))
    for setting in sweep.settings[:2]:
        built = module.build(base, metric, 1, setting.build)
        for few in (queries, queries[:1]):
            params = sweep.fixed[0] | {sweep.effort: setting.efforts[-1]}
            rows = np.asarray(module.search(built, few, K, params)).astype(np.int64)
            assert rows.shape == (len(few), K)
            hits = [np.isin(r, e).mean() for r, e in zip(rows, exact, strict=False)]
            # Graphs are built for distances: on raw inner products they miss some.
            assert np.mean(hits) >= (0.6 if metric == "ip" else 0.9)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_efforts_ascend_and_settings_are_distinct(name, metric):
    module = import_module(PEERS[name].module)
    sweep = PEERS[name].sweep(module, shape_of(metric))
    assert sweep.settings
    for setting in sweep.settings:
        assert list(setting.efforts) == sorted(set(setting.efforts))
    for values in (sweep.fixed, [setting.build for setting in sweep.settings]):
        assert len({str(value) for value in values}) == len(values)


def test_restricted_peers_keep_only_their_settings():
    module = import_module("bench.peers.gleann")
    for name, spill in (
        ("gleann-soar", "soar"),
        ("gleann-none", "none"),
        ("gleann-auto", "auto"),
    ):
        settings = PEERS[name].sweep(module, shape_of("l2")).settings
        assert {setting.build["spill"] for setting in settings} == {spill}


def test_scann_tries_avq_and_soar_and_the_lift_for_l2():
    module = import_module("bench.peers.scann")
    builds = [s.build for s in module.sweep(shape_of("cosine")).settings]
    kinds = {(b["avq"] is not None, b["soar"] is not None) for b in builds}
    assert kinds == {(False, False), (True, False), (True, True)}
    assert not any(b["lift"] for b in builds)
    l2 = [s.build for s in module.sweep(shape_of("l2")).settings]
    assert {b["lift"] for b in l2} == {False, True}
    assert all(b["avq"] is b["soar"] is None for b in l2 if not b["lift"])


@pytest.mark.parametrize(("dim", "expected"), [(100, 0.2), (768, 0.072)])
def test_threshold_shrinks_with_the_dimension(dim, expected):
    unit = np.zeros((3, dim), np.float32)
    unit[:, 0] = 1
    assert threshold(unit, 4.0) == pytest.approx(expected, abs=0.003)
    assert threshold(7 * unit, 4.0) == pytest.approx(7 * threshold(unit, 4.0))
    assert np.isnan(threshold(unit, None))
    # The weight of parallel error over perpendicular that ScaNN derives from T.
    t2 = threshold(unit, 4.0) ** 2
    assert (dim - 1) * t2 / (1 - t2) == pytest.approx(4.0)


def test_lifted_inner_products_order_as_l2_does():
    rng = np.random.default_rng(3)
    base = rng.normal(size=(200, 12)).astype(np.float32) * 3
    queries = rng.normal(size=(15, 12)).astype(np.float32) * 3
    rows, s = lifted_rows(base)
    wide = lifted_queries(queries, s).astype(np.float64)
    products = wide @ rows.T.astype(np.float64)
    near = np.square(queries[:, None].astype(np.float64) - base).sum(axis=2)
    # Every product is the same affine function of the squared distance.
    offset = near + 2 * products
    np.testing.assert_allclose(offset, offset[:, :1] + 0 * offset, rtol=1e-5)


@pytest.mark.parametrize(
    ("dim", "sub_dim", "parts"), [(100, 2, 50), (384, 2, 192), (9, 2, 3), (7, 2, 1)]
)
def test_sub_quantizers_divide_the_dimension(dim, sub_dim, parts):
    assert sub_quantizers(dim, sub_dim) == parts


def test_trainers_take_turns_on_one_sample(clustered):
    base = clustered(400, 4, seed=1)
    sample = draw_sample(base, nlist=2, seed=0)
    assert len(sample) == 2 * TRAIN_ROWS_PER_LIST
    turns = []

    def trainer(name):
        def train():
            turns.append(name)
            return sample[:2]

        return train

    found = compare_trainers(
        {"a": trainer("a"), "b": trainer("b"), "gone": None},
        sample,
        metric="l2",
        rounds=2,
        threads=1,
    )
    assert turns == ["a", "b", "a", "b"]
    assert set(found) == {"a", "b"}
    assert len(found["a"]["seconds"]) == 2


def test_objective_is_the_mean_to_the_nearest():
    sample = np.array([[0, 0], [2, 0], [10, 0]], np.float32)
    centroids = np.array([[1, 0], [10, 1]], np.float32)
    assert objective(sample, centroids, "l2") == 1.0
    unit = np.array([[1, 0], [0, 1]], np.float32)
    assert objective(unit, unit[:1], "cosine") == 0.5
