"""The command line of gleann that asks for the same work again."""

import shlex
from collections.abc import Callable, Mapping

from google.protobuf.message import DecodeError

from gleann.index.errors import GleannError
from gleann.service.wire.fields import enum_text, given
from gleann.v1 import index_pb2, snapshot_pb2, vector_pb2

RETRY = "gleann jobs retry"


def command_line(kind: str, request: bytes, *, name: str, is_retryable: bool) -> str:
    """The command that asks for an operation's work again; "" if none can.

    It has no --server or --data: the caller knows where it asks.

    Args:
        kind: of the operation.
        request: its serialised request; not read for kinds without a command.
        name: of the operation.
        is_retryable: whether it has failed or was cancelled, so that RetryJob takes it.
    """
    words = _words(kind, request)
    if words is not None:
        return shlex.join(["gleann", *words])
    return f"{RETRY} {name}" if is_retryable else ""


def _words(kind: str, request: bytes) -> list[str] | None:
    make = _COMMANDS.get(kind)
    if make is None:
        return None
    try:
        words = make(request)
    except (DecodeError, TypeError, GleannError):
        return None  # a damaged request, or one of a later gleann
    return None if words is None or "\0" in "".join(words) else words


def _build(packed: bytes) -> list[str] | None:
    request = index_pb2.BuildIndexRequest.FromString(packed)
    return _command(["index", "build", request.name], given(request.params))


def _optimize(packed: bytes) -> list[str] | None:
    request = index_pb2.OptimizeIndexRequest.FromString(packed)
    kind = None
    if request.kind:
        kind = enum_text(index_pb2.CompactionKind.DESCRIPTOR, request.kind)
    return _command(["index", "optimize", request.name], {"kind": kind})


def _import(packed: bytes) -> list[str] | None:
    request = vector_pb2.ImportVectorsRequest.FromString(packed)
    is_parquet = request.WhichOneof("source") == "parquet"
    source = request.parquet if is_parquet else request.npy
    flags: dict[str, object] = {
        "ids": request.npy.ids_path,
        "payload": request.npy.payload_path,
        "id_column": request.parquet.id_column,
        "vectors_column": request.parquet.vector_column,
    }
    words = _command(["index", "import", request.index, source.path], flags)
    if words is None:
        return None
    words += [f"--take={column}" for column in request.columns]
    return [*words, "--add-columns"] if request.add_columns else words


def _snapshot(packed: bytes) -> list[str] | None:
    request = snapshot_pb2.CreateSnapshotRequest.FromString(packed)
    if request.filter.parameters:
        return None
    where = {"where": request.filter.where}
    return _command(["snapshot", "create", request.index], where)


def _restore(packed: bytes) -> list[str] | None:
    request = snapshot_pb2.RestoreSnapshotRequest.FromString(packed)
    return _command(["restore", request.name, request.index], {})


def _verify(packed: bytes) -> list[str] | None:
    request = snapshot_pb2.VerifySnapshotRequest.FromString(packed)
    return _command(["snapshot", "verify", request.name], {})


def _export(packed: bytes) -> list[str] | None:
    request = snapshot_pb2.ExportSnapshotRequest.FromString(packed)
    return _command(["snapshot", "export", request.name, request.path], {})


def _import_snapshot(packed: bytes) -> list[str] | None:
    request = snapshot_pb2.ImportSnapshotRequest.FromString(packed)
    return _command(["snapshot", "import", request.path], {})


def _command(words: list[str], flags: Mapping[str, object]) -> list[str] | None:
    """A command with its options; None if an argument would be taken for an option."""
    if any(not word or word.startswith("-") for word in words):
        return None
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return words + [
        f"--{name}={value}" for name, value in named.items() if value not in ("", None)
    ]


_COMMANDS: Mapping[str, Callable[[bytes], list[str] | None]] = {
    "build": _build,
    "optimize": _optimize,
    "import": _import,
    "snapshot": _snapshot,
    "restore": _restore,
    "verify": _verify,
    "export": _export,
    "import-snapshot": _import_snapshot,
}
