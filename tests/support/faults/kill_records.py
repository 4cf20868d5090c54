"""What clients were acknowledged of a server that is killed, and checks of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams

DIM = 8
QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
POOL_ROWS = 200
"""Of the index "pool", which never changes."""


def vectors_of(numbers: np.ndarray, generation: int) -> np.ndarray:
    """(m, 8), of other values for each number and each time it is written."""
    seeds = np.asarray(numbers)[:, None] + 0.37 * generation
    return np.sin(seeds + np.arange(DIM)).astype(np.float32)


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


def begin(data: Path) -> None:
    """Make the indexes that the records are of."""
    with gleann.Client(data) as client:
        for name in ("numbers", "words", "imported", "pool"):
            columns = {"g": "int64"}
            client.indexes.create(name, dim=DIM, metric="l2", columns=columns)
        ids = np.arange(POOL_ROWS)
        client.upsert("pool", ids, vectors_of(ids, 0))
        client.build("pool", QUICK).wait(timeout=60)


def gave_up(operation: Any) -> bool:
    """Whether it is work, not of an import, that three kills in a row cut off."""
    again = operation.kind in ("build", "optimize", "snapshot", "restore", "verify")
    return again and "stopped 3 times" in str(operation.error)
