"""The header that carries an API key, and keys that it can carry."""

from gleann.index.errors import InvalidParamsError

KEY_HEADER = "authorization"
SCHEME = "Bearer"


def bearer(api_key: str) -> str:
    """The value of the authorization header."""
    return f"{SCHEME} {api_key}"


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
