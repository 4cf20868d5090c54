"""Scans of lists, interpreted: the keys and bounds that torch keeps."""

from kernel_mode import interpreted_only

interpreted_only()
from dataclasses import replace

import device_world as world
import numpy as np
import pytest
import torch
from interpreted_world import KINDS, setting

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.steps import scan
from gleann.index.engines.device.steps.certificate import violations
from gleann.index.engines.device.steps.keys import (
    NONE,
    key_numbers,
    key_scores,
    smallest,
)
from gleann.index.engines.device.steps.queries import code_queries
from gleann.index.engines.triton_kernels.configs import config_for
from gleann.index.engines.triton_kernels.scan import launch_scan
from gleann.index.engines.triton_kernels.scanner import TritonScanner


def by_lists(coded, list_nos, view, bucketing, kind):
    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    config = config_for(kind, view.lists.dim, queries=16)
    launch_scan.launch_scan_lists(coded, list_nos, view, bucketing, out, config)
    return out


def by_pairs(coded, list_nos, view, bucketing, kind):
    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    out.keys.zero_()  # it must write all of them
    out.bounds.zero_()
    launch_scan.launch_scan_pairs(coded, list_nos, view, bucketing, out)
    return out


def assert_equal(got, want):
    assert torch.equal(got.keys, want.keys)
    assert torch.equal(got.bounds, want.bounds)


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
@pytest.mark.parametrize("d", [32, 96, 112])
@pytest.mark.parametrize("kind", KINDS)
def test_scans_keep_what_torch_keeps(kind, d, launch):
    coded, list_nos, view = setting(kind, d)
    bucketing = Bucketing(buckets=32, span=256)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert_equal(launch(coded, list_nos, view, bucketing, kind), want)
    assert (want.keys != NONE).any()
    assert (want.bounds != NONE).any()


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
@pytest.mark.parametrize(
    "changed", [{"metric": "ip"}, {"allowed": 0.3}, {"segments": "primary"}]
)
def test_scans_see_what_the_request_says(changed, launch):
    coded, list_nos, view = setting("fp32", 32, **changed)
    bucketing = Bucketing(buckets=128, span=8192)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert_equal(launch(coded, list_nos, view, bucketing, "fp32"), want)


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
@pytest.mark.parametrize("buckets", [32, 64, 128])
@pytest.mark.parametrize("span", [128, 384])
def test_any_number_of_buckets_and_spans(span, buckets, launch):
    """Integer scores of which many are equal, of either sign."""
    coded, list_nos, view = setting("fp16", 16, nq=4)
    bucketing = Bucketing(buckets=buckets, span=span)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert_equal(launch(coded, list_nos, view, bucketing, "fp16"), want)
    scores = key_scores(want.keys[want.keys != NONE])
    assert len(scores.unique()) < len(scores) / 4
    assert (scores < 0).any()
    assert (scores > 0).any()


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
def test_the_same_of_many_scores_of_zero_are_kept(launch):
    """Negated scores of zero are in the order of others, and not in its reverse."""
    rows = np.zeros((300, 16), np.float32)
    data = world.index_of(rows, np.zeros(300), np.full(300, -1), nlist=1)
    lists = lay_out(data, kind="fp16", device=torch.device("cpu"))
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    coded = code_queries(torch.from_numpy(world.integer_queries(3, 16)), lists)
    list_nos = torch.zeros((3, 1), dtype=torch.int64)
    bucketing = Bucketing(buckets=32, span=384)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert (key_scores(want.keys) == 0).all()
    assert_equal(launch(coded, list_nos, view, bucketing, "fp16"), want)


def real_setting(nq=3):
    """One list of 300 rows that are no integers."""
    rng = np.random.default_rng(6)
    data = world.index_of(rng.normal(size=(300, 16)), np.zeros(300), np.full(300, -1))
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    asked = torch.from_numpy(rng.normal(size=(nq, 16)).astype(np.float32))
    list_nos = torch.zeros((nq, 1), dtype=torch.int64)
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    return code_queries(asked, lists), list_nos, view


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
@pytest.mark.parametrize("buckets", [32, 128])
def test_bounds_are_no_worse_than_anything_dropped(buckets, launch):
    coded, list_nos, view = real_setting()
    bucketing = Bucketing(buckets=buckets, span=384)
    got = launch(coded, list_nos, view, bucketing, "fp32")
    scores = scan.score(view, slice(0, 300), coded)
    for q in range(3):
        kept = got.keys[q][got.keys[q] != NONE]
        assert len(set(key_numbers(kept).tolist())) == len(kept) >= 2 * 32
        dropped = np.delete(scores[:, q].numpy(), key_numbers(kept).numpy())
        bound = float(key_scores(got.bounds[q, 0, 0]))
        # Rounded as all scores are, and summed in another order.
        np.testing.assert_allclose(bound, dropped.min(), rtol=2.0**-17, atol=1e-6)
        rounded = key_scores(kept).numpy()
        exact = scores[key_numbers(kept), q].numpy()
        np.testing.assert_allclose(rounded, exact, rtol=2.0**-17, atol=1e-6)


@pytest.mark.parametrize("launch", [by_lists, by_pairs])
@pytest.mark.parametrize("places", [(7, 15, 79), (7, 71, 135), (7, 135, 263)])
def test_three_neighbours_of_one_bucket_are_flagged(places, launch):
    """In one tile and across tiles, in one slot and in several; two are not."""
    coded, list_nos, view = real_setting(nq=1)
    bucketing = Bucketing(buckets=32, span=384)
    for count in (2, 3):
        biases = view.biases.clone()
        biases[list(places[:count])] = -100.0
        near = replace(view, biases=biases)
        got = launch(coded, list_nos, near, bucketing, "fp32")
        pool = smallest(got.keys.flatten(1), 10)
        flagged = violations(got.bounds, pool, k=count)
        assert flagged.tolist() == [[count == 3]]


def test_more_queries_than_a_tile():
    coded, list_nos, view = setting("fp32", 16, nq=40)
    bucketing = Bucketing(buckets=32, span=8192)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert_equal(by_lists(coded, list_nos, view, bucketing, "fp32"), want)


def test_long_dimensions_go_in_steps():
    coded, list_nos, view = setting("fp16", 240, nq=2)
    bucketing = Bucketing(buckets=32, span=8192)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    assert_equal(by_lists(coded, list_nos, view, bucketing, "fp16"), want)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_scores_are_those_of_torch(kind):
    coded, list_nos, view = setting(kind, 48)
    again = coded.take(torch.arange(5).repeat_interleave(3))
    flat = list_nos.reshape(-1)
    got = TritonScanner().exact(again, flat, view, keep=20)
    assert torch.equal(got, scan.exact(again, flat, view, keep=20))
