"""Numbers of rows of shards: those that are there, masks of them, and others."""

import pickle
from typing import Any

import numpy as np
import pytest
from cut_index import N, built, queries, require_same, sharded

from gleann.index import SearchParams, SoarIndex
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import to_numpy
from gleann.index.shards.filters import AllBut, ByRows
from gleann.index.shards.questions import ScanAll
from gleann.index.shards.sharded_index import ShardedIndex


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "strings"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SoarIndex, ShardedIndex]:
    index = built(strings=request.param)
    return index, sharded(index, tmp_path_factory.mktemp("shards"), 5)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_a_mask_is_what_it_allows(
    pair: tuple[SoarIndex, ShardedIndex], share: float
) -> None:
    """Whichever of its rows and the others are sent, in each shard the fewer."""
    index, whole = pair
    mask = np.random.default_rng(3).random(N) < share
    mask[: len(mask) // 8] = True  # all of most of the first shard
    by_id = mask[whole.rows_of(index.ids)]
    allowed = whole.allow(mask)
    assert allowed.count == mask.sum()
    np.testing.assert_array_equal(whole.rows_allowed(allowed), np.flatnonzero(mask))
    rows = whole.allow_rows(np.flatnonzero(mask))
    ways: tuple[dict[str, Any], ...] = ({"exact": True}, {"nprobe": 4})
    for how in ways:
        by_mask, by_rows = (
            whole.search(queries(), SearchParams(k=9, allowed=one, **how))
            for one in (allowed, rows)
        )
        require_same(by_mask, by_rows)
        assert by_mask.stats == by_rows.stats
    true = index.search(queries(), SearchParams(k=9, exact=True, allowed=by_id))
    found = whole.search(queries(), SearchParams(k=9, exact=True, allowed=allowed))
    require_same(true, found)


def test_the_fewer_rows_travel(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    _, whole = pair
    few, most = np.zeros(N, np.bool_), np.ones(N, np.bool_)
    few[::97], most[::97] = True, False
    for mask, kind in ((few, ByRows), (most, AllBut)):
        allowed = whole.allow(mask)
        assert {type(one) for one in allowed.of_shard} == {kind}
        question = ScanAll(queries=queries()[:1], k=1, allowed=allowed.of_shard[0])
        assert len(pickle.dumps(question)) < 2000
    # A shard keeps both apart, though the same rows travel.
    one, other = (whole.allow(mask).of_shard[0] for mask in (few, most))
    assert isinstance(one, ByRows)
    assert isinstance(other, AllBut)
    np.testing.assert_array_equal(one.rows, other.rows)
    assert one.key != other.key


def test_all_ids_are_in_the_order_of_the_rows(
    pair: tuple[SoarIndex, ShardedIndex],
) -> None:
    index, whole = pair
    ids = to_numpy(whole.all_ids())
    assert ids.tolist() == whole.ids_at(np.arange(N)).tolist()
    assert sorted(ids.tolist()) == sorted(index.ids.tolist())


@pytest.mark.parametrize("row", [-2, N, N + 5])
def test_rows_that_are_not_there_are_named(
    pair: tuple[SoarIndex, ShardedIndex], row: int
) -> None:
    _, whole = pair
    rows = np.array([0, row, 3])
    said = f"row {row} is not one of {N} rows"
    for ask in (whole.vectors_at, whole.ids_at, whole.payload_at):
        with pytest.raises(InvalidInputError, match=said):
            ask(rows)
    with pytest.raises(InvalidInputError, match=said):
        whole.payload_at(rows, [])


def test_no_row_has_no_vector_but_an_id_and_payload_of_none(
    pair: tuple[SoarIndex, ShardedIndex],
) -> None:
    index, whole = pair
    rows = np.array([-1, 4])
    with pytest.raises(InvalidInputError, match=f"row -1 is not one of {N} rows"):
        whole.vectors_at(rows)
    assert whole.ids_at(rows)[0] == ("" if index.ids.dtype.kind == "U" else -1)
    assert whole.payload_at(rows).column("size").to_pylist()[0] is None
    assert whole.vectors_at(rows[:0]).shape == (0, index.dim)
