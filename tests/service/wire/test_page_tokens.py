"""Page tokens: read as they were made, and nothing else is read."""

import base64
from collections.abc import Callable

import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.service.wire.page_tokens import (
    HitPosition,
    hit_position,
    hit_token,
    id_position,
    id_token,
    listing_of,
    page_position,
    page_token,
)
from gleann.v1 import search_pb2, types_pb2, vector_pb2

LISTING = listing_of(vector_pb2.ScrollVectorsRequest(index="a"))

IDS = st.integers(0, 2**63 - 1) | st.text(min_size=1, max_size=40)
DISTANCES = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(last=IDS)
def test_ids(last: int | str) -> None:
    token = id_token(last, LISTING)
    assert id_position(token, LISTING) == last
    assert type(id_position(token, LISTING)) is type(last)
    assert token.isascii()


@settings(deadline=None)
@given(query=st.integers(0, 2**31), distance=DISTANCES, last=IDS)
def test_hits(query: int, distance: float, last: int | str) -> None:
    position = HitPosition(query=query, distance=distance, id=last)
    again = hit_position(hit_token(position, LISTING), LISTING)
    assert again == position
    assert np.float32(again.distance) == np.float32(distance)
    begin = HitPosition(query=query)
    assert hit_position(hit_token(begin, LISTING), LISTING) == begin


def test_the_first_page() -> None:
    assert id_position("", LISTING) is None
    assert hit_position("", LISTING) == HitPosition(query=0)
    assert page_position("") == 0
    assert page_position(page_token(10**17)) == 10**17


@settings(deadline=None)
@given(text=st.text(max_size=30) | st.binary(max_size=30).map(lambda b: b.hex()))
def test_other_texts_are_refused(text: str) -> None:
    reads: list[Callable[[str], object]] = [
        lambda token: id_position(token, LISTING),
        lambda token: hit_position(token, LISTING),
        page_position,
    ]
    for read in reads:
        if text:
            with pytest.raises(InvalidParamsError, match="page_token is not one"):
                read(text)


SCROLL = vector_pb2.ScrollVectorsRequest(
    index="a", filter={"where": "b = $1", "parameters": [{"int64_value": 1}]}
)
SEARCH = search_pb2.SearchRadiusRequest(
    index="a", queries=types_pb2.Vectors(count=1, dim=1, data=bytes(4)), radius=1.0
)


@pytest.mark.parametrize(
    ("request_", "change"),
    [
        (SCROLL, {"index": "b"}),
        (SCROLL, {"filter": {"where": "b = $1", "parameters": [{"int64_value": 2}]}}),
        (SCROLL, {"filter": {"where": "b <> $1", "parameters": [{"int64_value": 1}]}}),
        (SEARCH, {"queries": types_pb2.Vectors(count=1, dim=1, data=b"1234")}),
        (SEARCH, {"radius": 1.5}),
        (SEARCH, {"filter": {"where": "b = 1"}}),
        (SEARCH, {"target_recall": 1.0}),
        (SEARCH, {"limit": 5}),
    ],
)
def test_a_token_of_another_listing_is_refused(
    request_: Message, change: dict[str, object]
) -> None:
    other = type(request_)()
    other.CopyFrom(request_)
    for name in change:
        other.ClearField(name)
    other.MergeFrom(type(request_)(**change))
    assert listing_of(other) != listing_of(request_)
    position = HitPosition(query=1, distance=2.0, id=3)
    for where in (HitPosition(query=1), position):
        token = hit_token(where, listing_of(request_))
        with pytest.raises(InvalidInputError, match="another request"):
            hit_position(token, listing_of(other))
    with pytest.raises(InvalidInputError, match="another request"):
        id_position(id_token(3, listing_of(request_)), listing_of(other))


def test_pages_of_one_listing_may_differ_in_size_and_columns() -> None:
    for first, fields in (
        (SCROLL, {"page_size": 5, "columns": ["b"], "with_vectors": True}),
        (SEARCH, {"page_size": 5, "columns": ["b"], "page_token": "a"}),
    ):
        other = type(first)(**fields)
        other.MergeFrom(first)
        assert other != first
        assert listing_of(other) == listing_of(first)


@pytest.mark.parametrize(
    "inside",
    [
        "", "[", "5", "[]", "[null]", "[true]", "[-1]", '[""]', "[1.5]", '["\\ud800"]',
        "[9223372036854775808]", "[1, 2]", '[0, "nan", 1]', '[0, "inf", 1]',
        '[0, "0x1p99999", 1]', '[0, "x", 1]', '[0, "0x1p3", -1]', '[0, "0x1p3", ""]',
        '[-1, "0x1p3", 1]', '[true, "0x1p3", 1]', '[0, 8.0, 1]', "[[0]]", '{"a": 1}',
        "[" * 10_000, "1" * 5_000, "\xff",
    ],
)  # fmt: skip
def test_positions_that_no_page_has_are_refused(inside: str) -> None:
    for text in (inside, inside.replace("[", f'["{LISTING}", ', 1)):
        token = base64.urlsafe_b64encode(text.encode("latin-1")).decode()
        if not token:
            continue
        with pytest.raises(InvalidParamsError, match="page_token is not one"):
            hit_position(token, LISTING)
        with pytest.raises(InvalidParamsError, match="page_token is not one"):
            id_position(token, LISTING)
