"""Payload and filters that do not fit: a narrow error, and nothing is changed."""

# ruff: noqa: E501  (a row of the table is a line)

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import gleann
from gleann.index import SearchParams, errors
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.stubs import Stubs
from gleann.service.wire.arrays import ids_to_wire, vectors_to_wire
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.page_tokens import (
    HitPosition,
    hit_token,
    id_token,
    listing_of,
)
from gleann.service.wire.payload_messages import payload_to_wire
from gleann.v1 import index_pb2, payload_pb2, search_pb2, vector_pb2

COLUMNS = {
    "text": "string",
    "whole": "int64",
    "real": "float64",
    "flag": "bool",
    "moment": "timestamp",
    "texts": "strings",
    "json": "json",
}
N = 20
IDS = np.arange(N)
ROWS = np.random.default_rng(5).normal(size=(N, 4)).astype(np.float32)
LISTING = listing_of(vector_pb2.ScrollVectorsRequest(index="a"))
OTHER_LISTING = listing_of(vector_pb2.ScrollVectorsRequest(index="b"))
TEN_MB = 10 * 1024 * 1024
Input, Unknown = errors.InvalidInputError, errors.UnknownColumnError
Filter, Dimension = errors.InvalidFilterError, errors.DimensionMismatchError


@pytest.fixture
def filled(client: gleann.Client) -> gleann.Client:
    client.create_index("a", dim=4, metric="l2", columns=COLUMNS)
    client.upsert("a", IDS, ROWS, {"text": ["x"] * N, "whole": IDS, "flag": IDS > 9})
    return client


@dataclass(frozen=True)
class Bad:
    """A call that must fail, the error it must raise, and what the message must say."""

    call: Callable[[gleann.Client], object]
    error: type[Exception]
    says: str


def put(**payload: Any) -> Callable[[gleann.Client], object]:
    return lambda c: c.upsert("a", [1, 2], ROWS[:2], payload)


def change(payload: Any, **chosen: Any) -> Callable[[gleann.Client], object]:
    return lambda c: c.update_payload("a", payload, **chosen)


def where(text: str, *parameters: object) -> Callable[[gleann.Client], object]:
    return lambda c: c.delete_vectors("a", where=text, parameters=parameters)


TABLE: dict[str, Bad] = {
    # columns
    "two columns of a name": Bad(lambda c: c.create_index("b", dim=2, columns=[Column("a", "bool"), Column("a", "bool")]), Input, "same name"),
    "names that differ in case": Bad(lambda c: c.create_index("b", dim=2, columns={"a": "bool", "A": "bool"}), Input, "but for case"),
    "a column called id": Bad(lambda c: c.update_index("a", add_columns={"Id": "int64"}), Input, "taken"),
    "no type of a column": Bad(lambda c: c.update_index("a", add_columns={"b": "text"}), Input, "'text'"),
    "a name with a space": Bad(lambda c: c.update_index("a", add_columns={"b c": "int64"}), Input, "'b c'"),
    "another type than it has": Bad(lambda c: c.update_index("a", add_columns={"whole": "string"}), Input, "whole"),
    "drop what is not there": Bad(lambda c: c.update_index("a", drop_columns="nope"), Unknown, "'nope'"),
    "too many columns": Bad(lambda c: c.update_index("a", add_columns={f"c{i}": "bool" for i in range(1100)}), errors.GleannError, "1024"),
    # values
    "text for whole numbers": Bad(put(whole=["1", "2"]), Input, "'whole'.*row 0"),
    "fraction for whole numbers": Bad(put(whole=[1.5, 2.0]), Input, "'whole'"),
    "whole number beyond int64": Bad(put(whole=[1, 2**63]), Input, "'whole'"),
    "NaN": Bad(put(real=[0.0, float("nan")]), Input, "'real'.*row 1"),
    "infinity": Bad(put(real=[float("-inf"), 0.0]), Input, "'real'.*row 0"),
    "number for text": Bad(put(text=["a", 5]), Input, "'text'"),
    "half of a pair": Bad(put(text=["a", "\ud800"]), Input, "'text'.*row 1"),
    "number for a flag": Bad(put(flag=[1, 0]), Input, "'flag'"),
    "day for a moment": Bad(put(moment=["2024-02-30T00:00:00Z", None]), Input, "'moment'.*row 0"),
    "moment beyond year 9999": Bad(put(moment=pa.array([2**62, 0], pa.timestamp("us", "UTC"))), Input, "'moment'.*row 0"),
    "text for a list": Bad(put(texts=["a", "b"]), Input, "'texts'"),
    "null in a list": Bad(put(texts=[["a", None], []]), Input, "'texts'.*row 0"),
    "no JSON": Bad(put(json=["{}", "{"]), Input, "'json'.*row 1"),
    "too few values": Bad(put(text=["a"]), Dimension, "text has 1"),
    "a column that is not there": Bad(put(nope=[1, 2]), Unknown, "'nope'"),
    "a column twice": Bad(lambda c: c.upsert("a", [1, 2], ROWS[:2], pa.Table.from_arrays([pa.array([1, 2])] * 2, ["whole", "whole"])), Input, "'whole' twice"),
    "no table": Bad(lambda c: c.upsert("a", [1, 2], ROWS[:2], [1, 2]), Input, "a list"),
    "one bad value of many": Bad(lambda c: c.upsert("a", IDS, ROWS, {"whole": [*range(N - 1), "x"]}), Input, "'whole'"),
    # changes of payload
    "unknown id": Bad(change({"whole": [1, 2]}, ids=[1, 99]), errors.UnknownIdError, "99"),
    "an id twice": Bad(change({"whole": [1, 2]}, ids=[1, 1]), errors.DuplicateIdError, "1 2 times"),
    "neither ids nor where": Bad(change({"whole": [1]}), Input, "neither"),
    "both ids and where": Bad(change({"whole": [1]}, ids=[1], where="flag"), Input, "both"),
    "no columns": Bad(change({}, ids=[1]), Input, "no columns"),
    "no columns by filter": Bad(change({}, where="flag"), Input, "no columns"),
    "two values by filter": Bad(change(pa.table({"whole": [1, 2]}), where="flag"), Dimension, "2"),
    "delete no columns": Bad(lambda c: c.delete_payload("a", (), ids=[1]), Input, "at least one"),
    "delete an unknown column": Bad(lambda c: c.delete_payload("a", "nope", where="true"), Unknown, "'nope'"),
    "delete all and one": Bad(lambda c: c.delete_payload("a", ["*", "real"], where="true"), Input, "takes all"),
    # filters
    "delete by nothing": Bad(lambda c: c.delete_vectors("a"), Input, "neither"),
    "delete by an empty condition": Bad(where(" "), Filter, "no condition"),
    "parameters alone": Bad(lambda c: c.count("a", None, [5]), Filter, "1 parameters"),
    "a filter on a missing column": Bad(where("nope = 1"), Filter, "nope"),
    "no grammar": Bad(where("whole = = 1"), Filter, "where"),
    "another statement": Bad(where("true; DROP TABLE a"), Filter, "where"),
    "a subquery": Bad(where("whole IN (SELECT 1)"), Filter, "where"),
    "text against a number": Bad(where("whole = 'x'"), Filter, "'whole'"),
    "number against text": Bad(where("text = 5"), Filter, "'text'"),
    "a number beyond int64": Bad(where(f"whole = {2**63}"), Filter, "'whole'"),
    "a parameter beyond int64": Bad(where("whole = $1", 2**63), Filter, r"\$1"),
    "a parameter of 1329 bits": Bad(where("real = $1", 10**400), Filter, "1329 bits"),
    "a parameter of 997 bits": Bad(where("real = $1", 10**300), Filter, r"\$1 is 1e\+300"),
    "a parameter that is NaT": Bad(where("moment = $1", np.datetime64("NaT")), Filter, "None is null"),
    "a parameter that is NaN": Bad(where("real = $1", float("nan")), Filter, r"\$1"),
    "a missing parameter": Bad(where("whole = $2", 1), Filter, r"\$2"),
    "a parameter too many": Bad(where("whole = $1", 1, 2), Filter, r"\$2"),
    "a parameter of bytes": Bad(where("text = $1", b"x"), Filter, "parameter"),
    "a list of lists": Bad(where("whole IN $1", [[1], [2]]), Filter, "list"),
    "10 MB of condition": Bad(where("whole = 1 OR " * (TEN_MB // 13) + "flag"), Filter, "65536"),
    "deep nesting": Bad(where("(" * 5000 + "flag" + ")" * 5000), Filter, "where"),
    "deep NOT": Bad(where("NOT " * 5000 + "flag"), Filter, "where"),
    "many tests": Bad(where(" OR ".join(["flag"] * 5000)), Filter, "where"),
    "half of a pair in a condition": Bad(where("text = '\ud800'"), Filter, "UTF-8"),
    "a regular expression": Bad(where("text ~ '(a+)+$'"), Filter, "where"),
    "a pattern with a hole": Bad(where("text LIKE '%a%a%a%'"), Filter, "where"),
    "a test of JSON": Bad(where("json = '{}'"), Filter, "json"),
    # reading
    "an unknown column of hits": Bad(lambda c: c.search("a", ROWS[:1], SearchParams(k=1), columns="nope"), Unknown, "'nope'"),
    "a column of hits twice": Bad(lambda c: c.search("a", ROWS[:1], SearchParams(k=1), columns=["text", "text"]), Input, "2 times"),
    "a filter of a search": Bad(lambda c: c.search("a", ROWS[:1], SearchParams(k=1), where="nope"), Filter, "nope"),
    "a radius that is NaN": Bad(lambda c: c.search("a", ROWS[:1], SearchParams(k=1), radius=float("nan")), errors.InvalidParamsError, "radius"),
    "a distance that is NaN": Bad(lambda c: c.search_radius("a", ROWS[:1], float("nan")), errors.InvalidParamsError, "radius"),
    "a negative limit": Bad(lambda c: c.search_radius("a", ROWS[:1], 1.0, limit=-1), errors.InvalidParamsError, "limit"),
    "a limit of 0": Bad(lambda c: c.search_radius("a", ROWS[:1], 1.0, limit=0), errors.InvalidParamsError, "limit must be at least 1 or None, got 0"),
    "payload of an unknown id": Bad(lambda c: c.get_payload("a", [99]), errors.UnknownIdError, "99"),
    "an unknown column of a page": Bad(lambda c: list(c.scroll("a", columns="nope")), Unknown, "'nope'"),
    "a negative page": Bad(lambda c: list(c.scroll("a", page_size=-1)), errors.InvalidParamsError, "page_size"),
    "no token": Bad(lambda c: list(c.scroll("a", page_token="x")), errors.InvalidParamsError, "page_token"),
    "a token of an index with other ids": Bad(lambda c: list(c.scroll("a", page_token=id_token("row", LISTING))), errors.InvalidParamsError, "id"),
    "a token of another index": Bad(lambda c: list(c.scroll("a", page_token=id_token(3, OTHER_LISTING))), Input, "another request"),
    "a token of another filter": Bad(lambda c: list(c.scroll("a", where="flag", page_token=next(c.scroll("a", page_size=3)).next_page_token)), Input, "another request"),
    "a token of other parameters": Bad(lambda c: list(c.scroll("a", where="whole > $1", parameters=[5], page_token=next(c.scroll("a", where="whole > $1", parameters=[4], page_size=3)).next_page_token)), Input, "another request"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_bad_payload(filled: gleann.Client, name: str) -> None:
    bad = TABLE[name]
    before = filled.get_index("a")
    rows = filled.get_payload("a", IDS).to_pylist()
    with pytest.raises(bad.error, match=bad.says) as caught:
        bad.call(filled)
    assert type(caught.value) is bad.error or bad.error is errors.GleannError
    assert filled.get_index("a") == before
    assert filled.get_payload("a", IDS).to_pylist() == rows
    assert [info.name for info in filled.list_indexes()] == ["a"]


def test_an_error_has_the_position_and_the_column(filled: gleann.Client) -> None:
    with pytest.raises(Filter) as caught:
        filled.count("a", "flag AND whole > 'x'")
    assert (caught.value.position, caught.value.column) == (17, "whole")
    with pytest.raises(Filter) as caught:
        filled.count("a", "flag AND")
    assert caught.value.column is None
    with pytest.raises(Filter) as caught:
        filled.count("a", "é" * 3000 + " = 1")
    assert caught.value.position is not None


Change = Callable[[Any], None]


def raw_upsert(**changes: Any) -> vector_pb2.UpsertVectorsRequest:
    payload = Payload.of({"whole": [1, 2]}, Schema.of({"whole": "int64"}))
    request = vector_pb2.UpsertVectorsRequest(
        index="a",
        ids=ids_to_wire(IDS[:2]),
        vectors=vectors_to_wire(ROWS[:2]),
        payload=payload_to_wire(payload),
    )
    for name, value in changes.items():
        setattr(request.payload, name, value)
    return request


def no_utf8() -> vector_pb2.UpsertVectorsRequest:
    request = raw_upsert()
    column = request.payload.columns.add(name="text", type=1)
    column.strings.text = b"\xff\xfe"
    column.strings.lengths = np.array([1, 1], "<i4").tobytes()
    return request


def twice() -> vector_pb2.UpsertVectorsRequest:
    request = raw_upsert()
    request.payload.columns.append(request.payload.columns[0])
    return request


def hits_from(
    position: HitPosition, radius: float = 1.0
) -> search_pb2.SearchRadiusRequest:
    """A request for a page of the hits of 2 queries within 1.0.

    Args:
        position: where it begins.
        radius: of the request that its token is of.
    """
    request = search_pb2.SearchRadiusRequest(
        index="a", queries=vectors_to_wire(ROWS[:2]), radius=radius
    )
    request.page_token = hit_token(position, listing_of(request))
    request.radius = 1.0
    return request


FILTER = filter_to_wire("flag")
RAW: dict[str, tuple[str, Any, type[Exception], str]] = {
    "more rows than ids": (
        "UpsertVectors",
        raw_upsert(count=3),
        Dimension,
        "3 vectors",
    ),
    "billions of rows": (
        "UpsertVectors",
        raw_upsert(count=2**60),
        Dimension,
        "vectors",
    ),
    "no UTF-8": ("UpsertVectors", no_utf8(), Input, "'text'"),
    "a column twice": ("UpsertVectors", twice(), Input, "2 times"),
    "an empty filter": (
        "DeleteVectors",
        vector_pb2.DeleteVectorsRequest(index="a", filter=payload_pb2.Filter()),
        Filter,
        "no condition",
    ),
    "ids and a filter": (
        "DeleteVectors",
        vector_pb2.DeleteVectorsRequest(
            index="a", ids=ids_to_wire(IDS[:1]), filter=FILTER
        ),
        Input,
        "both set",
    ),
    "nothing to delete": (
        "DeleteVectors",
        vector_pb2.DeleteVectorsRequest(index="a"),
        Input,
        "ids is required",
    ),
    "no payload by filter": (
        "UpdatePayload",
        vector_pb2.UpdatePayloadRequest(index="a", filter=FILTER),
        Dimension,
        "0 vectors",
    ),
    "a page of hits that never was": (
        "SearchRadius",
        hits_from(HitPosition(query=2)),
        errors.InvalidParamsError,
        "page_token",
    ),
    "a page of hits of another radius": (
        "SearchRadius",
        hits_from(HitPosition(query=1), radius=2.0),
        Input,
        "another request",
    ),
    "an unknown kind of compaction": (
        "OptimizeIndex",
        index_pb2.OptimizeIndexRequest(name="a", kind=9),
        errors.InvalidParamsError,
        "kind is 9",
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_bad_messages(stubs: Stubs, name: str) -> None:
    method, request, error, says = RAW[name]
    service = {"SearchRadius": "search", "OptimizeIndex": "index"}.get(method, "vector")
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("a", dim=4, metric="l2", columns=COLUMNS)
        client.upsert("a", IDS, ROWS, {"whole": IDS})
        before = client.get_index("a")
        with pytest.raises(error, match=says):
            getattr(getattr(stubs, service), method)(request)
        assert client.get_index("a") == before


def test_moments_of_any_zone_are_the_same_moment(filled: gleann.Client) -> None:
    filled.update_payload(
        "a", {"moment": datetime(2024, 1, 1, 12)}, where="id = 3"
    )  # a datetime without a zone is in UTC
    for moment in ("2024-01-01T12:00:00Z", "2024-01-01T14:00:00+02:00"):
        assert filled.count("a", "moment = $1", [moment]) == 1
    assert filled.count("a", "moment = $1", [datetime(2024, 1, 1, 12, tzinfo=UTC)]) == 1
