"""Making, revoking and rotating keys: from the keys of a file to those it has next."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex, token_urlsafe

from gleann.index.errors import AlreadyExistsError, InvalidParamsError, NotFoundError
from gleann.service.calls.caller import Grant
from gleann.service.security.key_ring import Key
from gleann.service.security.keys_file import require_name, require_pattern

KEY_ID_BYTES, SECRET_BYTES = 6, 32


def new_key(
    name: str,
    grants: Sequence[Grant],
    *,
    now: datetime,
    expires: datetime | None = None,
) -> tuple[Key, str]:
    """A key, and what its user is given: the only time that its secret is known.

    Raises:
        InvalidParamsError: a bad name or pattern, or no grant.
    """
    require_name(name)
    if not grants:
        raise InvalidParamsError(f"the key {name!r} has no right on any index")
    for grant in grants:
        require_pattern(grant.indexes)
    key_id, secret = token_hex(KEY_ID_BYTES), token_urlsafe(SECRET_BYTES)
    key = Key(
        name=name,
        key_id=key_id,
        secret_hash=sha256(secret.encode()).digest(),
        grants=tuple(grants),
        created=now,
        expires=expires,
    )
    return key, f"gl_{key_id}_{secret}"


def with_key(keys: Iterable[Key], key: Key) -> list[Key]:
    """Keys with another one; it replaces those of its name that are no longer good.

    Raises:
        AlreadyExistsError: a key of its name is good.
    """
    left = []
    for one in keys:
        if one.name != key.name:
            left.append(one)
        elif one.is_good(key.created):
            raise AlreadyExistsError(
                f"there is a key {key.name!r}: rotate it, or revoke it first"
            )
    return [*left, key]


def revoked(keys: Sequence[Key], name: str, *, now: datetime) -> list[Key]:
    """Keys after all of one name were revoked; they stay, so that the log names them.

    Raises:
        NotFoundError: no key of this name is good.
    """
    _good(keys, name, now)
    return [
        replace(one, revoked=now) if one.name == name and one.is_good(now) else one
        for one in keys
    ]


def rotated(
    keys: Sequence[Key], name: str, *, now: datetime, overlap: timedelta
) -> tuple[list[Key], str]:
    """Keys with a new one of the same rights; the old ones are good for `overlap`.

    The new key is good for as long as the old one was made for.

    Returns:
        The keys, and what the user of the new one is given.

    Raises:
        NotFoundError: no key of this name is good.
    """
    old = _good(keys, name, now)[-1]
    expires = None if old.expires is None else now + (old.expires - old.created)
    key, token = new_key(name, old.grants, now=now, expires=expires)
    end = now + overlap
    left = [
        replace(one, expires=end if one.expires is None else min(end, one.expires))
        if one.name == name and one.is_good(now)
        else one
        for one in keys
    ]
    return [*left, key], token


def _good(keys: Iterable[Key], name: str, now: datetime) -> list[Key]:
    found = [one for one in keys if one.name == name and one.is_good(now)]
    if not found:
        raise NotFoundError(f"there is no key {name[:80]!r} that is good")
    return found
