"""The parts of the device search, each against a loop that says what it does."""

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device.layout.layout import EMPTY_SCORE, lay_out
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.steps import keys, merge, scan
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.certificate import violations
from gleann.index.engines.device.steps.grouping import group

CPU = torch.device("cpu")


def on_cpu(data, kind="fp32"):
    return lay_out(data, kind=kind, device=CPU)


def test_keys_sort_as_scores_do_and_ties_by_number():
    rng = np.random.default_rng(0)
    scores = torch.from_numpy(rng.normal(size=200).astype(np.float32)).round(decimals=1)
    scores[:4] = torch.tensor([0.0, -0.0, 1e-45, -1e-45])
    numbers = torch.from_numpy(rng.permutation(200))
    made = keys.make_keys(scores, numbers)
    order = made.argsort()
    want = np.lexsort((numbers.numpy(), scores.numpy()))
    np.testing.assert_array_equal(order.numpy(), want)
    np.testing.assert_array_equal(keys.key_numbers(made), numbers)
    np.testing.assert_array_equal(keys.key_scores(made), scores)
    assert (made < keys.NONE).all()


def test_smallest_pads():
    given = torch.tensor([[5, 3], [keys.NONE, 1]])
    got = keys.smallest(given, 3)
    assert got.tolist() == [[3, 5, keys.NONE], [1, keys.NONE, keys.NONE]]
    assert keys.smallest(given[:, :0], 1).tolist() == [[keys.NONE], [keys.NONE]]


@pytest.mark.parametrize("nlist", [1, 31, 32, 33, 100])
def test_bitmap_has_the_bits_of_the_probed_lists(nlist):
    nprobe = min(nlist, 40)
    list_nos = world.some_lists(20, nprobe, nlist).astype(np.int64)
    list_nos[3, nprobe // 2 :] = -1
    words = bitmap_of(torch.from_numpy(list_nos), nlist=nlist).numpy()
    for row, probed in zip(words.view(np.uint32), list_nos, strict=True):
        bits = [j for j in range(nlist) if row[j // 32] >> (j % 32) & 1]
        assert bits == sorted(j for j in probed if j >= 0)


def test_pairs_are_grouped_by_list_in_the_order_of_queries():
    list_nos = torch.from_numpy(world.some_lists(70, 4, 7).astype(np.int64))
    list_nos[5, 2:] = -1
    pairs = group(list_nos, nlist=7)
    flat = list_nos.view(-1)
    for list_no in range(7):
        first = int(pairs.firsts[list_no])
        got = pairs.slots[first : first + int(pairs.counts[list_no])]
        assert got.tolist() == (flat == list_no).nonzero()[:, 0].tolist()
    assert int(pairs.counts.sum()) == 70 * 4 - 2


SHARING = {32: (0, 8, 64, 72), 64: (0, 8), 128: (0,)}
"""How far apart slots of one bucket are, by the number of buckets."""


def in_buckets(places, buckets):
    """The bucket of each place: the least of the slots that share it."""
    slots = np.asarray(places) % 128
    return np.min([slots ^ step for step in SHARING[buckets]], axis=0)


def random_scores(count, *, integers):
    rng = np.random.default_rng(count)
    scores = rng.normal(scale=50, size=(count, 3))
    scores = scores.round() if integers else scores * 10.0 ** rng.integers(-6, 2, 3)
    scores = scores.astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = 2 * EMPTY_SCORE
    return scores


@pytest.mark.parametrize("count", [1, 127, 128, 129, 256, 257, 500, 1300])
@pytest.mark.parametrize("buckets", [32, 64, 128])
def test_buckets_keep_their_two_best_and_bound_the_rest(count, buckets):
    scores = random_scores(count, integers=True)
    kept, bounds = scan.select(
        torch.from_numpy(scores), 1000, Bucketing(buckets=buckets, span=8192)
    )
    numbers = in_buckets(range(count), buckets)
    for q in range(3):
        found = kept[q][kept[q] != keys.NONE]
        places = (keys.key_numbers(found) - 1000).tolist()
        assert len(set(places)) == len(places)
        np.testing.assert_array_equal(scores[places, q], keys.key_scores(found))
        thirds = [np.inf]
        for j, bucket in enumerate(np.unique(in_buckets(range(128), buckets))):
            of = scores[numbers == bucket, q]
            real = sorted(of[of < EMPTY_SCORE])
            got = keys.key_scores(kept[q, :, j]).numpy()
            assert got[np.isfinite(got)].tolist() == real[:2]
            thirds += real[2:3]
        assert float(keys.key_scores(bounds[q])) == min(thirds)


@pytest.mark.parametrize("span", [384, 2048, 8192])
@pytest.mark.parametrize("buckets", [32, 64, 128])
def test_bounds_are_no_worse_than_anything_dropped(span, buckets):
    """Of scores of all sizes, which lose their low bits."""
    bucketing = Bucketing(buckets=buckets, span=span)
    lost = 2.0 ** (bucketing.low_bits - 23)
    for count in (300, 384):
        scores = random_scores(count, integers=False)
        kept, bounds = scan.select(torch.from_numpy(scores), 0, bucketing)
        for q in range(3):
            found = kept[q][kept[q] != keys.NONE]
            places, of = keys.key_numbers(found).numpy(), scores[:, q]
            rounded = keys.key_scores(found).numpy()
            assert (np.abs(rounded) <= np.abs(of[places])).all()
            np.testing.assert_allclose(rounded, of[places], rtol=lost)
            dropped = np.delete(of, places)
            dropped = dropped[dropped < EMPTY_SCORE]
            # As rounded as the scores of what was kept.
            least = dropped.min(initial=np.inf)
            bound = float(keys.key_scores(bounds[q]))
            assert bound <= least + lost * abs(least)
            if np.isfinite(least):
                np.testing.assert_allclose(bound, least, rtol=lost)


@pytest.mark.parametrize(("buckets", "count"), [(128, 256), (64, 128)])
def test_buckets_of_two_entries_drop_nothing(buckets, count):
    scores = torch.arange(float(count))[:, None]
    _, bounds = scan.select(scores, 0, Bucketing(buckets=buckets, span=8192))
    assert bounds.tolist() == [keys.NONE]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("places", [(5, 13, 69), (5, 77, 133), (5, 133, 261)])
def test_three_neighbours_of_one_bucket_are_flagged(places, sign):
    """In one tile and across tiles, in one slot and in several; two are not."""
    scores = torch.full((400, 1), 1000.0)
    bucketing = Bucketing(buckets=32, span=512)
    for count in (2, 3):
        some = list(places[:count])
        scores[some] = sign * torch.tensor([3.0, 2.0, 2.0])[:count, None]
        kept, bounds = scan.select(scores, 0, bucketing)
        pool = keys.smallest(kept.flatten(1), 10)
        flagged = violations(bounds[:, None, None], pool, k=count)
        assert flagged.tolist() == [[count == 3]]


def test_merge_takes_a_copy_only_where_its_primary_is_not_probed():
    rows = np.arange(6, dtype=np.float32)[:, None] * np.ones((1, 8), np.float32)
    data = world.index_of(rows, [0, 0, 0, 1, 1, 1], [1, -1, -1, 0, -1, -1])
    lists = on_cpu(data)
    entries = torch.arange(data.lists.entries)
    every = keys.make_keys(torch.zeros(1, len(entries)), entries)
    for probed, copies in (([0, 1], 0), ([0, -1], 1), ([1, -1], 1), ([-1, -1], 2)):
        bits = bitmap_of(torch.tensor([probed]), nlist=2)
        found = merge.merge(every, lists, bits, keep=8)[0]
        assert int((found != keys.NONE).sum()) == 6 + copies
        assert all(a <= b for a, b in pairwise(found.tolist()))
