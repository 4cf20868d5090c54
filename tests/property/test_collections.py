"""Collections against a brute-force model: random changes, then the same answers."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.index.payload.schema import Column, ColumnType

DIM = 4
BUILD = BuildParams(metric="l2", nlist=3, tune_queries=0)
COLUMNS: dict[str, ColumnType] = {
    "split": "string",
    "score": "float64",
    "rank": "int64",
    "good": "bool",
    "seen": "timestamp",
    "tags": "strings",
    "note": "json",
}
INDEXABLE = ["rank", "split"]
FIRST = 16
"""Rows that a collection begins with."""
FEW = 6
"""Rows up to which none are deleted but by one call that leaves none."""
START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]
Holds = Callable[[int, Row], bool | None]

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "split": st.sampled_from(["train", "test", "träin 'x'", ""]),
    "score": st.sampled_from([-1.5, -0.0, 0.0, 0.25, 2.0, 1e300]),
    "rank": st.sampled_from([-(2**63), -1, 0, 7, 2**63 - 1]),
    "good": st.booleans(),
    "seen": st.integers(0, 3).map(lambda days: START + timedelta(days=days)),
    "tags": st.lists(st.sampled_from(["a", "b", "ü"]), max_size=3),
    "note": st.sampled_from(["{}", '{"a": [1, null]}', '"text"']),
}
ROWS = st.fixed_dictionaries(
    {name: st.none() | values for name, values in VALUES.items()}
)


@dataclass(frozen=True)
class Case:
    """A condition, and the same in Python; None where SQL is neither true nor false."""

    where: str
    parameters: tuple[object, ...]
    holds: Holds


def known(column: str, test: Callable[[Any], bool]) -> Holds:
    def holds(_: int, row: Row) -> bool | None:
        return None if row[column] is None else test(row[column])

    return holds


TESTS = [
    Case("true", (), lambda *_: True),
    Case("split = 'train'", (), known("split", lambda v: v == "train")),
    Case("split <> $1", ("test",), known("split", lambda v: v != "test")),
    Case("split LIKE 'trä%'", (), known("split", lambda v: v.startswith("trä"))),
    Case("split IN ('', 'test')", (), known("split", lambda v: v in ("", "test"))),
    Case("score > 0.1", (), known("score", lambda v: v > 0.1)),
    Case("score BETWEEN $1 AND $2", (0, 2.5), known("score", lambda v: 0 <= v <= 2.5)),
    Case(
        "score IN $1",
        ([-0.0, *range(2, 12)],),
        known("score", lambda v: v == 0 or v in range(2, 12)),
    ),
    Case(
        "rank NOT IN (0, NULL)",
        (),
        lambda _, row: False if row["rank"] == 0 else None,
    ),
    Case("rank >= $1", (2**63 - 1,), known("rank", lambda v: v >= 2**63 - 1)),
    Case("rank < 0", (), known("rank", lambda v: v < 0)),
    Case("rank = $1", (7,), known("rank", lambda v: v == 7)),
    Case("good", (), known("good", bool)),
    Case(
        "seen <= TIMESTAMP '2026-01-02T00:00:00Z'",
        (),
        known("seen", lambda v: v <= START + timedelta(days=1)),
    ),
    Case("contains(tags, 'ü')", (), known("tags", lambda v: "ü" in v)),
    Case("note IS NULL", (), lambda _, row: row["note"] is None),
    Case("id IN $1", ([1, 5, 9, 400],), lambda name, _: name in (1, 5, 9)),
    Case("id < 12", (), lambda name, _: name < 12),
]


def negated(test: Case) -> Case:
    def holds(name: int, row: Row) -> bool | None:
        held = test.holds(name, row)
        return None if held is None else not held

    return Case(f"NOT ({test.where})", test.parameters, holds)


def both(one: Case, other: Case, word: str) -> Case:
    """`one` and/or `other`, whose parameters are numbered after those of `one`."""
    shifted = other.where
    for position in range(len(other.parameters), 0, -1):
        shifted = shifted.replace(f"${position}", f"${position + len(one.parameters)}")

    def holds(name: int, row: Row) -> bool | None:
        held = one.holds(name, row), other.holds(name, row)
        decided = word == "OR"
        if decided in held:
            return decided
        return None if None in held else not decided

    where = f"({one.where}) {word} ({shifted})"
    return Case(where, one.parameters + other.parameters, holds)


CONDITIONS: st.SearchStrategy[Case] = st.recursive(
    st.sampled_from(TESTS),
    lambda inner: (
        inner.map(negated)
        | st.builds(both, inner, inner, st.sampled_from(["AND", "OR"]))
    ),
    max_leaves=4,
)
IDS = st.lists(st.integers(0, 24), min_size=1, max_size=8, unique=True)


def table_of(rows: list[Row]) -> pa.Table:
    types = {
        "split": pa.string(),
        "score": pa.float64(),
        "rank": pa.int64(),
        "good": pa.bool_(),
        "seen": pa.timestamp("us", "UTC"),
        "tags": pa.list_(pa.string()),
        "note": pa.string(),
    }
    return pa.table(
        {name: pa.array([row[name] for row in rows], types[name]) for name in COLUMNS}
    )


class Collection(RuleBasedStateMachine):
    """Changes to a collection, and what it must answer."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.data = Path(self.folder.name) / "data"
        self.client = gleann.Client(self.data)
        self.vectors: dict[int, np.ndarray] = {}
        self.rows: dict[int, Row] = {}
        self.written = 0
        self.restored = 0

    def teardown(self) -> None:
        self.client.close()
        self.folder.cleanup()

    @initialize(data=st.data())
    def create(self, data: st.DataObject) -> None:
        """Changes and answers begin with rows: most conditions pass some of them."""
        self.client.indexes.create("c", dim=DIM, metric="l2", columns=COLUMNS)
        rows = [data.draw(ROWS) for _ in range(FIRST)]
        vectors = self._vectors(FIRST)
        self.client.vectors.upsert("c", range(FIRST), vectors, payload=table_of(rows))
        self.vectors = dict(enumerate(vectors))
        self.rows = dict(enumerate(rows))

    # ------------------------------------------------------------------ changes

    @rule(data=st.data(), ids=IDS, with_payload=st.booleans())
    def upsert(self, data: st.DataObject, ids: list[int], with_payload: bool) -> None:
        kind = ROWS if with_payload else st.just(dict.fromkeys(COLUMNS))
        rows = [data.draw(kind) for _ in ids]
        vectors = self._vectors(len(ids))
        payload = table_of(rows) if with_payload else None
        self.client.vectors.upsert("c", ids, vectors, payload=payload)
        self.vectors |= dict(zip(ids, vectors, strict=True))
        self.rows |= dict(zip(ids, rows, strict=True))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), names=st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1))
    def update_some(self, data: st.DataObject, names: set[str]) -> None:
        ids = data.draw(
            st.lists(st.sampled_from(sorted(self.rows)), min_size=1, unique=True)
        )
        rows = [data.draw(ROWS) for _ in ids]
        payload = table_of(rows).select(sorted(names))
        self.client.payload.update("c", payload, ids=ids)
        for name, row in zip(ids, rows, strict=True):
            self.rows[name] = self.rows[name] | {key: row[key] for key in names}

    @rule(condition=CONDITIONS, row=ROWS, name=st.sampled_from(sorted(COLUMNS)))
    def update_where(self, condition: Case, row: Row, name: str) -> None:
        count = self.client.payload.update(
            "c",
            {name: row[name]},
            where=condition.where,
            parameters=condition.parameters,
        )
        passing = self._passing(condition)
        assert count == len(passing)
        for one in passing:
            self.rows[one] = self.rows[one] | {name: row[name]}

    @rule(condition=CONDITIONS, names=st.sets(st.sampled_from(sorted(COLUMNS))))
    def empty_columns(self, condition: Case, names: set[str]) -> None:
        if not names:
            return
        self.client.payload.delete(
            "c",
            sorted(names),
            where=condition.where,
            parameters=condition.parameters,
        )
        for one in self._passing(condition):
            self.rows[one] = self.rows[one] | dict.fromkeys(names)

    @precondition(lambda self: len(self.rows) > FEW)
    @rule(ids=IDS)
    def delete(self, ids: list[int]) -> None:
        there = [one for one in ids if one in self.rows]
        assert self.client.vectors.delete("c", ids, missing_ok=True) == len(there)
        self._forget(there)

    @precondition(lambda self: len(self.rows) > FEW)
    @rule(condition=CONDITIONS)
    def delete_where(self, condition: Case) -> None:
        passing = self._passing(condition)
        count = self.client.vectors.delete(
            "c", where=condition.where, parameters=condition.parameters
        )
        assert count == len(passing)
        self._forget(passing)

    @rule(
        name=st.sampled_from(INDEXABLE) | st.sampled_from(sorted(COLUMNS)),
        indexed=st.booleans(),
    )
    def drop_and_add(self, name: str, indexed: bool) -> None:
        """A column that comes back has no values."""
        self.client.indexes.update("c", drop_columns=[name])
        with pytest.raises(errors.InvalidInputError, match=name):
            self.client.vectors.count("c", where=f"{name} IS NULL")
        indexed = indexed and name in INDEXABLE
        column = Column(name, COLUMNS[name], indexed=indexed)
        self.client.indexes.update("c", add_columns=[column])
        for row in self.rows.values():
            row[name] = None
        if name in INDEXABLE:
            where, value = f"{name} = $1", {"rank": 7, "split": "train"}[name]
            assert self.client.vectors.count("c", where, [value]) == 0

    @rule(name=st.sampled_from(INDEXABLE))
    def index_values(self, name: str) -> None:
        """A column that is there may be indexed; it keeps its values."""
        column = Column(name, COLUMNS[name], indexed=True)
        info = self.client.indexes.update("c", add_columns=[column])
        assert column in info.columns
        where, value = f"{name} = $1", {"rank": 7, "split": "train"}[name]
        count = self.client.vectors.count("c", where, [value])
        assert count == sum(row[name] == value for row in self.rows.values())

    @rule()
    def refuse(self) -> None:
        """A refused change changes nothing; the invariants look."""
        with pytest.raises(errors.InvalidInputError, match="score"):
            self.client.vectors.upsert(
                "c", [1], self._vectors(1), payload={"score": ["high"]}
            )
        with pytest.raises(errors.UnknownIdError):
            self.client.payload.update("c", {"rank": [1]}, ids=[4000])

    # ----------------------------------------------------- compaction, copies

    @precondition(lambda self: len(self.rows) >= 3)
    @rule()
    def build(self) -> None:
        self.client.build("c", BUILD).wait(timeout=60)

    @rule(kind=st.sampled_from(["fold", "rebuild", None]))
    def optimize(self, kind: str | None) -> None:
        if self.rows:
            info = self.client.indexes.optimize("c", kind=kind).wait(timeout=60)
            assert info.count == len(self.rows)

    @rule()
    def reopen(self) -> None:
        self.client.close()
        self.client = gleann.Client(self.data)

    @rule(as_tar=st.booleans())
    def restore(self, as_tar: bool) -> None:
        """A copy through a snapshot, out of the directory and back, is the same."""
        self.restored += 1
        snapshots, copy = self.client.snapshots, f"copy-{self.restored}"
        made = snapshots.create("c").wait(timeout=60)
        assert made.count == len(self.rows)
        path = Path(self.folder.name) / (copy + (".tar" if as_tar else ""))
        snapshots.export_to(made.name, path).wait(timeout=60)
        snapshots.delete(made.name)
        brought = snapshots.import_from(path).wait(timeout=60)
        snapshots.restore(brought.name, copy).wait(timeout=60)
        snapshots.delete(brought.name)
        self._check_rows(copy)
        self.client.indexes.delete(copy)

    # ----------------------------------------------------------------- answers

    @rule(condition=CONDITIONS)
    def count_and_scroll(self, condition: Case) -> None:
        asked = {"where": condition.where, "parameters": condition.parameters}
        passing = self._passing(condition)
        assert self.client.vectors.count("c", **asked) == len(passing)
        pages = self.client.vectors.scroll("c", columns="*", page_size=3, **asked)
        seen = [one for page in pages for one in page.to_arrow().to_pylist()]
        assert [one["id"] for one in seen] == passing
        for one in seen:
            assert {key: one[key] for key in COLUMNS} == self.rows[one["id"]]

    @rule(name=st.sampled_from(INDEXABLE), data=st.data())
    def count_equal(self, name: str, data: st.DataObject) -> None:
        """One value of a column that may be indexed."""
        value = data.draw(VALUES[name])
        count = self.client.vectors.count("c", f"{name} = $1", [value])
        assert count == sum(row[name] == value for row in self.rows.values())

    @precondition(lambda self: self.rows)
    @rule(condition=CONDITIONS, k=st.integers(1, 6), exact=st.booleans())
    def search(self, condition: Case, k: int, exact: bool) -> None:
        k = min(k, len(self.rows))
        query = self._vectors(1)
        passing = self._passing(condition)
        # All lists: what codes cannot tell apart is ranked again in float32.
        nlist = self.client.get_index("c").nlist or None
        params = SearchParams(k=k, exact=exact, nprobe=None if exact else nlist)
        found = self.client.vectors.search(
            "c",
            query,
            params,
            where=condition.where,
            parameters=condition.parameters,
            columns=["rank"],
        )
        near = sorted((self._distance(query, one), one) for one in passing)[:k]
        ids = [one for one in found.ids[0].tolist() if one >= 0]
        assert ids == [one for _, one in near]
        assert np.allclose(found.distances[0, : len(near)], [d for d, _ in near])
        ranks = found.payload.column("rank").to_pylist()[: len(ids)]
        assert ranks == [self.rows[one]["rank"] for one in ids]

    @precondition(lambda self: self.rows)
    @rule(condition=CONDITIONS, share=st.floats(0, 1))
    def search_radius(self, condition: Case, share: float) -> None:
        query = self._vectors(1)
        distances = sorted(self._distance(query, one) for one in self.rows)
        # Between two distances: rounding decides nothing.
        at = int(share * (len(distances) - 1))
        radius = math.nextafter(distances[at] * 1.0001, math.inf)
        found = self.client.vectors.search_radius(
            "c",
            query,
            radius,
            where=condition.where,
            parameters=condition.parameters,
        )
        expected = [
            one
            for one in self._passing(condition)
            if self._distance(query, one) <= radius
        ]
        assert found.complete
        assert sorted(found.ids.tolist()) == expected

    @invariant()
    def holds_what_was_written(self) -> None:
        if getattr(self, "rows", None) is not None:
            self._check_rows("c")

    # ----------------------------------------------------------------- helpers

    def _check_rows(self, name: str) -> None:
        ids = sorted(self.rows)
        info = self.client.get_index(name)
        assert info.broken is None
        assert info.count == len(ids)
        if not ids:
            return
        stored = self.client.vectors.get(name, ids)
        assert np.array_equal(stored, np.stack([self.vectors[one] for one in ids]))
        payload = self.client.payload.get(name, ids).to_pylist()
        expected = [self.rows[one] for one in ids]
        assert [{key: one[key] for key in COLUMNS} for one in payload] == expected

    def _vectors(self, count: int) -> np.ndarray:
        self.written += 1
        rng = np.random.default_rng(self.written)
        return rng.normal(size=(count, DIM)).astype(np.float32)

    def _passing(self, condition: Case) -> list[int]:
        return sorted(
            one for one, row in self.rows.items() if condition.holds(one, row) is True
        )

    def _distance(self, query: np.ndarray, one: int) -> float:
        difference = (query[0] - self.vectors[one]).astype(np.float64)
        return float(difference @ difference)

    def _forget(self, ids: list[int]) -> None:
        for one in ids:
            del self.rows[one], self.vectors[one]


def run_machine(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Collection,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )


@pytest.mark.slow
def test_a_collection_is_its_model() -> None:
    run_machine(examples=12, steps=25)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_collection_is_its_model_for_long() -> None:
    run_machine(examples=300, steps=50)
