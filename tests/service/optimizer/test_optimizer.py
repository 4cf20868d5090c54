"""Compaction by itself: when it is due, beside changes, and whatever stops it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compaction_world import BASE, DIM, SEALED, World, assert_holds, rows_of, until

from gleann.index.errors import (
    InvalidParamsError,
    NotReadyError,
    RecallWarning,
    StorageError,
    UnknownIndexError,
)
from gleann.index.params import SearchParams
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer import optimizer, writing
from gleann.service.optimizer.history import History
from gleann.service.optimizer.measuring import Measuring
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.optimizer_params import OptimizerParams
from gleann.v1 import index_pb2, vector_pb2

OPEN = Optimizer.open


def test_newer_rows_are_folded_in_when_they_are_due(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 40))
    assert world.looked() is None  # 9 %
    world.upsert(np.arange(SEALED + 40, SEALED + 60), seed=1)
    assert world.state().pending_share == pytest.approx(60 / 460)
    name = world.looked()
    assert name is not None
    operation = world.ended(name)
    assert not operation.HasField("error")
    expected = BASE | dict.fromkeys(range(SEALED, SEALED + 40), 0)
    expected |= dict.fromkeys(range(SEALED + 40, SEALED + 60), 1)
    view, state = world.view(), world.state()
    assert (view.version, view.has_changes) == (2, False)
    assert_holds(view, expected)
    assert (state.last_kind, state.last_error, state.operation) == ("fold", None, None)
    assert state.drift == pytest.approx(1, abs=0.5)
    training = view.sealed.index.header.training
    assert (training.rows, training.kept) == (SEALED, SEALED)
    assert world.looked() is None


@pytest.mark.parametrize("how", ["policy", "optimize"])
def test_rows_far_from_all_centroids_are_not_folded_in(world: World, how: str) -> None:
    ids = np.arange(SEALED, SEALED + 100)
    world.app.upsert("i", ids, rows_of(ids) * 3 + 20)
    name = world.looked() if how == "policy" else world.asked().name
    assert name is not None
    assert not world.ended(name).HasField("error")
    index = world.view().sealed.index
    assert (world.state().last_kind, world.state().drift) == ("rebuild", None)
    assert index.header.training.rows == SEALED + 100


def test_no_recall_is_promised_while_the_lists_have_drifted(world: World) -> None:
    request = index_pb2.BuildIndexRequest(name="i")
    request.params.nlist = 8
    world.ended(world.app.build(request).name)
    queries, params = rows_of(np.arange(20), 5), SearchParams(k=10)
    before = world.view().sealed.index.search(queries, params).stats
    assert before.estimated_recall is not None
    ids = np.arange(SEALED, SEALED + 100)
    world.app.upsert("i", ids, rows_of(ids) * 3 + 20)
    expected = Measuring(world.app.store, History(world.app.store))
    measured = expected.after_fold(world.view(), expected.of(world.view()))
    world.ended(world.asked("fold").name)
    index = world.view().sealed.index
    assert index.header.training.drift > 1.5
    assert measured.drift_after == pytest.approx(index.header.training.drift, rel=1e-4)
    for one in (params, SearchParams(k=10, target_recall=0.8)):
        with pytest.warns(RecallWarning, match="does not hold any more"):
            assert index.search(queries, one).stats.estimated_recall is None
    assert index.search(queries, SearchParams(k=5, target_recall=1)).stats.exact
    # Though nothing is newer, and it has few rows.
    world.clock.now += 1000
    assert "times as far" in world.state().decision
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert world.view().sealed.index.header.training.rows == SEALED + 100


def test_the_answer_says_of_no_compaction_that_it_is_under_way(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    operation = world.ended(world.asked("fold").name)
    described = index_pb2.Index()
    assert operation.response.Unpack(described)
    assert described.version.sealed == 2
    assert described.optimizer.last_kind == index_pb2.COMPACTION_KIND_FOLD
    assert not described.optimizer.operation


def test_it_looks_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app.close(seconds=10)
    monkeypatch.setattr(Optimizer, "open", OPEN)
    monkeypatch.setattr(optimizer, "SECONDS_BETWEEN", 0.02)
    params = OptimizerParams(min_rows=10, pending_share=0.1, min_seconds=0)
    world.app = Application(Config(data_dir=world.config.data_dir, optimizer=params))
    world.upsert(np.arange(SEALED, SEALED + 60))
    until(lambda: world.view().version == 2)
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))


def test_the_one_list_of_an_import_is_trained(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", rows_of(np.arange(SEALED)))
    world = World(tmp_path / "data")
    world.config = replace(world.config, import_roots=(tmp_path,))
    world.app.close(seconds=10)
    world.opened()
    world.app.create_index("i", dim=DIM, metric="l2")
    request = vector_pb2.ImportVectorsRequest(index="i")
    request.npy.path = str(tmp_path / "v.npy")
    world.ended(world.app.import_vectors(request).name)
    assert world.view().sealed.index.nlist == 1
    world.clock.now = time.time() + 1000
    assert "one list that an import wrote" in world.state().decision
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    assert (world.view().version, world.view().sealed.index.nlist) == (2, 6)
    assert_holds(world.view(), BASE)
    world.clock.now += 1000
    assert world.looked() is None
    world.app.close(seconds=10)


def test_new_parameters_are_considered_without_a_change(tmp_path: Path) -> None:
    """An index that was left alone is not forgotten when it is no longer."""
    world = World(tmp_path / "data")
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(SEALED))
    world.build()
    every = OptimizerParams(min_rows=1000)
    world.app.update_index("i", optimizer=replace(every, enabled=False))
    world.upsert(np.arange(SEALED, 2 * SEALED))
    world.ended(world.asked("fold").name)
    world.clock.now += 1000
    assert world.looked() is None
    world.app.update_index("i", optimizer=replace(every, enabled=True))
    assert world.looked() is None
    world.app.update_index("i", optimizer=OptimizerParams(min_rows=10))
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    training = world.view().sealed.index.header.training
    assert training.rows == 2 * SEALED
    world.app.close(seconds=10)


def test_two_compactions_are_some_time_apart(world: World) -> None:
    for step in range(2):
        world.upsert(np.arange(SEALED + 60 * step, SEALED + 60 * step + 60))
        if step:
            assert world.looked() is None
            assert "fold in 10 s" in world.state().decision
            world.clock.now += 10
        name = world.looked()
        assert name is not None
        world.ended(name)
        # The version is published by the real clock; this one is ahead of it.
    assert world.view().version == 3


def test_removed_rows_are_left_out(world: World) -> None:
    world.app.delete_vectors("i", np.arange(0, 100))
    world.upsert(np.array([200]), seed=5)
    name = world.looked()
    assert name is not None
    world.ended(name)
    expected = {i: 0 for i in BASE if i >= 100} | {200: 5}
    assert_holds(world.view(), expected)
    assert world.view().sealed_rows == len(expected)


def test_changes_during_a_compaction_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.perform_apart

    def changed_meanwhile(*arguments: Any, **options: Any) -> None:
        world.upsert(np.array([1, SEALED + 1, SEALED + 900]), seed=7)
        world.app.delete_vectors("i", np.array([2, SEALED + 2]))
        assert world.looked() is None  # never two for one index
        real(*arguments, **options)

    monkeypatch.setattr(writing, "perform_apart", changed_meanwhile)
    world.upsert(np.arange(SEALED, SEALED + 60))
    name = world.looked()
    assert name is not None
    world.ended(name)
    expected = BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0)
    expected |= dict.fromkeys([1, SEALED + 1, SEALED + 900], 7)
    for gone in (2, SEALED + 2):
        del expected[gone]
    view = world.view()
    assert (view.version, view.sealed_rows) == (2, SEALED + 60)
    assert_holds(view, expected)
    world.app.close(seconds=10)
    world.opened()
    assert_holds(world.view(), expected)


def test_an_index_that_was_never_built_gets_lists(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", optimizer=None)
    world.upsert(np.arange(39))
    world.clock.now = time.time() + 100
    assert world.looked() is None
    world.upsert(np.arange(39, 200))
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert_holds(world.view(), dict.fromkeys(range(200), 0))
    assert world.state().last_kind == "rebuild"
    world.app.close()


def test_lists_are_trained_anew_when_rows_have_doubled(world: World) -> None:
    world.upsert(np.arange(SEALED, 2 * SEALED))
    name = world.looked()
    assert name is not None
    world.ended(name)
    training = world.view().sealed.index.header.training
    assert (training.rows, training.kept) == (2 * SEALED, 2 * SEALED)
    assert_holds(world.view(), dict.fromkeys(range(2 * SEALED), 0))


def test_an_index_may_be_tuned_or_left_out(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    off = OptimizerParams(enabled=False)
    world.app.update_index("i", optimizer=off)
    assert world.looked() is None
    assert "turned off" in world.state().decision
    tuned = OptimizerParams(enabled=True, pending_share=0.5)
    world.app.update_index("i", optimizer=tuned)
    assert world.looked() is None
    assert world.state().params.pending_share == 0.5
    assert world.state().params.min_rows == 10


def test_a_compaction_may_be_asked_for(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 3))
    assert world.looked() is None
    world.ended(world.asked().name)
    view = world.view()
    assert (view.version, view.sealed_rows) == (2, SEALED + 3)
    assert world.asked().done  # there is nothing to do
    world.ended(world.asked("rebuild").name)
    training = world.view().sealed.index.header.training
    assert (world.view().version, training.rows) == (3, SEALED + 3)
    assert world.state().last_kind == "rebuild"
    with pytest.raises(UnknownIndexError):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="nothing"))
    with pytest.raises(InvalidParamsError, match="kind is 9"):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="i", kind=9))
    world.app.create_index("empty", dim=2, metric="l2")
    with pytest.raises(NotReadyError, match="empty"):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="empty"))


def test_a_compaction_that_fails_is_tried_again_later_and_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StorageError("no space left")

    world.upsert(np.arange(SEALED, SEALED + 60))
    with monkeypatch.context() as patch:
        patch.setattr(writing, "perform_apart", refuse)
        for wait in (1, 10, 20, 40):
            world.clock.now += wait - 1
            assert wait == 1 or world.looked() is None
            world.clock.now += 1
            name = world.looked()
            assert name is not None
            world.ended(name)
            assert world.state().last_error == "no space left"
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))
    # A restart forgets neither the reason nor the count.
    world.app.close(seconds=10)
    world.opened()
    assert world.state().last_error == "no space left"
    assert world.looked() is None
    world.clock.now += 4000
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert (world.state().last_error, world.view().version) == (None, 2)
