"""An index in shards of which some do not answer, are missing or damaged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cut_index import N, built, queries, require_same
from lossy_shards import Lossy

from gleann.index import SearchParams
from gleann.index.errors import (
    CorruptDataError,
    MissingFileError,
    RecallWarning,
    UnavailableError,
)
from gleann.index.shards import search as shard_search
from gleann.index.shards.cut import cut
from gleann.index.shards.manifest import MANIFEST, read, shard_name
from gleann.index.shards.sharded_index import ShardedIndex


def test_a_share_that_is_not_covered_is_said(tmp_path: Path) -> None:
    index = built()
    manifest = cut(index, tmp_path / "cut", shards=5)
    shards = Lossy.load(tmp_path / "cut", manifest, threads=1)
    assert isinstance(shards, Lossy)
    whole = ShardedIndex(shards, manifest)
    assert whole.search(queries()).stats.covered == 1
    shards.lost = frozenset({1, 3})
    there = N - manifest.shards[1].n - manifest.shards[3].n
    for params in (SearchParams(), SearchParams(exact=True), SearchParams(k=800)):
        with pytest.warns(
            RecallWarning, match=f"covers {there / N:.1%} of the {N} rows"
        ):
            found = whole.search(queries(), params)
        assert found.stats.covered == pytest.approx(there / N)
        assert not found.stats.exact
        assert found.stats.estimated_recall is not None
        assert found.stats.estimated_recall <= there / N + 1e-9
        lost = np.isin(manifest_numbers(whole, found.ids), [1, 3])
        assert not lost.any()
    with pytest.warns(RecallWarning, match=f"covers {there / N:.1%} of the {N} rows"):
        within = whole.search_radius(queries(), 0.3)
    assert not within.complete
    assert within.stats.covered == pytest.approx(there / N)
    shards.lost = frozenset(range(5))
    with pytest.raises(UnavailableError, match="none of 5 shards"):
        whole.search(queries())
    with pytest.raises(UnavailableError, match="do not answer"):
        whole.vectors_at(np.arange(N))


@pytest.mark.parametrize("lost", [{1}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("asked", ["again", "for all rows"])
def test_shards_that_are_lost_when_they_are_asked_again(
    tmp_path: Path, lost: set[int], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found before stays, and it is said that more may be there."""
    index = built()
    manifest = cut(index, tmp_path / "cut", shards=5)
    shards = Lossy.load(tmp_path / "cut", manifest, threads=1)
    assert isinstance(shards, Lossy)
    whole = ShardedIndex(shards, manifest)
    params = SearchParams(k=400, nprobe=1)
    if asked == "again":
        params = SearchParams(k=60, target_recall=0.5, rerank=N)
        monkeypatch.setattr(shard_search, "SMALL_K", 8)
        monkeypatch.setattr(shard_search, "per_shard_k", lambda *_, **__: 12)
    true = whole.find_rows(queries(), params)
    shards.lost, shards.after = frozenset(lost), 1
    found = whole.find_rows(queries(), params)
    left = N - sum(manifest.shards[number].n for number in lost)
    assert true.stats.covered == 1
    assert found.stats.covered == pytest.approx(left / N)
    there = found.rows >= 0
    assert there.any(axis=1).all()
    assert np.isin(found.rows[there], np.arange(N)).all()
    for rows, distances in zip(found.rows, found.distances, strict=True):
        own = rows[rows >= 0].tolist()
        assert len(set(own)) == len(own)
        assert sorted(distances.tolist()) == distances.tolist()


@pytest.mark.parametrize("kind", [{}, {"exact": True}, {"nprobe": 16, "rerank": N}])
def test_a_condition_goes_without_shards_that_do_not_count_its_rows(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    """They may answer again when they are searched; then nothing else is found."""
    index = built()
    manifest = cut(index, tmp_path / "cut", shards=5)
    shards = Lossy.load(tmp_path / "cut", manifest, threads=1)
    assert isinstance(shards, Lossy)
    whole = ShardedIndex(shards, manifest)
    for where, k in (("size = 3", 9), ("size >= 0", 9), ("size >= 0", N)):
        params = SearchParams(k=k, **kind)
        shards.lost = frozenset()
        true = whole.search(
            queries(), replace(params, allowed=whole.allow_where(where))
        )
        shards.lost = frozenset({2})
        passing = whole.allow_where(where)
        assert passing.silent == (2,)
        with pytest.warns(RecallWarning, match="covers"):
            found = whole.search(queries(), replace(params, allowed=passing))
        assert found.stats.covered == 1 - manifest.shards[2].n / N
        assert not np.isin(manifest_numbers(whole, found.ids), [2]).any()
        shards.lost = frozenset()
        again = whole.search(queries(), replace(params, allowed=passing))
        require_same(true, again)
        assert again.stats.covered == 1
    for ask_all in (whole.count_where, whole.where):
        shards.lost = frozenset()
        ask_all("size = 3")
        shards.lost = frozenset({2})
        with pytest.raises(UnavailableError, match="1 of 5 shards do not answer"):
            ask_all("size = 3")


def manifest_numbers(whole: ShardedIndex, ids: np.ndarray) -> np.ndarray:
    """The shard of each id that is there."""
    from gleann.index.shards.placing import shards_of

    return shards_of(ids[ids >= 0].astype(np.int64), len(whole.manifest.shards))


def test_shards_that_are_missing_damaged_or_of_another_build(tmp_path: Path) -> None:
    cut(built(), tmp_path / "cut", shards=3)
    cut(built(metric="l2"), tmp_path / "other", shards=3)
    first = tmp_path / "cut" / shard_name(0)
    first.rename(tmp_path / "kept")
    with pytest.raises(MissingFileError, match=shard_name(0)):
        ShardedIndex.load(tmp_path / "cut")
    (tmp_path / "other" / shard_name(0)).rename(first)
    with pytest.raises(CorruptDataError, match="another build"):
        ShardedIndex.load(tmp_path / "cut")
    first.rename(tmp_path / "other" / shard_name(0))
    (tmp_path / "kept").rename(first)
    ShardedIndex.load(tmp_path / "cut")
    damaged = max(first.rglob("*"), key=lambda file: file.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    with pytest.raises(CorruptDataError):
        ShardedIndex.load(tmp_path / "cut")
    (tmp_path / "cut" / MANIFEST).unlink()
    with pytest.raises(MissingFileError, match="no index in shards"):
        read(tmp_path / "cut")
