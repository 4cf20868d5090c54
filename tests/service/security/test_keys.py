"""Keys: which let a call in, and how a server follows its keys file."""

import copy
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.longrunning import operations_pb2
from keys_of_tests import Keys, until

import gleann
from gleann.index import errors
from gleann.service.calls.caller import Right
from gleann.service.client.remote import connect
from gleann.service.config import Config, load_config
from gleann.service.config.security import SecuritySettings
from gleann.service.security import key_ring, watching
from gleann.service.security.keys_file import changing, read_keys
from gleann.service.security.making_keys import revoked, rotated
from gleann.service.server import Server, serve

READ, WRITE, ADMIN = Right.READ, Right.WRITE, Right.ADMIN
ClientOf = Callable[[str | None], gleann.Client]


def refused(client: gleann.Client) -> bool:
    try:
        client.list_indexes()
    except errors.UnauthenticatedError as error:
        # All refusals are one to the caller; another message would not count.
        return str(error) == "the server wants a key: set api_key"
    return False


def test_keys_that_are_not_good(
    keyed_server: Server,
    keys: Keys,
    client_of: ClientOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = keys.add("good", (READ, "*"))
    day = timedelta(days=1)
    late = keys.add("late", (ADMIN, "*"), made=2 * day, expires=-day)
    gone = keys.add("gone", (ADMIN, "*"))
    with changing(keys.file) as replace:
        replace(revoked(read_keys(keys.file), "gone", now=datetime.now(UTC)))
    keyed_server.reread()
    key_id, secret = good.removeprefix("gl_").split("_", 1)
    forged = f"gl_{key_id}_{secret[::-1]}"
    unknown = f"gl_{'0' * 12}_{secret}"
    with caplog.at_level(logging.WARNING):
        assert not refused(client_of(good))
        for key in (None, late, gone, forged, unknown, "good", good.upper(), good[:-1]):
            assert refused(client_of(key)), key
    for why in (
        "no key",
        "the key 'late', which has expired",
        "the key 'gone', which was revoked",
        "a wrong secret of the key 'good'",
        "an unknown key",
        "a wrong key",
    ):
        assert f"refused a call with {why} from ipv4:127.0.0.1" in caplog.text
    for token in (good, late, gone, forged, unknown, secret):
        assert token not in caplog.text


@pytest.fixture
def go_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Put the clock ahead by which keys expire."""

    def put(by: timedelta) -> None:
        class Ahead(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + by

        monkeypatch.setattr(key_ring, "datetime", Ahead)

    return put


def test_a_key_expires_while_it_is_used(
    keyed_server: Server,
    keys: Keys,
    client_of: ClientOf,
    go_ahead: Callable[[timedelta], None],
) -> None:
    hour = timedelta(hours=1)
    client = client_of(keys.add("brief", (READ, "*"), expires=hour))
    keyed_server.reread()
    assert not refused(client)
    go_ahead(hour)
    assert refused(client)


def test_the_old_key_is_good_while_it_overlaps(
    keyed_server: Server,
    keys: Keys,
    client_of: ClientOf,
    go_ahead: Callable[[timedelta], None],
) -> None:
    old = keys.add("app", (READ, "docs"), expires=timedelta(days=90))
    now = datetime.now(UTC)
    with changing(keys.file) as replace:
        overlap = timedelta(hours=1)
        found, new = rotated(read_keys(keys.file), "app", now=now, overlap=overlap)
        replace(found)
    first, second = read_keys(keys.file)
    assert first.expires == now + overlap
    assert second.grants == first.grants
    assert second.expires is not None
    assert abs(second.expires - now - timedelta(days=90)) < timedelta(minutes=1)
    keyed_server.reread()
    assert not refused(client_of(old))
    assert not refused(client_of(new))
    go_ahead(overlap)
    assert refused(client_of(old))
    assert not refused(client_of(new))


def test_a_changed_file_is_read_without_a_restart(
    start_server: Callable[..., Server],
    keys: Keys,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "SECONDS_BETWEEN", 0.05)
    token = keys.add("first", (READ, "*"))
    server = start_server(security=SecuritySettings(keys_file=keys.file))
    with (
        gleann.Client(server.target, api_key=token) as first,
        caplog.at_level(logging.INFO),
    ):
        assert not refused(first)
        token = keys.add("second", (READ, "*"))
        with gleann.Client(server.target, api_key=token) as second:
            until(lambda: not refused(second))
            # What cannot be read leaves the keys as they were, and is logged once.
            text = keys.file.read_text()
            keys.file.write_text(text[: len(text) // 2])
            until(lambda: "is no keys file" in caplog.text)
            keys.file.rename(keys.file.with_suffix(".aside"))
            until(lambda: "keys.json: No such file" in caplog.text)
            time.sleep(0.3)
            assert not refused(first)
            assert not refused(second)
            assert caplog.text.count("No such file") == 1
            readings = caplog.text.count("read again")
            keys.file.write_text(text.replace('"second"', '"third"'))
            until(lambda: caplog.text.count("read again") > readings)
            keys.file.write_text(text.replace(read_keys(keys.file)[0].key_id, "0" * 12))
            until(lambda: refused(first))
            assert not refused(second)


def test_the_single_key_stays_and_has_all_rights(
    start_server: Callable[..., Server], keys: Keys, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("  a-single-key\n")
    token = keys.add("reader", (READ, "*"))
    security = SecuritySettings(keys_file=keys.file, api_key_file=file)
    target = start_server(security=security).target
    with gleann.Client(target, api_key="a-single-key") as client:
        client.create_index("a", dim=2)
    with gleann.Client(target, api_key=token) as client:
        assert [info.name for info in client.list_indexes()] == ["a"]
        with pytest.raises(errors.PermissionDeniedError, match=r"'reader'.*admin"):
            client.delete_index("a")


def test_owners_and_admins_alone_see_and_end(
    keyed_server: Server, keys: Keys, client_of: ClientOf
) -> None:
    tokens = [
        keys.add("boss", (ADMIN, "a*")),
        keys.add("one", (WRITE, "a*")),
        keys.add("two", (WRITE, "*"), (ADMIN, "b*")),
    ]
    keyed_server.reread()
    boss, one, two = map(client_of, tokens)
    boss.create_index("a", dim=4, metric="l2")
    rows = np.random.default_rng(1).normal(size=(40, 4))
    one.upsert("a", np.arange(40), rows)
    operation = one.build("a")
    operation.wait(timeout=60)
    session = one.start_active_session(
        "a", ids=np.arange(10), labels=np.arange(10) % 2
    ).name
    denied = pytest.raises(errors.PermissionDeniedError, match="'two'")
    for attempt in (
        lambda: two.operations.get(operation.name),
        lambda: two.operations.cancel(operation.name),
        lambda: two.operations.delete(operation.name),
        lambda: two.sessions.get(session),
        lambda: two.sessions.close(session),
        lambda: two.active.next_batch(session),
        lambda: two.active.submit_labels(session, [11], [0]),
    ):
        with denied:
            attempt()
    assert two.list_operations() == two.sessions.list() == []
    for client in (one, boss):
        assert client.operations.get(operation.name).done
        assert [info.name for info in client.sessions.list("a")] == [session]
        assert len(client.active.next_batch(session).ids)
    with pytest.raises(errors.UnknownJobError):
        two.operations.get("operations/0123456789abcdef")
    boss.sessions.close(session)
    boss.operations.delete(operation.name)


def test_a_wait_is_for_owners(
    keyed_server: Server, keys: Keys, client_of: ClientOf
) -> None:
    boss = client_of(keys.add("boss", (ADMIN, "*")))
    token = keys.add("other", (WRITE, "*"))
    keyed_server.reread()
    boss.create_index("a", dim=2, metric="l2")
    boss.upsert("a", [1, 2], np.eye(2))
    operation = boss.build("a")
    address = keyed_server.target.removeprefix("grpc://")
    stubs = connect(address, api_key=token, timeout=60)
    request = operations_pb2.WaitOperationRequest(name=operation.name)
    with pytest.raises(errors.PermissionDeniedError, match="'other'"):
        stubs.operations.WaitOperation(request)
    stubs.close()
    operation.wait(timeout=60)


def test_request_ids_are_each_callers_own(
    keyed_server: Server, keys: Keys, client_of: ClientOf
) -> None:
    one = client_of(keys.add("one", (ADMIN, "*")))
    two = client_of(keys.add("two", (ADMIN, "*")))
    keyed_server.reread()
    one.create_index("a", dim=2, request_id="r")
    # The same id of another caller is another request: no answer of "one" is given.
    with pytest.raises(errors.AlreadyExistsError, match="'a'"):
        two.create_index("a", dim=2, request_id="r")
    two.create_index("b", dim=2, request_id="r")
    one.create_index("a", dim=2, request_id="r")
    with pytest.raises(errors.AlreadyExistsError, match="different request"):
        one.create_index("b", dim=2, request_id="r")


def test_a_snapshot_is_restored_with_rights_on_both(
    keyed_server: Server, keys: Keys, client_of: ClientOf
) -> None:
    boss = client_of(keys.add("boss", (ADMIN, "*")))
    half = client_of(keys.add("half", (ADMIN, "b"), (READ, "a")))
    other = client_of(keys.add("other", (ADMIN, "b")))
    keyed_server.reread()
    boss.create_index("a", dim=2, metric="l2")
    boss.upsert("a", [1], np.eye(1, 2))
    name = boss.snapshots.create("a").wait(timeout=60).name
    with pytest.raises(errors.PermissionDeniedError, match="read 'snapshots/a-"):
        other.snapshots.restore(name, "b")
    with pytest.raises(errors.PermissionDeniedError, match="admin on index 'c'"):
        half.snapshots.restore(name, "c")
    half.snapshots.restore(name, "b").wait(timeout=60)
    assert half.count("b") == 1


def test_an_imported_snapshot_needs_the_right_on_its_index(
    start_server: Callable[..., Server], keys: Keys, tmp_path: Path
) -> None:
    tokens = keys.add("boss", (ADMIN, "*")), keys.add("other", (ADMIN, "b"))
    security = SecuritySettings(keys_file=keys.file)
    server = start_server(security=security, export_roots=(tmp_path,))
    with (
        gleann.Client(server.target, api_key=tokens[0]) as boss,
        gleann.Client(server.target, api_key=tokens[1]) as other,
    ):
        boss.create_index("a", dim=2, metric="l2")
        boss.upsert("a", [1], np.eye(1, 2))
        name = boss.snapshots.create("a").wait(timeout=60).name
        boss.snapshots.export_to(name, tmp_path / "a.tar").wait(timeout=60)
        boss.snapshots.delete(name)
        with pytest.raises(errors.PermissionDeniedError, match="admin on index 'a'"):
            other.snapshots.import_from(tmp_path / "a.tar")
        assert boss.snapshots.list() == []
        boss.snapshots.import_from(tmp_path / "a.tar").wait(timeout=60)
        assert [one.name for one in boss.snapshots.list()] == [name]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no keys file"),
        ("[]", "has no list of keys"),
        ('{"version": 2, "keys": []}', "version 2; this gleann reads version 1"),
        ('{"version": 1, "keys": [{}]}', "key 0: name must be a text"),
        ('{"version": 1, "keys": [{"secret": "x"}]}', "key 0: it is no object"),
    ],
)
def test_files_that_hold_no_keys_are_refused_at_the_start(
    text: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    file.chmod(0o600)
    config = Config(
        data_dir=tmp_path / "data",
        listen="127.0.0.1:0",
        security=SecuritySettings(keys_file=file),
    )
    with pytest.raises(errors.InvalidInputError, match=r"keys\.json") as caught:
        serve(config)
    assert says in str(caught.value)
    file.unlink()
    with pytest.raises(errors.MissingFileError, match=r"keys\.json: No such file"):
        serve(config)


ODD = [None, 1, "", "x", "\ud800", [], {}, ["x"], [[]], {"right": "read"}, float("nan")]
"""Put in the place of each value of a keys file."""


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def test_no_other_value_stops_the_reader_unless_it_is_named(keys: Keys) -> None:
    keys.add("a", (READ, "x*"), (WRITE, "y"), expires=timedelta(days=1))
    keys.add("b", (ADMIN, "*"))
    good, said = json.loads(keys.file.read_text()), []
    times = ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-01-01"]
    for *path, last in filter(None, _places(good)):
        for odd in [*ODD, *times]:
            changed = copy.deepcopy(good)
            parent = changed
            for key in path:
                parent = parent[key]
            parent[last] = odd
            keys.file.write_text(json.dumps(changed))
            try:
                read_keys(keys.file)
            except errors.InvalidInputError as error:
                said.append(str(error))
    assert len(said) > 300
    assert all(text.startswith(f"{keys.file}") for text in said)


@pytest.mark.parametrize(
    ("grant", "says"),
    [
        ({"right": "read"}, "the fields right and indexes, and no other"),
        ({"right": "read", "indexes": "a", "rows": "x"}, "and no other"),
        ({"right": "own", "indexes": "a"}, "right must be read, write or admin"),
        ({"right": "read", "indexes": "[a]"}, "lower-case letters"),
    ],
)
def test_a_grant_that_is_not_understood_is_refused(
    keys: Keys, grant: dict[str, str], says: str
) -> None:
    keys.add("a", (READ, "x*"))
    content = json.loads(keys.file.read_text())
    content["keys"][0]["grants"] = [grant]
    keys.file.write_text(json.dumps(content))
    with pytest.raises(errors.InvalidInputError, match=f"key 0: .*{says}"):
        read_keys(keys.file)


def test_a_key_that_is_there_twice_is_refused(keys: Keys) -> None:
    """One may be revoked, and the other not."""
    keys.add("a", (READ, "*"))
    content = json.loads(keys.file.read_text())
    content["keys"].append(content["keys"][0] | {"revoked": "2026-01-01T00:00:00Z"})
    keys.file.write_text(json.dumps(content))
    with pytest.raises(errors.InvalidInputError, match="'a' and 'a' have one id"):
        read_keys(keys.file)


def test_who_else_may_use_the_file(
    start_server: Callable[..., Server],
    keys: Keys,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert keys.file.stat().st_mode & 0o777 == 0o600
    security = SecuritySettings(keys_file=keys.file)
    keys.file.chmod(0o620)
    with pytest.raises(errors.InvalidParamsError, match=r"keys\.json.*chmod 600"):
        start_server(security=security)
    keys.file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        start_server(security=security)
    assert "other users may read it" in caplog.text


def test_the_file_is_replaced_whole_or_not_at_all(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.add("first", (READ, "*"))
    before = keys.file.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(errors.StorageError, match=r"keys\.json: No space left"):
        keys.add("second", (READ, "*"))
    assert keys.file.read_bytes() == before
    assert list(keys.file.parent.glob(".keys*")) == []


def test_a_key_is_set_once(start_server: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a-key")
    security = SecuritySettings(api_key_file=file)
    with pytest.raises(errors.InvalidParamsError, match="leave one of them out"):
        start_server(api_key="another", security=security)
    file.unlink()
    with pytest.raises(errors.MissingFileError, match="key: No such file"):
        start_server(security=security)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("tls_cert = 'a.pem'", "tls_cert is set without tls_key"),
        ("tls_key = 'a.pem'", "tls_key is set without tls_cert"),
        ("tls_client_ca = 'a.pem'", "tls_client_ca is set without tls_cert"),
        ("keys_file = 5", "must be a path, got 5"),
        ("allow_plaintext_keys = 'perhaps'", "must be true or false"),
        ("key_file = 'a'", "is no setting; did you mean security.keys_file"),
    ],
)
def test_settings_that_do_not_fit(settings: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"data_dir = 'd'\n[security]\n{settings}\n")
    with pytest.raises(errors.InvalidParamsError, match=re.escape(says)):
        load_config(file, environ={})
