"""kill -9 of a server again and again, at random: nothing acknowledged is lost.

Three threads write through gRPC: upserts, changes of payload and deletions (by id and
by filter) of integer ids, of string ids, and whatever takes long (builds, compactions,
imports, snapshots, sessions, indexes made and deleted). Each keeps a record of what was
acknowledged; what was under way at the kill may have got through, whole, or not.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.service.cli.main import run

DIM = 8
QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
SERVE = (
    "import sys; from gleann.service.cli.main import run; sys.exit(run(sys.argv[1:]))"
)


def vectors_of(numbers: np.ndarray, generation: int) -> np.ndarray:
    """(m, 8), of other values for each number and each time it is written."""
    seeds = np.asarray(numbers)[:, None] + 0.37 * generation
    return np.sin(seeds + np.arange(DIM)).astype(np.float32)


class Server:
    """`gleann serve` in a process of its own, to be killed."""

    def __init__(self, data: Path, root: Path) -> None:
        words = ["--data", data, "--import-root", root, "--listen", "127.0.0.1:0"]
        words += ["--log-level", "error"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def target(self) -> str:
        """Where it listens, once it does."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening"):
            _, said = self.process.communicate()
            raise AssertionError(f"the server did not start: {said}")
        return line.split()[2].rstrip(",")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


Held = tuple[int, int] | None
"""Generations of the vector and of the payload of a row; None if there is none."""


@dataclass
class Rows:
    """What an index must hold: the generations of each number, None once deleted."""

    name: str
    name_of: Callable[[int], Any]
    known: dict[int, Held] = field(default_factory=dict)
    unsure: dict[int, Held] = field(default_factory=dict)
    generation: int = 0

    def ids(self, numbers: list[int]) -> np.ndarray:
        return np.array([self.name_of(number) for number in numbers])

    def write(self, client: gleann.Client, rng: np.random.Generator) -> None:
        """One change, and what came of it."""
        self.generation += 1
        alive = [n for n, held in self.known.items() if held is not None]
        change = self._upsert
        if len(alive) > 50:
            ways = [self._upsert, self._relabel, self._delete, self._delete_where]
            change = ways[rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])]
        change(client, rng, alive)
        self.known |= self.unsure
        self.unsure = {}

    def _upsert(
        self, client: gleann.Client, rng: np.random.Generator, _: list[int]
    ) -> None:
        numbers = self._some(rng, 600)
        self.unsure = dict.fromkeys(numbers, (self.generation, self.generation))
        client.vectors.upsert(
            self.name,
            self.ids(numbers),
            vectors_of(np.array(numbers), self.generation),
            payload={"g": [self.generation] * len(numbers)},
        )

    def _relabel(
        self, client: gleann.Client, rng: np.random.Generator, alive: list[int]
    ) -> None:
        numbers = self._some(rng, alive)
        self.unsure = {n: (self._vector(n), self.generation) for n in numbers}
        payload = {"g": [self.generation] * len(numbers)}
        client.payload.update(self.name, payload, ids=self.ids(numbers))

    def _delete(
        self, client: gleann.Client, rng: np.random.Generator, alive: list[int]
    ) -> None:
        numbers = self._some(rng, alive)
        self.unsure = dict.fromkeys(numbers)
        client.delete_vectors(self.name, self.ids(numbers))

    def _delete_where(
        self, client: gleann.Client, rng: np.random.Generator, alive: list[int]
    ) -> None:
        """All rows with the payload of one of them."""
        held = self.known[alive[rng.integers(len(alive))]]
        assert held is not None
        like = [n for n in alive if (self.known[n] or (0, 0))[1] == held[1]]
        self.unsure = dict.fromkeys(like)
        client.vectors.delete(self.name, where="g = $1", parameters=[held[1]])

    def settle(self, client: gleann.Client) -> None:
        """Find out whether the change under way got through; all of it, or nothing."""
        if not self.unsure:
            return
        seen = {number: self._seen(client, number) for number in self.unsure}
        before = {number: self.known.get(number) for number in self.unsure}
        assert seen in (before, self.unsure), (self.name, before, self.unsure, seen)
        self.known |= seen
        self.unsure = {}

    def check(self, client: gleann.Client) -> None:
        """All that was acknowledged is there, and nothing else."""
        self.settle(client)
        alive = {n: held for n, held in self.known.items() if held is not None}
        info = client.get_index(self.name)
        assert info.broken is None
        assert info.count == len(alive)
        if not alive:
            return
        expected = np.concatenate(
            [vectors_of(np.array([n]), held[0]) for n, held in alive.items()]
        )
        ids = self.ids(list(alive))
        assert np.array_equal(client.get_vectors(self.name, ids), expected)
        payload = client.payload.get(self.name, ids)
        assert payload.column("g").to_pylist() == [held[1] for held in alive.values()]
        newest = max(held[1] for held in alive.values())
        count = client.vectors.count(self.name, where=f"g = {newest}")
        assert count == sum(held[1] == newest for held in alive.values())
        found = client.search(self.name, expected, SearchParams(k=1, exact=True))
        assert (found.distances < 1e-4).all()
        assert set(found.ids[:, 0].tolist()) <= set(ids.tolist())

    def _some(self, rng: np.random.Generator, among: int | list[int]) -> list[int]:
        some = rng.choice(among, rng.integers(1, 9), replace=False)
        return [int(number) for number in some]

    def _vector(self, number: int) -> int:
        held = self.known[number]
        assert held is not None
        return held[0]

    def _seen(self, client: gleann.Client, number: int) -> Held:
        ids = self.ids([number])
        try:
            (row,) = client.get_vectors(self.name, ids)
        except errors.UnknownIdError:
            return None
        payload = client.payload.get(self.name, ids).column("g").to_pylist()[0]
        for held in (self.known.get(number), self.unsure[number]):
            if held is None or payload != held[1]:
                continue
            if np.array_equal(row, vectors_of(np.array([number]), held[0])[0]):
                return held
        raise AssertionError(f"{self.name}: {number} is {row} with {payload}")


@dataclass
class Slow:
    """What takes long: imports, builds, a session, and indexes that come and go."""

    root: Path
    imports: dict[int, str] = field(default_factory=dict)
    session: str = ""
    labelled: int = 0
    labelling: int = 0
    there: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    restored: set[str] = field(default_factory=set)
    steps: int = 0

    def write(self, client: gleann.Client, rng: np.random.Generator) -> None:
        self.steps += 1
        ways = [self.build, self.compact, self.bring, self.label, self.make, self.drop]
        step = rng.choice([*ways, self.keep])
        step(client, rng)

    def build(self, client: gleann.Client, rng: np.random.Generator) -> None:
        name = ("numbers", "words", "imported")[rng.integers(3)]
        if client.get_index(name).count:
            client.build(name, QUICK).wait(timeout=60)

    def compact(self, client: gleann.Client, rng: np.random.Generator) -> None:
        name = ("numbers", "words", "imported")[rng.integers(3)]
        if client.get_index(name).count:
            client.indexes.optimize(name).wait(timeout=60)

    def keep(self, client: gleann.Client, rng: np.random.Generator) -> None:
        """A snapshot of the pool, which never changes, and an index made of it."""
        snapshots = client.snapshots.list()
        if len(snapshots) > 3:
            client.snapshots.delete(snapshots[0].name)
        made = client.snapshots.create("pool").wait(timeout=60)
        assert made.count == 200
        name = f"made-{self.steps}"
        self.unsure.add(name)
        client.snapshots.restore(made.name, name).wait(timeout=60)
        self.unsure.remove(name)
        self.restored.add(name)
        self.there.add(name)

    def bring(self, client: gleann.Client, rng: np.random.Generator) -> None:
        """Import 400 rows of their own ids; acknowledged is the operation."""
        number = len(self.imports)
        ids = 1000 * number + np.arange(400)
        np.save(self.root / f"{number}.npy", vectors_of(ids, number))
        np.save(self.root / f"{number}-ids.npy", ids)
        request = f"import {number}"
        operation = client.import_vectors(
            "imported",
            self.root / f"{number}.npy",
            ids_path=self.root / f"{number}-ids.npy",
            request_id=request,
        )
        self.imports[number] = operation.name
        if rng.random() < 0.5:
            assert operation.wait(timeout=60).count == 400

    def label(self, client: gleann.Client, rng: np.random.Generator) -> None:
        if not self.session:
            self.session = client.active.start(
                "pool",
                ids=np.arange(12),
                labels=np.arange(12) % 2,
                params=ActiveParams(batch=4, neighbours=4),
                request_id="label",
            ).name
            self.labelled = 12
        ids = client.next_batch(self.session).ids
        if len(ids):
            self.labelling = len(ids)
            client.submit_labels(self.session, ids, ids % 2)
            self.labelled += len(ids)
            self.labelling = 0

    def make(self, client: gleann.Client, rng: np.random.Generator) -> None:
        name = f"made-{self.steps}"
        self.unsure.add(name)
        client.create_index(name, dim=DIM, metric="l2")
        client.upsert(name, np.arange(100), vectors_of(np.arange(100), 0))
        self.unsure.remove(name)
        self.there.add(name)
        client.build(name, QUICK).wait(timeout=60)

    def drop(self, client: gleann.Client, rng: np.random.Generator) -> None:
        if not self.there:
            return
        name = sorted(self.there)[rng.integers(len(self.there))]
        self.there.remove(name)
        self.unsure.add(name)
        try:
            client.delete_index(name)
        except errors.NotReadyError:  # its build was cut off, and runs again
            self.there.add(name)
        self.unsure.remove(name)

    def check(self, client: gleann.Client) -> None:
        self._check_imports(client)
        names = {info.name for info in client.list_indexes()}
        assert self.there <= names
        self.there |= self.unsure & names
        self.unsure = set()
        assert {n for n in names if n.startswith("made-")} == self.there
        for name in self.there:
            assert client.get_index(name).count in (0, 100, 200)
        for name in self.restored & self.there:
            ids = np.arange(200)
            stored = client.get_vectors(name, ids)
            assert np.array_equal(stored, vectors_of(ids, 0))
        for snapshot in client.snapshots.list():
            client.snapshots.verify(snapshot.name).wait(timeout=60)
        if self.session:
            labelled = client.sessions.get(self.session).labelled
            assert labelled in (self.labelled, self.labelled + self.labelling)
            self.labelled, self.labelling = labelled, 0

    def _check_imports(self, client: gleann.Client) -> None:
        """Each that was acknowledged is carried out; one that was not may be."""
        for name in self.imports.values():
            assert client.operations.get(name).wait(timeout=120).count == 400
        for number in self.imports:
            ids = 1000 * number + np.arange(400)
            stored = client.get_vectors("imported", ids)
            assert np.array_equal(stored, vectors_of(ids, number))
        assert client.get_index("imported").count % 400 == 0


@dataclass
class World:
    """The records of one data directory, and who writes to it."""

    data: Path
    root: Path
    rng: np.random.Generator
    rows: list[Rows]
    slow: Slow

    def begin(self) -> None:
        with gleann.Client(self.data) as client:
            for name in ("numbers", "words", "imported", "pool"):
                columns = {"g": "int64"}
                client.indexes.create(name, dim=DIM, metric="l2", columns=columns)
            ids = np.arange(200)
            client.upsert("pool", ids, vectors_of(ids, 0))
            client.build("pool", QUICK).wait(timeout=60)

    def write_until_killed(self, server: Server, target: str) -> None:
        writers = [
            threading.Thread(target=self._keep_writing, args=(record, target, seed))
            for record, seed in zip(
                [*self.rows, self.slow],
                self.rng.integers(1 << 30, size=3).tolist(),
                strict=True,
            )
        ]
        for writer in writers:
            writer.start()
        time.sleep(float(self.rng.uniform(0.02, 0.7)))
        server.kill()
        for writer in writers:
            writer.join()

    def _keep_writing(self, record: Rows | Slow, target: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with gleann.Client(target, timeout=30) as client:
            while True:
                try:
                    record.write(client, rng)
                except errors.ServiceError:  # killed
                    return

    def check(self, target: str) -> None:
        with gleann.Client(target, timeout=120) as client:
            for record in [*self.rows, self.slow]:
                record.check(client)
            for operation in client.operations.list():
                assert operation.error is None or gave_up(operation), operation.error
        assert not (self.data / "lost").exists()


def gave_up(operation: Any) -> bool:
    """Whether it is optional work that three kills in a row cut off."""
    optional = operation.kind in ("optimize", "snapshot", "restore", "verify")
    return optional and "stopped 3 times" in str(operation.error)


def kill_again_and_again(world: World, kills: int) -> Iterator[None]:
    """Write, kill, start and check, so often; some kills come while it starts."""
    for _ in range(kills):
        if world.rng.random() < 0.15:
            early = Server(world.data, world.root)
            time.sleep(float(world.rng.uniform(0.2, 2.0)))
            early.kill()
            yield
        server = Server(world.data, world.root)
        target = server.target()
        world.check(target)
        world.write_until_killed(server, target)
        yield


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(20, 0, marks=pytest.mark.slow),
        pytest.param(
            int(os.environ.get("GLEANN_KILLS", "200")),
            int(os.environ.get("GLEANN_SEED", "1")),
            marks=[pytest.mark.long, pytest.mark.timeout(3600)],
        ),
    ],
)
def test_kills_at_random(tmp_path: Path, kills: int, seed: int) -> None:
    root = tmp_path / "files"
    root.mkdir()
    rows = [Rows("numbers", int), Rows("words", lambda number: f"wörd {number}")]
    world = World(
        data=tmp_path / "data",
        root=root,
        rng=np.random.default_rng(seed),
        rows=rows,
        slow=Slow(root),
    )
    world.begin()
    done = sum(1 for _ in kill_again_and_again(world, kills))
    assert done >= kills
    server = Server(world.data, world.root)
    world.check(server.target())
    server.kill()
    assert run(["doctor", "--data", str(world.data)]) == 0
    written = sum(record.generation for record in rows) + world.slow.steps
    print(f"{done} kills, {written} writes")  # noqa: T201  what the lane reports
