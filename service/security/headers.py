"""The header that carries an API key, and keys that it can carry."""

from pathlib import Path

from gleann.index.errors import InvalidParamsError, MissingFileError

KEY_HEADER = "authorization"
SCHEME = "Bearer"
LONGEST_KEY = 4096
"""Bytes of an API key: headers have a few kilobytes."""


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


def read_api_key(file: Path) -> str:
    """The key in a file, without blanks around it; it is never part of a message.

    Raises:
        MissingFileError: it cannot be read.
        InvalidParamsError: it has no key, or more than one line.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(LONGEST_KEY + 1)
    except OSError as error:
        raise MissingFileError(f"{file}: {error.strerror}") from error
    if len(text) > LONGEST_KEY:
        raise InvalidParamsError(f"{file} is too long for an API key")
    try:
        key = text.decode("ascii").strip()
        require_key(key)
    except (UnicodeDecodeError, InvalidParamsError):
        raise InvalidParamsError(
            f"{file} must have one API key of visible ASCII letters, and nothing else"
        ) from None
    return key


def _require_letters(api_key: str, first: str, kind: str) -> None:
    for place, letter in enumerate(api_key):
        if not first <= letter <= "~":
            raise InvalidParamsError(
                f"api_key must be of visible ASCII {kind}; letter {place + 1} of"
                f" {len(api_key)} is not"
            )
