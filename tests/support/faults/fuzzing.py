"""Requests that go wrong: valid ones with fields or bytes changed, and mere bytes.

Methods are those that the descriptors have, so that a new one is tried as well.
"""

import struct
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy as np
from google.longrunning import operations_pb2
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    MethodDescriptor,
)
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import gleann.v1

NAME, DIM, N = "fuzz", 4, 60
COPY = "fuzz-copy"
PUBLIC = (operations_pb2, health_pb2, reflection_pb2)
"""Services that are not gleann's own, and that it serves."""


def _own() -> Iterator[ModuleType]:
    for module in iter_modules(gleann.v1.__path__):
        if module.name.endswith("_pb2"):
            yield import_module(f"gleann.v1.{module.name}")


METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in (*_own(), *PUBLIC)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""By path."""

Seed = tuple[str, tuple[bytes, ...]]
"""The path of a call and its messages: one, or several of a stream."""

MOST_MESSAGES = 4
"""In a stream."""

WHOLE = (0, 1, 2, 3, 10, 100, -1, 2**15, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
REAL = (
    0.0,
    0.5,
    1.0,
    -1.0,
    1e-300,
    1e25,
    3.4e38,
    -3.4e38,
    1e300,
    np.inf,
    -np.inf,
    np.nan,
)
TEXTS = (
    "",
    NAME,
    "fuzz-2",
    "a",
    "\0",
    "é" * 300,
    "x" * 5000,
    "../..",
    "sessions/active-0",
    "snapshots/fuzz-000000000000",
    "text",
    "*",
    "text = 'a' AND (whole < 5 OR NOT flag)",
    "whole IN ($1, $2) AND contains(texts, $1)",
    "text LIKE 'a%' OR moment > TIMESTAMP '2024-01-01T00:00:00Z'",
    "(" * 100 + "flag" + ")" * 100,
    " AND ".join(["whole = 1"] * 3000),
    "Wy1d",
    "WzUsIngiXQ==",
)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


def requests(seeds: list[Seed], rng: np.random.Generator, count: int) -> Iterator[Seed]:
    """`count` requests: first one of each method, then of any."""
    paths = list(METHODS)
    for number in range(count):
        way = rng.integers(9)
        if way < 3 or number < len(paths):
            drawn = rng.integers(len(paths))
            path = paths[number if number < len(paths) else drawn]
            make = _bytes_of_none if way == 0 else _bytes_of_fields
            yield path, tuple(make(path, rng) for _ in range(_length(path, rng)))
            continue
        path, messages = seeds[rng.integers(len(seeds))]
        change = {3: _changed_bytes, 4: _resized}.get(int(way), _changed)
        spoilt = int(rng.integers(len(messages)))
        yield (
            path,
            tuple(
                change(path, message, rng) if number == spoilt else message
                for number, message in enumerate(messages)
            ),
        )


def _length(path: str, rng: np.random.Generator) -> int:
    """Messages of a call."""
    return int(rng.integers(1, MOST_MESSAGES)) if METHODS[path].client_streaming else 1


def _bytes_of_none(_: str, rng: np.random.Generator) -> bytes:
    return rng.bytes(rng.integers(200))


def _bytes_of_fields(path: str, rng: np.random.Generator) -> bytes:
    return _random(METHODS[path].input_type, rng, depth=0).SerializeToString()


def _resized(path: str, whole: bytes, rng: np.random.Generator) -> bytes:
    """A valid request with one field of bytes cut off, lengthened or doubled."""
    message = GetMessageClass(METHODS[path].input_type).FromString(whole)
    fields = list(_byte_fields(message))
    if not fields:
        return _changed(path, whole, rng)
    target, name = fields[rng.integers(len(fields))]
    held = getattr(target, name)
    n = int(rng.integers(1, 10))
    ways = (held[:-n], held + rng.bytes(n), held + held, held[: len(held) // 2])
    setattr(target, name, ways[rng.integers(len(ways))])
    return message.SerializeToString()


def _byte_fields(message: Message) -> Iterator[tuple[Message, str]]:
    """The fields of bytes that are set, at any depth, and their messages."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_BYTES and not _repeated(field):
            yield message, field.name
        elif field.message_type is None or _is_map(field):
            continue
        else:
            for inner in value if _repeated(field) else [value]:
                yield from _byte_fields(inner)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type.GetOptions().map_entry)


def _changed(path: str, whole: bytes, rng: np.random.Generator) -> bytes:
    """A valid request with one to three fields set to something else."""
    message = GetMessageClass(METHODS[path].input_type).FromString(whole)
    for _ in range(rng.integers(1, 4)):
        target = message
        while True:
            fields = target.DESCRIPTOR.fields
            if not fields:
                break
            field = fields[rng.integers(len(fields))]
            inner = field.message_type is not None and not _repeated(field)
            if inner and target.HasField(field.name) and rng.integers(4):
                target = getattr(target, field.name)
                continue
            _set(target, field, rng, depth=2)
            break
    return message.SerializeToString()


def _changed_bytes(_: str, whole: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of a valid request changed, cut off, doubled or inserted."""
    content = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content) + 1))
        way = rng.integers(4)
        if way == 0 and place < len(content):
            content[place] = rng.integers(256)
        elif way == 1:
            del content[place:]
        elif way == 2:
            content[place:place] = rng.bytes(rng.integers(1, 9))
        else:
            content += content[place : place + 50]
    return bytes(content)


def _random(kind: Descriptor, rng: np.random.Generator, *, depth: int) -> Message:
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if rng.integers(2):
            _set(message, field, rng, depth=depth)
    return message


def _set(
    message: Message, field: FieldDescriptor, rng: np.random.Generator, *, depth: int
) -> None:
    message.ClearField(field.name)
    if field.message_type is not None:
        if depth > 3:
            return
        if _is_map(field):
            return
        for _ in range(rng.integers(4) if _repeated(field) else 1):
            value = _random(field.message_type, rng, depth=depth + 1)
            held = getattr(message, field.name)
            (held.add() if _repeated(field) else held).CopyFrom(value)
    elif _repeated(field):
        values = [_value(field, rng) for _ in range(rng.integers(4))]
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, _value(field, rng))


def _repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _value(field: FieldDescriptor, rng: np.random.Generator) -> Any:
    if field.type in _INTEGERS:
        least, most = _INTEGERS[field.type]
        return min(max(WHOLE[rng.integers(len(WHOLE))], least), most)
    if field.enum_type is not None:
        return int(rng.integers(-1, len(field.enum_type.values) + 2))
    return _OTHERS[field.type](rng)


def _text(rng: np.random.Generator) -> str:
    return TEXTS[rng.integers(len(TEXTS))]


def _real(rng: np.random.Generator) -> float:
    return REAL[rng.integers(len(REAL))]


def _single(rng: np.random.Generator) -> float:
    value = _real(rng)
    return float(np.clip(value, -3.4e38, 3.4e38)) if np.isfinite(value) else value


def _bytes(rng: np.random.Generator) -> bytes:
    n = int(rng.integers(6))
    ways = [
        rng.bytes(n * 3),
        struct.pack(f"<{n}q", *[WHOLE[rng.integers(len(WHOLE))] for _ in range(n)]),
        struct.pack(f"<{n}d", *[REAL[rng.integers(len(REAL))] for _ in range(n)]),
        np.array([REAL[rng.integers(len(REAL))] for _ in range(n * DIM)], "<f8")
        .clip(-3.4e38, 3.4e38)
        .astype("<f4")
        .tobytes(),
    ]
    return ways[rng.integers(len(ways))]


_OTHERS: dict[int, Callable[[np.random.Generator], Any]] = {
    FieldDescriptor.TYPE_BOOL: lambda rng: bool(rng.integers(2)),
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _real,
    FieldDescriptor.TYPE_FLOAT: _single,
}
