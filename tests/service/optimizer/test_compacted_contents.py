"""What a compaction keeps: payload, names, and of an emptied index nothing."""

import time
from pathlib import Path

import numpy as np
import pytest
from compaction_world import DIM, SEALED, World, assert_holds, rows_of

from gleann.index.errors import (
    InvalidInputError,
)
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.optimizer import compaction
from gleann.service.views.live_index import View
from gleann.v1 import index_pb2


def held_by_files(world: World, row: np.ndarray) -> bool:
    """Whether any file of the data directory has the bytes of a row."""
    files = [path for path in world.config.data_dir.rglob("*") if path.is_file()]
    return any(row.tobytes() in path.read_bytes() for path in files)


@pytest.mark.parametrize("how", ["policy", "optimize", "build"])
def test_an_index_whose_rows_were_all_deleted_gives_its_files_back(
    world: World, how: str
) -> None:
    row = rows_of(np.arange(1))[0]
    assert held_by_files(world, row)
    world.app.delete_vectors("i", np.arange(SEALED))
    assert "all of its 400 vectors were removed" in world.state().decision
    if how == "build":
        name = world.app.build(index_pb2.BuildIndexRequest(name="i")).name
    else:
        name = world.looked() if how == "policy" else world.asked().name
    assert name is not None
    assert not world.ended(name).HasField("error")
    for _ in range(2):
        view, info = world.view(), world.app.registry.info(world.view())
        assert (view.version, view.sealed, view.count) == (2, None, 0)
        assert (view.sequence, info.id_type, info.nlist) == (2, "int64", None)
        assert not view.has_changes
        assert world.state().decision == "It is empty."
        assert world.looked() is None
        assert world.app.optimize(index_pb2.OptimizeIndexRequest(name="i")).done
        world.app.close(seconds=10)
        world.opened()
    assert [p.name for p in (world.config.data_dir).glob("indexes/1/versions/*")] == [
        "2"
    ]
    with pytest.raises(InvalidInputError, match="int64 ids"):
        world.app.upsert("i", np.array(["a"]), rows_of(np.arange(1)))
    world.upsert(np.arange(60), seed=3)
    assert_holds(world.view(), dict.fromkeys(range(60), 3))
    world.ended(world.asked().name)
    assert world.view().version == 3
    assert_holds(world.view(), dict.fromkeys(range(60), 3))


def test_changes_during_the_compaction_of_an_emptied_index_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compaction.publish_empty

    def late(path: Path) -> None:
        world.upsert(np.arange(5), seed=9)
        real(path)

    monkeypatch.setattr(compaction, "publish_empty", late)
    world.app.delete_vectors("i", np.arange(SEALED))
    assert not world.ended(world.asked().name).HasField("error")
    assert (world.view().version, world.view().sealed) == (2, None)
    assert_holds(world.view(), dict.fromkeys(range(5), 9))
    world.app.close(seconds=10)
    world.opened()
    assert_holds(world.view(), dict.fromkeys(range(5), 9))


def test_the_log_of_an_emptied_index_that_was_not_built_is_dropped(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(5))
    world.app.delete_vectors("i", np.arange(5))
    world.clock.now = time.time() + 1000
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    assert not world.app.store.rows("SELECT 1 FROM changes")
    assert (world.view().version, world.view().has_changes) == (1, False)
    world.app.close(seconds=10)


@pytest.mark.slow
def test_a_name_of_strings(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="cosine")
    ids = np.array([f"row ü {i}" for i in range(60)])
    rows = rows_of(np.arange(60))
    world.app.upsert("i", ids[:50], rows[:50])
    world.build()
    world.app.delete_vectors("i", ids[:5])
    world.app.upsert("i", ids[50:], rows[50:])
    world.ended(world.asked("fold").name)
    index = world.view().sealed.index
    np.testing.assert_array_equal(index.ids, ids[5:])
    world.ended(world.asked("rebuild").name)
    np.testing.assert_array_equal(world.view().sealed.index.ids, ids[5:])
    world.app.close()


SCHEMA = Schema([Column("split", "string"), Column("n", "int64")])


def values_of(ids: np.ndarray, split: str) -> Payload:
    return Payload.of({"split": [split] * len(ids), "n": ids.tolist()}, SCHEMA)


def payload_in(view: View) -> dict[int, tuple[str, int]]:
    """The payload of each id."""
    rows = view.live_rows()
    held = view.payload_at(rows).to_arrow().to_pylist()
    ids = view.ids_at(rows).tolist()
    return {i: (one["split"], one["n"]) for i, one in zip(ids, held, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fold", "rebuild"])
def test_payload_goes_along(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", schema=SCHEMA)
    ids = np.arange(100)
    world.app.upsert("i", ids, rows_of(ids), values_of(ids, "old"))
    world.build()
    expected = {i: ("old", i) for i in range(100)}

    def upsert(some: np.ndarray, split: str) -> None:
        world.app.upsert("i", some, rows_of(some), values_of(some, split))
        expected.update({i: (split, i) for i in some.tolist()})

    upsert(np.arange(95, 120), "new")
    world.app.delete_vectors("i", np.arange(1))
    del expected[0]
    world.ended(world.asked(kind).name)
    assert not world.view().has_changes
    assert payload_in(world.view()) == expected
    # Patches of sealed and of newer rows.
    upsert(np.arange(120, 130), "new")
    patched = np.array([7, 125])
    split = Schema([SCHEMA.columns[0]])
    values = Payload.of({"split": ["p", "p"]}, split)
    world.app.update_payload("i", patched, values)
    expected.update({i: ("p", i) for i in patched.tolist()})
    world.ended(world.asked(kind).name)
    assert not world.view().has_changes
    assert payload_in(world.view()) == expected
    world.app.close()


@pytest.mark.parametrize("kind", ["fold", "rebuild"])
def test_all_columns_were_dropped(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", schema=SCHEMA)
    ids = np.arange(100)
    world.app.upsert("i", ids, rows_of(ids), values_of(ids, "old"))
    world.build()
    world.app.update_index("i", drop_columns=SCHEMA.names)
    world.upsert(np.arange(100, 105))
    assert not world.ended(world.asked(kind).name).HasField("error")
    view = world.view()
    assert (view.version, view.count, view.has_changes) == (2, 105, False)
    assert view.sealed.index.payload is None
    world.app.close()
