"""The caller's arrays are the caller's, and the index's are the index's."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex

EVERY = SearchParams(k=5, nprobe=8)


def gaussian(dtype=np.float32):
    return np.random.default_rng(2).standard_normal((300, 7)).astype(dtype)


def quick(metric):
    return BuildParams(metric=metric, nlist=8, tune_queries=0, spill="soar")


class Lender:
    """As a tensor of torch: it lends its own memory to NumPy."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return self.rows


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [np.asarray, Lender, lambda rows: rows[:, :]])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_an_index_does_not_change_with_the_array_it_was_built_from(
    metric, dtype, given, engine
):
    rows, queries = gaussian(dtype), gaussian()[:40]
    index = SoarIndex.build(given(rows), quick(metric), engine=engine)
    before = index.search(queries, EVERY)
    rows[:] = -3
    after = index.search(queries, EVERY)
    exact = index.search(queries, SearchParams(k=5, exact=True))
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.distances, after.distances)
    np.testing.assert_array_equal(before.ids, exact.ids)


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_an_array_may_be_handed_over_for_good(metric):
    rows = gaussian()
    index = SoarIndex.build(rows, quick(metric), copy=False)
    assert np.shares_memory(index.vectors, rows)
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1


@pytest.mark.parametrize("copy", [True, False])
def test_what_must_be_converted_stays_the_callers(copy):
    for rows in (gaussian(np.float64), np.asfortranarray(gaussian())):
        index = SoarIndex.build(rows, quick("l2"), copy=copy)
        assert not np.shares_memory(index.vectors, rows)
        rows[:] = 0


@pytest.mark.parametrize("kind", [np.int64, np.str_])
def test_ids_do_not_change_with_the_callers(kind):
    ids = (np.arange(300) + 5).astype(kind)
    index = SoarIndex.build(gaussian(), quick("l2"), ids=ids)
    ids[:] = 0
    assert index.ids[7] == kind(12)


def arrays_of(part):
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            yield field.name, value
        elif is_dataclass(value):
            yield from arrays_of(value)


@pytest.mark.parametrize("loaded", [False, True])
def test_the_arrays_of_an_index_are_read_only(loaded, tmp_path):
    index = SoarIndex.build(gaussian(), quick("l2"))
    if loaded:
        index.save(tmp_path / "i")
        index = SoarIndex.load(tmp_path / "i")
    handed_out = [*arrays_of(index.data), ("ids", index.ids), ("v", index.vectors)]
    assert len(handed_out) >= 8
    for name, array in handed_out:
        with pytest.raises(ValueError, match=r"read-only"):
            array[...] = 0
        assert not array.flags.writeable, name


def test_answers_belong_to_who_asked():
    index = SoarIndex.build(gaussian(), quick("l2"))
    first, again = (
        index.search(gaussian()[:9], EVERY),
        index.search(gaussian()[:9], EVERY),
    )
    kept = again.ids.copy()
    first.ids[:], first.distances[:] = -1, 0
    np.testing.assert_array_equal(again.ids, kept)
    np.testing.assert_array_equal(index.search(gaussian()[:9], EVERY).ids, kept)
    rows, mask = index.rows_of([3, 4]), index.mask_of([3, 4])
    rows[:], mask[:] = 0, False
    assert index.rows_of([3, 4]).tolist() == [3, 4]
    assert index.mask_of([3, 4]).sum() == 2


def test_a_mask_that_is_used_again_is_read_again():
    index = SoarIndex.build(gaussian(), quick("l2"))
    mask = np.ones(300, np.bool_)
    params = SearchParams(k=1, nprobe=8, allowed=mask)
    assert index.search(gaussian()[:1], params).ids.tolist() == [[0]]
    mask[0] = False
    assert index.search(gaussian()[:1], params).ids.tolist() != [[0]]
