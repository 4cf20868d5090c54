"""A request with a `request_id` stops nobody else while it is worked on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.service.state import idempotency
from gleann.service.state.store import Store

IDS = np.arange(240) * 10
LABELS = np.arange(30) % 2
HALF = np.full(240, 0.5)
ESTIMATE = EstimateParams(budget=60, strata=2)


@pytest.fixture
def world(tmp_path: Path, rows: np.ndarray, quick: Any) -> Iterator[gleann.Client]:
    """A client in process, whose index "a" is built, and "b" empty."""
    with gleann.Client(tmp_path / "d") as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", IDS, rows)
        client.build("a", quick).wait(timeout=60)
        client.create_index("b", dim=8, metric="l2")
        yield client


class Held:
    """Calls of one function wait until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
        owner, name = target.rsplit(".", 1)
        kind = resolve_name(owner)
        function = kind.__dict__[name]
        plain = getattr(function, "__func__", function)
        self.begun, self.go, self.calls = threading.Event(), threading.Event(), 0

        def held(*arguments: Any, **settings: Any) -> Any:
            self.calls += 1
            self.begun.set()
            assert self.go.wait(60)
            return plain(*arguments, **settings)

        wrapped = classmethod(held) if function is not plain else held
        monkeypatch.setattr(kind, name, wrapped)


def start_active(client: gleann.Client, request_id: str = "r") -> Any:
    return client.active.start("a", ids=IDS[:30], labels=LABELS, request_id=request_id)


def start_tasti(client: gleann.Client, request_id: str = "r") -> Any:
    return client.estimates.start(
        "a", params=ESTIMATE, representatives=20, request_id=request_id
    )


def start_scores(client: gleann.Client, request_id: str = "r") -> Any:
    return client.estimates.start(
        "a", params=ESTIMATE, proxy=(IDS, HALF), request_id=request_id
    )


def start_groups(client: gleann.Client, request_id: str = "r") -> Any:
    return client.groups.start(
        "a",
        params=ESTIMATE,
        proxies={"x": (IDS, HALF), "y": (IDS, HALF)},
        overlapping=True,
        request_id=request_id,
    )


STARTS: list[tuple[str, Callable[..., Any]]] = [
    ("gleann.selection.active.ActiveSession.start", start_active),
    ("gleann.selection.estimate.TastiSession.start", start_tasti),
    ("gleann.selection.estimate.EstimateSession.start", start_scores),
    ("gleann.selection.estimate.OverlappingGroupsSession.start", start_groups),
]


@pytest.mark.parametrize(("target", "start"), STARTS)
def test_others_write_while_a_session_starts(
    world: gleann.Client,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    start: Callable[..., Any],
) -> None:
    held = Held(monkeypatch, target)
    with ThreadPoolExecutor(2) as pool:
        started = pool.submit(start, world)
        assert held.begun.wait(60)
        upserted = pool.submit(world.upsert, "b", [1], rows[:1], request_id="other")
        try:
            assert upserted.result(timeout=60) == 1
            assert not started.done()
        finally:
            held.go.set()
        session = started.result(timeout=60)
    assert start(world) == session
    assert [info.name for info in world.sessions.list()] == [session.name]


def test_others_write_while_labels_are_taken(
    world: gleann.Client, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start_active(world)
    batch = world.next_batch(session).ids
    held = Held(monkeypatch, "gleann.selection.active.ActiveSession.submit_labels")
    with ThreadPoolExecutor(2) as pool:
        submitted = pool.submit(
            world.submit_labels,
            session,
            batch,
            np.zeros(len(batch), int),
            request_id="s",
        )
        assert held.begun.wait(60)
        upserted = pool.submit(world.upsert, "b", [1], rows[:1])
        try:
            assert upserted.result(timeout=60) == 1
        finally:
            held.go.set()
        assert submitted.result(timeout=60).labelled == 30 + len(batch)


def test_equal_requests_that_come_meanwhile_get_the_one_answer(
    world: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "gleann.selection.estimate.TastiSession.start")
    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(start_tasti, world) for _ in range(4)]
        assert held.begun.wait(60)
        # One with the same id that asks for something else is told so at once.
        with pytest.raises(errors.AlreadyExistsError, match="different request"):
            start_active(world)
        held.go.set()
        names = {one.result(timeout=60).name for one in started}
    assert held.calls == 1
    assert names == {info.name for info in world.sessions.list()}
    assert len(names) == 1


def test_who_waits_for_long_is_told(
    world: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.1)
    held = Held(monkeypatch, "gleann.selection.estimate.TastiSession.start")
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(start_tasti, world)
        assert held.begun.wait(60)
        try:
            with pytest.raises(
                errors.NotReadyError, match="'r' is still being answered"
            ):
                start_tasti(world)
        finally:
            held.go.set()
        # First what it waits for: 0.1 seconds are little on a busy machine.
        name = started.result(timeout=60).name
        assert start_tasti(world).name == name


@pytest.mark.parametrize("moment", ["work", "commit"])
def test_what_was_cut_off_is_done_once_when_it_is_repeated(
    world: gleann.Client, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As by a crash, amid the work or before its transaction ends; nothing is left."""

    class Cut(BaseException):
        pass

    def cut(*_: Any, **__: Any) -> Any:
        raise Cut

    with monkeypatch.context() as patched:
        if moment == "work":
            patched.setattr("gleann.selection.active.ActiveSession.start", cut)
        else:
            patched.setattr(
                "gleann.service.servicers.active.session_info_to_wire",
                cut,
            )
        with pytest.raises(Cut):
            start_active(world)
    assert world.sessions.list() == []
    first, second = start_active(world), start_active(world)
    assert first == second
    assert [info.name for info in world.sessions.list()] == [first.name]


def test_labels_that_were_not_written_down_are_not_taken(
    world: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the session had in memory goes with them; a repeat takes them once."""
    session = start_active(world)
    batch = world.next_batch(session).ids
    labels = np.zeros(len(batch), np.int64)

    def refuse(_: Store) -> Any:
        raise errors.StorageError("the database refused: disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", refuse)
        with pytest.raises(errors.StorageError):
            world.submit_labels(session, batch, labels, request_id="s")
    assert world.sessions.get(session).labelled == 30
    assert np.array_equal(world.next_batch(session).ids, batch)
    for _ in range(2):
        taken = world.submit_labels(session, batch, labels, request_id="s")
        assert taken.labelled == 30 + len(batch)


def test_a_batch_that_was_not_written_down_is_asked_for_again(
    world: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.active.start(
        "a", ids=IDS[:30], labels=LABELS, params=ActiveParams(batch=5)
    )

    def refuse(_: Store) -> Any:
        raise errors.StorageError("the database refused: disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "transaction", refuse)
        with pytest.raises(errors.StorageError):
            world.next_batch(session)
    batch = world.next_batch(session).ids
    assert len(batch) == 5
    assert np.array_equal(world.next_batch(session).ids, batch)
