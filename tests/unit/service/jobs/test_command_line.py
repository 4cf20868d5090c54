"""The lines that ask for the same work again are lines of the real commands."""

import shlex
from typing import Any

import click
import pytest
from google.protobuf.message import Message

from gleann.service.cli.main import cli
from gleann.service.jobs.command_line import command_line
from gleann.v1 import index_pb2, payload_pb2, snapshot_pb2, vector_pb2


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """The command and its parameters, as click reads a line with a place."""
    words = [*shlex.split(line), "--data", "library"]
    assert words.pop(0) == "gleann"
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command, context = found, click.Context(found, parent=context)
    with command.make_context(command.name, words, resilient_parsing=False) as made:
        params = made.params.items()
        values = {k: v for k, v in params if not any(v is x for x in (None, (), False))}
        return made.command.name or "", values


def line_of(kind: str, request: Message) -> str:
    return command_line(
        kind, request.SerializeToString(), name="operations/3f2a", is_retryable=False
    )


def parquet() -> vector_pb2.ImportVectorsRequest:
    request = vector_pb2.ImportVectorsRequest(
        index="docs", columns=["split", "the score"], add_columns=True
    )
    request.parquet.path = "/data/my items.parquet"
    request.parquet.id_column = "-id"
    request.parquet.vector_column = "embedding"
    return request


def npy() -> vector_pb2.ImportVectorsRequest:
    request = vector_pb2.ImportVectorsRequest(index="docs")
    request.npy.path = "/data/it's.npy"
    request.npy.ids_path = "/data/ids.npy"
    request.npy.payload_path = "/data/rows.csv"
    return request


BUILD = index_pb2.BuildParams(
    spill=index_pb2.SPILL_SOAR,
    nlist=64,
    spill_lambda=0.5,
    kmeans_iterations=7,
    tune_queries=0,
    seed=-3,
    target_recall=0.9,
    codes=index_pb2.CODES_INT8,
)


@pytest.mark.parametrize(
    ("kind", "request_", "name", "values"),
    [
        ("build", index_pb2.BuildIndexRequest(name="docs"), "build", {"name": "docs"}),
        (
            "build",
            index_pb2.BuildIndexRequest(name="docs", params=BUILD),
            "build",
            {
                "name": "docs",
                "spill": "soar",
                "nlist": 64,
                "spill_lambda": 0.5,
                "kmeans_iterations": 7,
                "tune_queries": 0,
                "seed": -3,
                "target_recall": 0.9,
                "codes": "int8",
            },
        ),
        (
            "optimize",
            index_pb2.OptimizeIndexRequest(
                name="docs", kind=index_pb2.COMPACTION_KIND_FOLD
            ),
            "optimize",
            {"name": "docs", "kind": "fold"},
        ),
        (
            "import",
            parquet(),
            "import",
            {
                "name": "docs",
                "file": "/data/my items.parquet",
                "id_column": "-id",
                "vectors_column": "embedding",
                "take": "('split', 'the score')",
                "add_columns": True,
            },
        ),
        (
            "import",
            npy(),
            "import",
            {
                "name": "docs",
                "file": "/data/it's.npy",
                "ids": "/data/ids.npy",
                "payload": "/data/rows.csv",
            },
        ),
        (
            "snapshot",
            snapshot_pb2.CreateSnapshotRequest(
                index="docs", filter=payload_pb2.Filter(where="split = 'a b'")
            ),
            "create",
            {"index": "docs", "where": "split = 'a b'"},
        ),
        (
            "restore",
            snapshot_pb2.RestoreSnapshotRequest(name="snapshots/a", index="docs"),
            "restore",
            {"source": "snapshots/a", "name": "docs"},
        ),
        (
            "verify",
            snapshot_pb2.VerifySnapshotRequest(name="snapshots/a"),
            "verify",
            {"name": "snapshots/a"},
        ),
        (
            "export",
            snapshot_pb2.ExportSnapshotRequest(name="snapshots/a", path="/out/a.tar"),
            "export",
            {"name": "snapshots/a", "path": "/out/a.tar"},
        ),
        (
            "import-snapshot",
            snapshot_pb2.ImportSnapshotRequest(path="/in/a.tar"),
            "import",
            {"path": "/in/a.tar"},
        ),
    ],
)
def test_a_line_parses_to_the_request(
    kind: str, request_: Message, name: str, values: dict[str, Any]
) -> None:
    command, found = parsed(line_of(kind, request_))
    assert command == name
    defaults = {"data", "vectors_column", "nlist", "kind"} - values.keys()
    shown = {k: v for k, v in found.items() if k not in defaults}
    assert {k: str(v) for k, v in shown.items()} == {
        k: str(v) for k, v in values.items()
    }


def test_what_has_no_line_of_its_own() -> None:
    """A selection may have a million ids; it is retried by its name."""
    for kind, request in (
        ("select", b""),
        ("unheard of", b""),
        ("build", b"\xff\xff"),
        ("optimize", index_pb2.OptimizeIndexRequest(name="-x").SerializeToString()),
    ):
        name = "operations/3f2a"
        assert command_line(kind, request, name=name, is_retryable=False) == ""
        line = command_line(kind, request, name=name, is_retryable=True)
        command, values = parsed(line)
        assert (command, values["name"]) == ("retry", name)
    filtered = snapshot_pb2.CreateSnapshotRequest(index="a")
    filtered.filter.where = "x = $1"
    filtered.filter.parameters.add().int64_value = 1
    assert line_of("snapshot", filtered) == ""
