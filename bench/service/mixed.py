"""A load of everything that clients do at once, without growth of what is stored.

Each kind of work has a thread and a client of its own, and pauses between its turns.
Rows are written under the same ids again and again; what is made (sessions, snapshots)
is removed again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic, sleep

import grpc
import numpy as np
from numpy.typing import NDArray

from bench.service.workers import sleep_until
from gleann import Client
from gleann.index import BuildParams, SearchParams
from gleann.index.arrays import Vectors
from gleann.index.errors import GleannError
from gleann.selection.active import ActiveParams

MAIN, POOL = "mixed", "mixed-pool"
"""The collection that changes, and one that only gets built again and labelled."""

DIM, ROWS, POOL_ROWS = 64, 20_000, 400
COLUMNS = {"score": "float64", "split": "string"}
SPLITS = ("train", "validation", "test")
QUICK_BUILD = BuildParams(metric="l2", nlist=8, tune_queries=0)
SEARCH_PARAMS = SearchParams(k=10, target_recall=0.9)
JOB_SECONDS = 120.0

Rng = np.random.Generator


@dataclass(slots=True)
class Turns:
    """What one kind of work did.

    Attributes:
        done: turns that succeeded.
        errors: failed turns, by the class of the error.
        texts: the first message of each class.
    """

    done: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def note(self, error: GleannError) -> None:
        """Count a failed turn."""
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1
        self.texts.setdefault(name, str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedLoad:
    """An order to do every kind of work for some seconds; see `Order`.

    Attributes:
        target: the server, as `Client` takes it.
        begin: of the work.
        seconds: that it lasts.
        seed: of what is written and asked.
        connections: of the process that carries it out; clients have their own.
    """

    target: str
    begin: float
    seconds: float
    seed: int = 0
    connections: int = 0

    def carry_out(self, _channels: Sequence[grpc.Channel], /) -> dict[str, Turns]:
        """Work until the end; the turns of each kind."""
        turns = {name: Turns() for name in KINDS}
        threads = [
            Thread(target=self._work, args=(name, number, turns[name]))
            for number, name in enumerate(KINDS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return turns

    def _work(self, name: str, number: int, turns: Turns) -> None:
        rng = np.random.default_rng((self.seed, number))
        turn, pause = KINDS[name]
        sleep_until(self.begin)
        with Client(self.target, timeout=JOB_SECONDS) as client:
            while monotonic() < self.begin + self.seconds:
                try:
                    turn(client, rng)
                    turns.done += 1
                except GleannError as error:
                    turns.note(error)
                sleep(float(rng.exponential(pause)))


def prepare(client: Client, seed: int = 0) -> None:
    """Make and build both collections."""
    rng = np.random.default_rng(seed)
    client.indexes.create(MAIN, dim=DIM, metric="l2", columns=COLUMNS)
    for start in range(0, ROWS, 5000):
        _write(client, rng, np.arange(start, start + 5000))
    client.build(MAIN, BuildParams(metric="l2", tune_queries=100)).wait()
    client.indexes.create(POOL, dim=DIM, metric="l2")
    client.upsert(POOL, np.arange(POOL_ROWS), _vectors(rng, POOL_ROWS))
    client.build(POOL, QUICK_BUILD).wait()


def _search(client: Client, rng: Rng) -> None:
    found = client.search(MAIN, _vectors(rng, 10), SEARCH_PARAMS)
    assert found.ids.shape == (10, 10)


def _filtered(client: Client, rng: Rng) -> None:
    where = "score < $1 AND split = $2"
    parameters = [float(rng.uniform(0.05, 1)), SPLITS[rng.integers(3)]]
    client.search(
        MAIN,
        _vectors(rng, 4),
        SEARCH_PARAMS,
        where=where,
        parameters=parameters,
        columns=["score"],
    )


def _upsert(client: Client, rng: Rng) -> None:
    _write(client, rng, rng.choice(ROWS, 200, replace=False))


def _delete(client: Client, rng: Rng) -> None:
    low = float(rng.uniform(0, 1))
    where = "score >= $1 AND score < $2"
    client.delete_vectors(MAIN, where=where, parameters=[low, low + 0.001])


def _payload(client: Client, rng: Rng) -> None:
    low = float(rng.uniform(0, 0.99))
    client.update_payload(
        MAIN,
        {"split": SPLITS[rng.integers(3)]},
        where="score >= $1 AND score < $2",
        parameters=[low, low + 0.005],
    )


def _scroll(client: Client, _rng: Rng) -> None:
    pages = client.scroll(MAIN, where="split = 'train'", page_size=1000)
    for _, page in zip(range(3), pages, strict=False):
        assert len(page) <= 1000


def _session(client: Client, rng: Rng) -> None:
    ids = rng.choice(POOL_ROWS, 20, replace=False)
    session = client.active.start(
        POOL, ids=ids, labels=ids % 2, params=ActiveParams(batch=8, neighbours=4)
    )
    try:
        batch = client.next_batch(session).ids
        client.submit_labels(session, batch, batch % 2)
    finally:
        client.sessions.close(session)


def _job(client: Client, rng: Rng) -> None:
    kind = rng.integers(4)
    if kind == 0:
        client.build(POOL, QUICK_BUILD).wait(timeout=JOB_SECONDS)
    elif kind == 1:
        _curate(client)
    elif kind == 2:
        client.coresets.uniform(POOL, k=20, seed=1).wait(timeout=JOB_SECONDS)
    else:
        client.optimize(MAIN).wait(timeout=JOB_SECONDS)


def _curate(client: Client) -> None:
    made = client.curation.near_duplicates(POOL, radius=DIM / 2)
    stored = made.wait(timeout=JOB_SECONDS)
    try:
        assert len(stored.table("rows")) == POOL_ROWS
    finally:
        client.curation.delete(stored.name)


def _snapshot(client: Client, _rng: Rng) -> None:
    made = client.snapshots.create(MAIN).wait(timeout=JOB_SECONDS)
    try:
        client.snapshots.verify(made.name).wait(timeout=JOB_SECONDS)
    finally:
        client.snapshots.delete(made.name)


KINDS: dict[str, tuple[Callable[[Client, Rng], None], float]] = {
    "search": (_search, 0.02),
    "filtered search": (_filtered, 0.05),
    "upsert": (_upsert, 0.1),
    "delete": (_delete, 0.3),
    "payload": (_payload, 0.5),
    "scroll": (_scroll, 0.5),
    "session": (_session, 1.0),
    "job": (_job, 2.0),
    "snapshot": (_snapshot, 3.0),
}
"""A turn of each kind of work, and the mean pause after it in seconds."""


def _write(client: Client, rng: Rng, ids: NDArray[np.int64]) -> None:
    payload = {
        "score": rng.random(len(ids)),
        "split": [SPLITS[number] for number in rng.integers(3, size=len(ids))],
    }
    client.upsert(MAIN, ids, _vectors(rng, len(ids)), payload)


def _vectors(rng: Rng, count: int) -> Vectors:
    return rng.standard_normal((count, DIM), np.float32)
