"""Every list is paged: bad sizes and tokens are refused, and changes move no page."""

import re
from typing import Any

import fuzzing
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

import gleann
from gleann.index import errors
from gleann.service.stubs import Stubs
from gleann.service.wire.page_tokens import name_position, name_token
from gleann.v1 import index_pb2, snapshot_pb2


def list_methods() -> dict[str, Any]:
    """The methods whose answers have a next page, by "stub.Method"."""
    return {
        f"{_stub_of(method.containing_service.name)}.{method.name}": method
        for method in fuzzing.METHODS.values()
        if "next_page_token" in method.output_type.fields_by_name
    }


def _stub_of(service: str) -> str:
    name = service.removesuffix("Service")
    return {"ActiveLearning": "active"}.get(name, name.lower())


METHODS = list_methods()


def test_every_list_has_pages() -> None:
    """What is named as a list without having any is health's, which is not served."""
    named = {
        path
        for path, method in fuzzing.METHODS.items()
        if method.name.startswith(("List", "Scroll", "Read"))
        and "next_page_token" not in method.output_type.fields_by_name
    }
    assert named == {"/grpc.health.v1.Health/List"}
    assert len(METHODS) >= 20
    for name, method in METHODS.items():
        fields = method.input_type.fields_by_name
        # Some pages are as large as a message, and have no other size.
        assert "page_token" in fields, name


SIZED = [
    name
    for name, method in METHODS.items()
    if ".List" in name and "page_size" in method.input_type.fields_by_name
]


@pytest.mark.parametrize("name", SIZED)
def test_bad_pages_are_refused(stubs: Stubs, name: str) -> None:
    stub, _, method = name.partition(".")
    request_type = GetMessageClass(METHODS[name].input_type)
    with gleann.Client.of_stubs(stubs):
        call = getattr(getattr(stubs, stub), method)
        with pytest.raises(errors.InvalidParamsError, match="page_size must be at"):
            call(request_type(page_size=-1))
        for token in ("%", "ab\0", "é", "a" * 1001):
            with pytest.raises(errors.GleannError) as caught:
                call(request_type(page_token=token))
            assert "page_token" in str(caught.value)


@settings(deadline=None)
@given(name=st.text(max_size=40))
def test_tokens_of_names(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert name_position(name_token(name), re.compile("(?s).*")) == name


def test_a_deletion_between_two_pages_of_indexes(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        for name in "abcdef":
            client.create_index(name, dim=2)
        request = index_pb2.ListIndexesRequest(page_size=2)
        page = stubs.index.ListIndexes(request)
        client.delete_index("a")
        client.delete_index("b")
        client.create_index("bb", dim=2)
        found = [index.name for index in page.indexes]
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = stubs.index.ListIndexes(request)
            found += [index.name for index in page.indexes]
        assert found == ["a", "b", "bb", "c", "d", "e", "f"]
        request = index_pb2.ListIndexesRequest(page_size=10**9)
        assert len(stubs.index.ListIndexes(request).indexes) == 5


def test_a_deletion_between_two_pages_of_snapshots(stubs: Stubs) -> None:
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("a", dim=2)
        client.upsert("a", [1, 2], np.ones((2, 2), np.float32))
        made = [client.snapshots.create("a").wait(timeout=60).name for _ in range(5)]
        request = snapshot_pb2.ListSnapshotsRequest(page_size=2)
        page = stubs.snapshot.ListSnapshots(request)
        found = [one.name for one in page.snapshots]
        assert found == made[:2]
        client.snapshots.delete(made[0])
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = stubs.snapshot.ListSnapshots(request)
            found += [one.name for one in page.snapshots]
        assert found == made
