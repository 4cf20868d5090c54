"""`KeyRing`: the keys of a server, and the caller that a call's key stands for."""

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from gleann.service.calls.caller import EVERYTHING, LOCAL, Caller, Grant
from gleann.service.security.headers import KEY_HEADER, SCHEME

SINGLE = "api_key"
"""The name of the key of the setting `api_key`."""

TOKEN = re.compile(r"gl_(?P<key_id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
"""An API key: its id, and 256 random bits in base64."""

_NO_HASH = sha256(b"").digest()
"""Compared where a key id is unknown; no secret has it, since none is empty."""


class KeyRefusal(Exception):  # noqa: N818  it is no error that a caller sees
    """Why a key is refused: for the log, never for the caller."""


class Metadatum(Protocol):
    """A header of a call."""

    key: str
    value: str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key without its secret.

    Attributes:
        name: of the caller.
        key_id: the public part of the key, 12 hexadecimal digits.
        secret_hash: SHA-256 of the secret, 32 bytes.
        grants: what the caller may do.
        created: when it was made, UTC.
        expires: from when on it is refused, UTC; None for never.
        revoked: when it was revoked, UTC, or None.
    """

    name: str
    key_id: str
    secret_hash: bytes
    grants: tuple[Grant, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it lets calls in."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyRing:
    """Keys by their ids; it never changes."""

    def __init__(
        self,
        keys: Iterable[Key] = (),
        *,
        single: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Collect keys.

        Args:
            keys: of a keys file.
            single: the key of the setting `api_key`, which has all rights, or None.
            clock: the time, UTC, by which keys expire.
        """
        self._keys = {key.key_id: key for key in keys}
        self._single = None if single is None else sha256(single.encode()).digest()
        self._clock = clock

    def __len__(self) -> int:
        return len(self._keys) + (self._single is not None)

    def find(self, metadata: Iterable[Metadatum]) -> Caller:
        """The caller whose key a call carries.

        Every key takes the same steps, so that the time of a refusal tells nothing.

        Raises:
            KeyRefusal: no key, or one that is malformed, unknown, wrong or expired.
        """
        token = _token_of(metadata)
        hashed = sha256(token).digest()
        is_single = hmac.compare_digest(hashed, self._single or _NO_HASH)
        match = TOKEN.fullmatch(token.decode("latin-1"))
        key = self._keys.get(match["key_id"]) if match else None
        secret = match["secret"].encode() if match else b"-"
        expected = key.secret_hash if key else _NO_HASH
        is_right = hmac.compare_digest(sha256(secret).digest(), expected)
        if is_single and self._single is not None:
            return Caller(SINGLE, EVERYTHING)
        if key is None:
            raise KeyRefusal("an unknown key" if match else "a wrong key")
        if not is_right:
            raise KeyRefusal(f"a wrong secret of the key {key.name!r}")
        if not key.is_good(self._clock()):
            why = "has expired" if key.revoked is None else "was revoked"
            raise KeyRefusal(f"the key {key.name!r}, which {why}")
        return Caller(key.name, key.grants)


class OpenRing(KeyRing):
    """No keys are required: every caller is `LOCAL`."""

    def find(self, metadata: Iterable[Metadatum]) -> Caller:
        """The caller in process."""
        del metadata
        return LOCAL


def _token_of(metadata: Iterable[Metadatum]) -> bytes:
    given = [item.value for item in metadata if item.key == KEY_HEADER]
    if not given:
        raise KeyRefusal("no key")
    if len(given) > 1:
        raise KeyRefusal("several keys")
    value = given[0]
    shown = value if isinstance(value, bytes) else value.encode()
    scheme, _, token = shown.partition(b" ")
    if scheme.lower() != SCHEME.lower().encode():
        raise KeyRefusal("a header that is no bearer token")
    return token
