"""kill -9 during curation jobs: they go on to the same answers, and leave nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess

import gleann
from gleann.service.jobs.table import MAX_ATTEMPTS

N, DIM = 30_000, 32
RNG = np.random.default_rng(9)
ROWS = RNG.normal(size=(N, DIM)).astype(np.float32)
ROWS[N // 2 :] = ROWS[: N // 2] + RNG.normal(scale=0.02, size=(N // 2, DIM))

KILLED_AT = (0.2, 0.6)
"""Shares of the time that a whole job takes, or less where that was overrated."""
assert len(KILLED_AT) < MAX_ATTEMPTS

Job = Callable[[gleann.Client], Any]

JOBS: dict[str, tuple[Job, str]] = {
    "near_duplicates": (
        lambda client: client.curation.near_duplicates("words", radius=0.05),
        "rows",
    ),
    "join": (
        lambda client: client.curation.join("words", ROWS[:500], radius=0.05),
        "pairs",
    ),
    "for_target": (
        lambda client: client.curation.for_target("words", ROWS[:50], budget=2000),
        "chosen",
    ),
    "propagate": (
        lambda client: client.curation.propagate(
            "words", ids=np.arange(60), labels=np.arange(60) % 3
        ),
        "rows",
    ),
}


def until_running(client: gleann.Client, name: str) -> None:
    ends = time.monotonic() + 60
    while client.operations.get(name).state == "queued":
        assert time.monotonic() < ends, "it was never begun"
        time.sleep(0.005)


def lines_of(made: Any, table: str) -> Any:
    """A table in the order of its ids: pairs of a join come in any order."""
    lines = made.table(table)
    names = [name for name in lines.column_names if name.endswith("id")]
    return lines.sort_by([(name, "ascending") for name in names])


@dataclass
class Killing:
    """A server that is killed in the midst of jobs.

    Attributes:
        data: its directory.
        server: the process that runs now.
        took: seconds of a whole job, or what is thought of them.
        early: curations of jobs that had ended when the server was killed.
    """

    data: Path
    server: ServerProcess
    took: float = 0.0
    early: set[str] = field(default_factory=set)

    def cut_off(self, asked: Job) -> str:
        """Ask for a job, and kill the server at each share; the name of the job."""
        shares: list[float] = []
        name = ""
        while not name or shares:
            if not shares:
                with gleann.Client(self.server.target()) as client:
                    name, shares = asked(client).name, list(KILLED_AT)
            if not self._killed(name, shares.pop(0)):
                # The machine is faster than it was when the job was timed.
                shares.clear()
                self.took, name = self.took / 2, ""
        return name

    def _killed(self, name: str, share: float) -> bool:
        """Kill the server; whether the job had not ended before."""
        with gleann.Client(self.server.target()) as client:
            until_running(client, name)
            time.sleep(share * self.took)
        self.server.kill()
        self.server = ServerProcess(self.data)
        with gleann.Client(self.server.target()) as client:
            operation = client.operations.get(name)
            if operation.done:
                self.early.add(operation.wait().name)
            return not operation.done


@pytest.mark.slow
@pytest.mark.parametrize("kind", JOBS)
def test_killed_jobs_go_on_to_the_same_answer(tmp_path: Path, kind: str) -> None:
    """Killed as often as may be: early, and again late."""
    asked, table = JOBS[kind]
    killing = Killing(tmp_path / "data", ServerProcess(tmp_path / "data"))
    try:
        with gleann.Client(killing.server.target()) as client:
            client.create_index("words", dim=DIM, metric="l2")
            client.upload("words", [(np.arange(N), ROWS)])
            began = time.monotonic()
            whole = asked(client).wait(timeout=120)
            killing.took = time.monotonic() - began
            expected, info = lines_of(whole, table), whole.info
        name = killing.cut_off(asked)
        with gleann.Client(killing.server.target()) as client:
            assert client.curation.get(info.name).info == info
            again = client.operations.get(name).wait(timeout=120)
            assert client.operations.get(name).attempts == 1 + len(KILLED_AT)
            assert lines_of(again, table).equals(expected)
            assert again.summary == info.summary
            names = {one.name for one in client.curation.list()}
            assert names == {info.name, again.name, *killing.early}
        left = {path.name for path in (tmp_path / "data" / "curations").iterdir()}
        assert left == {one.removeprefix("curations/") for one in names}
    finally:
        killing.server.kill()
