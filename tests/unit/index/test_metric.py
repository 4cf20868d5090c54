"""`gleann.index.metric`: how rows are prepared and lists ranked."""

import numpy as np
import pytest

from gleann.index.codes import Encoding, decoded_norms, integer_dots, quantise
from gleann.index.metric import ListRanking, list_scores


def clustered(seed, n, d):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("d", [1, 7, 1040, 1041, 3000])
def test_integer_dots_are_exact(d):
    rng = np.random.default_rng(d)
    left, right = quantise(clustered(1, 4, d)), quantise(clustered(2, 6, d))
    left.values[0] = right.values[0] = 127  # the largest sum there can be
    left.values[1] = rng.choice([-127, 127], d)
    want = left.values.astype(np.int64) @ right.values.astype(np.int64).T
    np.testing.assert_array_equal(integer_dots(left, right), want.astype(np.float32))


def test_decoded_norms_are_those_of_the_decoded_rows():
    codes = quantise(clustered(3, 20, 33) * 40)
    decoded = codes.values.astype(np.float64) * codes.scales.astype(np.float64)[:, None]
    np.testing.assert_allclose(
        decoded_norms(codes), np.square(decoded).sum(axis=1), rtol=1e-6
    )


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_coded_scores_follow_the_true_ones(metric):
    queries, centroids = clustered(4, 30, 64), clustered(5, 200, 64)
    true = queries @ centroids.T
    if metric == "cosine":
        true /= np.linalg.norm(centroids, axis=1)
    if metric == "l2":
        true = 2 * true - np.square(centroids).sum(axis=1)
    scores = list_scores(queries, centroids, Encoding.uncentred(metric, 64))
    for got, want in zip(scores, true, strict=True):
        assert np.corrcoef(got, want)[0, 1] > 0.999
        assert len(set(np.argsort(-got)[:20]) & set(np.argsort(-want)[:20])) >= 18


def test_cosine_ignores_how_long_a_centroid_is():
    queries, centroids = clustered(6, 10, 16), clustered(7, 12, 16)
    lengths = np.linspace(0.1, 5, 12, dtype=np.float32)[:, None]
    encoding = Encoding.uncentred("cosine", 16)
    np.testing.assert_array_equal(
        ListRanking(centroids, encoding).scores(queries).argmax(axis=1),
        ListRanking(centroids * lengths, encoding).scores(queries).argmax(axis=1),
    )
