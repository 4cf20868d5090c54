"""A server that is told to stop stops within seconds, whatever its calls do."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from stream_calls import until

import gleann
from gleann.index import SearchParams, errors

SERVE = """
import sys, time
from gleann.service.jobs import building
from gleann.service.search import view_search
def endless(*arguments, **settings):
    print("begun", flush=True)
    while True: time.sleep(0.05)
view_search.search = endless
from gleann.service.cli.main import main
sys.argv[1:] = ["serve", "--data", sys.argv[1], "--listen", "127.0.0.1:0"]
main()
"""


@contextmanager
def serving(data: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server whose searches never end, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[2].rstrip(",")
    finally:
        process.kill()
        process.communicate()


@contextmanager
def searched(
    process: "subprocess.Popen[str]", target: str
) -> Iterator[list[Exception]]:
    """An acknowledged row, and a search under way; yields how the search ended."""
    ended: list[Exception] = []

    def search() -> None:
        with gleann.Client(target) as client:
            try:
                client.search("a", np.eye(4), SearchParams(k=1))
            except errors.GleannError as error:
                ended.append(error)

    with gleann.Client(target) as client:
        client.create_index("a", dim=4, metric="l2")
        client.upsert("a", np.arange(4), np.eye(4))
    caller = threading.Thread(target=search)
    caller.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    yield ended
    caller.join(60)


def listens(target: str) -> bool:
    host, _, port = target.removeprefix("grpc://").rpartition(":")
    with socket.socket() as caller:
        return caller.connect_ex((host, int(port))) == 0


@pytest.mark.slow
@pytest.mark.alone
def test_a_long_call_does_not_keep_the_server(tmp_path: Path) -> None:
    with serving(tmp_path / "d") as (process, target):
        with searched(process, target) as ended:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert time.monotonic() - began < 6
        assert len(ended) == 1
        assert process.stderr is not None
        assert "stopped at once: 1 calls are not answered" in process.stderr.read()
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").count == 4


@pytest.mark.slow
@pytest.mark.alone
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "d") as (process, target),
        searched(process, target),
    ):
        process.send_signal(signal.SIGTERM)
        until(lambda: not listens(target))  # it has heard the first
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 1
    with gleann.Client(tmp_path / "d") as client:
        assert client.get_index("a").count == 4
