"""Promised sets and audits: over the wire as in the library, on live indexes too."""

from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    PromiseParams,
    promised_set,
)
from gleann.service.wire import paging

N = 240
IDS = {"int64": np.arange(N) * 10, "string": np.array([f"é{i}" for i in range(N)])}
PARAMS = PromiseParams(promise="precision", target=0.7, budget=100, seed=4)


def held_of(rows: np.ndarray) -> np.ndarray:
    return rows[:, 0] > 0.5


def filled(
    client: gleann.Client, rows: np.ndarray, quick: gleann.BuildParams, kind: str
) -> None:
    client.create_index("a", dim=8, metric="l2", columns={"part": "int64"})
    client.upsert("a", IDS[kind], rows, {"part": np.arange(N) % 3})
    client.build("a", quick).wait(timeout=60)


def answered(client: gleann.Client, session: str, ids: np.ndarray, held) -> int:
    """Label all batches, in two parts each; how many batches there were."""
    turns = 0
    while len(batch := client.next_batch(session)):
        for part in (batch.ids[:5], batch.ids[5:]):
            labels = held[np.searchsorted(ids, part)]
            client.submit_labels(session, part, labels)
        turns += 1
    return turns


@pytest.mark.parametrize("promise", ["recall", "precision"])
@pytest.mark.parametrize("kind", ["int64", "string"])
def test_a_set_is_that_of_the_library(client, rows, quick, kind, promise, monkeypatch):
    monkeypatch.setattr(paging, "CHUNK_BYTES", 300)  # several pages
    filled(client, rows, quick, kind)
    ids = np.sort(IDS[kind])
    order = np.argsort(IDS[kind])
    proxy, held = rows[order, 0] + 0.2 * rows[order, 1], held_of(rows[order])
    params = PromiseParams(promise=promise, target=0.7, budget=100, seed=4)
    where = ("part < $1", [2])
    session = client.promises.start(
        "a", params=params, proxy=(ids, proxy), where=where[0], parameters=where[1]
    )
    assert (session.kind, session.labelled) == ("promise", 0)
    with pytest.raises(errors.NotReadyError, match="all 100 labels, 0 are there"):
        client.promises.get(session)
    assert answered(client, session.name, ids, held) == 2
    made = client.promises.get(session)
    own = promised_set(
        proxy,
        lambda some: held[np.searchsorted(ids, some)],
        params,
        ids=ids,
        among=order % 3 < 2,
    )
    assert made.ids.tolist() == own.ids.tolist()
    assert made.proxy.tolist() == own.proxy.tolist()
    assert made.labelled.tolist() == own.labelled.tolist()
    assert made.summary == own.summary
    assert len(made) > 10
    assert made.to_arrow().column_names == ["id", "proxy", "labelled"]
    assert made.provenance["among"] == {
        "rows": 160, "of": N, "where": "part < $1", "parameters": [2]
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_an_audit_is_that_of_the_library(client, rows, quick, kind):
    filled(client, rows, quick, kind)
    batch, held = IDS[kind][5:140][::-1], held_of(rows)
    params = AuditParams(size=30, seed=9)
    session = client.promises.start_audit("a", batch, params=params)
    own = BatchAudit(batch, params)
    first = client.promises.next_batch(session)
    assert first.ids.tolist() == own.ids.tolist()
    assert first.provenance["method"] == "batch_audit"
    failed = {
        one: bool(fails) for one, fails in zip(IDS[kind].tolist(), held, strict=True)
    }
    for part in (first.ids[:11], first.ids[11:]):
        results = [failed[one] for one in part.tolist()]
        own.submit(part, results)
        told = client.promises.submit_labels(session, part, results)
    assert told.labelled == 30
    assert len(client.next_batch(session)) == 0
    assert client.promises.bound(session) == own.bound()


def test_a_column_of_payload_is_the_proxy(rows, quick, tmp_path: Path):
    ids, held = IDS["int64"], held_of(rows)
    with gleann.Client(tmp_path / "d") as client:
        client.create_index("a", dim=8, metric="l2", columns={"score": "float64"})
        payload = {
            "score": [None if i < 9 else x for i, x in enumerate(rows[:, 0].tolist())]
        }
        client.upsert("a", ids, rows, payload)
        client.build("a", quick).wait(timeout=60)
        told = r"column 'score' has no value for id 0 \(9 of 240 vectors have none\)"
        with pytest.raises(errors.InvalidInputError, match=told):
            client.promises.start("a", params=PARAMS, proxy="score")
        with pytest.raises(errors.UnknownColumnError, match="rank"):
            client.promises.start("a", params=PARAMS, proxy="rank")
        session = client.promises.start(
            "a", params=PARAMS, proxy="score", where="score IS NOT NULL"
        )
        # What the column becomes later does not move the promise.
        client.update_payload("a", {"score": 1.0}, where="score IS NOT NULL")
    with gleann.Client(tmp_path / "d") as client:
        answered(client, session.name, ids, held)
        made = client.promises.get(session.name)
    proxy = rows[:, 0].astype(np.float64)
    own = promised_set(
        proxy,
        lambda some: held[some // 10],
        PARAMS,
        ids=ids,
        among=np.arange(N) >= 9,
    )
    assert made.ids.tolist() == own.ids.tolist()
    assert made.proxy.tolist() == own.proxy.tolist()


def test_an_audit_that_the_caller_drew_is_that_of_the_library(rows, quick, tmp_path):
    ids, held = IDS["int64"], held_of(rows)
    batch = ids[5:140][::-1]
    drawn = np.random.default_rng(1).choice(batch, 30, replace=False)
    params = AuditParams(size=30, design="uniform", confidence=0.9)
    with gleann.Client(tmp_path / "d") as client:
        filled(client, rows, quick, "int64")
        audit = client.promises.start_audit("a", batch, params=params, drawn=drawn)
        checks = client.next_batch(audit).ids
        assert checks.tolist() == drawn.tolist()
        client.submit_labels(audit, checks[:4], held[checks[:4] // 10])
        for bad, error, reason in (
            (ids[200:230], errors.InvalidInputError, "not drawn from the batch of 135"),
            (batch[:30], errors.InvalidInputError, "rows in a row"),
            (drawn[:29], errors.InvalidParamsError, "size is 30, but 29 ids were"),
            (
                np.append(drawn[:29], drawn[0]),
                errors.DuplicateIdError,
                "twice|distinct|repeat|more than once",
            ),
            (None, errors.InvalidInputError, "give the ids that were drawn"),
        ):
            with pytest.raises(error, match=reason):
                client.promises.start_audit("a", batch, params=params, drawn=bad)
        seeded = AuditParams(size=30)
        with pytest.raises(errors.InvalidParamsError, match="state design='uniform'"):
            client.promises.start_audit("a", batch, params=seeded, drawn=drawn)
    with gleann.Client(tmp_path / "d") as client:
        answered(client, audit.name, ids, held)
        own = BatchAudit(batch, params, drawn=drawn)
        own.submit(drawn, held[drawn // 10])
        assert client.promises.bound(audit.name) == own.bound()


def test_sessions_go_on_after_a_restart(rows, quick, tmp_path: Path):
    ids, held = IDS["int64"], held_of(rows)
    with gleann.Client(tmp_path / "d") as client:
        filled(client, rows, quick, "int64")
        kept = client.promises.start("a", params=PARAMS, proxy=(ids, rows[:, 0]))
        audit = client.promises.start_audit("a", ids[:90], params=AuditParams(size=9))
        batch = client.next_batch(kept)
        client.submit_labels(kept, batch.ids[:7], held[batch.ids[:7] // 10])
        checks = client.next_batch(audit)
        client.submit_labels(audit, checks.ids[:4], held[checks.ids[:4] // 10])
    with gleann.Client(tmp_path / "d") as client:
        assert client.next_batch(kept.name).ids.tolist() == batch.ids[7:].tolist()
        assert client.next_batch(audit.name).ids.tolist() == checks.ids[4:].tolist()
        answered(client, kept.name, ids, held)
    with gleann.Client(tmp_path / "d") as client:
        answered(client, audit.name, ids, held)
        own = promised_set(rows[:, 0], lambda some: held[some // 10], PARAMS, ids=ids)
        assert client.promises.get(kept.name).ids.tolist() == own.ids.tolist()
        assert client.promises.bound(audit.name).audited == 9
        kinds = [one.kind for one in client.sessions.list("a")]
        assert kinds == ["promise", "audit"]
        client.sessions.close(kept)
        with pytest.raises(errors.UnknownJobError):
            client.promises.get(kept)


def test_newer_changes_are_never_left_out(client, rows, quick):
    filled(client, rows, quick, "int64")
    ids = IDS["int64"]
    session = client.promises.start("a", params=PARAMS, proxy=(ids, rows[:, 0]))
    client.upsert("a", [5], rows[:1])
    with pytest.raises(errors.NotReadyError, match="1 changes since version 1"):
        client.promises.start("a", params=PARAMS, proxy=(ids, rows[:, 0]))
    with pytest.raises(errors.NotReadyError, match="1 changes since version 1"):
        client.promises.start_audit("a", ids[:90], params=AuditParams(size=9))
    client.build("a", quick).wait(timeout=60)
    # The one that began before is still about the vectors it began with.
    answered(client, session.name, ids, held_of(rows))
    assert client.promises.get(session).summary["out_of"] == N


def test_what_cannot_be_is_refused(client, rows, quick):
    filled(client, rows, quick, "int64")
    ids, proxy = IDS["int64"], rows[:, 0]
    start = client.promises.start
    with pytest.raises(errors.DimensionMismatchError, match="proxy has 239 numbers"):
        start("a", params=PARAMS, proxy=(ids[1:], proxy[1:]))
    with pytest.raises(errors.NonFiniteError, match="is nan"):
        start("a", params=PARAMS, proxy=(ids, np.where(ids == 50, np.nan, proxy)))
    with pytest.raises(errors.InvalidParamsError, match="100, but 'a' has 80"):
        start("a", params=PARAMS, proxy=(ids, proxy), where="part = 0")
    with pytest.raises(errors.UnknownIdError, match="7"):
        client.promises.start_audit("a", [7, 10], params=AuditParams(size=1))
    with pytest.raises(
        errors.InvalidParamsError, match="size is 9, but the batch has 2"
    ):
        client.promises.start_audit("a", ids[:2], params=AuditParams(size=9))
    with pytest.raises(errors.DuplicateIdError):
        client.promises.start_audit("a", [10, 10], params=AuditParams(size=1))


def test_labels_and_kinds_that_cannot_be_are_refused(client, rows, quick):
    filled(client, rows, quick, "int64")
    ids = IDS["int64"]
    session = client.promises.start("a", params=PARAMS, proxy=(ids, rows[:, 0]))
    audit = client.promises.start_audit("a", ids[:9], params=AuditParams(size=3))
    with pytest.raises(errors.InvalidInputError, match="kind audit, not promise"):
        client.promises.get(audit)
    with pytest.raises(errors.InvalidInputError, match="kind promise, not audit"):
        client.promises.bound(session)
    other = np.setdiff1d(ids, client.next_batch(session).ids)[:1]
    with pytest.raises(errors.InvalidInputError, match="1 of 1 labels are for ids"):
        client.promises.submit_labels(session, other, [True])
    first = client.next_batch(session).ids[:1]
    client.promises.submit_labels(session, first, [True])
    with pytest.raises(errors.InvalidInputError, match="differ from those given"):
        client.promises.submit_labels(session, first, [False])
    assert client.sessions.get(session).labelled == 1


def test_a_repeated_request_starts_one_session(client, rows, quick):
    filled(client, rows, quick, "int64")
    ids = IDS["int64"]
    asked = {"params": PARAMS, "proxy": (ids, rows[:, 0]), "request_id": "one"}
    assert client.promises.start("a", **asked) == client.promises.start("a", **asked)
    audit = {"params": AuditParams(size=3), "request_id": "two"}
    again = [client.promises.start_audit("a", ids, **audit) for _ in range(2)]
    assert again[0] == again[1]
    assert len(client.sessions.list("a")) == 2
