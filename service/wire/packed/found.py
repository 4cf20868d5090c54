"""Answers to searches as bytes of a `SearchResponse`, without a message in between.

A message would take two copies of the hits more, and more of the interpreter than the
bytes themselves. `tests/unit/service/wire/test_packed_found.py` compares both.
"""

import numpy as np

from gleann.index.arrays import HeldIds
from gleann.index.found import FoundRows
from gleann.index.texts import Texts
from gleann.service.values import IndexVersion
from gleann.service.wire.arrays import ids_to_wire
from gleann.service.wire.index_messages import work_to_wire
from gleann.service.wire.packed.fields import LENGTH_DELIMITED, VARINT, tag_of, varint
from gleann.v1 import search_pb2, types_pb2

_REPLY = search_pb2.SearchResponse
_COUNT = varint(tag_of(_REPLY, "count", VARINT))
_K = varint(tag_of(_REPLY, "k", VARINT))
_IDS = varint(tag_of(_REPLY, "ids", LENGTH_DELIMITED))
_DISTANCES = varint(tag_of(_REPLY, "distances", LENGTH_DELIMITED))
_INT64S = varint(tag_of(types_pb2.Ids, "int64s", LENGTH_DELIMITED))


def packed_work(found: FoundRows, version: IndexVersion) -> bytes:
    """The fields that are the same in equal searches of a batch."""
    packed: bytes = work_to_wire(found.stats, version).SerializeToString()
    return packed


def packed_found(found: FoundRows, ids: HeldIds, work: bytes) -> bytes:
    """A serialised `SearchResponse` without payload.

    Args:
        found: (n, k) rows and distances.
        ids: (n * k,) of those rows, in row-major order.
        work: what `packed_work` returns.
    """
    count, k = found.rows.shape
    distances = np.ascontiguousarray(found.distances, "<f4")
    head = [_COUNT, varint(count), _K, varint(k), _IDS]
    tail: list[bytes | memoryview] = [
        _DISTANCES,
        varint(distances.nbytes),
        distances.data,
        work,
    ]
    if isinstance(ids, Texts):
        packed = ids_to_wire(ids).SerializeToString()
        return b"".join([*head, varint(len(packed)), packed, *tail])
    numbers = np.ascontiguousarray(ids, "<i8")
    size = varint(numbers.nbytes)
    inner = varint(len(_INT64S) + len(size) + numbers.nbytes)
    return b"".join([*head, inner, _INT64S, size, numbers.data, *tail])
