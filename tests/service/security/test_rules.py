"""A rule for every method, and what each key may call."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from keys_of_tests import Keys

import gleann
import gleann.v1
from gleann.index import BuildParams
from gleann.index.errors import PermissionDeniedError
from gleann.service.calls.caller import Right
from gleann.service.security.rules import RULES, Rule
from gleann.service.server import Server

STATUS = grpc.StatusCode
READ, WRITE, ADMIN = Right.READ, Right.WRITE, Right.ADMIN


def _methods() -> Iterator[tuple[str, MethodDescriptor]]:
    """Every method that a server of gleann may have, by its path."""
    names = [
        f"gleann.v1.{module.name}"
        for module in pkgutil.iter_modules(gleann.v1.__path__)
        if module.name.endswith("_pb2")
    ]
    files = [importlib.import_module(name) for name in names]
    for file in (*files, operations_pb2, health_pb2, reflection_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method


METHODS = dict(_methods())
OPEN = {path for path in METHODS if path.startswith("/grpc.health.v1.Health/")}


def test_every_method_has_a_rule_and_every_rule_a_method() -> None:
    assert set(RULES) == set(METHODS)
    assert {path for path, rule in RULES.items() if rule.right is None} == OPEN


@pytest.mark.parametrize("path", METHODS)
def test_a_rule_names_what_the_request_names(path: str) -> None:
    rule, request = RULES[path], METHODS[path].input_type
    for field in filter(None, (rule.index, rule.resource)):
        _of_path(GetMessageClass(request)(), field)
    fields = set(request.fields_by_name)
    if "index" in fields:
        assert rule.index == "index"
    if "session" in fields:
        assert (rule.resource, rule.kind) == ("session", "session")
    if "name" in fields and path != "/google.longrunning.Operations/ListOperations":
        assert "name" in (rule.index, rule.resource)


@pytest.mark.parametrize("path", METHODS)
def test_what_only_looks_has_the_right_to_read(path: str) -> None:
    looks = path.rpartition("/")[2].startswith(
        (
            "Get",
            "List",
            "Read",
            "Search",
            "Scroll",
            "Count",
            "Score",
            "Wait",
            "ServerRef",
        )
    )
    if path not in OPEN:
        assert (RULES[path].right is READ) == looks
        assert RULES[path].changes == (not looks)


def _of_path(message: Message, path: str) -> str:
    value: Any = message
    for name in path.split("."):
        value = getattr(value, name)
    assert isinstance(value, str)
    return value


@dataclass(frozen=True)
class World:
    """A server whose index "mine" has something of every kind, made by "boss".

    Attributes:
        server: the server.
        tokens: keys by name.
        names: what "boss" has made, by kind.
    """

    server: Server
    tokens: dict[str, str]
    names: dict[str, str]

    def code(self, path: str, request: bytes, key: str | None) -> tuple[STATUS, str]:
        """The code and details of a call, OK for an answer."""
        token = self.tokens.get(key or "", key)
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        with grpc.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
            call = channel.stream_stream(path)(
                iter([request]), metadata=metadata, timeout=60
            )
            try:
                next(call, None)
            except grpc.RpcError as error:
                return error.code(), error.details()
            finally:
                call.cancel()
        return STATUS.OK, ""

    def request(self, path: str, index: str = "mine") -> bytes:
        """A request that names what there is."""
        rule, message = RULES[path], GetMessageClass(METHODS[path].input_type)()
        for field, value in (
            (rule.index, index),
            (rule.resource, self.names.get(rule.kind or "", "")),
        ):
            if field is not None:
                *parents, last = field.split(".")
                where: Any = message
                for name in parents:
                    where = getattr(where, name)
                setattr(where, last, value)
        return message.SerializeToString()

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the database."""
        store = self.server.application.store
        tables = store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            table["name"]: [tuple(row) for row in store.rows(f"SELECT * FROM {name}")]
            for table in tables
            if (name := table["name"])
        }


@pytest.fixture
def world(
    keyed_server: Server, keys: Keys, client_of: Callable[..., gleann.Client]
) -> World:
    tokens = {
        "boss": keys.add("boss", (ADMIN, "*")),
        "reader": keys.add("reader", (READ, "*")),
        "writer": keys.add("writer", (WRITE, "mine")),
        "other": keys.add("other", (ADMIN, "other"), (READ, "*-x")),
    }
    keyed_server.reread()
    boss = client_of(tokens["boss"])
    rows = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
    boss.create_index("mine", dim=4, metric="l2")
    boss.upsert("mine", np.arange(60), rows)
    operation = boss.build("mine", BuildParams(metric="l2", nlist=2, tune_queries=0))
    operation.wait(timeout=60)
    session = boss.start_active_session(
        "mine", ids=np.arange(20), labels=np.arange(20) % 2
    )
    chosen = boss.coresets.farthest_first("mine", k=3).wait(timeout=60)
    curated = boss.curation.near_duplicates("mine", radius=0.1).wait(timeout=60)
    snapshot = boss.snapshots.create("mine").wait(timeout=60)
    names = {
        "curation": curated.name,
        "operation": operation.name,
        "session": session.name,
        "selection": chosen.name,
        "snapshot": snapshot.name,
    }
    return World(keyed_server, tokens, names)


def test_every_method_wants_a_good_key(world: World) -> None:
    before = world.content()
    forged = world.tokens["boss"][:-1] + "x"
    for path in METHODS.keys() - OPEN:
        for key in (None, "wrong", "gl_0_1", forged):
            code, details = world.code(path, b"\xff\xff\xff", key)
            assert code == STATUS.UNAUTHENTICATED, (path, key)
            assert details == "the server wants a key: set api_key"
    assert world.content() == before


def test_a_key_that_reads_changes_nothing(world: World) -> None:
    before = world.content()
    for path, rule in RULES.items():
        if rule.right in (WRITE, ADMIN):
            code, details = world.code(path, world.request(path), "reader")
            assert code == STATUS.PERMISSION_DENIED, path
            assert "'reader'" in details
    for path, rule in RULES.items():
        if rule.right is ADMIN:
            code, _ = world.code(path, world.request(path), "writer")
            assert code == STATUS.PERMISSION_DENIED, path
    assert world.content() == before


def _names_an_index(rule: Rule) -> bool:
    named = rule.index is not None or rule.resource is not None
    return rule.right is not None and named


def test_a_key_for_another_index_learns_nothing(world: World) -> None:
    before, checked = world.content(), 0
    for path, rule in RULES.items():
        if not _names_an_index(rule) or METHODS[path].client_streaming:
            continue
        if world.code(path, b"", "boss")[0] == STATUS.UNIMPLEMENTED:
            continue  # not served yet
        there = world.code(path, world.request(path), "other")
        assert there[0] == STATUS.PERMISSION_DENIED, path
        if rule.resource is None:
            missing = world.code(path, world.request(path, "nothing"), "other")
            assert missing == (there[0], there[1].replace("mine", "nothing")), path
        checked += 1
    assert checked >= 55  # of all methods, those that are served and name something
    after = world.content()
    assert {**after, "requests": None} == {**before, "requests": None}


def test_lists_leave_out_what_may_not_be_read(
    world: World, client_of: Callable[..., gleann.Client]
) -> None:
    other, reader = client_of(world.tokens["other"]), client_of(world.tokens["reader"])
    client_of(world.tokens["boss"]).create_index("a-x", dim=2)
    assert [info.name for info in other.list_indexes()] == ["a-x"]
    assert other.server_info().index_count == 1
    assert [status.name for status in other.server_status().indexes] == ["a-x"]
    assert other.coresets.list() == other.sessions.list() == []
    assert other.snapshots.list() == other.list_operations() == []
    assert [info.name for info in reader.list_indexes()] == ["a-x", "mine"]
    assert [one.name for one in reader.coresets.list()] == [world.names["selection"]]
    assert [one.name for one in reader.snapshots.list()] == [world.names["snapshot"]]
    # They have an owner, and a reader is not.
    assert reader.sessions.list() == reader.list_operations() == []
    boss = client_of(world.tokens["boss"])
    assert [one.name for one in boss.sessions.list()] == [world.names["session"]]
    assert world.names["operation"] in [one.name for one in boss.list_operations()]


def test_the_health_of_an_index_is_for_its_readers(world: World) -> None:
    request = health_pb2.HealthCheckRequest(service="indexes/mine").SerializeToString()
    check = "/grpc.health.v1.Health/Check"
    assert world.code(check, b"", None)[0] == STATUS.OK
    assert world.code(check, request, "reader")[0] == STATUS.OK
    for key in (None, "wrong", "other"):
        assert world.code(check, request, key)[0] == STATUS.NOT_FOUND
        with grpc.insecure_channel(f"127.0.0.1:{world.server.port}") as channel:
            token = world.tokens.get(key or "", "wrong")
            watch = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )(request, metadata=[("authorization", f"Bearer {token}")], timeout=60)
            unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            assert next(watch).status == unknown
            watch.cancel()


def test_a_curation_needs_the_right_to_read_what_it_names(
    world: World, client_of: Callable[..., gleann.Client]
) -> None:
    """Also a stored selection or curation of another index."""
    other = client_of(world.tokens["other"])
    other.create_index("other", dim=4, metric="l2")
    other.upsert("other", np.arange(5), np.eye(5, 4) + 1)
    calls = other.curation
    with pytest.raises(PermissionDeniedError, match="'other'"):
        calls.audit("other", world.names["selection"])
    with pytest.raises(PermissionDeniedError, match="'other'"):
        calls.audit("other", world.names["curation"])
    with pytest.raises(PermissionDeniedError, match="'other'"):
        calls.allocate_labels("other", world.names["curation"], shares={"a": 1})
    assert calls.audit("other", [0, 3]).wait(timeout=60).summary["chosen"] == 2
