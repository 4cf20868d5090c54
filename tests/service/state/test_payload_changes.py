"""Payload through changes, builds and restarts, against a plain dictionary."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, errors
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer_params import OptimizerParams
from gleann.service.state import row_writer
from gleann.service.state.log import change
from gleann.service.wire.index_messages import build_params_to_wire
from gleann.v1 import index_pb2

DIM = 4
SCHEMA = Schema.of({"split": "string", "score": "int64", "tags": "strings"})
BUILD = index_pb2.BuildIndexRequest(
    name="a",
    params=build_params_to_wire(BuildParams(metric="l2", nlist=2, tune_queries=0)),
)


def opened(data: Path) -> Application:
    return Application(Config(data_dir=data))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    application = opened(tmp_path / "data")
    application.create_index("a", dim=DIM, metric="l2", schema=SCHEMA)
    yield application
    application.close()


def build(app: Application) -> None:
    operation = app.build(BUILD)
    ended = app.jobs.wait(operation.name, seconds=60)
    assert ended.done
    assert not ended.HasField("error"), ended.error


@pytest.mark.parametrize(("most_rows", "most_bytes"), [(7, 1 << 28), (1 << 20, 300)])
def test_large_changes_are_logged_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_rows: int, most_bytes: int
) -> None:
    """By their rows, and by the bytes of their payload."""
    monkeypatch.setattr(change, "MOST_ROWS", most_rows)
    monkeypatch.setattr(change, "MOST_BYTES", most_bytes)
    monkeypatch.setattr(row_writer, "MOST_QUEUED_BYTES", 0)
    ids, words = np.arange(40), [f"{i:060d}" for i in range(40)]
    app = opened(tmp_path / "data")
    app.create_index("a", dim=1, metric="l2", schema=SCHEMA)
    app.upsert("a", ids, ids[:, None].astype(np.float32), payload_of(split=words))
    app.update_payload("a", ids[:30], payload_of(split=words[10:]))
    app.update_payload("a", Condition("id >= 30"), payload_of(score=[5]))
    app.delete_vectors("a", ids[::2])
    parts = app.store.rows("SELECT sequence, COUNT(*) FROM changes GROUP BY sequence")
    assert [row[0] for row in parts] == [1, 2, 3, 4]
    assert all(row[1] > 2 for row in parts[:2])
    expected = {
        i: (words[i + 10] if i < 30 else words[i], 5 if i >= 30 else None)
        for i in range(1, 40, 2)
    }
    for _ in range(2):
        found = rows_of(app)
        assert {i: (r["split"], r["score"]) for i, r in found.items()} == expected
        app.close()
        app = opened(tmp_path / "data")
    app.close()


def payload_of(**columns: list[Any]) -> Payload:
    return Payload.of(columns, SCHEMA.select(list(columns)))


def rows_of(app: Application, condition: Condition | None = None) -> dict[Any, Any]:
    """All rows of a condition, by a scroll in pages of three."""
    found: dict[Any, Any] = {}
    last = None
    while True:
        rows, view = app.scroll("a", condition, after_id=last, size=3)
        if not len(rows):
            return found
        listed = view.payload_at(rows).to_pylist()
        ids = view.ids_at(rows).tolist()
        assert ids == sorted(ids)
        for name, row, vector in zip(ids, listed, view.vectors_at(rows), strict=True):
            assert name not in found
            found[name] = row | {"vector": float(vector[0])}
        last = ids[-1]


@dataclass
class Model:
    """An index as a dictionary."""

    rows: dict[Any, dict[str, Any]] = field(default_factory=dict)

    def upsert(self, ids: list[Any], value: float, payload: list[Any]) -> None:
        for name, row in zip(ids, payload, strict=True):
            self.rows[name] = dict.fromkeys(SCHEMA.names) | row | {"vector": value}


CONDITIONS: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    ("score >= 5", lambda row: (row["score"] or 0) >= 5),
    (
        "split = 'train' OR score IS NULL",
        lambda row: row["split"] == "train" or row["score"] is None,
    ),
    ("contains(tags, 'x')", lambda row: "x" in (row["tags"] or ())),
]


class Driver:
    """Makes random changes of an index and of its model."""

    def __init__(self, app: Application, names: list[Any], seed: int) -> None:
        self.app = app
        self.model = Model()
        self.rng = np.random.default_rng(seed)
        self.names = names

    def some(self) -> list[Any]:
        picked = self.rng.permutation(len(self.names))[: self.rng.integers(1, 8)]
        return [self.names[at] for at in picked]

    def values(self, n: int, columns: list[str]) -> list[dict[str, Any]]:
        kinds: dict[str, list[Any]] = {
            "split": ["train", "test", None],
            "score": [*range(10), None],
            "tags": [["x"], ["y", "x"], [], None],
        }
        return [
            {name: kinds[name][self.rng.integers(len(kinds[name]))] for name in columns}
            for _ in range(n)
        ]

    def packed(self, listed: list[dict[str, Any]], columns: list[str]) -> Payload:
        made = {name: [row[name] for row in listed] for name in columns}
        return Payload.of(made, SCHEMA.select(columns), n=len(listed))

    def upsert(self) -> None:
        ids, value = self.some(), float(self.rng.integers(100))
        columns = [name for name in SCHEMA.names if self.rng.random() < 0.7]
        listed = self.values(len(ids), columns)
        vectors = np.full((len(ids), DIM), value, np.float32)
        held = hold_id_array(ids)
        self.app.upsert("a", held, vectors, self.packed(listed, columns))
        self.model.upsert(ids, value, listed)

    def delete(self) -> None:
        ids = self.some()
        count, _ = self.app.delete_vectors("a", hold_id_array(ids), missing_ok=True)
        assert count == len(set(ids) & set(self.model.rows))
        for name in ids:
            self.model.rows.pop(name, None)

    def delete_by_condition(self) -> None:
        where, holds = CONDITIONS[self.rng.integers(len(CONDITIONS))]
        condition = Condition(f"({where}) AND score < 2")
        gone = [
            name
            for name, row in self.model.rows.items()
            if holds(row) and (9 if row["score"] is None else row["score"]) < 2
        ]
        assert self.app.delete_vectors("a", condition)[0] == len(gone)
        for name in gone:
            del self.model.rows[name]

    def update(self) -> None:
        ids = [name for name in self.some() if name in self.model.rows]
        columns = [["score"], ["score", "tags"], list(SCHEMA.names)][
            self.rng.integers(3)
        ]
        listed = self.values(len(ids), columns)
        if not ids:
            return
        packed = self.packed(listed, columns)
        assert self.app.update_payload("a", hold_id_array(ids), packed)[0] == len(ids)
        for name, row in zip(ids, listed, strict=True):
            self.model.rows[name] |= row

    def update_by_condition(self) -> None:
        where, holds = CONDITIONS[self.rng.integers(len(CONDITIONS))]
        (row,) = self.values(1, ["split"])
        packed = self.packed([row], ["split"])
        changed = [name for name, one in self.model.rows.items() if holds(one)]
        assert self.app.update_payload("a", Condition(where), packed)[0] == len(changed)
        for name in changed:
            self.model.rows[name] |= row

    def clear(self) -> None:
        where, holds = CONDITIONS[self.rng.integers(len(CONDITIONS))]
        self.app.delete_payload("a", Condition(where), ["tags"])
        for row in self.model.rows.values():
            if holds(row):
                row["tags"] = None

    def drop_and_add(self) -> None:
        self.app.update_index(
            "a", drop_columns=["score"], add_columns=[Column("score", "int64")]
        )
        for row in self.model.rows.values():
            row["score"] = None

    def build(self) -> None:
        if len(self.model.rows) > 2:
            build(self.app)

    def reopen(self) -> None:
        directory = self.app.store.file.parent
        self.app.close()
        self.app = opened(directory)

    def check(self) -> None:
        assert rows_of(self.app) == {
            name: {column: row[column] for column in (*SCHEMA.names, "vector")}
            for name, row in self.model.rows.items()
        }
        assert self.app.count("a")[0] == len(self.model.rows)
        for where, holds in CONDITIONS:
            passing = {name for name, row in self.model.rows.items() if holds(row)}
            assert set(rows_of(self.app, Condition(where))) == passing
            assert self.app.count("a", Condition(where))[0] == len(passing)
            if passing:
                self.search(Condition(where), passing)

    def search(self, condition: Condition, passing: set[Any]) -> None:
        params = SearchParams(k=len(passing), exact=True)
        queries = np.zeros((1, DIM), np.float32)
        found, view = self.app.search("a", queries, params, condition=condition)
        assert set(view.ids_at(found.rows[0]).tolist()) == passing


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_changes_survive_builds_and_restarts(tmp_path: Path, seed: int) -> None:
    app = opened(tmp_path / "data")
    app.create_index("a", dim=DIM, metric="l2", schema=SCHEMA)
    names = list(range(40)) if seed % 2 else [f"n{at:02}" for at in range(40)]
    driver = Driver(app, names, seed)
    changes = [driver.upsert] * 4 + [
        driver.delete,
        driver.delete_by_condition,
        driver.update,
        driver.update_by_condition,
        driver.clear,
        driver.drop_and_add,
        driver.build,
        driver.reopen,
    ]
    try:
        for step in range(60):
            changes[driver.rng.integers(len(changes))]()
            if step % 4 == 0:
                driver.check()
        driver.reopen()
        driver.check()
    finally:
        driver.app.close()


def test_an_upsert_replaces_the_whole_row(app: Application) -> None:
    one = np.ones((1, DIM), np.float32)
    app.upsert("a", np.array([1]), one, payload_of(split=["train"], score=[4]))
    app.upsert("a", np.array([1]), one, payload_of(score=[5]))
    view = app.registry.view("a")
    assert view.payload_at(view.live_rows()).to_pylist() == [
        {"split": None, "score": 5, "tags": None}
    ]


def test_what_does_not_fit_is_refused_and_changes_nothing(app: Application) -> None:
    one, ids = np.ones((1, DIM), np.float32), np.array([1])
    app.upsert("a", ids, one, payload_of(score=[4]))
    other = Payload.of({"score": [1.5]}, {"score": "float64"})
    unknown = Payload.of({"colour": ["red"]}, {"colour": "string"})
    for payload, kind, says in (
        (other, errors.InvalidInputError, "type int64, the values are of type float64"),
        (unknown, errors.UnknownColumnError, "no column 'colour'"),
    ):
        with pytest.raises(kind, match=says):
            app.upsert("a", ids, one, payload)
        with pytest.raises(kind, match=says):
            app.update_payload("a", ids, payload)
    two = payload_of(score=[1, 2])
    with pytest.raises(errors.DimensionMismatchError, match="2 rows, expected 1"):
        app.upsert("a", ids, one, two)
    with pytest.raises(errors.DimensionMismatchError, match="2 rows, expected 1"):
        app.update_payload("a", Condition("score = 4"), two)
    with pytest.raises(errors.UnknownIdError, match="9"):
        app.update_payload("a", np.array([1, 9]), two)
    with pytest.raises(errors.UnknownIdError, match="9"):
        app.delete_payload("a", np.array([9]), ["score"])
    with pytest.raises(errors.UnknownColumnError, match="'colour'"):
        app.delete_payload("a", ids, ["colour"])
    with pytest.raises(errors.InvalidFilterError, match="colour"):
        app.delete_vectors("a", Condition("colour = 'red'"))
    with pytest.raises(errors.InvalidFilterError, match="colour"):
        app.count("a", Condition("colour = 'red'"))
    view = app.registry.view("a")
    assert view.sequence == 1
    assert view.payload_at(view.live_rows()).to_pylist() == [
        {"split": None, "score": 4, "tags": None}
    ]


def test_a_change_that_applies_to_nothing_is_no_change(app: Application) -> None:
    before = app.registry.view("a").state
    nothing = Condition("score = 99")
    assert app.delete_vectors("a", nothing) == (0, before)
    assert app.update_payload("a", nothing, payload_of(score=[1])) == (0, before)
    assert app.delete_payload("a", nothing, ["score"]) == (0, before)


def test_columns_that_are_added_dropped_or_there(app: Application) -> None:
    sequence = app.registry.view("a").sequence
    there = app.update_index("a", add_columns=[Column("score", "int64")])
    assert there.columns == SCHEMA.columns
    assert there.sequence == sequence
    with pytest.raises(errors.InvalidInputError, match="'score' of type int64 already"):
        app.update_index("a", add_columns=[Column("score", "string")])
    with pytest.raises(errors.InvalidInputError, match="same name"):
        app.update_index("a", add_columns=[Column("Score", "int64")])
    with pytest.raises(errors.UnknownColumnError, match="'colour'"):
        app.update_index("a", drop_columns=["colour"])
    changed = app.update_index(
        "a", drop_columns=["tags"], add_columns=[Column("day", "timestamp")]
    )
    assert [column.name for column in changed.columns] == ["split", "score", "day"]
    assert changed.sequence == sequence + 1


def test_what_is_set_of_the_optimizer_is_kept(app: Application) -> None:
    app.update_index("a", optimizer=OptimizerParams(enabled=False, min_rows=7))
    app.update_index("a", optimizer=OptimizerParams(drift=2.0))
    assert app.registry.view("a").sequence == 0
    directory = app.store.file.parent
    app.close()
    again = opened(directory)
    try:
        expected = OptimizerParams(enabled=False, min_rows=7, drift=2.0)
        assert again.registry.optimizer(again.registry.view("a")) == expected
        assert again.get_index("a").columns == SCHEMA.columns
    finally:
        again.close()


def test_a_scroll_while_rows_come_and_go(app: Application) -> None:
    """Rows that are there throughout are on exactly one page."""
    ids = np.arange(0, 200, 2)
    app.upsert("a", ids, np.ones((100, DIM), np.float32))
    build(app)
    seen: list[int] = []
    last, step = None, 0
    while True:
        rows, view = app.scroll("a", after_id=last, size=7)
        if not len(rows):
            break
        page = view.ids_at(rows).tolist()
        seen += page
        last = page[-1]
        app.upsert("a", np.array([2 * step + 1]), np.ones((1, DIM), np.float32))
        app.delete_vectors("a", np.array([198 - 2 * step]), missing_ok=True)
        if step == 6:
            build(app)
        step += 1
    assert seen == sorted(set(seen))
    gone = {198 - 2 * at for at in range(step)}
    assert set(range(0, 200, 2)) - gone <= set(seen)
    with pytest.raises(errors.InvalidParamsError, match="has int64 ids"):
        app.scroll("a", after_id="7", size=7)


def test_strings_are_scrolled_by_their_bytes(app: Application) -> None:
    names = ["z", "é", "a", "ab", "ねこ", "A", "a\x00b", "🙂", "b" * 50]
    half = len(names) // 2
    for part in (names[:half], names[half:]):
        app.upsert("a", np.array(part), np.ones((len(part), DIM), np.float32))
        build(app) if part is names[:half] else None
    build(app)
    app.upsert("a", np.array(["aa", "zz"]), np.ones((2, DIM), np.float32))
    assert list(rows_of(app)) == sorted([*names, "aa", "zz"], key=str.encode)
