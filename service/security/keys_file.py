"""The keys file: API keys without their secrets, as JSON.

A secret is 256 random bits, so that its SHA-256 cannot be inverted by trying: a slow
hash would only slow the server (`service/DECISIONS.md` 58).
"""

import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    MissingFileError,
    StorageError,
)
from gleann.service.calls.caller import Grant, Right
from gleann.service.security.key_ring import SINGLE, Key

VERSION = 1
KEY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PATTERN = re.compile(r"[a-z0-9*?-]{1,80}")
_KEY_ID = re.compile("[0-9a-f]{12}")
_HASH = re.compile("[0-9a-f]{64}")
_FIELDS = {"name", "key_id", "secret_sha256", "grants", "created", "expires", "revoked"}
_GRANT_FIELDS = {"right", "indexes"}
MOST_BYTES = 64 << 20
"""Of a keys file: hundreds of thousands of keys."""


def require_name(name: str) -> None:
    """Refuse a name that no key can have.

    Raises:
        InvalidParamsError: other characters, or the name of the setting `api_key`.
    """
    if not KEY_NAME.fullmatch(name) or name == SINGLE:
        raise InvalidParamsError(
            f"a key's name must match ^{KEY_NAME.pattern}$ and not be {SINGLE!r},"
            f" got {name[:80]!r}"
        )


def require_pattern(pattern: str) -> None:
    """Refuse what is no pattern of index names.

    Raises:
        InvalidParamsError: other characters than those of names, * and ?.
    """
    if not _PATTERN.fullmatch(pattern):
        raise InvalidParamsError(
            "a pattern of indexes has lower-case letters, digits, -, * and ?, got"
            f" {pattern[:80]!r}"
        )


def read_keys(path: Path) -> tuple[Key, ...]:
    """All keys of a file, also those that have expired or were revoked.

    Raises:
        MissingFileError: the file cannot be read.
        InvalidInputError: it is no keys file; the message names the key and the field.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise InvalidInputError(f"{path} has more than {MOST_BYTES} bytes")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is no keys file: {error}") from error
    return _keys_of(path, content)


def others_may(path: Path) -> str:
    """What other users may do with a file: "write", "read" or ""."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "write"
    return "read" if mode & (stat.S_IRGRP | stat.S_IROTH) else ""


@contextmanager
def changing(path: Path) -> Iterator[Callable[[Sequence[Key]], None]]:
    """Lock a keys file against other commands; yields what replaces its keys.

    Raises:
        StorageError: it cannot be locked or written; it is as it was.
    """
    target = path.resolve()
    try:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StorageError(f"{target.parent}: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield lambda keys: _replace(target, keys, folder)
    finally:
        os.close(folder)


def _replace(path: Path, keys: Sequence[Key], folder: int) -> None:
    """Replace the file atomically; a new one is for this user only."""
    scratch = path.with_name(f".{path.name}-{token_hex(4)}")
    text = json.dumps({"version": VERSION, "keys": list(map(_packed, keys))}, indent=1)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(scratch, flags, 0o600), "w") as file:
            _keep_access(path, file.fileno())
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        os.fsync(folder)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error.strerror}") from error


def _keep_access(path: Path, descriptor: int) -> None:
    """Give a file the owner, group and mode of the one at `path`, if there is one.

    A server that runs as another user must be able to read what replaces its file:
    otherwise it goes on with the old keys, also with those that are revoked now.
    """
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _packed(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "key_id": key.key_id,
        "secret_sha256": key.secret_hash.hex(),
        "grants": [
            {"right": grant.right.name.lower(), "indexes": grant.indexes}
            for grant in key.grants
        ],
        "created": key.created.isoformat(),
        "expires": None if key.expires is None else key.expires.isoformat(),
        "revoked": None if key.revoked is None else key.revoked.isoformat(),
    }


def _keys_of(path: Path, content: object) -> tuple[Key, ...]:
    if not isinstance(content, dict) or not isinstance(content.get("keys"), list):
        raise InvalidInputError(f"{path} is no keys file: it has no list of keys")
    if content.get("version") != VERSION:
        raise InvalidInputError(
            f"{path} has version {content.get('version')!r:.40}; this gleann reads"
            f" version {VERSION}"
        )
    keys = []
    for number, one in enumerate(content["keys"]):
        try:
            keys.append(_key_of(one))
        except ValueError as error:
            raise InvalidInputError(f"{path}: key {number}: {error}") from error
    seen: dict[str, str] = {}
    for key in keys:
        if (other := seen.get(key.key_id)) is not None:
            raise InvalidInputError(
                f"{path}: {other!r} and {key.name!r} have one id, {key.key_id}"
            )
        seen[key.key_id] = key.name
    return tuple(keys)


def _key_of(one: Any) -> Key:
    if not isinstance(one, dict) or one.keys() - _FIELDS:
        raise ValueError("it is no object with the fields of a key")
    require_name(_text(one, "name"))
    if not _KEY_ID.fullmatch(_text(one, "key_id")):
        raise ValueError("key_id must have 12 hexadecimal digits")
    if not _HASH.fullmatch(_text(one, "secret_sha256")):
        raise ValueError("secret_sha256 must have 64 hexadecimal digits")
    created = _moment(one, "created")
    if created is None:
        raise ValueError("created is missing")
    if not isinstance(one.get("grants"), list):
        raise ValueError("grants must be a list")
    return Key(
        name=one["name"],
        key_id=one["key_id"],
        secret_hash=bytes.fromhex(one["secret_sha256"]),
        grants=tuple(map(_grant_of, one["grants"])),
        created=created,
        expires=_moment(one, "expires"),
        revoked=_moment(one, "revoked"),
    )


def _grant_of(one: Any) -> Grant:
    if not isinstance(one, dict) or one.keys() != _GRANT_FIELDS:
        # What is not understood may be a restriction.
        raise ValueError("a grant has the fields right and indexes, and no other")
    right, indexes = _text(one, "right"), _text(one, "indexes")
    require_pattern(indexes)
    if right.upper() not in Right.__members__:
        raise ValueError(f"right must be read, write or admin, got {right[:40]!r}")
    return Grant(Right[right.upper()], indexes)


def _text(one: Mapping[str, object], field: str) -> str:
    value = one.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a text")
    return value


def _moment(one: Mapping[str, object], field: str) -> datetime | None:
    if one.get(field) is None:
        return None
    moment = datetime.fromisoformat(_text(one, field))
    if moment.tzinfo is None:
        raise ValueError(f"{field} has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{field} is in no year from 1 to 9999 of UTC") from None
