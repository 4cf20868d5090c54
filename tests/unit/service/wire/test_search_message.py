"""Searches in bytes mean what protobuf says they mean, however they are written."""

import re

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from gleann.index import SearchParams, errors
from gleann.service.wire.arrays import vectors_of, vectors_to_wire
from gleann.service.wire.index_messages import search_params_to_wire
from gleann.service.wire.packed import search_message
from gleann.service.wire.packed.fields import varint
from gleann.service.wire.packed.search_message import SearchHead, SearchMessage
from gleann.v1 import payload_pb2, search_pb2

DTYPES = (np.float32, np.float16, np.int8, np.uint8)


def queries(shape: tuple[int, int], dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 9, shape).astype(dtype)


def request(**more: object) -> search_pb2.SearchRequest:
    params = search_params_to_wire(SearchParams(k=7, target_recall=0.9))
    return search_pb2.SearchRequest(index="words", params=params, **more)


def with_queries(
    message: search_pb2.SearchRequest, rows: np.ndarray
) -> search_pb2.SearchRequest:
    whole = search_pb2.SearchRequest.FromString(message.SerializeToString())
    whole.queries.CopyFrom(vectors_to_wire(rows))
    return whole


def same(message: bytes) -> None:
    """`read` is what protobuf reads: the same queries and rest, or an error."""
    try:
        whole = search_pb2.SearchRequest.FromString(message)
        expected = vectors_of(whole.queries, name="queries")
    except DecodeError:
        with pytest.raises(DecodeError):
            SearchMessage.read(message)
        return
    except errors.InvalidInputError as error:
        with pytest.raises(errors.InvalidInputError, match=re.escape(str(error))):
            _ = SearchMessage.read(message).queries
        return
    read = SearchMessage.read(message)
    assert read.queries.dtype == expected.dtype
    assert read.queries.tobytes() == expected.tobytes()
    assert read.queries.shape == expected.shape
    rest, head = whole, search_pb2.SearchRequest.FromString(message)
    head.CopyFrom(read.head.request)
    rest.queries.ClearField("data")
    head.queries.ClearField("data")
    assert head.SerializeToString(deterministic=True) == rest.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (64, 100), (300, 700)])
def test_what_is_sent_is_what_was_asked(shape: tuple[int, int], dtype: type) -> None:
    asked = request(radius=0.25, columns=["text", "year"])
    asked.filter.where = "year > $1"
    asked.filter.parameters.append(payload_pb2.Value(int64_value=1900))
    rows = queries(shape, dtype)
    packed = SearchMessage(SearchHead(asked), rows).packed()
    assert search_pb2.SearchRequest.FromString(packed) == with_queries(asked, rows)
    same(packed)
    read = SearchMessage.read(packed)
    assert np.shares_memory(read.queries, np.frombuffer(packed, np.uint8))
    assert read.head.asked.params.k == 7
    assert read.head.asked.params.target_recall == 0.9
    assert read.head.asked.columns == ("text", "year")
    assert read.head.asked.radius == 0.25
    assert read.head.asked.condition is not None
    assert read.head.asked.condition.where == "year > $1"


def test_numbers_of_usual_batches_are_read_where_they_arrive() -> None:
    for shape in [(64, 100), (256, 128), (1024, 384)]:
        packed = SearchMessage(SearchHead(request()), queries(shape)).packed()
        assert SearchMessage.read(packed).queries.flags.aligned


def test_requests_as_other_clients_write_them() -> None:
    whole = with_queries(request(), queries((3, 5)))
    same(whole.SerializeToString())
    vectors = whole.queries.SerializeToString()
    rest = request().SerializeToString()
    part = b"\x12" + varint(len(vectors)) + vectors
    other = vectors_to_wire(queries((2, 5))).SerializeToString()
    again = b"\x12" + varint(len(other)) + other
    same(rest + part)
    same(part + rest + part)  # the same queries twice: the later ones count
    same(part + rest + again)
    same(rest)  # none at all
    same(rest + b"\x12\x00")
    data = whole.queries.data
    twice = b"\x0a" + varint(len(data)) + data + vectors
    same(rest + b"\x12" + varint(len(twice)) + twice)
    long = b"\x12" + bytes([len(vectors) & 0x7F | 0x80, 0x80 | len(vectors) >> 7, 0])
    same(long + vectors + rest)  # a length in more bytes than it takes
    same(rest + part + b"\xc3\x3e" + b"\xc4\x3e")  # a group
    same(b"\x12" + 70 * b"\x80" + b"\x01" + part)
    same(b"")


def test_fields_of_later_versions_are_refused_each_time() -> None:
    packed = SearchMessage(SearchHead(request()), queries((2, 4))).packed()
    unknown = packed + b"\xf8\x07\x01"  # field 127
    for _ in range(2):
        with pytest.raises(errors.InvalidInputError, match="a field 127"):
            SearchMessage.read(unknown).head.require_known("9.9.9 7")
    SearchMessage.read(packed).head.require_known("")


def test_damaged_requests_are_read_as_protobuf_reads_them() -> None:
    rng = np.random.default_rng(0)
    asked = request(columns=["a"])
    asked.allowed_ids.int64s = np.arange(3).tobytes()
    packed = SearchMessage(SearchHead(asked), queries((2, 3))).packed()
    written = with_queries(asked, queries((2, 3))).SerializeToString()
    for _ in range(4000):
        damaged = bytearray(packed if rng.random() < 0.5 else written)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        cut = rng.integers(len(damaged)) if rng.random() < 0.3 else len(damaged)
        same(bytes(damaged[:cut]))


def test_heads_are_kept_while_they_are_small() -> None:
    small = SearchMessage(SearchHead(request()), queries((2, 4))).packed()
    first, second = SearchMessage.read(small), SearchMessage.read(small)
    assert first.head is second.head
    asked = request()
    asked.allowed_ids.int64s = np.arange(1000).tobytes()
    large = SearchMessage(SearchHead(asked), queries((2, 4))).packed()
    one, other = SearchMessage.read(large), SearchMessage.read(large)
    assert one.head is not other.head


def test_only_so_many_heads_are_kept() -> None:
    asked = search_pb2.SearchRequest(index="first")
    first = SearchMessage(SearchHead(asked), queries((2, 4))).packed()
    head = SearchMessage.read(first).head
    for number in range(search_message.KEPT_HEADS):
        other = search_pb2.SearchRequest(index=f"index {number}")
        SearchMessage.read(SearchMessage(SearchHead(other), queries((2, 4))).packed())
    assert SearchMessage.read(first).head is not head
