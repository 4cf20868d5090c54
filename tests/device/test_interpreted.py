"""The Triton kernels, interpreted on a CPU, against their twins in plain torch.

Scores of small integers are exact, so keys must agree to the last bit. Not for bf16,
whose `dot` the interpreter does not do rightly; tiny shapes, since it is slow.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs with TRITON_INTERPRET=1 only", allow_module_level=True)

from gleann.index.engines.device import merge, scan  # noqa: E402
from gleann.index.engines.device.bucketing import Bucketing  # noqa: E402
from gleann.index.engines.device.engine import DeviceEngine  # noqa: E402
from gleann.index.engines.device.keys import NONE  # noqa: E402
from gleann.index.engines.device.layout import lay_out  # noqa: E402
from gleann.index.engines.device.queries import code_queries  # noqa: E402
from gleann.index.engines.device.recording import Repeats  # noqa: E402
from gleann.index.engines.device.view import view_for  # noqa: E402
from gleann.index.engines.triton_kernels import scanner as launching  # noqa: E402
from gleann.index.engines.triton_kernels.configs import config_for  # noqa: E402

_spec = importlib.util.spec_from_file_location(
    "device_world", Path(__file__).with_name("device_world.py")
)
world = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(world)

SIZES = [0, 1, 127, 128, 129, 300]
KINDS = ["fp16", "fp32", "int8"]


def setting(kind, d, *, metric="l2", nq=5, allowed=None, segments="both"):
    """Queries, lists to probe and a view of an index with lists of odd lengths."""
    data = world.sized_index(SIZES, d=d, metric=metric)
    if kind == "int8":
        # A row with 127 in it is coded on scale 1: integers stay themselves.
        vectors = data.vectors.copy()
        vectors[:, 0] = 127
        primary, secondary = world.assignments(data)
        data = world.index_of(vectors, primary, secondary, metric=metric, nlist=6)
    lists = lay_out(data, kind=kind, device=torch.device("cpu"))
    asked = world.integer_queries(nq, d)
    if kind == "int8":
        asked[:, 0] = 127
    if allowed is not None:
        allowed = np.random.default_rng(3).random(len(data.vectors)) < allowed
    view = view_for(lists, ScanRequest(k=1, pool=1, allowed=allowed, segments=segments))
    list_nos = torch.from_numpy(world.some_lists(nq, 3, len(SIZES)).astype(np.int64))
    list_nos[0, 1] = -1
    return code_queries(torch.from_numpy(asked), lists), list_nos, view


def by_lists(coded, list_nos, view, bucketing, kind):
    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    config = config_for(kind, view.lists.dim, queries=16)
    launching.launch_scan_lists(coded, list_nos, view, bucketing, out, config)
    return out


def by_pairs(coded, list_nos, view, bucketing, kind):
    out = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    out.keys.zero_()  # it must write all of them
    out.bounds.zero_()
    launching.launch_scan_pairs(coded, list_nos, view, bucketing, out)
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
    got = launching.TritonScanner().exact(again, flat, view, keep=20)
    assert torch.equal(got, scan.exact(again, flat, view, keep=20))


@pytest.mark.parametrize("recorder", [None, Repeats()], ids=["steps", "recorded"])
@pytest.mark.parametrize("count", [2, 7])
def test_a_whole_search(count, recorder):
    """With two queries lists are hardly shared, with seven they are: both kernels."""
    data = world.sized_index(SIZES, d=16)
    asked = world.integer_queries(count, 16)
    request = ScanRequest(k=3, pool=12)
    engine = DeviceEngine(
        data,
        scanner=launching.TritonScanner(),
        device=torch.device("cpu"),
        kind="fp32",
        recorder=recorder,
    )
    got = engine.search(asked, nprobe=2, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=2, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.work.entries_scanned


@pytest.mark.parametrize("keep", [1, 40, 64, 100])
def test_merging_is_that_of_torch(keep):
    coded, list_nos, view = setting("fp32", 32)
    lists = view.lists
    bucketing = Bucketing(buckets=32, span=256)
    kept = scan.bucketed(coded, list_nos, view, bucketing)
    flat = kept.keys.reshape(5, -1)
    probed = merge.bitmap(list_nos, nlist=lists.nlist)
    got = launching.TritonScanner().merge(flat, lists, probed, keep=keep)
    assert torch.equal(got, merge.merge(flat, lists, probed, keep=keep))
