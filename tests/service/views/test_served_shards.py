"""A client reads an index in shards as it reads any other, and cannot change it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lossy_shards import Lossy

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import (
    AlreadyExistsError,
    GleannError,
    InvalidFilterError,
    InvalidParamsError,
    LimitError,
    NotReadyError,
    RecallWarning,
    UnavailableError,
    UnknownColumnError,
    UnknownIdError,
    UnknownIndexError,
)
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.config import Config
from gleann.service.server import Server, serve
from gleann.service.values import Limits
from gleann.service.views.sharded_view import ShardedView

N, DIM, BUILT = 900, 8, 1_700_000_000.0


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "strings"])
def one(request: pytest.FixtureRequest) -> SoarIndex:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    numbers = rng.permutation(N)
    ids = [f"ïd {n:04}" for n in numbers] if request.param else numbers * 5
    payload = {"size": np.arange(N) % 10, "name": [f"n{n}" for n in range(N)]}
    params = BuildParams(nlist=9, tune_queries=0, metric="l2", spill="none")
    return SoarIndex.build(rows, params, ids=ids, payload=payload)


@pytest.fixture(scope="module")
def whole(one: SoarIndex, tmp_path_factory: pytest.TempPathFactory) -> ShardedIndex:
    path = tmp_path_factory.mktemp("shards") / "cut"
    cut(one, path, shards=3)
    return ShardedIndex.load(path)


@pytest.fixture(scope="module")
def server(
    whole: ShardedIndex, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """It has an index of its own, "own", beside "pages" in shards."""
    config = Config(data_dir=tmp_path_factory.mktemp("data"), listen="127.0.0.1:0")
    view = ShardedView(name="pages", index=whole, created=BUILT)
    with serve(config, shards=[view]) as running:
        with gleann.Client(running.target) as client:
            client.create_index("own", dim=DIM)
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[gleann.Client]:
    with gleann.Client(server.target) as client:
        yield client


def queries() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((7, DIM)).astype(np.float32)


def require_same(found: Any, true: Any) -> None:
    np.testing.assert_array_equal(found.ids, true.ids)
    np.testing.assert_array_equal(found.distances, true.distances)


EXACT = SearchParams(k=6, exact=True)


def test_searches(client: gleann.Client, one: SoarIndex) -> None:
    require_same(client.search("pages", queries(), EXACT), one.search(queries(), EXACT))
    probed = SearchParams(k=6, nprobe=9, rerank=N)
    found = client.search("pages", queries(), probed)
    require_same(found, one.search(queries(), probed))
    assert found.stats.covered == 1
    mask = one.where("size >= $1", [7])
    among = SearchParams(k=6, exact=True, allowed=mask)
    found = client.search(
        "pages", queries(), EXACT, where="size >= $1", parameters=[7], columns=["name"]
    )
    require_same(found, one.search(queries(), among))
    names = one.payload_of(found.ids.ravel(), ["name"]).column("name").to_pylist()
    assert found.payload.column("name").to_pylist() == names
    few = one.ids[mask][:4]
    found = client.search("pages", queries(), SearchParams(k=6), allowed_ids=few)
    assert set(found.ids[:, :4].ravel().tolist()) == set(few.tolist())
    assert (found.distances[:, 4:] == np.inf).all()
    both = client.search(
        "pages", queries(), EXACT, allowed_ids=one.ids[:40], where="size = 3"
    )
    there = both.distances < np.inf
    assert set(both.ids[there].tolist()) == set(one.ids[:40][3::10].tolist())
    near = client.search("pages", queries(), EXACT, radius=6.0)
    cut_ = SearchParams(k=6, exact=True, radius=6.0)
    require_same(near, one.search(queries(), cut_))


def test_many_searches_at_once_are_answered_together(
    client: gleann.Client, one: SoarIndex
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    true = one.search(queries(), EXACT)
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(client.search, "pages", queries()[q % 7], EXACT)
            for q in range(60)
        ]
    for q, answer in enumerate(asked):
        found = answer.result()
        np.testing.assert_array_equal(found.ids[0], true.ids[q % 7])


def test_everything_within_a_distance_page_by_page(
    client: gleann.Client, one: SoarIndex
) -> None:
    for limit, where in ((None, None), (5, None), (None, "size < 5")):
        allowed = None if where is None else one.where(where)
        true = one.search_radius(queries(), 9.0, limit=limit, allowed=allowed)
        found = client.search_radius("pages", queries(), 9.0, limit=limit, where=where)
        np.testing.assert_array_equal(found.offsets, true.offsets)
        require_same(found, true)
        assert found.complete


def test_rows_are_fetched_counted_and_scrolled(
    client: gleann.Client, one: SoarIndex
) -> None:
    some = one.ids[[5, 700, 3]]
    np.testing.assert_array_equal(
        client.get_vectors("pages", some), one.vectors[[5, 700, 3]]
    )
    table = client.get_payload("pages", some)
    assert table.drop_columns(["id"]).to_pylist() == one.payload_of(some).to_pylist()
    assert client.count("pages") == N
    assert client.count("pages", where="size = 4") == N // 10
    for where in (None, "size >= 6"):
        mask = np.ones(N, np.bool_) if where is None else one.where(where)
        pages = list(
            client.scroll("pages", where=where, page_size=100, with_vectors=True)
        )
        ids = np.concatenate([np.asarray(page.ids) for page in pages])
        expected = sorted(one.ids[mask].tolist(), key=_in_order)
        assert ids.tolist() == expected
        rows = one.rows_of(pages[0].ids)
        np.testing.assert_array_equal(pages[0].vectors, one.vectors[rows])
        assert len(pages) > 1


def _in_order(value: int | str) -> int | bytes:
    return value.encode() if isinstance(value, str) else value


def test_it_is_listed_and_described(
    client: gleann.Client, server: Server, one: SoarIndex
) -> None:
    assert [info.name for info in client.list_indexes()] == ["own", "pages"]
    info = client.get_index("pages")
    assert (info.count, info.dim, info.metric) == (N, DIM, "l2")
    assert (info.nlist, info.pending, info.version) == (9, 0, 1)
    assert info.columns == one.schema.columns
    assert info.built_at is not None
    assert info.built_at.timestamp() == BUILT
    status = {index.name: index for index in client.server_status().indexes}
    assert status["pages"].count == N
    assert status["pages"].queries > 0
    assert client.server_info().index_count == 2


CHANGES: dict[str, Callable[[gleann.Client], object]] = {
    "upsert": lambda c: c.upsert("pages", [1], np.ones((1, DIM), np.float32)),
    "delete rows": lambda c: c.delete_vectors("pages", [1]),
    "update payload": lambda c: c.update_payload("pages", {"size": [1]}, ids=[1]),
    "delete payload": lambda c: c.delete_payload("pages", ["size"], ids=[1]),
    "build": lambda c: c.build("pages"),
    "optimize": lambda c: c.optimize("pages"),
    "update": lambda c: c.update_index("pages", drop_columns=["size"]),
    "delete": lambda c: c.delete_index("pages"),
    "snapshot": lambda c: c.snapshots.create("pages"),
    "session": lambda c: c.start_active_session("pages", ids=[1], labels=[0]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_change_it_says_what_to_do(
    client: gleann.Client, whole: ShardedIndex, name: str
) -> None:
    with pytest.raises(GleannError) as refused:
        CHANGES[name](client)
    assert isinstance(refused.value, NotReadyError), refused.value
    assert "'pages' is in shards that a cluster holds" in str(refused.value)
    assert "gleann cluster build" in str(refused.value)
    assert client.count("pages") == N


def test_bad_requests(client: gleann.Client, one: SoarIndex) -> None:
    other = "nobody" if one.ids.dtype.kind == "U" else 4
    with pytest.raises(UnknownIdError, match="1 of 1 are not there"):
        client.get_vectors("pages", [other])
    with pytest.raises(InvalidFilterError, match="weight"):
        client.search("pages", queries(), where="weight = 1")
    with pytest.raises(UnknownColumnError, match="weight"):
        client.search("pages", queries(), columns=["weight"])
    with pytest.raises(InvalidParamsError, match="nprobe is 10"):
        client.search("pages", queries(), SearchParams(nprobe=10))
    with pytest.raises(AlreadyExistsError, match="pages"):
        client.create_index("pages", dim=3)
    with pytest.raises(UnknownIndexError):
        client.search("nothing", queries())


def test_names_and_limits(tmp_path: Path, whole: ShardedIndex) -> None:
    config = Config(data_dir=tmp_path, listen="127.0.0.1:0", limits=Limits(hits=9))
    bad = ShardedView(name="No Name", index=whole, created=BUILT)
    with pytest.raises(InvalidParamsError, match="No Name"):
        serve(config, shards=[bad])
    view = ShardedView(name="pages", index=whole, created=BUILT)
    with pytest.raises(AlreadyExistsError, match="pages"):
        serve(config, shards=[view, view])
    closed = "nothing is kept here"
    with (
        serve(config, shards=[view], closed=closed) as server,
        gleann.Client(server.target) as client,
    ):
        with pytest.raises(LimitError, match="queries x k"):
            client.search("pages", queries(), SearchParams(k=6))
        with pytest.raises(NotReadyError, match="nothing is kept here"):
            client.create_index("other", dim=3)


def test_an_answer_without_some_shards_warns_the_client(
    tmp_path: Path, one: SoarIndex
) -> None:
    manifest = cut(one, tmp_path / "cut", shards=3)
    shards = Lossy.load(tmp_path / "cut", manifest)
    assert isinstance(shards, Lossy)
    index = ShardedIndex(shards, manifest)
    view = ShardedView(name="pages", index=index, created=BUILT)
    config = Config(data_dir=tmp_path / "data", listen="127.0.0.1:0")
    said = f"covers {1 - manifest.shards[1].n / N:.1%} of the rows"
    with (
        serve(config, shards=[view]) as server,
        gleann.Client(server.target, retries=0) as client,
    ):
        shards.lost = frozenset({1})
        probed = SearchParams(k=6, nprobe=9)
        for params in (probed, EXACT):
            with pytest.warns(RecallWarning, match=said):
                found = client.search("pages", queries(), params, where="size < 5")
            assert found.stats.covered == pytest.approx(1 - manifest.shards[1].n / N)
        with pytest.warns(RecallWarning, match=said):
            within = client.search_radius("pages", queries(), 9.0)
        assert not within.complete
        with pytest.raises(UnavailableError, match="1 of 3 shards do not answer"):
            client.count("pages", where="size < 5")
        with pytest.raises(UnavailableError, match="1 of 3 shards do not answer"):
            list(client.scroll("pages"))
