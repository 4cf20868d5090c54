"""What one request may cost."""

import pytest

from gleann.index import SearchParams
from gleann.index.errors import LimitError
from gleann.service import limits
from gleann.service.security.rules import RULES
from gleann.service.values import Limits
from gleann.v1 import index_pb2, vector_pb2

CAPS = Limits(distances=1000, work_bytes=1000)


@pytest.mark.parametrize(
    ("params", "queries", "counted"),
    [
        (SearchParams(k=1, exact=True), 10, 1000),
        (SearchParams(k=1, rerank=50), 20, 1000),
        (SearchParams(k=1, rerank=10_000), 10, 1000),  # of 100 vectors
        (SearchParams(k=1), 10**9, 0),
    ],
)
def test_distances(params: SearchParams, queries: int, counted: int) -> None:
    limits.require_few_distances(CAPS, queries=queries, vectors=100, params=params)
    if counted:
        with pytest.raises(LimitError, match=r"\d+ is over the limit of 1000"):
            limits.require_few_distances(
                CAPS, queries=queries + 1, vectors=100, params=params
            )


def test_bytes_of_work_name_both_numbers() -> None:
    limits.require_classes(CAPS, rows=25, classes=5)
    with pytest.raises(LimitError, match=r"6 classes for 25 vectors: 1200 .* of 1000"):
        limits.require_classes(CAPS, rows=25, classes=6)
    limits.require_neighbours(CAPS, labelled=8, neighbours=10)
    with pytest.raises(LimitError, match=r"11 neighbours of 8 vectors: 1056 .* 1000"):
        limits.require_neighbours(CAPS, labelled=8, neighbours=11)
    limits.require_values(CAPS, rows=25, row_bytes=10)
    with pytest.raises(LimitError, match=r"11 bytes for 25 vectors: 1100 .* 1000"):
        limits.require_values(CAPS, rows=25, row_bytes=11)


def test_requests_without_data_are_small() -> None:
    read = limits.bounded(
        "/gleann.v1.IndexService/GetIndex", index_pb2.GetIndexRequest.FromString
    )
    name = "x" * (limits.SMALL_BYTES - 10)
    assert read(index_pb2.GetIndexRequest(name=name).SerializeToString()).name == name
    with pytest.raises(LimitError, match=r"of GetIndex: \d+ is over .* of 1048576"):
        read(index_pb2.GetIndexRequest(name=name * 2).SerializeToString())


def test_requests_with_data_are_read_as_they_are() -> None:
    read = vector_pb2.UpsertVectorsRequest.FromString
    assert limits.bounded("/gleann.v1.VectorService/UpsertVectors", read) is read


def test_what_has_data() -> None:
    small = {
        path.rpartition("/")[2]
        for path in RULES
        if path.startswith("/gleann.v1.")
        and limits.bounded(path, _unread) is not _unread
    }
    assert {"CreateIndex", "UpdateIndex", "BuildIndex", "NextBatch"} <= small
    assert not small & {"UpsertVectors", "Search", "SubmitLabels", "CountVectors"}


def _unread(message: bytes) -> index_pb2.Index:
    raise AssertionError(message)
