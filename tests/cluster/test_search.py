"""Actors that hold shards give the answers of one process, whatever becomes of them."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import (
    CorruptDataError,
    DeadlineError,
    EngineUnavailableError,
    InvalidParamsError,
    MissingFileError,
    UnavailableError,
    UnknownColumnError,
)
from gleann.index.shards.cut import cut
from gleann.index.shards.manifest import ShardsManifest, shard_name
from gleann.index.shards.sharded_index import ShardedIndex

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

from gleann.service.cluster.search import opened, replicas
from gleann.service.cluster.search.cluster_shards import ClusterShards, Waiting
from gleann.service.cluster.search.opened import held
from gleann.service.cluster.search.replicas import Holding
from gleann.service.cluster.search.shard_actor import Opening, ShardActor, UnopenedError

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster

N, DIM, SHARDS = 4000, 16, 3
ROUNDS = int(os.environ.get("GLEANN_KILL_ROUNDS", "2"))
"""Rounds of kills; the lane has few, a release 20."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    index = SoarIndex.build(
        rows,
        BuildParams(nlist=24, tune_queries=64),
        ids=[f"ïd{n}" for n in range(N)],
        payload={"size": np.arange(N) % 10},
    )
    folder = tmp_path_factory.mktemp("shards") / "cut"
    cut(index, folder, shards=SHARDS)
    return folder


@pytest.fixture(scope="module")
def one(path: Path) -> ShardedIndex:
    """The reference: all shards in this process."""
    return ShardedIndex.load(path)


@pytest.fixture(scope="module")
def index(cluster: "Cluster", path: Path) -> Iterator[ShardedIndex]:
    with held(cluster, path, holding=Holding(threads=1)) as whole:
        yield whole


def queries(count: int = 1300) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.standard_normal((count, DIM)).astype(np.float32)


def require_same(true: Any, found: Any) -> None:
    np.testing.assert_array_equal(found.ids, true.ids)
    np.testing.assert_array_equal(found.distances, true.distances)
    assert found.stats == true.stats


ASKED = {
    "recall": SearchParams(),
    "many": SearchParams(k=700, target_recall=0.9),
    "exact": SearchParams(exact=True),
    "lists": SearchParams(nprobe=3, rerank=40),
    "short": SearchParams(k=900, nprobe=1),
}


@pytest.mark.parametrize("name", ASKED)
def test_answers_are_those_of_one_process(
    index: ShardedIndex, one: ShardedIndex, name: str
) -> None:
    count = 1300 if name in ("recall", "lists") else 40
    asked = queries(count)
    require_same(one.search(asked, ASKED[name]), index.search(asked, ASKED[name]))


def test_filters_radius_and_rows(index: ShardedIndex, one: ShardedIndex) -> None:
    asked = queries(40)
    for where in ("size >= 7", "size = 3 AND id < 'ïd2'"):
        true = SearchParams(k=5, allowed=one.allow_where(where))
        mine = SearchParams(k=5, allowed=index.allow_where(where))
        require_same(one.search(asked, true), index.search(asked, mine))
        require_same(index.search(asked, mine), index.search(asked, mine))
    require_same(one.search_radius(asked, 0.4), index.search_radius(asked, 0.4))
    rows = np.random.default_rng(2).permutation(N)[:99]
    np.testing.assert_array_equal(one.vectors_at(rows), index.vectors_at(rows))
    np.testing.assert_array_equal(one.ids_at(rows), index.ids_at(rows))
    np.testing.assert_array_equal(index.rows_of(index.ids_at(rows)), rows)
    assert one.payload_at(rows) == index.payload_at(rows)
    assert one.data_hashes() == index.data_hashes()
    with pytest.raises(UnknownColumnError, match="weight"):
        index.payload_at(rows, ["weight"])


def shards_of(index: ShardedIndex) -> ClusterShards:
    assert isinstance(index.shards, ClusterShards)
    return index.shards


def kill_one(index: ShardedIndex, number: int) -> None:
    """Kill -9 of an actor of a shard."""
    processes = shards_of(index).replicas.wait(60)
    os.kill(processes[number][0], signal.SIGKILL)


@pytest.mark.parametrize("count", [1, 2], ids=["one replica", "two replicas"])
def test_actors_killed_while_they_are_asked(
    cluster: "Cluster", path: Path, one: ShardedIndex, count: int
) -> None:
    """Every answer is whole and right, whenever an actor is killed."""
    asked = queries()
    true = {name: one.search(asked[:200], ASKED[name]) for name in ("recall", "exact")}
    rng = np.random.default_rng(count)
    with held(cluster, path, holding=Holding(replicas=count, threads=1)) as whole:
        for _ in range(ROUNDS):
            number, pause = int(rng.integers(SHARDS)), float(rng.uniform(0, 0.2))
            processes = shards_of(whole).replicas.wait(60)

            def kill() -> None:
                time.sleep(pause)  # noqa: B023  joined in the same round
                os.kill(processes[number][0], signal.SIGKILL)  # noqa: B023

            killing = threading.Thread(target=kill)
            killing.start()
            ends = time.monotonic() + 0.4
            while time.monotonic() < ends or killing.is_alive():
                for name, answer in true.items():
                    require_same(answer, whole.search(asked[:200], ASKED[name]))
            killing.join()
            require_same(true["recall"], whole.search(asked[:200]))


def warned_search(whole: ShardedIndex, asked: np.ndarray) -> tuple[Any, str]:
    """An answer, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = whole.search(asked)
    return found, " ".join(str(one.message) for one in caught)


def test_a_partial_answer_says_what_it_covers(
    cluster: "Cluster", path: Path, one: ShardedIndex
) -> None:
    """While an actor is started again, others answer, and it is said that they do."""
    asked = queries(100)
    true = one.search(asked)
    waiting = Waiting(partial=True)
    with held(cluster, path, holding=Holding(threads=1), waiting=waiting) as whole:
        require_same(true, whole.search(asked))
        kill_one(whole, 1)
        without = (N - whole.manifest.shards[1].n) / N
        covered = []
        ends = time.monotonic() + 120
        while time.monotonic() < ends and covered[-2:] != [without, 1.0]:
            found, warned = warned_search(whole, asked)
            covered.append(found.stats.covered)
            if covered[-1] == 1:
                require_same(true, found)
            else:
                assert f"covers {without:.1%}" in warned
        assert set(covered) == {without, 1.0}


def test_an_actor_that_is_gone_for_good_is_replaced(
    cluster: "Cluster", path: Path, one: ShardedIndex
) -> None:
    asked = queries(50)
    with held(cluster, path, holding=Holding(threads=1)) as whole:
        for actors in shards_of(whole).replicas.actors.values():
            cluster.ray.kill(actors[0], no_restart=True)
        require_same(one.search(asked), whole.search(asked))


def test_too_late_an_answer_is_an_error(cluster: "Cluster", path: Path) -> None:
    with held(cluster, path, holding=Holding(threads=1)) as whole:
        shards, manifest = shards_of(whole), whole.manifest
        # Which are late is shown without a Ray: others may be, on a busy machine.
        strict = Waiting(seconds=2)
        late = ShardedIndex(shards.waiting_for(strict), manifest)
        lax = replace(strict, partial=True)
        partial = ShardedIndex(shards.waiting_for(lax), manifest)
        stopped = shards.replicas.wait(60)[2][0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            said = r"\d of 3 shards do not answer within 2 seconds"
            with pytest.raises(DeadlineError, match=said):
                late.search(queries(5))
            with pytest.warns(match="covers"):
                found = partial.search(queries(5))
            assert found.stats.covered < 1
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert whole.search(queries(5)).stats.covered == 1


def test_a_hung_actor_is_waited_for_once(
    cluster: "Cluster", path: Path, one: ShardedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a search after the first do without it, until it answers again."""
    late: list[int] = []
    too_late = replicas.Replicas.late

    def counted(self: replicas.Replicas, number: int, *which: Any) -> None:
        late.append(number)
        too_late(self, number, *which)

    monkeypatch.setattr(replicas.Replicas, "late", counted)
    with held(cluster, path, holding=Holding(threads=1)) as whole:
        actors, waiting = shards_of(whole).replicas, Waiting(partial=True, seconds=3)
        shards = ClusterShards(cluster.ray, actors, waiting, block=64)
        partial = ShardedIndex(shards, whole.manifest)
        stopped = actors.wait(60)[1][0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            for _ in range(2):
                found, warned = warned_search(partial, queries(600))
                assert "covers" in warned
                assert found.stats.covered < 1
            assert late.count(1) == 1
        finally:
            os.kill(stopped, signal.SIGCONT)
        rows = np.arange(0, N, 7)
        assert partial.payload_at(rows) == one.payload_at(rows)  # waits for it
        ends = time.monotonic() + 60
        while found.stats.covered < 1 and time.monotonic() < ends:
            found, _ = warned_search(partial, queries(40))
        require_same(one.search(queries(40)), found)


def test_rows_are_whole_under_partial_answers(
    cluster: "Cluster", path: Path, one: ShardedIndex
) -> None:
    """Payload has none in its place: the shard is waited for."""
    rows, waiting = np.arange(N), Waiting(partial=True)
    with held(cluster, path, holding=Holding(threads=1), waiting=waiting) as whole:
        kill_one(whole, 1)
        assert whole.payload_at(rows) == one.payload_at(rows)


def test_shards_that_cannot_be_opened_are_named(
    cluster: "Cluster", tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(nlist=4, tune_queries=0))
    cut(index, tmp_path / "cut", shards=2)
    first = tmp_path / "cut" / shard_name(0)
    damaged = max(first.rglob("*"), key=lambda file: file.stat().st_size)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with (
        pytest.raises(CorruptDataError, match=shard_name(0)),
        held(cluster, tmp_path / "cut"),
    ):
        pass
    first.rename(tmp_path / "moved")
    with (
        pytest.raises(MissingFileError, match=shard_name(0)),
        held(cluster, tmp_path / "cut"),
    ):
        pass


def test_shards_that_are_not_opened_in_time_are_named(
    cluster: "Cluster", path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "opening_seconds", lambda size: size / 1e12)
    with (
        pytest.raises(UnavailableError, match=r"^shard 0 is not open within 0 seconds"),
        held(cluster, path),
    ):
        pass


def test_large_shards_have_longer_to_be_opened() -> None:
    """387 GB are those of 10^8 rows of 768 numbers."""
    assert opened.opening_seconds(1 << 30) == opened.OPENING_SECONDS
    assert opened.opening_seconds(387 * 10**9) == 7740


def test_an_actor_of_another_gleann_is_refused(
    cluster: "Cluster", path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas.gleann, "__version__", "0.0.1")
    with (
        pytest.raises(EngineUnavailableError, match=r"is asked by gleann 0\.0\.1"),
        held(cluster, path),
    ):
        pass


def test_an_actor_says_of_another_build(path: Path, one: ShardedIndex) -> None:
    """The manifest of who asks is what the shard is compared with."""
    import gleann

    shards = tuple(replace(shard, manifest="0" * 64) for shard in one.manifest.shards)
    other: ShardsManifest = replace(one.manifest, shards=shards)
    actor = ShardActor(
        Opening(
            path=path,
            manifest=other,
            number=0,
            engine="auto",
            threads=1,
            version=gleann.__version__,
        )
    )
    with pytest.raises(CorruptDataError, match="another build"):
        actor.process()
    with pytest.raises(UnopenedError, match="another build") as unopened:
        actor.answer(b"")
    assert isinstance(unopened.value.failure, CorruptDataError)


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidParamsError, match="replicas must be at least 1, got 0"):
        Holding(replicas=0)
    with pytest.raises(InvalidParamsError, match="seconds must be above 0, got 0"):
        Waiting(seconds=0)


def test_actors_end_with_the_block(cluster: "Cluster", path: Path) -> None:
    with held(cluster, path, holding=Holding(threads=1)) as whole:
        processes = shards_of(whole).replicas.wait(60)
    ends = time.monotonic() + 60
    running = [one[0] for one in processes.values()]
    while running and time.monotonic() < ends:
        running = [one for one in running if Path(f"/proc/{one}").exists()]
        time.sleep(0.05)
    assert not running
