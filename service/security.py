"""API key check, made before the server waits for the request message."""

import hmac
from collections.abc import Iterable
from typing import Protocol

from gleann.index.errors import InvalidParamsError

KEY_HEADER = "authorization"
OPEN_SERVICE = "/grpc.health.v1.Health/"
"""Whether the server lives is no secret, and probes carry no keys."""


class _Metadatum(Protocol):
    key: str
    value: str | bytes


class KeyCheck:
    """Checks the API key of calls."""

    def __init__(self, api_key: str | None) -> None:
        self._expected = None if api_key is None else bearer(api_key).encode()

    def refusal(self, method: str, metadata: Iterable[_Metadatum]) -> str | None:
        """Why a call to `method` is refused, "no key" or "a wrong key", or None."""
        if self._expected is None or method.startswith(OPEN_SERVICE):
            return None
        given = [item.value for item in metadata if item.key == KEY_HEADER]
        if not given:
            return "no key"
        last = given[-1]
        shown = last if isinstance(last, bytes) else last.encode()
        return None if hmac.compare_digest(shown, self._expected) else "a wrong key"


def bearer(api_key: str) -> str:
    """The value of the authorization header."""
    return f"Bearer {api_key}"


def require_key(api_key: str) -> None:
    """Refuse a key that a header cannot carry unchanged; the key is not shown.

    Raises:
        InvalidParamsError: empty, or other characters than visible ASCII.
    """
    if not api_key:
        raise InvalidParamsError("api_key is empty")
    _require_letters(api_key, "!", "letters without blanks")


def require_sendable_key(api_key: str) -> None:
    """Refuse a key that no header can carry; it may still be a wrong one.

    Raises:
        InvalidParamsError: other characters than ASCII, or control characters.
    """
    _require_letters(api_key, " ", "letters")


def _require_letters(api_key: str, first: str, kind: str) -> None:
    for place, letter in enumerate(api_key):
        if not first <= letter <= "~":
            raise InvalidParamsError(
                f"api_key must be of visible ASCII {kind}; letter {place + 1} of"
                f" {len(api_key)} is not"
            )
