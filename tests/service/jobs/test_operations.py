"""Long work: progress, cancelling, failing, resuming."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, Progress, SearchParams, SoarIndex, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs.jobs import Jobs
from gleann.service.jobs.table import MAX_ATTEMPTS
from gleann.service.jobs.task import Task
from gleann.service.state.store import Store
from gleann.v1 import index_pb2


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Builds wait at their first report, setting `begun`, until `go` is set."""
    begun, go = threading.Event(), threading.Event()
    real = SoarIndex.build_on_disk

    def build(*arguments: Any, progress: Any, **settings: Any) -> SoarIndex:
        progress(Progress(phase="held", done=1, total=4))
        begun.set()
        assert go.wait(60)
        progress(Progress(phase="held", done=2, total=4))
        return real(*arguments, progress=progress, **settings)

    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    yield type("Held", (), {"begun": begun, "go": go})
    go.set()


def test_progress_and_result(
    client: gleann.Client, rows: np.ndarray, quick: Any, held: Any
) -> None:
    client.create_index("p", dim=8, metric="l2")
    client.upsert("p", np.arange(len(rows)), rows)
    operation = client.build("p", quick)
    assert not operation.done
    assert held.begun.wait(60)
    operation.refresh()
    assert (operation.kind, operation.index) == ("build", "p")
    assert (operation.phase, operation.done_units, operation.total) == ("held", 1, 4)
    assert operation.eta_seconds is None
    with pytest.raises(TimeoutError, match=operation.name):
        operation.wait(timeout=0)
    # The index answers and changes while it is built; the changes stay on top.
    client.upsert("p", [999], rows[:1] + 50)
    client.delete_vectors("p", [0])
    held.go.set()
    heard: list[Progress] = []
    info = operation.wait(heard.append, timeout=60)
    assert (info.version, info.count, info.pending) == (1, len(rows), 1)
    assert heard[-1].phase == "done"
    assert operation.done
    assert operation.error is None
    found = client.search("p", rows[:1] + 50, SearchParams(k=1))
    assert found.ids.tolist() == [[999]]
    with pytest.raises(errors.UnknownIdError):
        client.get_vectors("p", [0])


def test_a_build_chooses_spilling(client: gleann.Client, rows: np.ndarray) -> None:
    """Nothing stated is "auto", like "auto" stated; the index says what it became."""
    client.create_index("p", dim=8, metric="l2")
    client.upsert("p", np.arange(len(rows)), rows)
    here = SoarIndex.build(rows, BuildParams(metric="l2", target_recall=0.9))
    for params in (
        BuildParams(metric="l2", target_recall=0.9),
        BuildParams(metric="l2", spill="auto", target_recall=0.9),
    ):
        info = client.build("p", params).wait(timeout=60)
        assert info.spill == here.params.spill
        assert info.nlist == here.nlist


def test_cancel_while_running(
    client: gleann.Client, rows: np.ndarray, quick: Any, held: Any
) -> None:
    client.create_index("p", dim=8, metric="l2")
    client.upsert("p", np.arange(len(rows)), rows)
    operation = client.build("p", quick)
    assert held.begun.wait(60)
    with pytest.raises(errors.NotReadyError, match="not done"):
        client.operations.delete(operation.name)
    with pytest.raises(errors.NotReadyError, match=operation.name):
        client.delete_index("p")
    client.operations.cancel(operation.name)
    held.go.set()
    with pytest.raises(errors.CancelledError, match=operation.name):
        operation.wait(timeout=60)
    assert isinstance(operation.error, errors.CancelledError)
    assert client.get_index("p").version == 0
    assert len(client.search("p", rows[:2], SearchParams(k=3)).ids) == 2
    client.operations.delete(operation.name)
    assert client.operations.list() == []


def test_cancel_in_the_queue(
    client: gleann.Client, rows: np.ndarray, quick: Any, held: Any
) -> None:
    client.create_index("p", dim=8, metric="l2")
    client.upsert("p", np.arange(len(rows)), rows)
    first, second = client.build("p", quick), client.build("p", quick)
    assert held.begun.wait(60)
    second.cancel()
    assert second.refresh().done
    with pytest.raises(errors.CancelledError):
        second.wait()
    held.go.set()
    assert first.wait(timeout=60).version == 1


def test_cancel_an_import(
    client: gleann.Client,
    rows: np.ndarray,
    quick: Any,
    tmp_path: Path,
    held: Any,
) -> None:
    """It waits behind a build, so that there is time to cancel; nothing is imported."""
    np.save(tmp_path / "more.npy", rows)
    client.create_index("p", dim=8, metric="l2")
    client.upsert("p", [0], rows[:1])
    build = client.build("p")
    assert held.begun.wait(60)
    operation = client.import_vectors("p", tmp_path / "more.npy")
    operation.cancel()
    held.go.set()
    build.wait(timeout=60)
    with pytest.raises(errors.CancelledError):
        operation.wait(timeout=60)
    assert client.get_index("p").count == 1


def test_an_import_fails_whole(
    client: gleann.Client,
    rows: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last of several blocks is bad: no row of the first ones is there."""
    monkeypatch.setattr("gleann.service.files.vector_files.BLOCK_BYTES", 1000)
    spoilt = rows.copy()
    spoilt[-1, 3] = np.nan
    np.save(tmp_path / "spoilt.npy", spoilt)
    client.create_index("p", dim=8)
    operation = client.import_vectors("p", tmp_path / "spoilt.npy")
    with pytest.raises(errors.NonFiniteError):
        operation.wait(timeout=60)
    info = client.get_index("p")
    assert (info.count, info.id_type, info.sequence) == (0, None, 0)
    np.save(tmp_path / "good.npy", rows)
    imported = client.import_vectors("p", tmp_path / "good.npy").wait(timeout=60)
    assert imported.count == imported.index.count == len(rows)


def test_work_that_was_cut_off_runs_again(
    tmp_path: Path, rows: np.ndarray, quick: Any, held: Any
) -> None:
    with gleann.Client(tmp_path / "d") as client:
        client.create_index("p", dim=8, metric="l2")
        client.upsert("p", np.arange(len(rows)), rows)
        running, waiting = client.build("p", quick), client.build("p", quick)
        assert held.begun.wait(60)
        threading.Timer(0.2, held.go.set).start()
    with gleann.Client(tmp_path / "d") as client:
        assert client.operations.get(running.name).wait(timeout=60).version == 1
        # One run satisfies both requests.
        assert client.operations.get(waiting.name).wait(timeout=60).version == 1


def test_a_bug_ends_one_operation(
    tmp_path: Path, rows: np.ndarray, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret detail")

    with gleann.Client(tmp_path / "d") as client:
        client.create_index("p", dim=8, metric="l2")
        client.upsert("p", np.arange(len(rows)), rows)
        with monkeypatch.context() as patched:
            patched.setattr(SoarIndex, "build_on_disk", explode)
            with pytest.raises(errors.ServiceError, match=r"^internal error$"):
                client.build("p", quick).wait(timeout=60)
        assert client.build("p", quick).wait(timeout=60).version == 1


def test_work_that_memory_has_no_room_for(
    tmp_path: Path, rows: np.ndarray, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise MemoryError

    with gleann.Client(tmp_path / "d") as client:
        client.create_index("p", dim=8, metric="l2")
        client.upsert("p", np.arange(len(rows)), rows)
        with monkeypatch.context() as patched:
            patched.setattr(SoarIndex, "build_on_disk", refuse)
            with pytest.raises(errors.LimitError, match="not enough memory"):
                client.build("p", quick).wait(timeout=60)
        assert client.build("p", quick).wait(timeout=60).version == 1


def test_work_that_stops_the_server_is_given_up(tmp_path: Path) -> None:
    """A crash leaves "running" behind; after so many the work is not begun again."""

    def never(_: Task) -> index_pb2.Index:
        raise AssertionError("it was begun again")

    store = Store(tmp_path)
    first = Jobs(store)
    name = first.start("build", index="p", request=index_pb2.BuildIndexRequest()).name
    with store.transaction() as transaction:
        transaction.run(
            "UPDATE operations SET state = 'running', attempts = ?", MAX_ATTEMPTS
        )
    jobs = Jobs(store)
    jobs.open({"build": never})
    operation = jobs.wait(name, seconds=60)
    assert operation.done
    assert f"{MAX_ATTEMPTS} times" in operation.error.message
    jobs.close(seconds=30)
    store.close()


def test_only_one_process_opens_a_directory(tmp_path: Path) -> None:
    application = Application(Config(data_dir=tmp_path / "d"))
    with pytest.raises(errors.NotReadyError, match="in use by process"):
        Application(Config(data_dir=tmp_path / "d"))
    application.close()
    Application(Config(data_dir=tmp_path / "d")).close()


def test_a_closed_client_says_so(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    for target in (tmp_path / "d", start_server().target):
        client = gleann.Client(target)
        client.list_indexes()
        client.close()
        client.close()
        with pytest.raises(errors.ServiceError, match="closed"):
            client.list_indexes()
