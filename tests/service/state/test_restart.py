"""What was acknowledged is there after a restart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.estimate.means import MeansParams, Statistic
from gleann.selection.promises import AuditParams, PromiseParams


def test_vectors_versions_and_deletions(
    tmp_path: Path, rows: np.ndarray, quick: Any
) -> None:
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.create_index("words", dim=8)
        client.upsert("a", np.arange(200), rows[:200])
        client.build("a", quick).wait(timeout=60)
        client.upsert("a", np.arange(190, 240), rows[190:] + 1)
        client.delete_vectors("a", np.arange(20))
        client.upsert("words", ["é", "b"], rows[:2])
        client.delete_vectors("words", ["b"])
        before = client.list_indexes()
        found = client.search("a", rows, SearchParams(k=9, nprobe=8))
        kept = client.get_vectors("a", np.arange(20, 240))
    with gleann.Client(tmp_path) as client:
        assert client.list_indexes() == before
        again = client.search("a", rows, SearchParams(k=9, nprobe=8))
        assert np.array_equal(again.ids, found.ids)
        assert np.array_equal(again.distances, found.distances)
        assert np.array_equal(client.get_vectors("a", np.arange(20, 240)), kept)
        assert client.search("words", rows[:1], SearchParams(k=1)).ids == [["é"]]


def test_sessions_ask_for_the_same(
    tmp_path: Path, rows: np.ndarray, quick: Any, labels_of: Any
) -> None:
    ids = np.arange(len(rows)) * 10
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, rows)
        client.build("a", quick).wait(timeout=60)
        active = client.active.start(
            "a", ids=ids[:30], labels=labels_of(ids[:30]), params=ActiveParams(batch=7)
        )
        batch = client.next_batch(active)
        client.submit_labels(active, batch.ids[:3], labels_of(batch.ids[:3]))
        wanted = client.next_batch(active)
        estimate = client.estimates.start(
            "a",
            params=EstimateParams(budget=40, strata=2),
            proxy=(ids, np.linspace(0, 1, len(ids))),
        )
        drawn = client.next_batch(estimate)
        client.submit_labels(estimate, drawn.ids[:5], labels_of(drawn.ids[:5]))
        left = client.next_batch(estimate)
        sessions = client.sessions.list()
    with gleann.Client(tmp_path) as client:
        again = client.sessions.list()
        assert [(s.name, s.labelled) for s in again] == [
            (s.name, s.labelled) for s in sessions
        ]
        assert np.array_equal(client.next_batch(active).ids, wanted.ids)
        assert np.array_equal(client.next_batch(estimate).ids, left.ids)
        assert len(wanted) == 4
        assert len(left) == len(drawn) - 5


def started(client: gleann.Client, ids: np.ndarray, labels: np.ndarray) -> list[str]:
    """A session of each kind, by its name."""
    proxy = (ids, np.linspace(0, 1, len(ids)))
    few = {"ids": ids[:30], "labels": labels[:30]}
    params = EstimateParams(budget=40, strata=2)
    statistics = (Statistic(name="size"), Statistic(name="right", kind="share"))
    means = MeansParams(statistics=statistics, budget=40, stratify_by="x", strata=2)
    made = [
        client.active.start("a", params=ActiveParams(batch=7), **few),
        client.rounds.start("a", **few),
        client.estimates.start("a", params=params, proxy=proxy),
        client.promises.start("a", params=PromiseParams(budget=40), proxy=proxy),
        client.promises.start_audit("a", ids[:50], params=AuditParams(size=9)),
        client.means.start("a", params=means, controls={"x": proxy}, by_list=True),
    ]
    return [session.name for session in made]


def test_sessions_that_have_asked_for_nothing_yet(
    tmp_path: Path, rows: np.ndarray, quick: Any, labels_of: Any
) -> None:
    ids = np.arange(len(rows)) * 10
    proxies = {name: (ids, np.abs(rows[:, n])) for n, name in enumerate("xy")}
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, rows)
        client.build("a", quick).wait(timeout=60)
        fresh, asked = (started(client, ids, labels_of(ids)) for _ in range(2))
        groups = [
            client.groups.start(
                "a", params=EstimateParams(budget=40, strata=2), proxies=proxies
            ).name
            for _ in range(2)
        ]
        wanted = [client.next_batch(name).ids.tolist() for name in asked]
        batches = client.groups.next_batches(groups[0])
    with gleann.Client(tmp_path) as client:
        assert {info.kind for info in client.sessions.list()} == {
            "active", "rounds", "estimate", "groups", "promise", "audit", "means",
        }  # fmt: skip
        for names in (fresh, asked):
            assert [client.next_batch(name).ids.tolist() for name in names] == wanted
        for name in groups:
            again = client.groups.next_batches(name)
            assert {group: one.ids.tolist() for group, one in again.items()} == {
                group: one.ids.tolist() for group, one in batches.items()
            }


@pytest.mark.parametrize("labelled", [0, 5, 12, 20])
def test_a_session_that_chooses_a_proxy_goes_on(
    tmp_path: Path, rows: np.ndarray, quick: Any, labels_of: Any, labelled: int
) -> None:
    ids = np.arange(len(rows)) * 10
    truth = int(labels_of(ids).sum())
    good = labels_of(ids) * 0.8 + 0.1
    params = EstimateParams(
        budget=60, strata=2, interval="bootstrap", stop_at_width=0.5, rounds=3
    )
    proxies = {"flat": (ids, np.full(len(ids), 0.5)), "good": (ids[::-1], good[::-1])}

    def answer(client: gleann.Client, session: Any, most: int) -> None:
        while most and len(batch := client.next_batch(session)):
            some = batch.ids[:most]
            client.submit_labels(session, some, labels_of(some).astype(bool))
            most -= len(some)

    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, rows)
        client.build("a", quick).wait(timeout=60)
        session = client.estimates.start("a", params=params, proxy=proxies)
        answer(client, session, labelled)
        wanted = client.next_batch(session)
    with gleann.Client(tmp_path) as client:
        assert client.sessions.get(session).labelled == labelled
        assert np.array_equal(client.next_batch(session).ids, wanted.ids)
        answer(client, session, 60)
        made = client.estimates.get(session)
        assert made.provenance["choice"]["name"] == "good"
        assert made.provenance["params"]["stop_at_width"] == 0.5
        assert made.low is not None
        assert made.high is not None
        assert made.low <= truth <= made.high


def test_proxies_to_choose_from_that_do_not_fit(
    built: gleann.Client,
) -> None:
    ids = np.arange(240) * 10
    one, params = (ids, np.full(240, 0.5)), EstimateParams(budget=60, strata=2)
    with pytest.raises(errors.InvalidInputError, match="at least 2 proxies, got 1"):
        built.estimates.start("built", params=params, proxy={"only": one})
    short = (ids[:9], np.zeros(9))
    with pytest.raises(errors.DimensionMismatchError, match="has 9 numbers"):
        built.estimates.start(
            "built", params=params, proxy={"one": one, "short": short}
        )


def test_a_session_keeps_its_version(
    tmp_path: Path, rows: np.ndarray, quick: Any, labels_of: Any
) -> None:
    """Builds and deletions after its start do not touch a session, nor a restart."""
    ids = np.arange(len(rows)) * 10
    versions = tmp_path / "indexes" / "1" / "versions"
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, rows)
        client.build("a", quick).wait(timeout=60)
        active = client.active.start("a", ids=ids[:30], labels=labels_of(ids[:30]))
        wanted = client.next_batch(active)
        client.delete_vectors("a", wanted.ids[:1])
        with pytest.raises(errors.NotReadyError, match="1 changes since version 1"):
            client.active.start("a", ids=ids[:30], labels=labels_of(ids[:30]))
        for row in range(2):
            client.upsert("a", ids[:1], rows[row : row + 1])
            client.build("a", quick).wait(timeout=60)
        assert {path.name for path in versions.iterdir()} == {"1", "3"}
    with gleann.Client(tmp_path) as client:
        assert np.array_equal(client.next_batch(active).ids, wanted.ids)
        assert client.sessions.get(active).version == 1
        client.sessions.close(active)
        assert {path.name for path in versions.iterdir()} == {"3"}


def test_what_was_half_written_is_swept(
    tmp_path: Path, rows: np.ndarray, quick: Any
) -> None:
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", np.arange(len(rows)), rows)
        client.build("a", quick).wait(timeout=60)
    versions = tmp_path / "indexes" / "1" / "versions"
    for stray in (versions / ".new-1", versions / "2", tmp_path / "indexes" / "77"):
        stray.mkdir()
        (stray / "part").write_bytes(b"x")
    with gleann.Client(tmp_path) as client:
        assert [path.name for path in versions.iterdir()] == ["1"]
        assert [path.name for path in versions.parent.parent.iterdir()] == ["1"]
        # What nothing explains is kept.
        lost = {path.name[:-9] for path in (tmp_path / "lost").iterdir()}
        assert lost == {"indexes-1-versions-2", "indexes-77"}
        assert client.build("a", quick).wait(timeout=60).version == 2


def test_one_spoilt_index_does_not_spoil_the_others(
    tmp_path: Path, rows: np.ndarray, quick: Any
) -> None:
    with gleann.Client(tmp_path) as client:
        for name in ("good", "bad"):
            client.create_index(name, dim=8, metric="l2")
            client.upsert(name, np.arange(len(rows)), rows)
            client.build(name, quick).wait(timeout=60)
    (manifest,) = (tmp_path / "indexes" / "2").rglob("manifest.json")
    manifest.write_text(manifest.read_text()[:-20])
    with gleann.Client(tmp_path) as client:
        listed = {info.name: info.broken for info in client.list_indexes()}
        assert listed["good"] is None
        assert "manifest.json" in listed["bad"]
        assert len(client.search("good", rows[:2]).ids) == 2
        with pytest.raises(errors.CorruptDataError, match="'bad' cannot be served"):
            client.search("bad", rows[:2])
        with pytest.raises(errors.AlreadyExistsError):
            client.create_index("bad", dim=8)
        client.delete_index("bad")
        client.create_index("bad", dim=8)


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "gleann.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(errors.CorruptDataError):
        gleann.Client(tmp_path)


@pytest.mark.parametrize("target", ["count", "avg"])
def test_examples_are_answers_that_need_not_be_given_again(
    target: str, built: gleann.Client, labels_of: Any
) -> None:
    ids = np.arange(40) * 10
    labels = labels_of(ids)
    params = EstimateParams(target=target, budget=60, strata=3)
    # A mean wants the values of positives, which examples do not have.
    told = ids if target == "count" else ids[labels == 0]

    def asked(values: np.ndarray) -> list[int]:
        session = built.estimates.start("built", params=params, examples=(ids, values))
        seen: list[int] = []
        while len(batch := built.next_batch(session)):
            held = labels_of(batch.ids) == 1
            built.submit_labels(session, batch.ids, held, values=batch.ids / 100)
            seen += batch.ids.tolist()
        used = built.estimates.get(session).labels_used
        assert used == len(seen) + (len(told) if values is labels else 0)
        return seen

    assert not set(asked(labels)) & set(told.tolist())
    # Guesses are no answers.
    assert set(asked(0.9 * labels)) & set(ids.tolist())
