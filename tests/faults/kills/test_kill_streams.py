"""SIGKILL of a server under streams, and of a client under an upload.

The model: each batch replaces the rows of a few ids and raises a counter of its own, so
a batch that is lost, stored twice out of its turn, or stored in part shows in the rows.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_port import kept_port
from server_process import ServerProcess

import gleann
from gleann.service.client.bulk.exchange import RefusedBatch

DIM, IDS, ROUNDS = 16, 40, 10
WRONG = 7
"""Every so manieth batch has a NaN and is refused."""


def batch_of(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and rows of a batch; all values of its rows are its number."""
    rng = np.random.default_rng(number)
    ids = rng.choice(IDS, 5, replace=False)
    rows = np.full((5, DIM), number, np.float32)
    if number % WRONG == 0:
        rows[2, 3] = np.nan
    return ids, rows


def model_of(batches: int) -> dict[int, int]:
    """The number of the batch that each id was stored by last, of the first batches."""
    held: dict[int, int] = {}
    for number in range(1, batches + 1):
        if number % WRONG:
            held |= dict.fromkeys(batch_of(number)[0].tolist(), number)
    return held


def held_by(client: gleann.Client) -> dict[int, int]:
    """The same, of the index."""
    found = {}
    for page in client.scroll("w", with_vectors=True):
        assert page.vectors is not None
        assert (page.vectors == page.vectors[:, :1]).all()
        found |= dict(
            zip(page.ids.tolist(), page.vectors[:, 0].astype(int).tolist(), strict=True)
        )
    return found


@pytest.fixture
def address() -> str:
    """A free address, for servers that follow each other."""
    return f"127.0.0.1:{kept_port()}"


@pytest.fixture
def served(tmp_path: Path, address: str) -> Iterator[Any]:
    """Starts the server again and again; the last one is killed after the test."""
    running: list[ServerProcess] = []

    def start() -> ServerProcess:
        running.append(ServerProcess(tmp_path / "d", "--listen", address))
        running[-1].target()
        return running[-1]

    yield start
    running[-1].kill()


class Sending(threading.Thread):
    """Sends batches by a stream, until it is told to stop."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target
        self.acknowledged = self.sent = 0
        self.refused: list[RefusedBatch] = []
        self.failed: BaseException | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            with (
                gleann.Client(self.target, timeout=60) as client,
                client.vectors.stream("w", on_refused=self.refused.append) as stream,
            ):
                while not self.stopping.is_set():
                    stream.send(*batch_of(self.sent + 1))
                    self.sent += 1
                    self.acknowledged = stream.sequence
                self.stored = stream.flush()
        except BaseException as error:  # noqa: BLE001  shown by an assertion
            self.failed = error


@pytest.mark.slow
def test_killed_servers_lose_nothing_and_store_nothing_twice(
    served: Any, address: str
) -> None:
    server = served()
    with gleann.Client(f"grpc://{address}", timeout=60) as client:
        client.create_index("w", dim=DIM, metric="l2")
        sending = Sending(f"grpc://{address}")
        sending.start()
        rng = np.random.default_rng(11)
        for _ in range(ROUNDS):
            time.sleep(float(rng.uniform(0.05, 0.6)))
            acknowledged = sending.acknowledged
            server.kill()
            server = served()
            # Whatever was acknowledged is there, and at most what was sent since.
            held = held_by(client)
            newest = max(held.values(), default=0)
            assert newest >= acknowledged - 1
        sending.stopping.set()
        sending.join(90)
        assert sending.failed is None
        assert not sending.is_alive()
        wrong = sending.sent // WRONG
        assert [one.sequence for one in sending.refused] == [
            WRONG * k for k in range(1, wrong + 1)
        ]
        assert sending.stored == 5 * (sending.sent - wrong)
        assert held_by(client) == model_of(sending.sent)
        # One change for each batch that was not refused: none was stored twice.
        assert client.get_index("w").sequence == sending.sent - wrong
        assert sending.sent > 2 * ROUNDS


UPLOAD = """
import sys, time
import gleann
from test_kill_streams import batch_of
def batches():
    for number in range(1, 401):
        if number % 7:
            yield batch_of(number)
            time.sleep(float(sys.argv[2]))
with gleann.Client(sys.argv[1], timeout=60) as client:
    print(client.upload("w", batches(), stream_id="nightly"), flush=True)
"""


@pytest.mark.slow
def test_an_upload_goes_on_after_its_client_was_killed(
    served: Any, address: str
) -> None:
    served()
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, "-c", UPLOAD, f"grpc://{address}"]
    environment = os.environ | {"PYTHONPATH": paths}
    rng = np.random.default_rng(12)
    with gleann.Client(f"grpc://{address}", timeout=60) as client:
        client.create_index("w", dim=DIM, metric="l2")
        killed_amidst = 0
        for _ in range(4):
            begin = client.get_index("w").sequence
            process = subprocess.Popen([*command, "0.03"], env=environment)
            last = time.monotonic() + 60
            while client.get_index("w").sequence < begin + int(rng.integers(5, 50)):
                assert time.monotonic() < last
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed_amidst += client.get_index("w").sequence < 343
        assert killed_amidst == 4
        done = subprocess.run(
            [*command, "0"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout) == 5 * 343
        assert held_by(client) == model_of(400)
        assert client.get_index("w").sequence == 343
