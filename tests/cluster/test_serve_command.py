"""`gleann serve --cluster`: a client reads shards that actors of the server hold."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from server_process import ServerProcess

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import NotReadyError, UnavailableError
from gleann.index.shards.cut import cut

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

N, DIM = 900, 8
EXACT = SearchParams(k=4, exact=True)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[SoarIndex, Path]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    index = SoarIndex.build(
        rows, BuildParams(nlist=9), payload={"size": np.arange(N) % 7}
    )
    path = tmp_path_factory.mktemp("served") / "pages.shards"
    cut(index, path, shards=2)
    return index, path


@pytest.fixture(scope="module")
def server(one: tuple[SoarIndex, Path]) -> Iterator[ServerProcess]:
    process = ServerProcess(
        one[1].with_name("log"),
        "--cluster",
        str(one[1]),
        "--workers",
        "2",
        is_kept=False,
    )
    try:
        process.target()
        yield process
    finally:
        process.kill()


def children(process: int) -> list[int]:
    """Processes that a process started, and theirs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(stat.parent.name))
    return found + [below for one in found for below in children(one)]


def holders(process: int) -> list[int]:
    """Those among them that hold a shard."""
    found = []
    for one in children(process):
        try:
            name = Path(f"/proc/{one}/cmdline").read_bytes()
        except OSError:
            continue
        if b"ShardActor" in name:
            found.append(one)
    return found


def test_a_client_reads_it(server: ServerProcess, one: tuple[SoarIndex, Path]) -> None:
    index, _ = one
    queries = index.vectors[:20]
    with gleann.Client(server.target()) as client:
        found, true = (
            client.search("pages", queries, EXACT),
            index.search(queries, EXACT),
        )
        np.testing.assert_array_equal(found.ids, true.ids)
        np.testing.assert_array_equal(found.distances, true.distances)
        assert client.count("pages", where="size = 3") == index.where("size = 3").sum()
        np.testing.assert_array_equal(
            client.get_vectors("pages", index.ids[:5]), index.vectors[:5]
        )
        assert [info.name for info in client.list_indexes()] == ["pages"]


def test_changes_are_refused(server: ServerProcess) -> None:
    with gleann.Client(server.target()) as client:
        with pytest.raises(NotReadyError, match="gleann cluster build"):
            client.upsert("pages", [1], np.ones((1, DIM), np.float32))
        with pytest.raises(NotReadyError, match="no data directory"):
            client.create_index("other", dim=3)


def test_answers_stay_right_while_actors_are_killed(
    server: ServerProcess, one: tuple[SoarIndex, Path]
) -> None:
    index, _ = one
    queries = index.vectors[:20]
    true = index.search(queries, EXACT)
    with gleann.Client(server.target()) as client:
        for _ in range(2):
            held = holders(server.process.pid)
            assert held
            os.kill(held[0], signal.SIGKILL)
            ends = time.monotonic() + 1
            while time.monotonic() < ends:
                found = client.search("pages", queries, EXACT)
                np.testing.assert_array_equal(found.ids, true.ids)
                assert found.stats.covered == 1


def searched_in_the_end(client: gleann.Client, queries: np.ndarray) -> gleann.Found:
    """What is found once all shards are open."""
    ends = time.monotonic() + 60
    while True:
        try:
            return client.search("pages", queries, EXACT)
        except UnavailableError:
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_a_shard_whose_files_are_away_is_an_error_until_they_are_back(
    server: ServerProcess, one: tuple[SoarIndex, Path]
) -> None:
    index, path = one
    queries = index.vectors[:20]
    away = path.with_name("away")
    with gleann.Client(server.target(), retries=0) as client:
        path.rename(away)
        try:
            for process in holders(server.process.pid):
                os.kill(process, signal.SIGKILL)
            with pytest.raises(
                UnavailableError,
                match=r"^shard [01] cannot be opened again: no index at",
            ):
                client.search("pages", queries, EXACT)
        finally:
            away.rename(path)
        found = searched_in_the_end(client, queries)
    np.testing.assert_array_equal(found.ids, index.search(queries, EXACT).ids)


def test_it_ends_with_all_that_it_started(server: ServerProcess) -> None:
    """The last test: it stops the server."""
    started = children(server.process.pid)
    assert started
    assert server.stop(seconds=60) == 0
    ends = time.monotonic() + 60
    while started and time.monotonic() < ends:
        time.sleep(0.1)
        started = [one for one in started if Path(f"/proc/{one}/exe").exists()]
    assert not started
