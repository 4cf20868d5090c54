"""Codes: where the centre lies, what scores are, and when int8 is not enough."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.choose_codes import choose_encoding, pooled_share
from gleann.index.codes import Encoding, fit_center, quantise
from gleann.index.exact import exact_search_prepared, others_than
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


def two_clusters():
    """No centre is near both: int8 spends its digits on the way between them."""
    rows = drawn(4000)
    rows[::2] += 1000
    return rows


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (two_clusters(), "float32"),
        (drawn(4000, offset=1000), "int8"),
        (drawn(4000), "int8"),
    ],
)
def test_int8_is_kept_where_it_tells_rows_apart(rows, kind):
    own = np.arange(0, len(rows), 60)
    queries = rows[own]
    found, _ = exact_search_prepared(queries, rows, metric="l2", k=11)
    near = found[others_than(own, found)].reshape(len(own), 10)
    encoding = Encoding(metric="l2", kind="int8", center=fit_center(rows, "l2"))
    chosen = choose_encoding(
        encoding, rows, queries, near, own=own, pool=100, least=0.998
    )
    assert chosen.kind == kind
    assert chosen.center is encoding.center
    assert pooled_share(chosen, rows, queries, near, own=own, pool=100) >= 0.998


def test_rows_of_one_code_share_the_places_they_compete_for():
    """Of 40 equal rows a pool of 10 holds any one with a chance of a quarter."""
    rows = np.ones((40, 3), np.float32)
    encoding = Encoding.uncentred("l2", 3)
    near = np.arange(5)[None]
    got = pooled_share(encoding, rows, rows[:1], near, own=None, pool=10)
    assert got == pytest.approx(0.25)
    # One competitor less where the query is a row itself.
    got = pooled_share(
        encoding, rows, rows[:1], near[:, 1:], own=np.zeros(1, np.int64), pool=13
    )
    assert got == pytest.approx(1 / 3)
