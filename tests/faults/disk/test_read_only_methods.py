"""Every method that changes something is refused while the disk is full.

Each change of a client that does a bit of everything is sent twice: while the server
is read-only, and again if that refused it.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fuzz_tour
import grpc
import numpy as np
import pytest
from fuzzing import DIM, NAME
from google.protobuf.message import Message

import gleann
from gleann.index.errors import GleannError
from gleann.service.config import Config
from gleann.service.optimizer_params import OptimizerParams
from gleann.service.security.rules import RULES
from gleann.service.server import Server, serve
from gleann.service.state.disk import Disk

FULL = "the disk is full: the server is read-only"

MAKES_ROOM = {
    "/gleann.v1.CoresetService/DeleteSelection",
    "/gleann.v1.CurationService/DeleteCuration",
    "/gleann.v1.IndexService/DeleteIndex",
    "/gleann.v1.SessionService/CloseSession",
    "/gleann.v1.SnapshotService/DeleteSnapshot",
    "/google.longrunning.Operations/CancelOperation",
    "/google.longrunning.Operations/DeleteOperation",
}
"""They go on."""

RECORDS = {"/gleann.v1.JobService/PauseJob", "/gleann.v1.JobService/ResumeJob"}
"""A word in the line of an operation: they go on too, here on what has ended."""

ALSO_READS = {"/gleann.v1.PromiseService/NextPromiseBatch"}
"""Of an audit, which draws at its start, it changes nothing."""

STREAMED = {"/gleann.v1.VectorService/StreamUpsertVectors"}
"""See `test_a_stream_stops_while_the_server_is_read_only_and_goes_on_then`."""


class FullAtFirst(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Sends a change while the disk is full, and again if that was why it failed.

    Attributes:
        outcomes: of the first sending, by the path of the method: the code, and whether
            it was refused for the disk.
    """

    def __init__(self, disk: Disk) -> None:
        self.outcomes: dict[str, set[tuple[grpc.StatusCode, bool]]] = defaultdict(set)
        self._disk = disk

    def intercept_unary_unary(
        self, continuation: Any, details: Any, request: Message
    ) -> Any:
        if not RULES[details.method].changes or getattr(
            request, "validate_only", False
        ):
            return continuation(details, request)
        self._disk.reason = FULL
        try:
            first = continuation(details, request)
            code, refused = first.code(), FULL in (first.details() or "")
        finally:
            self._disk.reason = ""
        self.outcomes[details.method].add((code, refused))
        return continuation(details, request) if refused else first


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config = Config(
        data_dir=tmp_path / "data",
        listen="127.0.0.1:0",
        import_roots=(tmp_path,),
        export_roots=(tmp_path,),
        optimizer=OptimizerParams(enabled=False),
    )
    with serve(config) as running:
        running.application.store.disk.close()  # the test says when it is full
        yield running


def tour_with_files(client: gleann.Client, folder: Path) -> None:
    """The tour, and what needs files."""
    fuzz_tour.tour(client)
    np.save(folder / "spoilt.npy", np.full((1, DIM), np.nan, np.float32))
    failed = client.import_vectors(NAME, folder / "spoilt.npy")
    for again in (False, True):
        with suppress(GleannError):  # it fails in any case
            (failed.retry() if again else failed).wait(timeout=60)
    snapshot = client.snapshots.create(NAME).wait(timeout=60).name
    client.snapshots.export_to(snapshot, folder / "a.tar").wait(timeout=60)
    client.snapshots.delete(snapshot)
    client.snapshots.import_from(folder / "a.tar").wait(timeout=60)


@pytest.mark.slow
def test_all_changes_but_those_that_make_room_are_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FullAtFirst(server.application.store.disk)
    with (
        fuzz_tour.intercepted(monkeypatch, full),
        gleann.Client(server.target, timeout=60) as client,
    ):
        tour_with_files(client, tmp_path)
    changing = {path for path, rule in RULES.items() if rule.changes}
    assert set(full.outcomes) == changing - STREAMED
    for path in changing - STREAMED - MAKES_ROOM - RECORDS:
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, True) in full.outcomes[path], path
        done = (grpc.StatusCode.OK, False) in full.outcomes[path]
        assert done == (path in ALSO_READS), path
    for path in MAKES_ROOM | RECORDS:
        assert not any(refused for _, refused in full.outcomes[path]), path
    for path in MAKES_ROOM:
        assert (grpc.StatusCode.OK, False) in full.outcomes[path], path
