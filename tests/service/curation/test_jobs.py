"""Curation jobs: paused, cancelled, interrupted by a restart, retried, repeated."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from held import Held

import gleann
from gleann.index import errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs.curation import near_duplicates as job
from gleann.service.jobs.curation.curating import Curating
from gleann.service.jobs.task import Task
from gleann.v1 import curation_pb2, duplicates_pb2

RADIUS = 0.05
stopped = Event()
"""Set when held work was stopped."""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Near-duplicates wait until `go` is set."""
    held, real = Held(), job.near_duplicates
    stopped.clear()

    def near_duplicates(*arguments: Any, progress: Any, **options: Any) -> Any:
        try:
            held.hold(progress)
        except BaseException:
            stopped.set()
            raise
        return real(*arguments, progress=progress, **options)

    monkeypatch.setattr(job, "near_duplicates", near_duplicates)
    yield held
    held.go.set()


def filled(client: gleann.Client, rows: np.ndarray) -> None:
    client.create_index("a", dim=8, metric="l2")
    client.upsert("a", np.arange(len(rows)), rows)


def unfinished(directory: Path) -> list[str]:
    folder = directory / "curations"
    return [path.name for path in folder.glob(".*")]


def test_progress_pause_and_resume(
    client: gleann.Client, twins: np.ndarray, held: Held
) -> None:
    filled(client, twins)
    running = client.curation.near_duplicates("a", radius=RADIUS)
    assert held.begun.wait(60)
    assert running.refresh().phase == "held"
    assert (running.kind, running.index) == ("curate", "a")
    running.pause()
    assert running.refresh().state == "paused"
    assert stopped.wait(60)
    client.upsert("a", [777], twins[:1])  # seen by the next start
    held.go.set()
    made = running.resume().wait(timeout=60)
    assert held.runs == 2
    assert made.summary["rows"] == 301
    assert made.name == running.name.replace("operations", "curations")


def test_cancelled(
    client: gleann.Client, twins: np.ndarray, held: Held, tmp_path: Path
) -> None:
    filled(client, twins)
    running = client.curation.near_duplicates("a", radius=RADIUS)
    assert held.begun.wait(60)
    running.cancel()
    with pytest.raises(errors.CancelledError):
        running.wait(timeout=60)
    assert client.curation.list() == []
    for name in ("local", "server"):
        assert unfinished(tmp_path / name) == []
    held.go.set()
    again = running.retry()
    assert again.wait(timeout=60).summary["rows"] == 300


def test_interrupted_work_is_done_after_a_restart(
    tmp_path: Path, twins: np.ndarray, held: Held
) -> None:
    with gleann.Client(tmp_path) as client:
        filled(client, twins)
        running = client.curation.near_duplicates("a", radius=RADIUS)
        assert held.begun.wait(60)
    held.go.set()
    with gleann.Client(tmp_path) as client:
        made = client.operations.get(running.name).wait(timeout=60)
        assert made.summary["rows"] == 300
        assert [one.name for one in client.curation.list()] == [made.name]
    assert unfinished(tmp_path) == []


def test_a_result_that_was_stored_before_a_crash_is_taken(
    tmp_path: Path, twins: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the rename of the directory and the end of the operation."""
    runs = []
    real = job.near_duplicates

    def counted(*arguments: Any, **options: Any) -> Any:
        runs.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(job, "near_duplicates", counted)
    request = curation_pb2.CreateCurationJobRequest(
        index="a", near_duplicates=duplicates_pb2.NearDuplicates(radius=RADIUS)
    )
    task = Task(
        operation="operations/0123abcd",
        request=request.SerializeToString(),
        progress=lambda _: None,
        conclude=lambda _: None,
        is_rerun=False,
    )
    with gleann.Client(tmp_path) as client:
        filled(client, twins)
    application = Application(Config(data_dir=tmp_path))
    try:
        curating: Curating = application.curating
        first = curating(task)
        assert curating(task) == first
        assert first.name == "curations/0123abcd"
        assert len(runs) == 1
    finally:
        application.close()


def test_a_repeated_request_returns_the_same_operation(
    client: gleann.Client, twins: np.ndarray
) -> None:
    filled(client, twins)
    one, other = (
        client.curation.near_duplicates("a", radius=RADIUS, request_id="r")
        for _ in range(2)
    )
    assert one.name == other.name
    assert one.wait(timeout=60).name == other.wait(timeout=60).name
    with pytest.raises(errors.GleannError, match="request_id"):
        client.curation.near_duplicates("a", radius=0.01, request_id="r")


def test_failed_work_leaves_nothing(
    client: gleann.Client, twins: np.ndarray, tmp_path: Path
) -> None:
    filled(client, twins)
    running = client.curation.near_duplicates("a", radius=100.0, max_pairs=50)
    with pytest.raises(errors.LimitError, match="more than 50 pairs"):
        running.wait(timeout=60)
    assert client.curation.list() == []
    for name in ("local", "server"):
        assert unfinished(tmp_path / name) == []


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, errors.InvalidParamsError, "give one of radius, similarity"),
        ({"radius": 1, "similarity": 1}, errors.InvalidParamsError, "radius=1 and"),
        ({"radius": -0.5}, errors.InvalidParamsError, "at least 0 under l2, got -0.5"),
        ({"radius": np.nan}, errors.InvalidParamsError, "radius"),
        ({"similarity": 0.9}, errors.InvalidParamsError, "but the metric is l2"),
        ({"radius": 1, "keep_by": "first"}, errors.InvalidParamsError, "'first'"),
        ({"radius": 1, "keep_by": "score"}, errors.InvalidParamsError, "needs scores"),
        (
            {"radius": 1, "scores": ([0], [1.0])},
            errors.InvalidParamsError,
            "keep_by='id' does not read it",
        ),
        (
            {"radius": 1, "keep_by": "score", "scores": "none"},
            errors.UnknownColumnError,
            "none",
        ),
        (
            {"radius": 1, "keep_by": "score", "scores": ([0, 0], [1.0, 2.0])},
            errors.DuplicateIdError,
            "0",
        ),
        (
            {"radius": 1, "keep_by": "score", "scores": ([0], [np.nan])},
            errors.NonFiniteError,
            r"scores.values\[0\] is nan",
        ),
        ({"radius": 1, "max_pairs": -1}, errors.InvalidParamsError, "got -1"),
        ({"radius": 1, "max_pairs": 10**9}, errors.LimitError, "12000000000 is over"),
        ({"radius": 1, "against": "none"}, errors.UnknownIndexError, "'none'"),
        ({"radius": 1, "against": "c"}, errors.InvalidParamsError, "cosine, 'a' l2"),
        (
            {"radius": 1, "against": np.zeros((2, 3))},
            errors.DimensionMismatchError,
            "3 dimensions, the index has 8",
        ),
        ({"radius": 1, "known": "curations/0"}, errors.UnknownJobError, "no curation"),
        ({"radius": 1, "where": "x = 1"}, errors.InvalidFilterError, "x"),
    ],
)
def test_bad_requests(
    client: gleann.Client,
    twins: np.ndarray,
    options: dict[str, Any],
    error: Any,
    text: str,
) -> None:
    filled(client, twins[:20])
    client.create_index("c", dim=8, metric="cosine")
    with pytest.raises(error, match=text):
        client.curation.near_duplicates("a", **options)
    assert client.list_operations() == []  # nothing was queued


def test_what_fails_when_it_runs(client: gleann.Client, twins: np.ndarray) -> None:
    columns = {"n": "int64"}
    client.create_index("a", dim=8, metric="l2", columns=columns)
    with pytest.raises(errors.NotReadyError, match="'a' is empty"):
        client.curation.near_duplicates("a", radius=1)
    client.upsert("a", np.arange(20), twins[:20])
    nothing = client.curation.near_duplicates("a", radius=1, where="n = 1")
    with pytest.raises(errors.InvalidInputError, match="0 of 20 vectors of 'a' pass"):
        nothing.wait(timeout=60)
    scores = (np.arange(19), np.ones(19))
    short = client.curation.near_duplicates(
        "a", radius=1, keep_by="score", scores=scores
    )
    with pytest.raises(errors.InvalidInputError, match="none for id 19 \\(1 of 20"):
        short.wait(timeout=60)
    client.create_index("e", dim=8, metric="l2")
    with pytest.raises(errors.NotReadyError, match="'e' is empty"):
        client.curation.near_duplicates("a", radius=1, against="e")


def test_bad_thresholds(client: gleann.Client, twins: np.ndarray) -> None:
    filled(client, twins)
    client.create_index("b", dim=8, metric="l2")
    client.upsert("b", np.arange(5), twins[:5])
    made = client.curation.near_duplicates("a", radius=RADIUS).wait(timeout=60)
    pairs = client.curation.join("a", radius=RADIUS).wait(timeout=60)
    again = client.curation.rethreshold
    with pytest.raises(errors.InvalidParamsError, match=r"radius 0.06 is above 0.05"):
        again("a", made.name, radius=0.06)
    with pytest.raises(errors.InvalidParamsError, match="give one of radius"):
        again("a", made.name)
    with pytest.raises(errors.InvalidInputError, match="is of 'a', not of 'b'"):
        again("b", made.name, radius=0.01)
    with pytest.raises(errors.InvalidInputError, match="is of join, not of near_dup"):
        again("a", pairs.name, radius=0.01)
    with pytest.raises(errors.UnknownJobError, match="no curation"):
        again("a", "curations/9", radius=0.01)


def test_a_method_is_required(
    start_server: Callable[..., Any], twins: np.ndarray
) -> None:
    application: Application = start_server().application
    application.create_index("a", dim=8, metric="l2")
    request = curation_pb2.CreateCurationJobRequest(index="a")
    with pytest.raises(errors.InvalidInputError, match="method is required: one of"):
        application.asked_to_curate(request)
