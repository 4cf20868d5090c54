"""A server is killed and started again while clients with retries write to it.

They see UNAVAILABLE at most, and nothing is done twice: each change is one that would
fail, or count double, if it were carried out again.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_port import kept_port

import gleann
from gleann.index.errors import UnavailableError

SERVE = (
    "import sys; from gleann.service.cli.main import run; sys.exit(run(sys.argv[1:]))"
)
KILLS = 4
ROW = np.ones((1, 8), np.float32)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a server of the same data at the same address again and again."""
    port = kept_port()
    running: list[subprocess.Popen[str]] = []

    def start_one() -> subprocess.Popen[str]:
        words = ["serve", "--data", str(tmp_path / "d"), "--log-level", "error"]
        words += ["--listen", f"127.0.0.1:{port}"]
        command = [sys.executable, "-c", SERVE, *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        running.append(process)
        return process

    start_one.target = f"grpc://127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield start_one
    kill(running[-1])


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


class Writing:
    """What one caller did, and how often it saw what."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.unavailable = 0
        self.kept: set[int] = set()
        self.gone: set[int] = set()

    async def write(self, client: gleann.AsyncClient, first: int) -> None:
        """Store a row, make an index, and remove the row of an earlier turn."""
        number = first
        while not self.over:
            number += 1
            await self._try("upsert", self._store(client, number))
            await self._try("create", client.create_index(f"i{number}", dim=2))
            if self.kept:
                await self._try("delete", self._remove(client, min(self.kept)))

    over = False

    def least_done(self) -> int:
        """Of the three, how often the rarest was done."""
        return min(self.done[name] for name in ("upsert", "create", "delete"))

    async def _store(self, client: gleann.AsyncClient, number: int) -> None:
        await client.upsert("a", [number], ROW)
        self.kept.add(number)

    async def _remove(self, client: gleann.AsyncClient, number: int) -> None:
        self.kept.remove(number)
        assert await client.delete_vectors("a", [number]) == 1
        self.gone.add(number)

    async def _try(self, name: str, call: Any) -> None:
        try:
            await call
        except UnavailableError:
            self.unavailable += 1
        else:
            self.done[name] += 1


def until_done(
    writings: list[Writing], times: int, failed: list[BaseException]
) -> None:
    """Wait a second, and until all three were done so often by all callers together."""
    time.sleep(1.0)
    last = time.monotonic() + 60
    while sum(one.least_done() for one in writings) < times and not failed:
        assert time.monotonic() < last, [one.done for one in writings]
        time.sleep(0.01)


@pytest.mark.slow
def test_nothing_is_done_twice(start: Any) -> None:
    process = start()
    writings = [Writing() for _ in range(8)]

    async def write() -> None:
        async with gleann.AsyncClient(start.target, timeout=60) as client:
            await client.create_index("a", dim=8)
            works = [w.write(client, 10_000 * k) for k, w in enumerate(writings)]
            await asyncio.gather(*works)

    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(write())
        except BaseException as error:  # noqa: BLE001  shown by the assertion below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for turn in range(1, KILLS + 1):
        until_done(writings, 8 * turn, failed)
        kill(process)
        process = start()
    until_done(writings, 8 * (KILLS + 1), failed)
    Writing.over = True
    thread.join(60)
    assert failed == []
    assert not thread.is_alive()
    with gleann.Client(start.target) as client:
        stored = {int(i) for page in client.scroll("a") for i in page.ids}
        assert set().union(*(w.kept for w in writings)) <= stored
        assert not stored & set().union(*(w.gone for w in writings))
