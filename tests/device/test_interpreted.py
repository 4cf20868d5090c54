"""The Triton kernels, interpreted on a CPU, against their twins in plain torch.

Scores of small integers are exact, so keys must agree to the last bit. Not for bf16,
whose `dot` the interpreter does not do rightly; tiny shapes, since it is slow.
"""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gleann.index.build.host import HostKernels, HostTrainingRows
from gleann.index.build.kernels import kernels_on
from gleann.index.build.spill import Spiller, scale_of
from gleann.index.codes import Encoding
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.stepwise import top_lists
from gleann.index.metric import list_scores
from gleann.index.params import BuildParams

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs with TRITON_INTERPRET=1 only", allow_module_level=True)

from gleann.index.build.device import assigner
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.plan.rank_plan import plan_ranking
from gleann.index.engines.device.steps import merge, scan
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.certificate import violations
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.compaction import compact, counted
from gleann.index.engines.device.steps.keys import (
    NONE,
    key_numbers,
    key_scores,
    make_keys,
    smallest,
)
from gleann.index.engines.device.steps.packed import Block, packed
from gleann.index.engines.device.steps.queries import code_queries
from gleann.index.engines.device.steps.rerank import (
    DeviceRows,
    HostRows,
    answer,
    rerank,
)
from gleann.index.engines.triton_kernels import scanner as launching
from gleann.index.engines.triton_kernels.build import launch_assign
from gleann.index.engines.triton_kernels.coarse import (
    launch_bitmap,
    launch_quantise,
    launch_rank,
)
from gleann.index.engines.triton_kernels.configs import config_for
from gleann.index.engines.triton_kernels.coreset import launch_gains
from gleann.index.engines.triton_kernels.coreset.launch_distances import (
    launch_pair_squares,
)
from gleann.index.engines.triton_kernels.finish import launch_merge, launch_rerank
from gleann.index.engines.triton_kernels.scan import launch_group, launch_scan
from gleann.index.engines.triton_kernels.scanner import TritonScanner
from gleann.selection import facility_location, farthest_first
from gleann.selection.coreset.distance import device as on_device
from gleann.selection.coreset.distance.contract import squared_l2
from gleann.selection.coreset.methods import device_gains
from gleann.selection.coreset.methods.facility_location import HostGains

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
    view = view_for(
        lists, ScanRequest(k=1, rerank=1, allowed=allowed, segments=segments)
    )
    list_nos = torch.from_numpy(world.some_lists(nq, 3, len(SIZES)).astype(np.int64))
    list_nos[0, 1] = -1
    return code_queries(torch.from_numpy(asked), lists), list_nos, view


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


@pytest.mark.parametrize("query_tile", [16, 32])
@pytest.mark.parametrize("span", [128, 8192])
def test_items_cover_every_pair_and_entry_once(monkeypatch, query_tile, span):
    """Of lists that several programs cut."""
    for name, value in (("CUT_LISTS", 2), ("LISTS_BEFORE", 4), ("COUNTED_PAIRS", 64)):
        monkeypatch.setattr(launch_group, name, value)
    data = world.sized_index([0, 1, 127, 128, 129, 300, 0], d=8)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    list_nos = torch.from_numpy(world.some_lists(70, 4, 7).astype(np.int64))
    list_nos[5, 2:] = -1
    items = launch_group.launch_group_pairs(
        list_nos, view, query_tile=query_tile, span=span
    )
    total = int(items.total)
    assert total <= len(items.fields)
    fields = items.fields[:total].tolist()
    starts = [start for start, *_ in fields]
    assert starts == sorted(starts)
    seen = set()
    for start, length, first, count, span_no, *_ in fields:
        assert 1 <= count <= query_tile
        assert 1 <= length <= span
        for slot in items.slots[first : first + count].tolist():
            list_no = int(list_nos.view(-1)[slot])
            assert start == int(view.starts[list_no]) + span_no * span
            for entry in range(start, start + length):
                assert (slot, entry) not in seen
                seen.add((slot, entry))
    lengths = view.lengths[list_nos[list_nos >= 0]]
    assert len(seen) == int(lengths.sum())


def queries_of_all_sizes(d):
    """A zero query, single values, halves between codes, and any magnitude."""
    rng = np.random.default_rng(d)
    asked = rng.normal(size=(40, d)).astype(np.float32)
    asked[0] = 0
    asked[1] = -0.0
    asked[2, 1:] = 0
    asked[3] = np.clip(np.arange(d) - d // 2 + 0.5, -127, 127)
    asked[3, 0] = 127
    for row, power in enumerate(range(-45, 37, 3), start=4):
        asked[row] *= np.float32(10.0**power)
    asked[35] = rng.integers(-190, 191, d) * np.float32(1e-45)
    return torch.from_numpy(asked)


@pytest.mark.parametrize("d", [1, 17, 40, 130])
@pytest.mark.parametrize("kind", ["bf16", *KINDS])
@pytest.mark.parametrize("exponent", [-70, 3])
def test_queries_are_coded_as_by_torch(exponent, kind, d):
    lists = lay_out(
        world.sized_index([2, 3], d=d), kind=kind, device=torch.device("cpu")
    )
    asked = queries_of_all_sizes(d)
    center = torch.from_numpy(np.random.default_rng(1).normal(size=d).astype("f4"))
    if kind == "bf16":  # which the interpreter cuts off instead of rounding
        asked, center = asked.bfloat16().float(), torch.zeros(d)
    for differences in (False, True) if kind == "fp32" else (False,):
        changed = {"exponent": exponent, "differences": differences}
        for moved in (torch.zeros(d), center):
            there = replace(lists, center=moved, **changed)
            got = launch_quantise.launch_code_queries(asked, there)
            want = code_queries(asked, there)
            assert torch.equal(got.values, want.values)
            assert torch.equal(got.ratios, want.ratios)


@pytest.mark.parametrize("d", [1, 17, 130])
@pytest.mark.parametrize("center", [0.0, 0.3])
def test_codes_of_queries_are_those_of_torch(center, d):
    centroids = np.random.default_rng(2).normal(size=(4, d)).astype("f4")
    encoding = Encoding(metric="l2", kind="int8", center=np.full(d, center, np.float32))
    ranking = DeviceRanking(centroids, encoding, torch.device("cpu"))
    asked = queries_of_all_sizes(d)
    codes, scales = launch_quantise.launch_quantise(asked, ranking)
    want, want_scales = ranking.coded(asked)
    assert torch.equal(codes[:, :d], want)
    assert not codes[:, d:].any()
    assert torch.equal(scales, want_scales)


def test_the_default_dtype_of_the_process_is_none_of_ours():
    data = world.sized_index(SIZES, d=16)
    asked = torch.from_numpy(world.integer_queries(3, 16)) / 3
    lists = lay_out(data, kind="int8", device=torch.device("cpu"))
    ranking = DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))
    want = code_queries(asked, lists)
    torch.set_default_dtype(torch.bfloat16)
    try:
        got = TritonScanner().coded(asked, lists)
        _, scales = launch_quantise.launch_quantise(asked, ranking)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(got.ratios, want.ratios)
    assert torch.equal(scales, ranking.coded(asked)[1])


@pytest.mark.parametrize("nlist", [1, 31, 33, 100, 5000])
def test_bitmaps_are_those_of_torch(nlist):
    nprobe = min(nlist, 40)
    list_nos = torch.from_numpy(world.some_lists(4, nprobe, nlist).astype(np.int64))
    list_nos[2, nprobe // 2 :] = -1
    got = launch_bitmap.launch_set_bitmap(list_nos, nlist=nlist)
    assert torch.equal(got, bitmap_of(list_nos, nlist=nlist))


@pytest.mark.parametrize("kind", KINDS)
def test_exact_scores_are_those_of_torch(kind):
    coded, list_nos, view = setting(kind, 48)
    again = coded.take(torch.arange(5).repeat_interleave(3))
    flat = list_nos.reshape(-1)
    got = TritonScanner().exact(again, flat, view, keep=20)
    assert torch.equal(got, scan.exact(again, flat, view, keep=20))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("room", [1, 7, 200, 2000])
def test_flagged_pairs_are_compacted_as_by_torch(room, share):
    rng = np.random.default_rng(room)
    for nq, nprobe in ((1, 1), (40, 17), (700, 1)):
        flags = counted(torch.from_numpy(rng.random((nq, nprobe)) < share))
        list_nos = torch.from_numpy(rng.integers(0, 90, (nq, nprobe)))
        got = TritonScanner().compact(flags, list_nos, room=room)
        want = compact(flags, list_nos, room=room)
        for name in ("queries", "list_nos", "rows", "columns", "query_nos"):
            assert torch.equal(getattr(got, name), getattr(want, name)), name


@pytest.mark.parametrize(("nq", "k"), [(1, 1), (40, 3), (32, 20)])
@pytest.mark.parametrize("nprobe", [1, 4, 17])
def test_answers_are_packed_as_by_torch(nq, k, nprobe):
    data = world.sized_index([5, 0, 130, 1] * 5, d=16)
    lists = lay_out(data, kind="fp32", device=torch.device("cpu"))
    rng = np.random.default_rng(nq)

    def keys(width):
        made = torch.from_numpy(rng.integers(-(1 << 62), 1 << 62, (nq, width)))
        made[torch.from_numpy(rng.random((nq, width)) < 0.3)] = NONE
        return made

    list_nos = world.some_lists(nq, nprobe, 20).astype(np.int64)
    list_nos[rng.random((nq, nprobe)) < 0.2] = -1
    for segments in ("both", "primary"):
        block = Block(
            near=keys(k),
            candidates=keys(2 * k + 15),
            list_nos=torch.from_numpy(list_nos),
            view=view_for(lists, ScanRequest(k=k, rerank=k, segments=segments)),
        )
        for share in (0.0, 0.3, 1.0):
            unanswered = torch.from_numpy(rng.random(nq) < share)
            got = TritonScanner().pack(block, unanswered)
            assert torch.equal(got, packed(block, unanswered))


@pytest.mark.parametrize("recorder", [None, world.Repeats()], ids=["steps", "recorded"])
@pytest.mark.parametrize("count", [2, 7])
def test_a_whole_search(count, recorder):
    """With two queries lists are hardly shared, with seven they are: both kernels."""
    data = world.sized_index(SIZES, d=16)
    asked = world.integer_queries(count, 16)
    request = ScanRequest(k=3, rerank=12)
    engine = DeviceEngine(
        data,
        scanner=TritonScanner(),
        device=torch.device("cpu"),
        kind="fp32",
        recorder=recorder,
    )
    got = engine.search(asked, nprobe=2, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=2, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.work.entries_scanned


def ranking_of(metric, nlist, d=40, *, twins=False):
    """One row a list, which is its centroid."""
    rows = np.random.default_rng(4).normal(size=(nlist, d))
    if twins:
        rows[1::2] = rows[::2]
    none = np.full(nlist, -1)
    data = world.index_of(rows, np.arange(nlist), none, metric=metric, nlist=nlist)
    return data, DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))


def asked_of(count, d=40):
    drawn = np.random.default_rng(5).normal(size=(count, d))
    return torch.from_numpy(drawn.astype(np.float32))


@pytest.mark.parametrize(
    ("metric", "nlist", "nprobe", "twins", "count"),
    [
        ("l2", 1100, 17, True, 18),
        ("ip", 1100, 64, False, 5),
        ("ip", 1300, 9, True, 5),
        ("cosine", 1152, 1, True, 5),
        ("l2", 4100, 128, False, 2),
        ("l2", 1024, 3, False, 0),
    ],
)
def test_lists_are_ranked_as_by_torch(monkeypatch, metric, nlist, nprobe, twins, count):
    """Ties included: of twin lists that the cut parts, the lower one is probed."""
    monkeypatch.setattr(launch_rank, "RANK", replace(launch_rank.RANK, queries=16))
    _, ranking = ranking_of(metric, nlist, twins=twins)
    asked = asked_of(count)
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=nprobe)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=nprobe))


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_lists_of_any_magnitude(scale):
    _, ranking = ranking_of("l2", 1024)
    asked = asked_of(3) * scale
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    best = ranking.best(asked, nprobe=9)
    assert torch.equal(got[~doubted], best[~doubted])


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lists_far_from_the_origin(metric):
    rng = np.random.default_rng(9)
    centroids = (rng.normal(size=(1100, 40)) + 500).astype(np.float32)
    center = np.full(40, 500, np.float32)
    encoding = Encoding(metric=metric, kind="int8", center=center)
    ranking = DeviceRanking(centroids, encoding, torch.device("cpu"))
    asked = asked_of(5) + 500
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=9))
    scores = list_scores(asked.numpy(), centroids, encoding)
    np.testing.assert_array_equal(got.numpy(), top_lists(scores, nprobe=9))


def test_lists_of_long_centroids():
    _, ranking = ranking_of("l2", 1024, 240)
    asked = asked_of(3, 240)
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=9))


def test_lists_that_crowd_in_few_groups_are_in_doubt():
    """The nearest 112 lists share 14 groups, fewer than probes: 64 can be sorted."""
    nlist, d = 7000, 16
    assert plan_ranking(nlist=nlist, nprobe=18).keys == 64
    rows = np.random.default_rng(4).normal(size=(nlist, d)) + 20
    crowd = np.flatnonzero(np.arange(nlist) % TILE < 2)
    rows[crowd] = np.random.default_rng(6).normal(size=(len(crowd), d)) / 100
    none = np.full(nlist, -1)
    data = world.index_of(rows, np.arange(nlist), none, nlist=nlist)
    ranking = DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))
    got, doubted = launch_rank.launch_rank_lists(
        ranking, torch.zeros((2, d)), nprobe=18
    )
    assert doubted.all()
    assert (got == -1).all()


def test_many_equal_lists_are_in_doubt():
    """Every list scores 0 for a zero query, so every group reaches any threshold."""
    _, ranking = ranking_of("ip", 1024)
    asked = asked_of(3)
    asked[1] = 0
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert doubted.tolist() == [False, True, False]
    best = ranking.best(asked, nprobe=9)
    assert torch.equal(got[[0, 2]], best[[0, 2]])
    assert (got[1] == -1).all()


@pytest.mark.parametrize(
    ("recorder", "crowded"),
    [(None, True), (world.Repeats(), False)],
    ids=["steps-crowded", "recorded"],
)
def test_a_search_that_ranks_in_the_kernels(monkeypatch, recorder, crowded):
    """What is in doubt is ranked in full: here, all that there is no room for."""
    used = []
    launch = launch_rank.launch_rank_lists
    monkeypatch.setattr(
        launching,
        "launch_rank_lists",
        lambda *given, **rest: (used.append(1), launch(*given, **rest))[1],
    )
    if crowded:
        monkeypatch.setattr(
            launch_rank,
            "plan_ranking",
            lambda **sizes: replace(plan_ranking(**sizes), room=1),
        )
    data, _ = ranking_of("l2", 1024, 16)
    asked = asked_of(1, 16).numpy()
    request = ScanRequest(k=2, rerank=4)
    engine = DeviceEngine(
        data,
        scanner=TritonScanner(),
        device=torch.device("cpu"),
        kind="fp32",
        recorder=recorder,
    )
    got = engine.search(asked, nprobe=3, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=3, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    assert used


@pytest.mark.parametrize("d", [1, 16, 17, 100])
@pytest.mark.parametrize("count", [0, 1, 32, 70])
def test_distances_of_pairs_are_those_of_the_host_to_the_last_bit(count, d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(50, d)).astype(np.float32) * 10.0 ** rng.integers(-4, 5)
    a, b = rng.integers(50, size=(2, count))
    got = launch_pair_squares(
        torch.from_numpy(rows), torch.from_numpy(a), torch.from_numpy(b)
    )
    np.testing.assert_array_equal(got.numpy(), squared_l2(rows[a], rows[b]))


def test_farthest_first_with_the_kernel(monkeypatch):
    rows = np.random.default_rng(2).integers(-3, 4, (90, 6)).astype(np.float32)
    want = farthest_first(rows, k=20, seed=1)
    monkeypatch.setattr(on_device, "device_reason", lambda device: "")
    got = farthest_first(rows, k=20, seed=1, device="cpu")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.nearest, want.nearest)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.fixture
def small_tiles(monkeypatch):
    """Several tiles of rows and of lists, and more than one share."""
    for name in ("ASSIGN", "ASSIGN_SOAR"):
        config = getattr(launch_assign, name)
        small = replace(config, rows=16, lists=16, block=16)
        monkeypatch.setattr(launch_assign, name, small)
    monkeypatch.setattr(launch_assign, "programs_on", lambda device: 3)


def rows_and_centroids(n, nlist, d):
    """Small integers; some rows are centroids, and three centroids are the same.

    The two others are in the next tile and in the last share.
    """
    rng = np.random.default_rng(100 * n + d)
    rows, centroids = (
        rng.integers(-5, 6, (count, d)).astype(np.float32) for count in (n, nlist)
    )
    rows[: min(n, nlist, 4)] = centroids[: min(n, nlist, 4)]
    centroids[nlist // 3] = centroids[-1] = centroids[0]
    return rows, centroids


def labels(rows, centroids, params):
    made = assigner.DeviceAssigner(
        torch.from_numpy(centroids), params, scale=scale_of(rows)
    )
    return [part.numpy() for part in made.assign(torch.from_numpy(rows))]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("shape", [(1, 2, 5), (50, 37, 1), (50, 70, 21), (16, 48, 32)])
@pytest.mark.parametrize(
    ("metric", "spill", "weight"),
    [
        ("l2", "soar", None),
        ("l2", "soar", 0.5),
        ("ip", "soar", None),
        ("ip", "soar", 0.5),
        ("ip", "naive", None),
        ("l2", "none", None),
    ],
)
def test_lists_are_those_of_torch(monkeypatch, metric, spill, weight, shape):
    rows, centroids = rows_and_centroids(*shape)
    params = BuildParams(metric=metric, spill=spill, spill_lambda=weight)
    want = labels(rows, centroids, params)
    monkeypatch.setattr(assigner, "device_reason", lambda device: "")
    monkeypatch.setattr(assigner.DeviceAssigner, "_scores", None)
    got = labels(rows, centroids, params)
    host = Spiller(centroids, params, scale=scale_of(rows)).assign(rows)
    for mine, theirs in zip(got, want, strict=True):
        assert mine.dtype == np.int32
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(got[0], host[0])
    # SOAR divides by |r|^2: lists of equal loss are told apart by rounding alone.
    least = 0.97 if (metric, spill) == ("ip", "soar") else 1.0
    assert (got[1] == host[1]).mean() >= least


@pytest.mark.usefixtures("small_tiles")
def test_a_build_that_assigns_by_the_kernel(monkeypatch):
    """Of real rows too: none here is as near to two lists to rounding."""
    rng = np.random.default_rng(4)
    rows, centroids = (rng.normal(size=(n, 20)).astype("f4") for n in (90, 40))
    params = BuildParams(metric="cosine", spill="soar")
    (_, *want), *_ = HostKernels(1).assign_blocks(rows, centroids, params=params)
    monkeypatch.setattr(assigner, "device_reason", lambda device: "")
    kernels = kernels_on("cpu")
    ((_, *got),) = kernels.assign_blocks(rows, centroids, params=params)
    np.testing.assert_array_equal(got, want)
    assert (want[1] >= 0).any()
    near = kernels.training_rows(rows).nearest(centroids)
    np.testing.assert_array_equal(near, HostTrainingRows(rows).nearest(centroids))


@pytest.mark.parametrize("nlist", [1, 64, 65, 4096])
@pytest.mark.parametrize("tiles", [0, 1, 171, 7000])
def test_shares_are_whole_tiles_and_fill_the_device(tiles, nlist):
    share = launch_assign.share_of(nlist, 64, tiles=tiles, places=132)
    columns, shares = -(-nlist // 64), -(-nlist // share)
    assert share % 64 == 0
    # Rounding up to whole tiles costs less than half of the shares.
    assert 2 * tiles * shares >= min(tiles * columns, 4 * 132)
    assert shares == 1 or tiles < 4 * 132


@pytest.fixture
def gains_by_kernel(monkeypatch):
    """Several tiles of rows and candidates, and more than one share."""
    small = replace(launch_gains.GAINS, rows=32, lists=16)
    monkeypatch.setattr(launch_gains, "GAINS", small)
    monkeypatch.setattr(launch_gains, "programs_on", lambda device: 3)
    monkeypatch.setattr(device_gains, "device_reason", lambda device: "")
    monkeypatch.setattr(device_gains, "block_slices", None)


@pytest.mark.usefixtures("gains_by_kernel")
@pytest.mark.parametrize(("n", "d"), [(1, 1), (128, 16), (300, 21)])
def test_gains_are_those_of_the_host(n, d):
    rows = np.random.default_rng(n).integers(-5, 6, (n, d)).astype(np.float32)
    host, there = HostGains(rows), device_gains.DeviceGains(rows, "cpu")
    for chosen in ([], [0], [n - 1, n // 2]):
        for gains in (host, there):
            gains.add(np.array(chosen, np.int64))
        for asked in (np.arange(0, n, 9), np.array([n - 1]), np.arange(0)):
            np.testing.assert_array_equal(there.of(asked), host.of(asked))
        assert there.value == host.value


@pytest.mark.usefixtures("gains_by_kernel")
def test_facility_location_with_the_kernel():
    rows = np.random.default_rng(6).integers(-3, 4, (60, 5)).astype(np.float32)
    want = facility_location(rows, k=6)
    got = facility_location(rows, k=6, device="cpu")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.gains, want.gains)


def merging_case(width, nq, *, spread):
    """Keys of entries of a small index, NONE among them; lists that are probed."""
    lists = setting("fp32", 32)[2].lists
    rng = np.random.default_rng(width)
    count = len(lists.rows)
    entries = np.stack([rng.permutation(count)[:width] for _ in range(nq)])
    scores = rng.integers(-spread, spread, entries.shape).astype(np.float32)
    keys = make_keys(torch.from_numpy(scores), torch.from_numpy(entries))
    absent = torch.from_numpy(rng.random(entries.shape) < 0.2)
    probed = bitmap_of(
        torch.from_numpy(world.some_lists(nq, 3, len(SIZES)).astype(np.int64)),
        nlist=lists.nlist,
    )
    return torch.where(absent, NONE, keys), lists, probed


def kernels_of_merge(monkeypatch):
    """The names of the kernels that a merge launches, in order."""
    used = []
    for name in ("merge_keys", "merge_runs"):
        kernel = getattr(launch_merge, name)
        spied = _Spied(kernel, lambda name=name: used.append(name))
        monkeypatch.setattr(launch_merge, name, spied)
    return used


class _Spied:
    """A kernel that says when it is launched."""

    def __init__(self, kernel, launched):
        self._kernel, self._launched = kernel, launched

    def __getitem__(self, grid):
        self._launched()
        return self._kernel[grid]


@pytest.mark.parametrize(
    ("keep", "width"),
    [
        (1, 1),
        (40, 63),
        (64, 300),
        (100, 300),
        pytest.param(200, 520, marks=pytest.mark.slow),
        pytest.param(300, 700, marks=pytest.mark.slow),
    ],
)
def test_merging_is_that_of_torch(monkeypatch, keep, width):
    monkeypatch.setattr(launch_merge, "merge_share", lambda nq, width, **_: width)
    used = kernels_of_merge(monkeypatch)
    keys, lists, probed = merging_case(width, 3, spread=9)
    want = merge.merge(keys, lists, probed, keep=keep)
    assert torch.equal(TritonScanner().merge(keys, lists, probed, keep=keep), want)
    assert used == ["merge_keys"]
    rows = merge.rows_of(keys, lists, probed)
    assert ((rows == NONE) & (keys != NONE)).any() or width < 20


@pytest.mark.parametrize(
    ("keep", "width"),
    [
        (1, 257),
        (64, 513),
        pytest.param(100, 700, marks=pytest.mark.slow),
        pytest.param(200, 520, marks=pytest.mark.slow),
    ],
)
def test_merging_in_two_levels_is_that_of_torch(monkeypatch, keep, width):
    """Every step of 256 keys by another program, the last of them hardly full."""
    monkeypatch.setattr(launch_merge, "merge_share", lambda nq, width, **_: 256)
    used = kernels_of_merge(monkeypatch)
    keys, lists, probed = merging_case(width, 2, spread=9)
    want = merge.merge(keys, lists, probed, keep=keep)
    assert torch.equal(TritonScanner().merge(keys, lists, probed, keep=keep), want)
    assert used == ["merge_keys", "merge_runs"]


def test_merging_what_no_list_has():
    keys, lists, probed = merging_case(300, 2, spread=9)
    none = torch.full_like(keys, NONE)
    for given in (none, none[:0], none[:, :0]):
        got = TritonScanner().merge(given, lists, probed[: len(given)], keep=70)
        assert torch.equal(got, none[: len(given), :70])


@pytest.mark.parametrize(("keep", "length"), [(5, 5), (64, 64), (100, 64), (20, 128)])
def test_sorted_runs_are_merged(keep, length):
    """More runs than a step takes: sixteen of 64 keys, eight of 128."""
    rng = np.random.default_rng(keep)
    drawn = rng.integers(0, 1 << 40, (2, 19, length))
    drawn[0, 3, length // 2 :] = NONE
    runs = torch.from_numpy(drawn).sort(dim=2).values
    got = launch_merge.launch_merge_runs(runs, keep=keep)
    assert torch.equal(got, smallest(runs.flatten(1), keep))


RERANK_WIDTHS = [(1, 1), (64, 10), (65, 10), (100, 100), (129, 3), (300, 200)]


def pooled(rows, nq, width, seed):
    """Pools of distinct rows in any order, some of them absent."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.permutation(len(rows))[:width] for _ in range(nq)])
    scores = torch.from_numpy(rng.normal(size=drawn.shape).astype(np.float32))
    keys = make_keys(scores, torch.from_numpy(drawn))
    absent = torch.from_numpy(rng.random(drawn.shape) < 0.3)
    return torch.where(absent, NONE, keys)


@pytest.mark.parametrize(("width", "k"), RERANK_WIDTHS)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_reranking_is_that_of_torch_on_integers(metric, width, k):
    """To the last bit; a third of the rows come twice, and k exceeds what is there."""
    rng = np.random.default_rng(width)
    rows = rng.integers(-9, 10, (320, 17)).astype(np.float32)
    rows[200:] = rows[:120]
    asked = torch.from_numpy(rng.integers(-9, 10, (3, 17)).astype(np.float32))
    pool = pooled(rows, 3, width, seed=k)
    pool[1] = NONE
    store = DeviceRows(rows, torch.device("cpu"))
    want = rerank(asked, pool, store, metric=metric, k=k)
    got = TritonScanner().rerank(asked, pool, store, metric=metric, k=k)
    assert torch.equal(got, want)
    assert width == 1 or (want[0] != NONE).any()


@pytest.mark.parametrize("d", [1, 17, 96, 100, 960])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_reranked_distances_are_those_of_torch_but_for_the_order_of_sums(metric, d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(90, d)).astype(np.float32)
    asked = torch.from_numpy(rng.normal(size=(2, d)).astype(np.float32))
    pool = pooled(rows, 2, 70, seed=d)
    store = DeviceRows(rows, torch.device("cpu"))
    want = answer(rerank(asked, pool, store, metric=metric, k=40))
    got = answer(TritonScanner().rerank(asked, pool, store, metric=metric, k=40))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_max_ulp(got[1].numpy(), want[1].numpy(), maxulp=1)


def test_reranking_rows_of_the_host_and_no_queries():
    rows = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    asked = torch.from_numpy(rows[:2])
    pool = pooled(rows, 2, 12, seed=1)
    got = TritonScanner().rerank(asked, pool, HostRows(rows), metric="l2", k=4)
    assert torch.equal(got, rerank(asked, pool, HostRows(rows), metric="l2", k=4))
    there = DeviceRows(rows, torch.device("cpu"))
    none = TritonScanner().rerank(asked[:0], pool[:0], there, metric="l2", k=4)
    assert none.shape == (0, 4)


def test_reranking_past_two_billion_values(tmp_path):
    """In a file with holes: only the rows that are read take room."""
    n, d = (1 << 31) // 64 + 9, 64
    path = tmp_path / "rows"
    with path.open("wb") as file:
        file.truncate(4 * n * d)
    vectors = torch.from_file(str(path), shared=True, size=n * d).view(n, d)
    vectors[-3:] = torch.tensor([[2.0], [1.0], [3.0]])
    store = DeviceRows(np.zeros((1, d), np.float32), torch.device("cpu"))
    store.vectors = vectors
    pool = torch.tensor([[n - 3, n - 2, n - 1]])
    got = TritonScanner().rerank(torch.zeros(1, d), pool, store, metric="l2", k=3)
    rows, distances = answer(got)
    assert rows.tolist() == [[n - 2, n - 3, n - 1]]
    assert distances.tolist() == [[64.0, 256.0, 576.0]]


def test_reranking_for_more_neighbours_than_a_program_merges(monkeypatch):
    monkeypatch.setattr(launch_rerank, "MERGE_MOST", 150)
    monkeypatch.setattr(launch_rerank, "launch_merge_runs", None)
    rows = np.random.default_rng(2).integers(-9, 10, (320, 8)).astype(np.float32)
    asked, pool = torch.from_numpy(rows[:2]), pooled(rows, 2, 300, seed=2)
    store = DeviceRows(rows, torch.device("cpu"))
    got = TritonScanner().rerank(asked, pool, store, metric="l2", k=160)
    assert torch.equal(got, rerank(asked, pool, store, metric="l2", k=160))
