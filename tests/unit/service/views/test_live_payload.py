"""The payload of views against plain dictionaries, over random changes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, errors
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload, Part
from gleann.service.views.masks import ENTRY_BYTES, MaskCache, Owner

DIM = 3
SCHEMA = Schema.of({"split": "string", "score": "int64", "tags": "strings"})
SPLITS = ("train", "test", None)
SCORES = (*range(9), None)


def values_of(schema: Schema, n: int, rng: np.random.Generator) -> Payload:
    made: dict[str, list[Any]] = {}
    for column in schema.columns:
        made[column.name] = {
            "string": lambda: [SPLITS[i] for i in rng.integers(0, 3, n)],
            "int64": lambda: [
                None if i == 9 else int(i) for i in rng.integers(0, 10, n)
            ],
            "strings": lambda: [["a"] * int(i) for i in rng.integers(0, 3, n)],
            "bool": lambda: [bool(i) for i in rng.integers(0, 2, n)],
        }[column.type]()
    return Payload.of(made, schema, n=n)


@dataclass
class Model:
    """An index as a dictionary of dictionaries, and the view that should equal it."""

    view: View
    rows: dict[Any, dict[str, Any]] = field(default_factory=dict)

    def upsert(self, ids: np.ndarray, payload: Payload | None, sequence: int) -> None:
        vectors = np.ones((len(ids), DIM), np.float32)
        self.view = self.view.upserted(
            hold_id_array(ids), vectors, payload, sequence=sequence
        )
        nulls = dict.fromkeys(self.view.schema.names)
        listed = [{}] * len(ids) if payload is None else payload.to_pylist()
        for name, row in zip(ids.tolist(), listed, strict=True):
            self.rows = {key: one for key, one in self.rows.items() if key != name}
            self.rows[name] = nulls | row

    def delete(self, ids: np.ndarray, sequence: int) -> None:
        self.view = self.view.deleted(hold_id_array(ids), sequence=sequence)
        gone = set(ids.tolist())
        self.rows = {key: one for key, one in self.rows.items() if key not in gone}

    def set(self, ids: list[Any], values: Payload, sequence: int) -> None:
        rows = self.view.require(hold_id_array(np.array(ids)))
        self.view = self.view.payload_set(rows, values, sequence=sequence)
        listed = values.to_pylist() * (len(ids) if len(values) == 1 else 1)
        self.rows = dict(self.rows)
        for name, row in zip(ids, listed, strict=True):
            self.rows[name] = self.rows[name] | row

    def reshape(self, drop: list[str], add: list[Column], sequence: int) -> None:
        self.view = self.view.reshaped(drop=drop, add=add, sequence=sequence)
        nulls = {column.name: None for column in add}
        self.rows = {
            key: {n: v for n, v in row.items() if n not in drop} | nulls
            for key, row in self.rows.items()
        }

    def seal(self, sequence: int) -> None:
        """Build the view, as a new version with payload."""
        rows = self.view.live_rows()
        ids = self.view.ids_at(rows)
        index = SoarIndex.build(
            self.view.vectors_at(rows) + np.arange(len(rows))[:, None],
            BuildParams(metric="l2", nlist=1, tune_queries=0),
            ids=ids,
            engine="reference",
        )
        self.view = View(
            number=1,
            name="v",
            dim=DIM,
            metric="l2",
            delta=Delta(DIM),
            version=self.view.version + 1,
            sequence=sequence,
            sealed=Sealed(index),
            payload=LivePayload(
                schema=self.view.schema, sealed=Part(self.view.payload_at(rows))
            ),
        )


def check(view: View, rows: dict[Any, dict[str, Any]]) -> None:
    live = view.live_rows()
    named = dict(
        zip(view.ids_at(live).tolist(), view.payload_at(live).to_pylist(), strict=True)
    )
    assert named == rows
    # In any order, twice, some of them missing, and some columns only.
    names = [*rows, *list(rows)[:3]][::-1]
    found = view.require(hold_id_array(np.array(names))) if names else live
    places = np.insert(found, len(found) // 2, -1)
    listed = view.payload_at(places, ["score"]).to_pylist()
    expected = [{"score": rows[name]["score"]} for name in names]
    expected.insert(len(found) // 2, {"score": None})
    assert listed == expected
    for where, holds in (
        ("score >= 4", lambda row: (row["score"] or 0) >= 4),
        ("split IS NULL", lambda row: row["split"] is None),
        ("contains(tags, 'a') AND split = 'train'", both),
    ):
        if not rows:
            continue
        passing = view.passing(view.bind(Condition(where)))
        assert passing.shape == (view.sealed_rows + len(view.delta),)
        ids = view.ids_at(np.flatnonzero(passing)).tolist()
        assert sorted(ids) == sorted(name for name, row in rows.items() if holds(row))
    assert np.array_equal(np.flatnonzero(view.passing(None)), live)


def both(row: dict[str, Any]) -> bool:
    return bool(row["tags"]) and row["split"] == "train"


@pytest.mark.parametrize("seed", range(8))
def test_random_changes_of_payload(seed: int) -> None:
    """Every state is right when it is made, and after later ones."""
    rng = np.random.default_rng(seed)
    names = np.arange(40) if seed % 2 else np.array([f"n{i}" for i in range(40)])
    view = View(
        number=1,
        name="v",
        dim=DIM,
        metric="l2",
        delta=Delta(DIM),
        payload=LivePayload(schema=SCHEMA),
    )
    model = Model(view)
    history = []
    for sequence in range(1, 60):
        step(model, rng.permutation(names)[: rng.integers(1, 8)], rng, sequence)
        history.append((model.view, model.rows))
    for view, rows in history:
        check(view, rows)


def step(
    model: Model, ids: np.ndarray, rng: np.random.Generator, sequence: int
) -> None:
    """Make one change of any kind."""
    actions = ["upsert"] * 6 + ["delete", "set", "set", "clear", "reshape", "seal"]
    there = [name for name in ids.tolist() if name in model.rows]
    match rng.choice(actions):
        case "upsert":
            some = SCHEMA.select(["score", "split"][: rng.integers(1, 3)])
            schema = some if rng.random() < 0.5 else model.view.schema
            model.upsert(ids, values_of(schema, len(ids), rng), sequence)
        case "delete":
            model.delete(ids, sequence)
        case "set" if there:
            schema = SCHEMA.select(["score"])
            count = 1 if rng.random() < 0.3 else len(there)
            model.set(there, values_of(schema, count, rng), sequence)
        case "clear" if there:
            model.set(there, Payload.nulls(SCHEMA.select(["split"]), 1), sequence)
        case "reshape":
            # Dropped and added again, it comes back without its values.
            model.reshape(["tags"], [SCHEMA.column("tags")], sequence)
        case "seal" if len(model.rows) > 2:
            model.seal(sequence)


def test_newer_rows_get_null_in_columns_that_are_added() -> None:
    view = View(number=1, name="v", dim=DIM, metric="l2", delta=Delta(DIM))
    vectors = np.ones((3, DIM), np.float32)
    view = view.upserted(np.arange(3), vectors, sequence=1)
    assert view.payload_at(np.array([0, 2])).to_pylist() == [{}, {}]
    above = view.passing(view.bind(Condition("id > 0")))
    assert above.tolist() == [False, True, True]
    view = view.reshaped(drop=[], add=[Column("score", "int64")], sequence=2)
    assert view.has_changes
    assert view.payload_at(np.array([0])).to_pylist() == [{"score": None}]
    with pytest.raises(errors.UnknownColumnError, match="no column 'scor'"):
        view.payload_at(np.array([0]), ["scor"])


def test_parts_stay_few() -> None:
    """Of rows that arrive and change one at a time."""
    payload = LivePayload(schema=SCHEMA)
    rng = np.random.default_rng(0)
    for row in range(600):
        payload = payload.extended(values_of(SCHEMA, 1, rng), 1)
        changed = np.array([int(rng.integers(0, row + 1))])
        payload = payload.patched(changed, values_of(SCHEMA, 1, rng))
    # Up to 7 parts of each of the tiers 1, 8 and 64, and one of 512.
    assert len(payload.newer) <= 22
    assert len(payload.patches) <= 22
    assert len(payload.at(np.arange(600))) == 600


def test_a_mask_of_rows_that_stay_is_evaluated_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []
    bound_class = type(Condition("score > 3").bound(SCHEMA, id_type=None))
    real = bound_class.mask

    def listen(self: Any, payload: Payload, ids: Any) -> Any:
        sizes.append(len(payload))
        return real(self, payload, ids)

    monkeypatch.setattr(bound_class, "mask", listen)
    rng = np.random.default_rng(0)
    payload = LivePayload(schema=SCHEMA, sealed=Part(values_of(SCHEMA, 100, rng)))
    for added in range(4):
        bound = Condition("score > 3").bound(SCHEMA, id_type=None)
        mask = payload.mask(bound, lambda rows: np.arange(500)[rows])
        assert mask.shape == (100 + added,)
        payload = payload.extended(values_of(SCHEMA, 1, rng), 1)
    assert sizes == [100, 1, 1, 1]


def test_masks_are_kept_within_bytes() -> None:
    most = 3 * (13 + ENTRY_BYTES)
    cache, owner = MaskCache(most_bytes=most), Owner()
    made = []

    def mask_of(key: int, rows: int = 100) -> np.ndarray:
        def evaluate() -> np.ndarray:
            made.append(key)
            return np.arange(rows) % (key + 2) == 0

        return cache.mask(owner, key, evaluate)

    for key in (0, 1, 2, 0, 1, 2, 3):  # 13 bytes each
        assert np.array_equal(mask_of(key), np.arange(100) % (key + 2) == 0)
        assert cache.bytes_held <= most
    assert made == [0, 1, 2, 3]
    mask_of(0)  # it was used least recently
    mask_of(9, rows=8 * most)  # too large to keep
    mask_of(9, rows=8 * most)
    assert made == [0, 1, 2, 3, 0, 9, 9]


def test_masks_go_with_the_rows_that_they_are_of() -> None:
    cache, owners = MaskCache(), [Owner(), Owner()]
    for owner in owners:
        for key in range(3):
            cache.mask(owner, key, lambda: np.ones(10, np.bool_))
    held = cache.bytes_held
    assert cache.bytes_of(owners[:1]) == cache.bytes_of(owners) // 2 == held // 2
    del owner, owners[1]
    assert cache.bytes_held == held // 2
    cache.mask(owners[0], 0, lambda: pytest.fail("it is kept"))
    owners.clear()
    assert cache.bytes_held == 0


def test_changes_leave_no_masks_of_parts_that_are_merged() -> None:
    rng = np.random.default_rng(2)
    payload = LivePayload(schema=SCHEMA, sealed=Part(values_of(SCHEMA, 100, rng)))
    bounds = [
        Condition("score > $1", [i]).bound(SCHEMA, id_type=None) for i in range(20)
    ]
    for _ in range(50):
        payload = payload.extended(values_of(SCHEMA, 1, rng), 1)
        for bound in bounds:
            payload.mask(bound, lambda rows: np.arange(1000)[rows])
    assert payload.masks.bytes_held == payload.mask_bytes


def test_many_masks_of_few_rows_and_long_keys_are_counted() -> None:
    """The bits of both are hardly anything: the keys are what takes memory."""
    listed = Condition("split IN $1", [[f"{i:06d}" for i in range(1000)]])
    payload = LivePayload(
        schema=SCHEMA,
        sealed=Part(values_of(SCHEMA, 10, np.random.default_rng(0))),
        masks=MaskCache(most_bytes=100_000),
    )
    bound = listed.bound(SCHEMA, id_type=None)
    payload.mask(bound, lambda rows: np.arange(10)[rows])
    assert payload.masks.bytes_held >= 1000 * (6 + 50)
    for i in range(1000):
        one = Condition("score > $1", [i]).bound(SCHEMA, id_type=None)
        payload.mask(one, lambda rows: np.arange(10)[rows])
    assert 50_000 <= payload.masks.bytes_held <= 100_000
