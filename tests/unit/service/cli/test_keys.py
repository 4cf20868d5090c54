"""`gleann keys`: making, listing, rotating and revoking keys."""

import json
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest

from gleann.index.errors import InvalidParamsError
from gleann.service.calls.caller import Grant, Right
from gleann.service.cli.keys import duration
from gleann.service.cli.main import cli, run
from gleann.service.security.key_ring import TOKEN
from gleann.service.security.keys_file import read_keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def add(file: Path, name: str, *more: str, right: str = "read") -> int:
    return run(["keys", "add", name, "--right", right, "--keys", str(file), *more])


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip()


def test_a_key_is_printed_once_and_kept_as_a_hash(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        add(file, "app", "--index", "docs", "--index", "a-*", "--expires", "90d") == 0
    )
    token = printed(capsys)
    match = TOKEN.fullmatch(token)
    assert match is not None
    (key,) = read_keys(file)
    assert key.name == "app"
    assert key.key_id == match["key_id"]
    assert key.secret_hash == sha256(match["secret"].encode()).digest()
    assert key.grants == (Grant(Right.READ, "docs"), Grant(Right.READ, "a-*"))
    assert key.expires == key.created + timedelta(days=90)
    assert file.stat().st_mode & 0o777 == 0o600
    assert match["secret"] not in file.read_text()


def test_a_key_goes_to_a_file_for_this_user_only(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "app.key"
    assert add(file, "app", "--index", "*", "--out", str(out)) == 0
    assert TOKEN.fullmatch(out.read_text().strip())
    assert out.stat().st_mode & 0o777 == 0o600
    assert "gl_" not in capsys.readouterr().out
    # A file that is there is not replaced, and then no key is made.
    assert add(file, "other", "--index", "*", "--out", str(out)) == 1
    assert f"--out {out} exists" in capsys.readouterr().err
    assert [key.name for key in read_keys(file)] == ["app"]


def _listed(file: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["keys", "list", "--keys", str(file), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["keys"]
    return found


def test_rotate_and_revoke(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(file, "app", "--index", "docs", right="write") == 0
    first = printed(capsys)
    assert run(["keys", "rotate", "app", "--overlap", "1h", "--keys", str(file)]) == 0
    second = printed(capsys)
    assert second != first
    old, new = read_keys(file)
    assert old.expires is not None
    assert old.expires - datetime.now(UTC) < timedelta(hours=1)
    assert (new.expires, new.grants) == (None, old.grants)
    assert [one["state"] for one in _listed(file, capsys)] == ["good", "good"]
    # A name that is in use is not taken over by accident.
    assert add(file, "app", "--index", "*") == 1
    assert "rotate it, or revoke it first" in capsys.readouterr().err
    assert run(["keys", "revoke", "app", "--keys", str(file)]) == 0
    assert printed(capsys) == "revoked app: 2 keys"
    listed = _listed(file, capsys)
    assert [one["state"] for one in listed] == ["revoked", "revoked"]
    assert listed[0]["grants"] == "write docs"
    for verb in ("revoke", "rotate"):
        assert run(["keys", verb, "app", "--keys", str(file)]) == 1
        assert "no key 'app' that is good" in capsys.readouterr().err
    assert add(file, "app", "--index", "*") == 0
    assert [one["state"] for one in _listed(file, capsys)] == ["good"]


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("api_key", ("--index", "*"), "not be 'api_key'"),
        ("App", ("--index", "*"), "a key's name must match"),
        ("a" * 64, ("--index", "*"), "a key's name must match"),
        ("app", ("--index", "a b"), "a pattern of indexes has"),
        ("app", ("--index", "[a]"), "a pattern of indexes has"),
        ("app", ("--index", "*", "--expires", "0d"), "--expires must be a number"),
        ("app", ("--index", "*", "--expires", "-1d"), "--expires must be a number"),
        ("app", ("--index", "*", "--expires", "1y"), "such as 90d, got '1y'"),
    ],
)
def test_what_is_refused(
    name: str,
    more: tuple[str, ...],
    says: str,
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert add(file, name, *more) == 1
    assert says in capsys.readouterr().err
    assert not file.exists()


def test_a_file_that_is_none_stays_as_it_is(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("mine")
    assert add(file, "app", "--index", "*") == 1
    assert "is no keys file" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert run(["keys", "list", "--keys", str(file.with_name("no"))]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_changed_file_stays_that_of_the_server(file: Path) -> None:
    """Root revokes a key: the server, another user, must be able to read that."""
    add(file, "app", "--index", "*")
    os.chown(file, 10_001, 10_002)
    file.chmod(0o640)
    before = file.stat()
    assert run(["keys", "revoke", "app", "--keys", str(file)]) == 0
    after = file.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_uid, after.st_gid) == (10_001, 10_002)
    assert after.st_mode == before.st_mode


def test_others_who_may_use_the_file_are_warned_of(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(file, "app", "--index", "*")
    file.chmod(0o644)
    assert run(["keys", "list", "--keys", str(file)]) == 0
    assert "other users may read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43200), ("90d", 7776000), ("2w", 1209600)],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text, "expires").total_seconds() == seconds
    with pytest.raises(InvalidParamsError):
        duration(text + " ", "expires")


def test_no_command_takes_a_key_as_an_argument() -> None:
    """Arguments of a process can be seen by all users of the machine."""

    def options(group: click.Command, path: str = "") -> dict[str, list[str]]:
        found = {path: [name for one in group.params for name in one.opts]}
        if isinstance(group, click.Group):
            context = click.Context(group)
            for name in group.list_commands(context):
                command = group.get_command(context, name)
                assert command is not None
                found |= options(command, f"{path} {name}")
        return found

    found = options(cli)
    assert "--api-key-file" in found[" index list"]
    assert not [path for path, names in found.items() if "--api-key" in names]
    assert not [
        (path, name)
        for path, names in found.items()
        for name in names
        if any(word in name for word in ("secret", "token", "password"))
    ]
