"""A client in a fork of its process, or sent to another one: an error, never a hang."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gleann
from gleann.service.config import Config
from gleann.service.server import Server, serve

PROGRAM = """
import asyncio, faulthandler, os, sys, threading
import numpy as np
import gleann
from gleann.index.errors import ServiceError
from gleann.service.calls.process import call_under_way

target, kind = sys.argv[1:]
rows = np.eye(8, dtype=np.float32)
faulthandler.dump_traceback_later(200, exit=True)


def in_child(work):
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        try:
            work()
        except ServiceError as error:
            print("refused:", error, flush=True)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def blocking():
    with gleann.Client(target) as client:
        client.create_index("a", dim=8)
        client.upsert("a", range(8), rows)
        stop, calling = threading.Event(), threading.Event()

        def busy():
            with call_under_way():  # whatever the moment of the fork
                calling.set()
                while not stop.is_set():
                    client.search("a", rows)

        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads:
            thread.start()

        def use():
            with client:
                client.search("a", rows)

        for _ in range(3):
            in_child(use)
        calling.wait()
        in_child(new)
        stop.set()
        for thread in threads:
            thread.join()
        in_child(new)
        print("parent:", client.search("a", rows[:1]).ids[0, 0])


def new():
    if target.startswith("grpc"):
        with gleann.Client(target, timeout=60) as client:
            print("new:", client.count("a"), flush=True)


async def awaiting():
    async with gleann.AsyncClient(target) as client:
        await client.create_index("a", dim=8)
        await client.upsert("a", range(8), rows)

        async def use():
            async with client:
                await client.search("a", rows)

        def work():
            asyncio._set_running_loop(None)
            asyncio.run(use())

        for _ in range(3):
            in_child(work)
        print("parent:", (await client.search("a", rows[:1])).ids[0, 0])


blocking() if kind == "blocking" else asyncio.run(awaiting())
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(Config(data_dir=tmp_path / "served", listen="127.0.0.1:0")) as server:
        yield server


@pytest.mark.parametrize("kind", ["blocking", "awaited"])
@pytest.mark.parametrize("place", ["directory", "server"])
def test_a_fork_is_refused(
    tmp_path: Path, server: Server, place: str, kind: str
) -> None:
    target = server.target if place == "server" else str(tmp_path / "local")
    command = [sys.executable, "-c", PROGRAM, target, kind]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    *refused, last = ran.stdout.splitlines()
    assert last == "parent: 0"
    if place == "server" and kind == "blocking":
        assert refused.pop() == "new: 8"
        assert "to servers under way, and gRPC cannot be relied on" in refused.pop()
    assert len(refused) == 3
    assert all("refused: this client was opened in process" in line for line in refused)


STREAM = """
import faulthandler, os, sys
import numpy as np
import gleann
from gleann.index.errors import ServiceError

faulthandler.dump_traceback_later(200, exit=True)
with gleann.Client(sys.argv[1]) as client:
    client.create_index("a", dim=8)
    with client.vectors.stream("a") as stream:
        stream.send([1], np.ones((1, 8)))
        stream.flush()
        if (child := os.fork()) == 0:
            for use in (lambda: stream.send([2], np.ones((1, 8))), stream.flush):
                try:
                    use()
                except ServiceError as error:
                    print("refused:", error, flush=True)
            stream.cancel()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        stream.send([3], np.ones((1, 8)))
    print("parent:", client.count("a"))
"""


@pytest.mark.parametrize("place", ["directory", "server"])
def test_an_open_stream_is_refused_in_a_fork(
    tmp_path: Path, server: Server, place: str
) -> None:
    target = server.target if place == "server" else str(tmp_path / "local")
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, target],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *refused, last = ran.stdout.splitlines()
    assert last == "parent: 2"
    assert len(refused) == 2
    assert all("refused: this client was opened in process" in line for line in refused)


def test_a_client_is_not_pickled(tmp_path: Path, server: Server) -> None:
    with gleann.Client(tmp_path / "local") as client:
        with pytest.raises(TypeError, match="a Client cannot be pickled"):
            pickle.dumps(client)
        with pytest.raises(TypeError, match="a VectorCalls cannot be pickled"):
            pickle.dumps(client.vectors)
    remote = gleann.AsyncClient(server.target)
    with pytest.raises(TypeError, match="AsyncClient cannot be pickled"):
        pickle.dumps(remote)
