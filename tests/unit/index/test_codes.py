"""Codes: where the centre lies, what scores are, and when int8 is not enough."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.codes import Encoding, fit_center, quantise
from gleann.index.errors import InvalidParamsError
from gleann.index.metric import prepare

METRICS = ["ip", "cosine", "l2"]


def drawn(n=3000, d=8, *, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) + offset).astype(np.float32)


def nearness(queries, rows, metric):
    """What scores should rank by, in float64."""
    wide, others = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "ip":
        return wide @ others.T
    return -np.square(wide[:, None] - others[None]).sum(axis=2)


def test_rows_around_the_origin_are_not_moved():
    assert not fit_center(drawn(), "l2").any()


@pytest.mark.parametrize("offset", [5.0, -3e4, 1e15])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_the_centre_is_where_most_rows_are(metric, offset):
    rows = (drawn() * abs(offset) * 1e-3 + offset).astype(np.float32)
    np.testing.assert_allclose(fit_center(rows, metric), offset, rtol=1e-3)


def test_rows_far_from_all_others_do_not_move_the_centre():
    rows = drawn(offset=20.0)
    rows[::10] = 1e18
    np.testing.assert_allclose(fit_center(rows, "l2"), 20, rtol=0.05)


def test_the_seed_draws_the_centre():
    rows = drawn(50_000, offset=9)
    first, again, other = (fit_center(rows, "l2", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", ["int8", "float32"])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("metric", METRICS)
def test_scores_rank_as_the_metric_does(metric, offset, kind):
    rows = prepare(drawn(500, 24, offset=offset), metric)
    queries = prepare(drawn(20, 24, offset=offset, seed=1), metric)
    center = np.median(rows, axis=0) if offset else np.zeros(24, np.float32)
    encoding = Encoding(metric=metric, kind=kind, center=center)
    scores = encoding.scan_scores(queries, encoding.encode(rows))
    assert scores.dtype == np.float32
    wanted = nearness(queries, rows, metric)
    for got, want in zip(scores, wanted, strict=True):
        best, close = np.argsort(-got)[:10], np.argsort(-want)[:10]
        assert len(set(best) & set(close)) >= 8


@pytest.mark.parametrize("metric", METRICS)
def test_version_1_scores_are_plain_products(metric):
    rows, queries = drawn(60, 12, offset=3), drawn(7, 12, offset=3, seed=1)
    encoding = Encoding.uncentred(metric, 12)
    scores = encoding.scan_scores(queries, encoding.encode(rows))
    coded, asked = quantise(rows), quantise(queries)
    dots = asked.values.astype(np.int64) @ coded.values.astype(np.int64).T
    want = dots.astype(np.float32) * coded.scales
    if metric == "l2":
        squares = np.square(coded.values.astype(np.int64)).sum(axis=1)
        norms = coded.scales.astype(np.float64) ** 2 * squares
        want = want * (2 * asked.scales)[:, None] - norms.astype(np.float32)
    np.testing.assert_array_equal(scores, want)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_row_scores_best_for_itself_in_float32(metric):
    rows = prepare(drawn(300, 2, offset=4e6), metric)
    encoding = Encoding(metric=metric, kind="float32", center=rows[5])
    scores = encoding.scan_scores(rows, encoding.encode(rows))
    assert (np.diagonal(scores) == 0).all()
    assert (scores <= 0).all()


def test_float32_codes_are_the_rows_themselves():
    rows = drawn(50)
    encoding = replace(Encoding.uncentred("l2", 8), kind="float32")
    codes = encoding.encode(rows)
    assert codes.values is rows
    assert codes.biases is None
    assert (codes[3:5].values == rows[3:5]).all()


def two_places():
    """No centre is near both: int8 spends its digits on the way between them."""
    rows = drawn(4000)
    rows[::2] += 1000
    return rows


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (two_places(), "float32"),
        (drawn(4000, offset=1000), "int8"),
        (drawn(4000), "int8"),
    ],
)
def test_a_build_keeps_int8_where_it_tells_rows_apart(rows, kind):
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    assert index.params.codes == index.data.encoding.kind == kind
    found = index.search(rows[::50], SearchParams(k=10, nprobe=index.nlist))
    exact = index.search(rows[::50], SearchParams(k=10, exact=True))
    assert recall_at_k(found.distances, exact.distances) > 0.99


@pytest.mark.parametrize("codes", ["int8", "float32"])
def test_codes_that_are_asked_for_are_taken(codes):
    for rows in (two_places(), drawn(2000)):
        params = BuildParams(metric="l2", codes=codes, tune_queries=10)
        index = SoarIndex.build(rows, params)
        assert index.params.codes == index.data.encoding.kind == codes


def test_other_codes_are_refused():
    with pytest.raises(InvalidParamsError, match="codes must be one of auto, int8, f"):
        BuildParams(codes="int4")
