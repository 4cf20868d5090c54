"""kill -9 of a server again and again, at random: nothing acknowledged is lost.

Three threads write through gRPC: upserts, changes of payload and deletions (by id and
by filter) of integer ids, of string ids, and whatever takes long (builds, compactions,
imports, snapshots, sessions, indexes made and deleted). Each keeps a record of what was
acknowledged; what was under way at the kill may have got through, whole, or not.
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from kill_records import Rows, Slow, begin, gave_up
from server_process import ServerProcess

import gleann
from gleann.index import errors
from gleann.service.cli.main import run


@dataclass
class World:
    """The records of one data directory, and who writes to it."""

    data: Path
    root: Path
    rng: np.random.Generator
    rows: list[Rows]
    slow: Slow

    def start(self) -> ServerProcess:
        return ServerProcess(self.data, "--import-root", str(self.root))

    def write_until_killed(self, server: ServerProcess, target: str) -> None:
        writers = [
            threading.Thread(target=self._keep_writing, args=(record, target, seed))
            for record, seed in zip(
                [*self.rows, self.slow],
                self.rng.integers(1 << 30, size=3).tolist(),
                strict=True,
            )
        ]
        for writer in writers:
            writer.start()
        time.sleep(float(self.rng.uniform(0.02, 0.7)))
        server.kill()
        for writer in writers:
            writer.join()

    def _keep_writing(self, record: Rows | Slow, target: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with gleann.Client(target, timeout=30, retries=0) as client:
            while True:
                try:
                    record.write(client, rng)
                except errors.ServiceError:  # killed
                    return

    def check(self, target: str) -> None:
        with gleann.Client(target, timeout=120) as client:
            for record in [*self.rows, self.slow]:
                record.check(client)
            for operation in client.operations.list():
                assert operation.error is None or gave_up(operation), operation.error
        assert not (self.data / "lost").exists()


def kill_again_and_again(world: World, kills: int) -> Iterator[None]:
    """Write, kill, start and check, so often; some kills come while it starts."""
    for _ in range(kills):
        if world.rng.random() < 0.15:
            early = world.start()
            time.sleep(float(world.rng.uniform(0.2, 2.0)))
            early.kill()
            yield
        server = world.start()
        target = server.target()
        world.check(target)
        world.write_until_killed(server, target)
        yield


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(20, 0, marks=pytest.mark.slow),
        pytest.param(
            int(os.environ.get("GLEANN_KILLS", "200")),
            int(os.environ.get("GLEANN_SEED", "1")),
            marks=[pytest.mark.long, pytest.mark.timeout(3600)],
        ),
    ],
)
def test_kills_at_random(tmp_path: Path, kills: int, seed: int) -> None:
    root = tmp_path / "files"
    root.mkdir()
    rows = [Rows("numbers", int), Rows("words", lambda number: f"wörd {number}")]
    world = World(
        data=tmp_path / "data",
        root=root,
        rng=np.random.default_rng(seed),
        rows=rows,
        slow=Slow(root),
    )
    begin(world.data)
    done = sum(1 for _ in kill_again_and_again(world, kills))
    assert done >= kills
    server = world.start()
    world.check(server.target())
    server.kill()
    assert run(["doctor", "--data", str(world.data)]) == 0
    written = sum(record.generation for record in rows) + world.slow.steps
    print(f"{done} kills, {written} writes")  # noqa: T201  what the lane reports
