"""JobService, in process and through gRPC: logs, retries, lists, metadata."""

import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.longrunning import operations_pb2

import gleann
from gleann.index import Progress, SoarIndex, errors
from gleann.service.calls.caller import EVERYTHING, Caller
from gleann.service.calls.context import CallContext, answering
from gleann.service.cli.jobs.report import job_line, shown_seconds
from gleann.service.jobs.run_log import MOST_LINES
from gleann.service.jobs.schedule import Schedule
from gleann.service.stubs import Stubs
from gleann.v1 import job_pb2

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


def filled(client: gleann.Client, rows: np.ndarray, name: str = "p") -> None:
    client.create_index(name, dim=8, metric="l2")
    client.upsert(name, np.arange(len(rows)), rows)


def refusing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Builds fail as where the disk is full."""

    def refuse(*_: Any, **__: Any) -> None:
        cause = OSError(28, "No space left on device")
        raise errors.StorageError("codes.npy cannot be written") from cause

    monkeypatch.setattr(SoarIndex, "build_on_disk", refuse)
    return monkeypatch


def test_the_log_of_a_build(
    client: gleann.Client, rows: np.ndarray, quick: Any
) -> None:
    filled(client, rows)
    operation = client.build("p", quick)
    operation.wait(timeout=60)
    log = operation.log()
    assert len(log.lines) == log.last
    assert all(MOMENT.match(line) for line in log.lines)
    texts = [MOMENT.sub("", line) for line in log.lines]
    assert texts[:2] == ["queued", "begun"]
    assert any(re.fullmatch(r"train: \S+ of \S+ in \d+\.\d s", one) for one in texts)
    assert re.fullmatch(r"done after \d+\.\d s", texts[-1])
    assert operation.refresh().message == log.lines[-1]
    assert client.jobs.log(operation.name, after=log.last - 1).lines == log.lines[-1:]
    assert client.jobs.log(operation.name, after=log.last).lines == ()
    assert client.jobs.log(operation.name, after=10**6).lines == ()
    with pytest.raises(errors.InvalidParamsError, match="at least 0, got -1"):
        client.jobs.log(operation.name, after=-1)
    with pytest.raises(errors.UnknownJobError):
        client.jobs.log("operations/none")


def test_what_failed_tells_its_cause_and_is_retried(
    client: gleann.Client,
    rows: np.ndarray,
    quick: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled(client, rows)
    with monkeypatch.context() as patched:
        refusing(patched)
        failed = client.build("p", quick)
        with pytest.raises(errors.StorageError):
            failed.wait(timeout=60)
    lines = failed.log().lines
    assert "failed after" in lines[-2]
    assert "codes.npy cannot be written; caused by OSError" in lines[-2]
    assert "No space left on device" in lines[-2]
    assert lines[-1].endswith(f"to ask for it again: {failed.command}")
    assert failed.command.startswith("gleann index build p")
    again = client.jobs.retry(failed.name, request_id="again")
    assert again.name != failed.name
    assert again.wait(timeout=60).version == 1
    assert client.jobs.retry(failed.name, request_id="again").name == again.name
    assert any(f"after {failed.name}" in line for line in again.log().lines)
    assert failed.retry().wait(timeout=60).version == 1
    with pytest.raises(errors.NotReadyError, match="is done: only what has failed"):
        again.retry()
    with pytest.raises(errors.UnknownJobError):
        client.jobs.retry("operations/none")


def test_a_retry_is_checked_as_the_request_was(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    filled(client, rows)
    path = tmp_path / "v.npy"
    spoilt = rows.copy()
    spoilt[-1, 0] = np.nan
    np.save(path, spoilt)
    failed = client.import_vectors("p", path)
    with pytest.raises(errors.NonFiniteError):
        failed.wait(timeout=60)
    path.unlink()
    with pytest.raises(errors.MissingFileError):
        failed.retry()
    np.save(path, rows)
    assert failed.retry().wait(timeout=60).count == len(rows)


def test_every_kind_is_retried(
    client: gleann.Client, rows: np.ndarray, quick: Any
) -> None:
    """A cancelled operation of each kind without files, asked for again."""
    filled(client, rows)
    client.build("p", quick).wait(timeout=60)
    snapshot = client.snapshots.create("p").wait(timeout=60)
    client.upsert("p", [5000], rows[:1])
    started = [
        client.optimize("p"),
        client.coresets.uniform("p", k=3),
        client.snapshots.create("p"),
        client.snapshots.restore(snapshot.name, "q"),
        client.snapshots.verify(snapshot.name),
    ]
    for operation in started:
        operation.cancel()
    for operation in started:
        with_state = operation.refresh()
        while not with_state.done:
            with_state = operation.refresh()
        if with_state.state == "cancelled":
            assert operation.retry().kind == operation.kind
            operation.retry()  # as often as one likes


def test_operations_that_meet_a_condition(
    client: gleann.Client,
    rows: np.ndarray,
    quick: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled(client, rows)
    filled(client, rows, "q")
    good = client.build("p", quick)
    good.wait(timeout=60)
    chosen = client.coresets.uniform("q", k=3)
    chosen.wait(timeout=60)
    with monkeypatch.context() as patched:
        refusing(patched)
        bad = client.build("q", quick)
        with pytest.raises(errors.StorageError):
            bad.wait(timeout=60)

    def names(where: str) -> list[str]:
        return [operation.name for operation in client.jobs.list(where)]

    assert names("") == [good.name, chosen.name, bad.name]
    assert names("state = 'failed'") == [bad.name]
    assert names("kind = 'build' AND index = 'p'") == [good.name]
    assert names("kind IN ('build', 'select') AND NOT state = 'failed'") == [
        good.name,
        chosen.name,
    ]
    assert names("owner = ''") == names("created > '2020-01-01T00:00:00Z'") == names("")
    assert names("created < '2020-01-01T00:00:00Z'") == []
    assert names(f"id = '{chosen.name}'") == [chosen.name]
    with pytest.raises(errors.InvalidFilterError, match="phase"):
        names("phase = 'train'")
    with pytest.raises(errors.InvalidFilterError):
        names("state = ")
    with pytest.raises(errors.InvalidFilterError):
        names("created > 5")


def test_pages_of_operations_that_meet_a_condition(
    stubs: Stubs, rows: np.ndarray
) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        filled(client, rows)
        started = [client.coresets.uniform("p", k=1 + i % 2) for i in range(9)]
        for operation in started:
            operation.wait(timeout=60)
        request = operations_pb2.ListOperationsRequest(
            page_size=2, filter="kind = 'select'"
        )
        found: list[str] = []
        while True:
            page = stubs.operations.ListOperations(request)
            assert len(page.operations) <= 2
            found += [one.name for one in page.operations]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert found == [operation.name for operation in started]
        for size, token in ((-1, ""), (1, "no token")):
            request = operations_pb2.ListOperationsRequest(
                page_size=size, page_token=token
            )
            with pytest.raises(errors.InvalidParamsError, match="page_"):
                stubs.operations.ListOperations(request)


def test_metadata(client: gleann.Client, rows: np.ndarray, quick: Any) -> None:
    filled(client, rows)
    operation = client.build("p", quick)
    assert operation.state in ("queued", "running", "done")
    assert operation.expires_at is None or operation.done
    operation.wait(timeout=60)
    assert (operation.state, operation.attempts, operation.owner) == ("done", 1, "")
    assert operation.started_at is not None
    assert operation.ended_at is not None
    assert operation.expires_at is not None
    assert operation.created_at <= operation.started_at <= operation.ended_at
    assert (operation.expires_at - operation.ended_at).days == 7


def test_the_owner_is_whoever_asked(
    client: gleann.Client, rows: np.ndarray, stubs: Stubs
) -> None:
    """In process the caller is the context of the thread that calls."""
    filled(client, rows)
    caller = Caller("key-7", EVERYTHING)
    with answering(CallContext(caller=caller)):
        operation = client.coresets.uniform("p", k=2)
    is_remote = operation.owner == ""
    assert operation.owner in ("", "key-7")
    operation.wait(timeout=60)
    found = client.jobs.list("owner = 'key-7'")
    assert [one.name for one in found] == ([] if is_remote else [operation.name])


def test_work_that_runs_tells_its_rate_and_the_time_left(
    client: gleann.Client,
    rows: np.ndarray,
    quick: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the units done since the phase began, and the seconds since then."""
    some, go = threading.Event(), threading.Event()
    real, began = SoarIndex.build_on_disk, [0.0]

    def build(*arguments: Any, progress: Any, **settings: Any) -> Any:
        began[0] = time.monotonic()
        progress(Progress(phase="assign", done=100, total=1000))
        time.sleep(0.2)
        progress(Progress(phase="assign", done=300, total=1000))
        some.set()
        assert go.wait(60)
        return real(*arguments, progress=progress, **settings)

    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    filled(client, rows)
    operation = client.build("p", quick)
    try:
        assert some.wait(60)
        operation.refresh()
        seconds = time.monotonic() - began[0]
    finally:
        go.set()
    assert (operation.phase, operation.done_units, operation.total) == (
        "assign", 300, 1000,
    )  # fmt: skip
    assert 200 / seconds <= operation.rate <= 200 / 0.2
    assert operation.eta_seconds == pytest.approx(700 / operation.rate)
    assert job_line(operation).endswith(
        f"running, assign 300 of 1,000 (30%), {operation.rate:,.1f}/s,"
        f" {shown_seconds(operation.eta_seconds)} left"
    )
    operation.wait(timeout=60)
    assert operation.rate == 0
    assert operation.eta_seconds is None


def test_a_log_keeps_the_latest_lines(
    client: gleann.Client,
    rows: np.ndarray,
    quick: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the run goes on, and when it has ended."""
    filled(client, rows)
    real, seen = SoarIndex.build_on_disk, []
    add = Schedule.keep

    def keeping(schedule: Schedule, run: Any, begun: list[str]) -> None:
        add(schedule, run, begun)
        seen.append(run)

    def build(*arguments: Any, **settings: Any) -> Any:
        for number in range(MOST_LINES + 50):
            seen[-1].log.add(f"line {number}")
        return real(*arguments, **settings)

    monkeypatch.setattr(Schedule, "keep", keeping)
    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    operation = client.build("p", quick)
    operation.wait(timeout=60)
    log = operation.log()
    assert len(log.lines) == MOST_LINES
    assert log.last > MOST_LINES + 50
    assert any(f"line {MOST_LINES + 49}" in line for line in log.lines)
    assert not any(line.endswith("line 0") for line in log.lines)


def test_pause_and_resume_by_the_client(
    client: gleann.Client, rows: np.ndarray, quick: Any, held_builds: Any
) -> None:
    filled(client, rows)
    operation = client.build("p", quick)
    assert held_builds.begun.wait(60)
    assert operation.pause().state == "paused"
    assert not operation.done
    assert [one.name for one in client.jobs.list("state = 'paused'")] == [
        operation.name
    ]
    held_builds.go.set()
    assert operation.resume().state in ("running", "queued")
    assert client.jobs.resume(operation.name).name == operation.name
    assert operation.wait(timeout=60).version == 1
    with pytest.raises(errors.NotReadyError, match="has ended"):
        client.jobs.pause(operation.name)


def test_requests_that_name_nothing(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs):
        for method, request in (
            ("PauseJob", job_pb2.PauseJobRequest()),
            ("ResumeJob", job_pb2.ResumeJobRequest()),
            ("RetryJob", job_pb2.RetryJobRequest()),
            ("GetJobLog", job_pb2.GetJobLogRequest()),
        ):
            with pytest.raises(errors.UnknownJobError, match="no operation ''"):
                getattr(stubs.job, method)(request)
