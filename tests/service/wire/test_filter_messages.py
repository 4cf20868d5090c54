"""Filters as messages: their parameters, and messages that are none."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from gleann.index.errors import (
    InvalidFilterError,
)
from gleann.index.filters.condition import Condition
from gleann.service.wire import filter_messages
from gleann.service.wire.filter_messages import (
    condition_of,
    condition_to_wire,
    filter_to_wire,
)
from gleann.v1 import payload_pb2, search_pb2

PARAMETERS = (
    "it's",
    "",
    -5,
    2**63 - 1,
    -(2**63),
    True,
    0.25,
    -0.0,
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ("a", "b"),
    (),
    (1, 2.5, None),
)


def test_filters_are_read_as_they_were_packed() -> None:
    condition = Condition("x = $1", PARAMETERS)
    request = search_pb2.SearchRequest(filter=condition_to_wire(condition))
    again = condition_of(
        search_pb2.SearchRequest.FromString(request.SerializeToString())
    )
    assert again == condition
    assert condition_of(search_pb2.SearchRequest()) is None
    assert condition_to_wire(None) is None
    assert filter_to_wire(None) is None


def test_moments_are_in_utc_on_the_way() -> None:
    moment = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    for given_moment in (moment, datetime(2024, 1, 1, 10)):
        request = search_pb2.SearchRequest(
            filter=filter_to_wire("at = $1", [given_moment])
        )
        condition = condition_of(request)
        assert condition is not None
        assert condition.parameters == (datetime(2024, 1, 1, 10, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        (float("nan"), r"\$2 is nan"),
        (float("inf"), r"\$2 is inf"),
        (2**63, r"\$2 is 9.22e\+18, beyond 64 bits"),
        ("\ud800", r"\$2 has no UTF-8"),
        ((1, "\ud800"), r"\$2 has no UTF-8"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), r"\$2 is.*years 1 to"),
        (object(), "parameter"),
        (b"bytes", "parameter"),
        (((1,),), "list"),
    ],
)
def test_parameters_that_no_filter_has_are_refused(parameter: Any, says: str) -> None:
    with pytest.raises(InvalidFilterError, match=says):
        filter_to_wire("x = $1", [0, parameter])


def value(**kind: Any) -> payload_pb2.Value:
    return payload_pb2.Value(**kind)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (payload_pb2.Filter(), "no condition"),
        (payload_pb2.Filter(where=" \n"), "no condition"),
        (payload_pb2.Filter(parameters=[value()]), "no condition"),
        (
            payload_pb2.Filter(where="x", parameters=[value(float64_value=np.nan)]),
            "nan",
        ),
        (
            payload_pb2.Filter(
                where="x", parameters=[value(timestamp_value={"seconds": 2**60})]
            ),
            "years 1 to 9999",
        ),
        (
            payload_pb2.Filter(
                where="x", parameters=[value(timestamp_value={"nanos": 1})]
            ),
            "microseconds",
        ),
        (
            payload_pb2.Filter(
                where="x", parameters=[value(timestamp_value={"nanos": -1000})]
            ),
            "nanoseconds",
        ),
        (
            payload_pb2.Filter(
                where="x",
                parameters=[value(list_value={"values": [value(list_value={})]})],
            ),
            "a list in it",
        ),
    ],
)
def test_messages_that_are_no_filter_are_refused(
    message: payload_pb2.Filter, says: str
) -> None:
    with pytest.raises(InvalidFilterError, match=says):
        condition_of(search_pb2.SearchRequest(filter=message))


def test_many_values_are_refused_before_they_are_read(monkeypatch: Any) -> None:
    monkeypatch.setattr(filter_messages, "MOST_VALUES", 5)
    one, two = value(int64_value=1), value(list_value={"values": [value()] * 2})
    for parameters, count in (([one] * 6, 6), ([one, two, two], 7)):
        message = payload_pb2.Filter(where="x", parameters=parameters)
        with pytest.raises(InvalidFilterError, match=f"{count} values, at most 5"):
            condition_of(search_pb2.SearchRequest(filter=message))
    message = payload_pb2.Filter(where="x", parameters=[one, one, two])
    condition = condition_of(search_pb2.SearchRequest(filter=message))
    assert condition is not None
    assert condition.parameters == (1, 1, (None, None))
