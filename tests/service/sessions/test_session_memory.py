"""A round over the wire scans its new labels only; closed sessions are resumed."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.selection import EstimateParams, TastiSession, run_estimate
from gleann.selection.estimate.proxies.label_votes import LabelVotes
from gleann.service.sessions import open_sessions, proxy_sums

N = 600
IDS = 10 * np.arange(N)
ROWS = np.random.default_rng(8).normal(size=(N, 6)).astype(np.float32)
HELD = ROWS[:, 0] > 1


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Labels of each scan over the rows."""
    counts: list[int] = []
    added = LabelVotes.added

    def counting(self: LabelVotes, sums: Any, rows: Any, labels: Any, **rest: Any):
        counts.append(len(rows))
        return added(self, sums, rows, labels, **rest)

    monkeypatch.setattr(LabelVotes, "added", counting)
    return counts


@pytest.fixture
def folder(tmp_path: Path, quick: Any) -> Path:
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("a", dim=6, metric="l2")
        client.upsert("a", IDS, ROWS)
        client.build("a", quick).wait(timeout=60)
    return tmp_path / "data"


def start(client: gleann.Client, seed: int = 0) -> Any:
    params = EstimateParams(
        budget=120, strata=3, rounds=4, strata_cut="geometric", seed=seed
    )
    return client.estimates.start("a", params=params, representatives=20)


def answer(client: gleann.Client, session: Any) -> list[int]:
    """Label one batch; its ids."""
    ids = client.next_batch(session).ids
    if len(ids):
        client.submit_labels(session, ids, HELD[ids // 10])
    return ids.tolist()


def label(client: gleann.Client, session: Any) -> list[list[int]]:
    batches = []
    while batch := answer(client, session):
        batches.append(batch)
    return batches


def in_library(seed: int = 0) -> tuple[list[list[int]], Any]:
    """What the library asks for, and estimates."""
    batches: list[list[int]] = []

    def oracle(ids: np.ndarray) -> tuple[np.ndarray, None]:
        batches.append(ids.tolist())
        return HELD[ids // 10], None

    params = EstimateParams(
        budget=120, strata=3, rounds=4, strata_cut="geometric", seed=seed
    )
    session = TastiSession.start(ROWS, params, first=20, ids=IDS)
    return batches, run_estimate(session, oracle, chunk=1000)


def test_each_label_is_scanned_once_whatever_restarts(
    folder: Path, scans: list[int]
) -> None:
    asked, right = in_library()
    scans.clear()
    with gleann.Client(folder) as client:
        session = start(client)
        first = answer(client, session)
    batches = [first]
    for _ in range(5):
        with gleann.Client(folder) as client:
            if batch := answer(client, session):
                batches.append(batch)
            else:
                made = client.estimates.get(session)
    assert batches == asked
    assert scans == [len(batch) for batch in asked[:-1]]
    assert (made.value, made.low, made.high) == (right.value, right.low, right.high)
    assert made.abae_width == right.abae_width


@pytest.mark.parametrize("damage", ["none kept", "not arrays", "of other labels"])
def test_without_its_sums_a_session_scans_again(
    folder: Path, scans: list[int], damage: str
) -> None:
    asked, _ = in_library()
    with gleann.Client(folder) as client:
        session = start(client)
        other = start(client, seed=1)
        for one in (session, other):
            for _ in range(2):
                answer(client, one)
    connection = sqlite3.connect(folder / "gleann.sqlite3")
    from gleann.service.state.damage.checksums import keep_checksums

    keep_checksums(connection)
    kept = {
        "none kept": None,
        "not arrays": b"12345678",
        "of other labels": connection.execute(
            "SELECT proxy FROM sessions WHERE name = ?", [other.name]
        ).fetchone()[0],
    }[damage]
    connection.execute(
        "UPDATE sessions SET proxy = ? WHERE name = ?", [kept, session.name]
    )
    connection.commit()
    connection.close()
    scans.clear()
    with gleann.Client(folder) as client:
        assert answer(client, session) == asked[2]
        assert scans == [len(asked[0]), len(asked[1])]
        assert label(client, session) == asked[3:]
        assert len(scans) == len(asked) - 1


def test_sessions_that_are_closed_for_want_of_memory_go_on(
    folder: Path, scans: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        open_sessions.OpenSessions.__init__, "__defaults__", (2 * N - 1,)
    )
    expected = {seed: in_library(seed)[0] for seed in range(3)}
    scans.clear()
    with gleann.Client(folder) as client:
        sessions = {seed: start(client, seed) for seed in expected}
        asked: dict[int, list[list[int]]] = {seed: [] for seed in expected}
        for _ in range(6):
            for seed, session in sessions.items():
                if batch := answer(client, session):
                    asked[seed].append(batch)
    assert asked == expected
    labels = [len(batch) for seed in expected for batch in expected[seed][:-1]]
    assert sorted(scans) == sorted(labels)


def test_large_sums_are_not_kept(
    folder: Path, scans: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_sums, "MOST_BYTES", 100)
    with gleann.Client(folder) as client:
        session = start(client)
        for _ in range(2):
            answer(client, session)
    connection = sqlite3.connect(folder / "gleann.sqlite3")
    assert connection.execute("SELECT proxy FROM sessions").fetchall() == [(None,)]
    connection.close()
    scans.clear()
    with gleann.Client(folder) as client:
        batch = answer(client, session)
    assert batch == in_library()[0][2]
    assert len(scans[:2]) == 2


def test_a_round_over_the_wire_scans_its_labels_once(
    client: gleann.Client, quick: Any, scans: list[int]
) -> None:
    client.create_index("a", dim=6, metric="l2")
    client.upsert("a", IDS, ROWS)
    client.build("a", quick).wait(timeout=60)
    session = start(client)
    batches = label(client, session)
    assert scans == [len(batch) for batch in batches[:-1]]
    client.estimates.get(session)
    assert len(scans) == len(batches) - 1
