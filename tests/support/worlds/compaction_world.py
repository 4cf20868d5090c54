"""An index whose compaction a test starts, and the inputs of its process."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from google.longrunning import operations_pb2

from gleann.index.exact import exact_search
from gleann.index.params import SearchParams
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer_params import OptimizerParams, OptimizerState
from gleann.service.views.live_index import View
from gleann.service.wire.optimizer_messages import compaction_kind_to_wire
from gleann.v1 import index_pb2

DIM, SEALED = 8, 400
PARAMS = OptimizerParams(min_rows=10, pending_share=0.1, removed_share=0.2)
HANGS = "import sys, time; sys.stdin; time.sleep(600)"


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class World:
    """An application whose optimizer looks only when the test says so."""

    def __init__(self, directory: Path, **params: Any) -> None:
        self.clock = Clock()
        self.config = Config(data_dir=directory, optimizer=PARAMS.filled(PARAMS))
        self.app = self.opened()

    def opened(self) -> Application:
        self.app = Application(self.config, clock=self.clock)
        self.app.optimizer.close()
        return self.app

    def view(self) -> View:
        return self.app.registry.view("i")

    def state(self) -> OptimizerState:
        return self.app.optimizer.state(self.view())

    def upsert(self, ids: np.ndarray, seed: int = 0) -> None:
        self.app.upsert("i", ids, rows_of(ids, seed))

    def build(self) -> None:
        request = index_pb2.BuildIndexRequest(name="i")
        request.params.nlist, request.params.tune_queries = 8, 0
        assert not self.ended(self.app.build(request).name).HasField("error")
        # The clock of the database is the real one.
        self.clock.now = time.time() + 1000

    def ended(self, name: str) -> operations_pb2.Operation:
        operation = self.app.jobs.wait(name, seconds=60)
        assert operation.done
        return operation

    def looked(self) -> str | None:
        """Look once; the operation that this started, if any."""
        if self.app.optimizer.look() is None:
            return None
        name = self.app.jobs.under_way("optimize")
        if name is not None:
            return name
        (row,) = self.app.store.rows(
            "SELECT name FROM operations WHERE kind = 'optimize'"
            " ORDER BY number DESC LIMIT 1"
        )
        return str(row["name"])

    def asked(self, kind: Any = None) -> operations_pb2.Operation:
        request = index_pb2.OptimizeIndexRequest(
            name="i", kind=compaction_kind_to_wire(kind)
        )
        return self.app.optimize(request)


def rows_of(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """What belongs to ids: every test can tell a row from what replaced it."""
    rows = [np.random.default_rng([int(i), seed]).normal(size=DIM) for i in ids]
    return np.array(rows, np.float32)


def assert_holds(view: View, expected: dict[int, int]) -> None:
    """The index holds these ids with rows of these seeds, and finds each of them."""
    held = view.ids_at(view.live_rows()).tolist()
    assert sorted(held) == sorted(expected)
    ids = np.array(sorted(expected))
    rows = np.concatenate([rows_of([i], expected[i]) for i in ids.tolist()])
    np.testing.assert_array_equal(view.vectors_at(view.require(ids)), rows)
    if view.sealed is not None and not view.has_changes:
        index = view.sealed.index
        every = SearchParams(k=3, nprobe=index.nlist, rerank=len(ids))
        found = index.search(rows, every)
        nearest, _ = exact_search(rows, rows, metric="l2", k=3)
        np.testing.assert_array_equal(found.ids, ids[nearest])


BASE = dict.fromkeys(range(SEALED), 0)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def inputs_of(world: World) -> list[Path]:
    """The folders of inputs of compactions under way."""
    return list(
        world.config.data_dir.glob("indexes/*/versions/.new-*-inputs/spec.json")
    )
