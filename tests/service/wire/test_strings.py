"""String ids on the wire: packed by us, plain lists by others, checked either way."""

from collections.abc import Callable

import grpc
import numpy as np
import pytest

import gleann
from gleann.index import SearchParams
from gleann.index.errors import InvalidInputError
from gleann.index.texts import Texts
from gleann.service.server import Server
from gleann.service.wire.arrays import column_of, column_to_wire, ids_of, ids_to_wire
from gleann.service.wire.strings import texts_of
from gleann.v1 import search_pb2, search_pb2_grpc, types_pb2

WORDS = np.array(["mot", "été", "слово", "語", "\U0001f600"])


def test_ids_and_columns_travel_packed() -> None:
    message = ids_to_wire(Texts.of_texts(WORDS.tolist()))
    assert not message.strings.values
    assert message.strings.text == "".join(WORDS).encode()
    np.testing.assert_array_equal(ids_of(message, name="ids"), WORDS)
    column = column_to_wire("word", WORDS)
    np.testing.assert_array_equal(column_of(column, name="c"), WORDS)


def test_plain_lists_are_read_too() -> None:
    message = types_pb2.Ids(strings=types_pb2.Strings(values=WORDS.tolist()))
    np.testing.assert_array_equal(ids_of(message, name="ids"), WORDS)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"values": ["a"], "text": b"a"}, "values and text"),
        ({"values": ["a"], "lengths": b"\1\0\0\0"}, "values and text"),
        ({"text": b"ab", "lengths": b"\1\0\0\0"}, "add up to 1, for 2 bytes"),
        ({"text": b"a", "lengths": b"\1"}, "1 bytes, which is no multiple of 4"),
        ({"text": b"\xff", "lengths": b"\1\0\0\0"}, "UTF8"),
    ],
)
def test_what_does_not_hold_what_it_claims(
    fields: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        texts_of(types_pb2.Strings(**fields), name="ids.strings")


def test_half_a_surrogate_pair_is_refused(client: gleann.Client) -> None:
    client.create_index("odd", dim=2)
    with pytest.raises(InvalidInputError, match=r"ids row 1 .* has no UTF-8"):
        client.upsert("odd", ["a", "\ud800"], np.eye(2))


def test_any_script_comes_back_from_a_search(client: gleann.Client) -> None:
    client.create_index("words", dim=5)
    client.upsert("words", WORDS, np.eye(5))
    found = client.search("words", np.eye(5), SearchParams(k=1))
    assert found.ids[:, 0].tolist() == WORDS.tolist()


def test_a_foreign_client_may_send_a_plain_list(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=5)
        client.upsert("words", WORDS, np.eye(5))
    request = search_pb2.SearchRequest(
        index="words",
        params=search_pb2.SearchParams(k=1),
        allowed_ids=types_pb2.Ids(strings=types_pb2.Strings(values=["été"])),
    )
    request.queries.data = np.ones((1, 5), "<f4").tobytes()
    request.queries.scalar_type = types_pb2.SCALAR_TYPE_FLOAT32
    request.queries.dim, request.queries.count = 5, 1
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        reply = search_pb2_grpc.SearchServiceStub(channel).Search(request)
    assert ids_of(reply.ids, name="ids").tolist() == ["été"]
