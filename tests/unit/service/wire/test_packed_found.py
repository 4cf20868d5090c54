"""Answers in bytes are those that a message would have been serialised to."""

import numpy as np
import pytest

from gleann.index import SearchStats
from gleann.index.found import FoundRows
from gleann.index.texts import Texts
from gleann.service.values import IndexVersion
from gleann.service.wire.index_messages import found_to_wire
from gleann.service.wire.packed.fields import varint, varint_at
from gleann.service.wire.packed.found import packed_found, packed_work
from gleann.v1 import search_pb2

STATS = SearchStats("native/avx2", 9, 13, 576, 70_000, 900, 832, 0, 0.95, False)
VERSION = IndexVersion(sealed=3, sequence=1 << 40)


def found(shape: tuple[int, int], *, seed: int) -> FoundRows:
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.normal(size=shape).astype(np.float32))
    distances[-1, -1] = np.inf
    return FoundRows(
        rows=rng.integers(-1, 1 << 31, shape), distances=distances, stats=STATS
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (3, 5), (20, 100), (700, 33)])
@pytest.mark.parametrize("kind", ["int64", "string"])
def test_the_bytes_are_those_of_a_message(shape: tuple[int, int], kind: str) -> None:
    one = found(shape, seed=shape[0])
    ids = one.rows.ravel()
    held = ids if kind == "int64" else Texts.of_texts([f"ü{row}" for row in ids])
    packed = packed_found(one, held, packed_work(one, VERSION))
    message = found_to_wire(one, held, VERSION)
    assert packed == message.SerializeToString(deterministic=True)


def test_parts_of_larger_arrays_are_packed_alone() -> None:
    whole = found((8, 12), seed=0)
    part = FoundRows(
        rows=whole.rows[2:5, :7], distances=whole.distances[2:5, :7], stats=STATS
    )
    packed = packed_found(part, part.rows.ravel(), packed_work(part, VERSION))
    read = search_pb2.SearchResponse.FromString(packed)
    assert np.array_equal(np.frombuffer(read.ids.int64s), part.rows.ravel().view("f8"))
    assert read.distances == part.distances.tobytes()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 1 << 21, (1 << 35) - 1])
def test_integers_are_written_as_protobuf_does(value: int) -> None:
    message = search_pb2.SearchResponse(count=value)
    packed = b"\x08" + varint(value)
    assert search_pb2.SearchResponse.FromString(packed) == message
    assert not value or packed == message.SerializeToString()
    assert varint_at(packed + b"\xff", 1) == (value, len(packed))
