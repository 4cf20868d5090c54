"""An index in shards answers as the one index that it was cut from."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cut_index import DIM, NQ, N, built, clustered, queries, require_same, sharded

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidFilterError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    RecallWarning,
    UnknownColumnError,
    UnknownIdError,
)
from gleann.index.evaluate import recall_at_k
from gleann.index.shards import search as shard_search
from gleann.index.shards.asking import Asked, LocalShards
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex

SHARDS = [1, 2, 5, 40]
KINDS: dict[str, dict[str, Any]] = {
    "cosine": {"metric": "cosine"},
    "l2": {"metric": "l2"},
    "ip": {"metric": "ip"},
    "float32": {"metric": "l2", "codes": "float32"},
    "f16": {"metric": "l2", "keep": "f16"},
    "disk": {"metric": "cosine", "keep": "disk"},
    "shared": {"metric": "cosine", "entry_codes": "shared"},
    "projected": {"metric": "l2", "projection": 6},
    "unspilled": {"metric": "l2", "spill": "none"},
}


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "strings"])
def index(request: pytest.FixtureRequest) -> SoarIndex:
    return built(strings=request.param)


@pytest.fixture(scope="module", params=SHARDS)
def pair(
    request: pytest.FixtureRequest,
    index: SoarIndex,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[SoarIndex, ShardedIndex]:
    path = tmp_path_factory.mktemp("shards")
    return index, sharded(index, path, request.param)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shards", [2, 5])
def test_at_full_probe_the_answers_are_those_of_the_index(
    tmp_path: Path, kind: str, shards: int
) -> None:
    index = built(**KINDS[kind])
    index.save(tmp_path / "one")
    index = SoarIndex.load(tmp_path / "one")
    whole = sharded(index, tmp_path, shards)
    for k in (1, 10, 50):
        asked = SearchParams(k=k, nprobe=16, rerank=N)
        require_same(index.search(queries(), asked), whole.search(queries(), asked))
        exact = SearchParams(k=k, exact=True)
        require_same(index.search(queries(), exact), whole.search(queries(), exact))


@pytest.mark.parametrize("shards", [2, 5])
def test_far_from_the_origin(tmp_path: Path, shards: int) -> None:
    index = built(metric="l2", far=True)
    whole = sharded(index, tmp_path, shards)
    asked = SearchParams(k=10, nprobe=16, rerank=N)
    far = queries() + np.float32(30)
    require_same(index.search(far, asked), whole.search(far, asked))


@pytest.mark.parametrize("nprobe", [1, 3, 16])
def test_the_same_entries_are_read_and_nothing_nearer_is_lost(
    pair: tuple[SoarIndex, ShardedIndex], nprobe: int
) -> None:
    index, whole = pair
    asked = SearchParams(k=10, nprobe=nprobe, rerank=20)
    one, found = index.search(queries(), asked), whole.search(queries(), asked)
    assert (one.stats.completed, found.stats.completed) == (0, 0)
    assert found.stats.entries_scanned == one.stats.entries_scanned
    assert (found.distances <= one.distances).all()


@pytest.mark.parametrize("target", [0.8, 0.95])
def test_recall_and_entries_at_the_recall_that_is_asked_for(
    pair: tuple[SoarIndex, ShardedIndex], target: float
) -> None:
    index, whole = pair
    many = clustered(np.random.default_rng(2), 300)
    exact = index.search(many, SearchParams(exact=True)).distances
    asked = SearchParams(target_recall=target)
    one, found = index.search(many, asked), whole.search(many, asked)
    assert found.stats.entries_scanned == one.stats.entries_scanned
    assert found.stats.estimated_recall == one.stats.estimated_recall
    assert found.stats.nprobe == one.stats.nprobe
    recalls = [recall_at_k(answer.distances, exact) for answer in (one, found)]
    assert abs(recalls[0] - recalls[1]) <= 0.003
    assert recalls[1] >= recalls[0] - 1e-9


def test_duplicates_in_several_shards_are_in_the_order_of_their_ids(
    pair: tuple[SoarIndex, ShardedIndex],
) -> None:
    index, whole = pair
    asked = SearchParams(k=15, exact=True)
    query = index.vectors[100]
    found = whole.search(query, asked)
    rows = np.arange(N)[np.isin(index.ids, found.ids[0])]
    assert set(rows.tolist()) <= {100, *range(300, 320)}
    if whole.manifest.shards[0].n < N:
        assert len({*whole.rows_of(found.ids[0]).tolist()}) == 15
    require_same(index.search(query, asked), found)


@pytest.mark.parametrize("k", [N, N + 100])
def test_more_neighbours_than_rows(
    pair: tuple[SoarIndex, ShardedIndex], k: int
) -> None:
    index, whole = pair
    asked = SearchParams(k=k, exact=True)
    require_same(index.search(queries(), asked), whole.search(queries(), asked))


def test_lists_that_leave_a_query_short(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    index, whole = pair
    asked = SearchParams(k=400, nprobe=1)
    one, found = index.search(queries(), asked), whole.search(queries(), asked)
    assert one.stats.completed > 0
    assert found.stats.completed == one.stats.completed
    require_same(one, found)


def test_shards_that_have_more_than_they_were_asked_for_are_asked_again(
    pair: tuple[SoarIndex, ShardedIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for the mean at first, half of the shards have more: nothing is lost."""
    index, whole = pair
    monkeypatch.setattr(shard_search, "SMALL_K", 8)
    counts: list[int] = []

    def least(k: int, share: float, **_: float) -> int:
        counts.append(k)
        return max(1, int(k * share))

    asked = SearchParams(k=60, target_recall=0.9, rerank=N)
    one = index.search(queries(), asked)
    monkeypatch.setattr(shard_search, "per_shard_k", least)
    found = whole.search(queries(), asked)
    require_same(one, found)
    assert counts


MASKS: dict[str, Any] = {
    "third": lambda: np.arange(N) % 3 == 0,
    "few": lambda: np.arange(N) % 100 == 7,
    "one": lambda: np.arange(N) == 5,
    "none": lambda: np.zeros(N, np.bool_),
    "all": lambda: np.ones(N, np.bool_),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(
    "changed", [{}, {"exact": True}, {"nprobe": 16, "rerank": N}, {"nprobe": 2}]
)
def test_filters(
    pair: tuple[SoarIndex, ShardedIndex], name: str, changed: dict[str, Any]
) -> None:
    """Against comparing all rows: with few allowed, all searches are exhaustive."""
    index, whole = pair
    mask = MASKS[name]()
    ids = index.ids[mask]
    kept = whole.allow_ids(ids)
    assert kept.count == mask.sum()
    params = SearchParams(k=6, allowed=kept, **changed)
    if changed.get("nprobe") != 2:
        exact = SearchParams(k=6, allowed=mask, exact=True)
        found, true = whole.search(queries(), params), index.search(queries(), exact)
        assert recall_at_k(found.distances, true.distances) > 0.98
        if changed:
            require_same(true, found)
    found = whole.search(queries(), params)
    there = found.distances < np.inf
    assert np.isin(found.ids[there], ids).all()
    assert there.sum() == NQ * min(6, len(ids))
    rows = whole.rows_of(ids)
    of_mask = np.zeros(N, np.bool_)
    of_mask[rows] = True
    require_same(
        found, whole.search(queries(), SearchParams(k=6, allowed=of_mask, **changed))
    )
    again = whole.search(queries(), params)  # packed by now
    require_same(found, again)


def test_conditions_on_payload(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    index, whole = pair
    mask = index.where("size >= $1 OR name = 'n3'", [8])
    kept = whole.allow_where("size >= $1 OR name = 'n3'", [8])
    assert kept.count == mask.sum()
    np.testing.assert_array_equal(
        np.sort(whole.ids_at(whole.rows_allowed(kept))), np.sort(index.ids[mask])
    )
    for changed in ({"exact": True}, {"nprobe": 16, "rerank": N}):
        one = SearchParams(k=5, allowed=mask, **changed)
        require_same(
            index.search(queries(), one),
            whole.search(queries(), SearchParams(k=5, allowed=kept, **changed)),
        )
    assert whole.where("size = 1").sum() == index.where("size = 1").sum()
    with pytest.raises(InvalidFilterError, match="weight"):
        whole.allow_where("weight > 2")


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("radius", [0.0, 0.05, 0.4])
def test_rows_within_a_distance(
    pair: tuple[SoarIndex, ShardedIndex], radius: float, limit: int | None
) -> None:
    index, whole = pair
    asked = np.vstack([queries(), index.vectors[100:101]])
    one = index.search_radius(asked, radius, limit=limit)
    found = whole.search_radius(asked, radius, limit=limit)
    np.testing.assert_array_equal(found.offsets, one.offsets)
    require_same(one, found)
    assert found.complete
    probed = whole.search_radius(asked, radius, limit=limit, target_recall=0.9)
    assert len(probed.ids) >= 0.9 * len(one.ids)
    rows = whole.find_within(asked, radius, limit=limit)
    np.testing.assert_array_equal(whole.ids_at(rows.rows), one.ids)
    mask = np.arange(N) % 3 == 0
    few = index.search_radius(asked, radius, limit=limit, allowed=mask)
    kept = whole.allow_ids(index.ids[mask])
    require_same(few, whole.search_radius(asked, radius, limit=limit, allowed=kept))


def test_a_search_within_a_radius_cuts_its_answer(
    pair: tuple[SoarIndex, ShardedIndex],
) -> None:
    index, whole = pair
    asked = SearchParams(k=20, exact=True, radius=0.1)
    require_same(index.search(queries(), asked), whole.search(queries(), asked))


def test_rows_by_id_and_by_number(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    index, whole = pair
    some = np.random.default_rng(3).permutation(N)[:50]
    ids = index.ids[some]
    rows = whole.rows_of(ids)
    np.testing.assert_array_equal(whole.ids_at(rows), ids)
    np.testing.assert_array_equal(whole.vectors_at(rows), index.vectors[some])
    np.testing.assert_array_equal(whole.vectors_of(ids), index.vectors[some])
    assert whole.payload_of(ids) == index.payload_of(ids)
    assert whole.payload_of(ids, ["name"]) == index.payload_of(ids, ["name"])
    none = "" if ids.dtype.kind == "U" else -1
    with_none = [*ids[:2].tolist(), none]
    assert whole.payload_of(with_none).to_pylist()[-1] == {"size": None, "name": None}
    assert whole.ids_at(np.array([-1, rows[0]])).tolist() == [none, ids[0]]
    assert whole.mask_of(ids).sum() == 50
    everything = whole.ids_at(np.arange(N))
    np.testing.assert_array_equal(np.sort(everything), np.sort(index.ids))


@pytest.mark.parametrize("where", [None, "size >= 6", "size = 3"])
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_rows_in_the_order_of_their_ids(
    pair: tuple[SoarIndex, ShardedIndex], where: str | None, size: int
) -> None:
    index, whole = pair
    mask = np.ones(N, np.bool_) if where is None else index.where(where)
    allowed = None if where is None else whole.allow_where(where)
    names = index.ids[mask].tolist()
    expected = sorted(names, key=lambda n: n.encode() if isinstance(n, str) else n)
    after = None
    for start in range(0, min(len(expected), 3 * size), size):
        rows = whole.rows_after(after, size=size, allowed=allowed)
        found = whole.ids_at(rows).tolist()
        assert found == expected[start : start + size]
        after = found[-1]
    assert whole.rows_after(expected[-1], size=size, allowed=allowed).size == 0


def test_what_is_not_there_is_named(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    index, whole = pair
    missing, other = ("nobody", 7) if index.ids.dtype.kind == "U" else (1, "7")
    with pytest.raises(UnknownIdError, match=f"{missing!r}.*1 of 2 are not there"):
        whole.rows_of([index.ids[0].item(), missing])
    with pytest.raises(UnknownIdError, match="whose ids are"):
        whole.rows_of([other])
    with pytest.raises(UnknownColumnError, match="weight"):
        whole.payload_of(index.ids[:1], ["weight"])
    assert len(whole.rows_of(index.ids[:0])) == 0


def test_what_the_index_says_of_itself(pair: tuple[SoarIndex, ShardedIndex]) -> None:
    index, whole = pair
    assert (len(whole), whole.dim, whole.nlist) == (N, DIM, 16)
    assert (whole.metric, whole.params) == (index.metric, index.params)
    assert whole.schema == index.schema
    assert whole.operating_points == index.operating_points
    assert whole.spilled_share == pytest.approx(index.spilled_share)
    assert whole.engine_name == index.engine_name
    shards = whole.manifest.shards
    assert f"shards={len(shards)}" in repr(whole)
    hashes = whole.data_hashes()
    assert [bool(one) for one in hashes] == [shard.n > 0 for shard in shards]
    if len(shards) == 1:
        assert hashes == (index.data_hash,)


def test_bad_requests(pair: tuple[SoarIndex, ShardedIndex], tmp_path: Path) -> None:
    _, whole = pair
    with pytest.raises(DimensionMismatchError, match="9"):
        whole.search(queries()[:, :9])
    with pytest.raises(NonFiniteError):
        whole.search(np.full(DIM, np.nan, np.float32))
    with pytest.raises(InvalidParamsError, match="nprobe is 17"):
        whole.search(queries(), SearchParams(nprobe=17))
    with pytest.raises(InvalidParamsError, match="radius must be at least 0"):
        whole.search_radius(queries(), -1.0)
    with pytest.raises(InvalidParamsError, match="limit"):
        whole.search_radius(queries(), 1.0, limit=0)
    with pytest.raises(DimensionMismatchError, match="expected"):
        whole.search(queries(), SearchParams(allowed=np.ones(7, np.bool_)))
    with pytest.raises(InvalidInputError, match=f"row {N} is not one of {N}"):
        whole.allow_rows([N])
    other = sharded(built(metric="ip"), tmp_path, 3)
    with pytest.raises(InvalidInputError, match="another index"):
        whole.search(queries(), SearchParams(allowed=other.allow_rows([1, 2])))
    alone = built()
    with pytest.raises(InvalidInputError, match="another index"):
        whole.search(
            queries(), SearchParams(allowed=alone.allow_rows(np.array([1, 2])))
        )


def test_a_recall_that_was_not_measured_is_warned_of(tmp_path: Path) -> None:
    whole = sharded(built(tune_queries=0), tmp_path, 2)
    with pytest.warns(RecallWarning, match="not known"):
        whole.search(queries(), SearchParams(target_recall=0.9))


def test_one_row_in_one_of_many_shards(tmp_path: Path) -> None:
    index = SoarIndex.build(np.eye(1, 4, dtype=np.float32), BuildParams(nlist=1))
    whole = sharded(index, tmp_path, 40)
    found = whole.search(np.eye(2, 4, dtype=np.float32), SearchParams(k=3))
    require_same(index.search(np.eye(2, 4, dtype=np.float32), SearchParams(k=3)), found)
    assert found.ids.tolist() == [[0, -1, -1]] * 2


class Blocks(LocalShards):
    """Asks of five queries at a time; counts questions."""

    asked = 0

    @property
    def block(self) -> int:
        return 5

    def ask_each(self, questions: Iterable[Asked]) -> Iterator[Mapping[int, Any]]:
        for answers in super().ask_each(questions):
            self.asked += 1
            yield answers


def test_queries_in_blocks_have_the_answers_of_all_at_once(
    pair: tuple[SoarIndex, ShardedIndex], tmp_path: Path
) -> None:
    index, whole = pair
    manifest = cut(index, tmp_path / "cut", shards=len(whole.manifest.shards))
    shards = Blocks.load(tmp_path / "cut", manifest, threads=1)
    assert isinstance(shards, Blocks)
    blocks = ShardedIndex(shards, manifest)
    before = shards.asked
    for params in (
        SearchParams(),
        SearchParams(k=300, nprobe=2),
        SearchParams(exact=True),
    ):
        one, found = whole.search(queries(), params), blocks.search(queries(), params)
        require_same(one, found)
        assert one.stats == found.stats
    assert shards.asked >= before + 12
    one, found = (
        whole.search_radius(queries(), 0.3),
        blocks.search_radius(queries(), 0.3),
    )
    np.testing.assert_array_equal(one.offsets, found.offsets)
    require_same(one, found)
