"""Etags, field masks and checked-only creations of indexes."""

import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

import gleann
from gleann.index import errors
from gleann.service.stubs import Stubs
from gleann.service.wire.field_mask import MOST_PATHS
from gleann.v1 import index_pb2, payload_pb2

ROWS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


def test_an_etag_follows_what_is_declared(client: gleann.Client) -> None:
    first = client.create_index("a", dim=4, columns={"year": "int64"})
    assert len(first.etag) == 16
    client.upsert("a", np.arange(20), ROWS)
    client.build("a").wait(timeout=60)
    assert client.get_index("a").etag == first.etag
    assert client.list_indexes()[0].etag == first.etag
    second = client.update_index("a", add_columns={"venue": "string"}, etag=first.etag)
    assert second.etag != first.etag
    with pytest.raises(
        errors.ConflictError, match=rf"{second.etag}, not '{first.etag}'"
    ):
        client.update_index("a", drop_columns=["venue"], etag=first.etag)
    assert [one.name for one in client.get_index("a").columns] == ["year", "venue"]
    tuned = gleann.OptimizerParams(enabled=False)
    third = client.update_index("a", optimizer=tuned, etag=second.etag)
    assert third.etag not in (first.etag, second.etag)
    assert client.update_index("a", optimizer=tuned).etag == third.etag
    with pytest.raises(errors.ConflictError):
        client.delete_index("a", etag=second.etag)
    assert client.get_index("a").count == 20
    client.delete_index("a", etag=third.etag)
    again = client.create_index("a", dim=4, columns={"year": "int64"})
    assert again.etag != first.etag  # another index of the same name
    with pytest.raises(errors.UnknownIndexError):
        client.delete_index("b", etag=third.etag)


def test_a_repeated_request_is_answered_before_its_etag_is_compared(
    client: gleann.Client,
) -> None:
    """The answer was lost, and the same request comes again: it has succeeded."""
    etag = client.create_index("a", dim=4).etag
    updates = [
        client.update_index(
            "a", add_columns={"x": "bool"}, etag=etag, request_id="once"
        )
        for _ in range(2)
    ]
    assert updates[0] == updates[1]


def test_parts_of_a_description(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        for name in ("a", "b"):
            client.create_index(name, dim=4)
            client.upsert(name, np.arange(20), ROWS)

        def got(*paths: str) -> index_pb2.Index:
            mask = FieldMask(paths=paths)
            return stubs.index.GetIndex(
                index_pb2.GetIndexRequest(name="a", read_mask=mask)
            )

        assert got("count", "name") == index_pb2.Index(name="a", count=20)
        part = got("optimizer.params.enabled", "version")
        assert {field.name for field, _ in part.ListFields()} == {
            "optimizer",
            "version",
        }
        assert part.version.sequence == 1
        assert part.optimizer == index_pb2.Optimizer(
            params=index_pb2.OptimizerParams(enabled=True)
        )
        assert got("*") == got() == got("count", "*")
        assert got().dim == 4
        request = index_pb2.ListIndexesRequest(read_mask=FieldMask(paths=["pending"]))
        page = stubs.index.ListIndexes(request)
        assert list(page.indexes) == [index_pb2.Index(pending=20)] * 2


@pytest.mark.parametrize(
    "path",
    ["size", "", "count.of", "columns.name", "optimizer.", "x" * 10_000, "Count"],
)
def test_a_path_that_is_none(stubs: Stubs, path: str) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("a", dim=4)
        mask = FieldMask(paths=["count", path])
        for call, request in (
            (stubs.index.GetIndex, index_pb2.GetIndexRequest(name="a", read_mask=mask)),
            (stubs.index.ListIndexes, index_pb2.ListIndexesRequest(read_mask=mask)),
        ):
            with pytest.raises(errors.InvalidInputError) as caught:
                call(request)
            assert f"Index has no field {path[:80]!r}" in str(caught.value)
            assert len(str(caught.value)) < 600


def test_too_many_paths(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("a", dim=4)
        mask = FieldMask(paths=["count"] * (MOST_PATHS + 1))
        with pytest.raises(errors.InvalidInputError, match=f"at most {MOST_PATHS}"):
            stubs.index.GetIndex(index_pb2.GetIndexRequest(name="a", read_mask=mask))


def test_a_creation_that_is_only_checked(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        request = index_pb2.CreateIndexRequest(
            name="a",
            dim=4,
            metric=3,
            columns=[payload_pb2.ColumnSpec(name="year", type=2)],
            validate_only=True,
            request_id="checked",
        )
        request.optimizer.enabled = False
        for _ in range(2):
            planned = stubs.index.CreateIndex(request)
            assert (planned.name, planned.dim, planned.etag) == ("a", 4, "")
            assert not planned.HasField("version")
            assert [column.name for column in planned.columns] == ["year"]
            assert not planned.optimizer.params.enabled
            assert client.list_indexes() == []
        # The same request_id is free for the request itself.
        request.validate_only = False
        made = stubs.index.CreateIndex(request)
        assert made.HasField("version")
        ours = ("version", "etag", "create_time")
        for message in (planned, made):
            for field in ours:
                message.ClearField(field)
        assert planned == made
        request.validate_only = True
        with pytest.raises(errors.AlreadyExistsError):
            stubs.index.CreateIndex(request)
        for change, error in (
            ({"name": "Bad Name"}, errors.InvalidParamsError),
            ({"name": "b", "dim": 0}, errors.InvalidParamsError),
            ({"name": "b", "dim": 10**6}, errors.LimitError),
        ):
            for field, value in change.items():
                setattr(request, field, value)
            with pytest.raises(error):
                stubs.index.CreateIndex(request)
        assert [info.name for info in client.list_indexes()] == ["a"]
