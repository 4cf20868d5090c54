"""The machine's clock jumps by a year, forth and back, while a directory is open."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, Progress, SearchParams
from gleann.service import steady_clock
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs.operation_message import Live
from gleann.service.local import application_stubs
from gleann.service.server import serve
from gleann.service.state.expiry import DAY, Expiry
from gleann.service.steady_clock import SteadyClock
from gleann.service.telemetry.distribution import Distribution

YEAR = 365 * DAY
ROWS = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)


class Wall:
    """The machine's clock, which a test sets."""

    def __init__(self) -> None:
        self.off = 0.0
        self.real = time.time

    def __call__(self) -> float:
        return self.real() + self.off


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """Not for gRPC, whose Python part adds it to deadlines of its part in C."""
    wall = Wall()
    both = SimpleNamespace(time=wall, monotonic=time.monotonic)
    monkeypatch.setattr(steady_clock, "time", both)
    return wall


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, wall: Wall) -> Callable[[], None]:
    """Begin anew, as a process that starts now does."""

    def begin() -> None:
        monkeypatch.setattr(steady_clock, "now", SteadyClock())

    begin()
    return begin


def test_jumps_are_not_followed_and_corrections_are(
    wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    clock, began = SteadyClock(), wall.real()
    for off in (YEAR, -YEAR, 7200.0, -7200.0):
        wall.off = off
        assert abs(clock() - began) < 60
    assert caplog.text.count("the system clock jumped by") == 1
    wall.off = 0.0
    assert abs(clock() - wall.real()) < 1
    wall.off = -1800.0
    assert abs(clock() - (wall.real() - 1800.0)) < 1
    wall.off = -3600.0
    assert abs(clock() - (wall.real() - 3600.0)) < 1


def test_nothing_else_asks_the_machine_for_the_time() -> None:
    """Keys and certificates do, whose ends are dates, and lines of logs and spans."""
    service = Path(steady_clock.__file__).parent
    rooms = ("cli", "demo", "report")
    asking = {
        file.relative_to(service).as_posix()
        for file in service.rglob("*.py")
        if file.relative_to(service).parts[0] not in rooms
        and re.search(r"\btime\.time(_ns)?\(|datetime\.now\(", file.read_text())
    }
    assert asking == {
        "jobs/run_log.py",
        "security/key_ring.py",
        "server/audit.py",
        "server/key_source.py",
        "server/tls.py",
        "steady_clock.py",
        "telemetry/tracing.py",
    }


@pytest.mark.parametrize("first", [YEAR, -YEAR])
def test_nothing_expires_by_a_jump(
    tmp_path: Path, wall: Wall, fresh: Callable[[], None], first: float
) -> None:
    application = Application(Config(data_dir=tmp_path))
    client = gleann.Client.of_stubs(application_stubs(application))
    client.create_index("words", dim=8, metric="l2")
    client.upsert("words", range(300), ROWS, request_id="once")
    client.build("words", PARAMS).wait()

    def kept() -> tuple[int, int, int]:
        expiry = Expiry(application.store, keep_days=7, keep_operations=1000)
        expiry.sweep(steady_clock.now())
        counts = [
            application.store.rows(f"SELECT count(*) AS n FROM {name}")[0]["n"]
            for name in ("operations", "selections", "requests")
        ]
        return counts[0], counts[1], counts[2]

    assert kept() == (1, 0, 1)
    wall.off = first
    assert kept() == (1, 0, 1)
    # What is written while the clock is wrong outlives its correction.
    client.coresets.farthest_first("words", k=3).wait()
    assert kept() == (2, 1, 1)
    wall.off = 0.0
    assert kept() == (2, 1, 1)
    fresh()
    assert kept() == (2, 1, 1)
    client.close()


@pytest.mark.parametrize("off", [YEAR, -YEAR])
def test_rates_and_estimates_go_by_elapsed_time(wall: Wall, off: float) -> None:
    live, calls, began = Live(), Distribution(), time.monotonic()
    live.take(Progress(phase="train", done=0, total=100))
    time.sleep(0.2)
    wall.off = off
    live.take(Progress(phase="train", done=50, total=100))
    rate = live.rate()
    assert 50 / (time.monotonic() - began) <= rate <= 50 / 0.2
    calls.add(0.01)
    assert calls.recent().rate > 0


@pytest.mark.parametrize("off", [YEAR, -YEAR])
def test_calls_and_waits_go_by_elapsed_time(
    tmp_path: Path, wall: Wall, off: float
) -> None:
    with (
        serve(Config(data_dir=tmp_path, listen="127.0.0.1:0")) as server,
        gleann.Client(server.target, timeout=60.0) as client,
    ):
        client.create_index("words", dim=8, metric="l2")
        client.upsert("words", range(300), ROWS)
        operation = client.build("words", PARAMS)
        wall.off = off
        began = time.monotonic()
        assert operation.wait(timeout=60.0).count == 300
        assert client.search("words", ROWS[:1], SearchParams(k=1)).ids[0, 0] == 0
        status = client.server_status()
        assert 0 < status.uptime_seconds < 120
        assert all(0 <= one.p99_seconds < 60 for one in status.methods)
        assert time.monotonic() - began < 120


def test_compaction_goes_on_after_a_time_to_come(
    tmp_path: Path, wall: Wall, fresh: Callable[[], None]
) -> None:
    """The process ran with a clock a year ahead; the next one has the right one."""
    wall.off = YEAR
    fresh()
    with gleann.Client(tmp_path) as client:
        client.create_index("words", dim=8, metric="l2")
        client.upsert("words", range(300), ROWS)
        client.optimize("words", kind="rebuild").wait()
    wall.off = 0.0
    fresh()
    now = [wall.real()]
    application = Application(Config(data_dir=tmp_path), clock=lambda: now[0])
    client = gleann.Client.of_stubs(application_stubs(application))
    params = gleann.OptimizerParams(min_rows=10, min_seconds=10)
    client.update_index("words", optimizer=params)
    client.upsert("words", range(300, 400), ROWS[:100])
    now[0] += 15.0
    ends = time.monotonic() + 60
    kinds: list[str] = []
    while kinds.count("optimize") < 2 and time.monotonic() < ends:
        application.optimizer.look()
        kinds = [one.kind for one in client.list_operations()]
        time.sleep(0.05)
    assert kinds.count("optimize") == 2, client.get_index("words").optimizer.decision
    client.close()
