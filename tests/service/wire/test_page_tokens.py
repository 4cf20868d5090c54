"""Page tokens: read as they were made, and nothing else is read."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleann.index.errors import InvalidParamsError
from gleann.service.wire.page_tokens import (
    HitPosition,
    hit_position,
    hit_token,
    id_position,
    id_token,
    page_position,
    page_token,
)

IDS = st.integers(0, 2**63 - 1) | st.text(min_size=1, max_size=40)
DISTANCES = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(last=IDS)
def test_ids(last: int | str) -> None:
    token = id_token(last)
    assert id_position(token) == last
    assert type(id_position(token)) is type(last)
    assert token.isascii()


@given(query=st.integers(0, 2**31), distance=DISTANCES, last=IDS)
def test_hits(query: int, distance: float, last: int | str) -> None:
    position = HitPosition(query=query, distance=distance, id=last)
    again = hit_position(hit_token(position))
    assert again == position
    assert np.float32(again.distance) == np.float32(distance)
    begin = HitPosition(query=query)
    assert hit_position(hit_token(begin)) == begin


def test_the_first_page() -> None:
    assert id_position("") is None
    assert hit_position("") == HitPosition(query=0)
    assert page_position("") == 0
    assert page_position(page_token(10**17)) == 10**17


@given(text=st.text(max_size=30) | st.binary(max_size=30).map(lambda b: b.hex()))
def test_other_texts_are_refused(text: str) -> None:
    for read in (id_position, hit_position, page_position):
        if text:
            with pytest.raises(InvalidParamsError, match="page_token is not one"):
                read(text)


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
    token = base64.urlsafe_b64encode(inside.encode("latin-1")).decode()
    if not token:
        return
    with pytest.raises(InvalidParamsError, match="page_token is not one"):
        hit_position(token)
    if inside != "[1, 2]":
        with pytest.raises(InvalidParamsError, match="page_token is not one"):
            id_position(token)
