"""The key ring of a server, from its settings."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from gleann.index.errors import InvalidParamsError, MissingFileError
from gleann.service.config import Config
from gleann.service.security.headers import require_key
from gleann.service.security.key_ring import KeyRing, OpenRing
from gleann.service.security.keys_file import others_may, read_keys

LONGEST_KEY = 4096
"""Bytes of an API key: headers have a few kilobytes."""

_log = logging.getLogger(__name__)


def ring_of(config: Config) -> KeyRing:
    """Read the keys of a server.

    Raises:
        MissingFileError: a file cannot be read.
        InvalidInputError: the keys file is none.
        InvalidParamsError: others may write to the keys file, two settings of one key,
            or a key that no header can carry.
    """
    single = single_key(config)
    file = config.security.keys_file
    if file is None:
        return OpenRing() if single is None else KeyRing(single=single)
    _require_safe(file)
    keys = read_keys(file)
    now = datetime.now(UTC)
    good = sum(key.is_good(now) for key in keys)
    if not good and single is None:
        _log.warning("%s has no key that is good: every call is refused", file)
    return KeyRing(keys, single=single)


def single_key(config: Config) -> str | None:
    """The key of the settings `api_key` or `api_key_file`.

    Raises:
        MissingFileError: the file cannot be read.
        InvalidParamsError: both are set, or the file has no key.
    """
    file = config.security.api_key_file
    if file is None:
        return config.api_key
    if config.api_key is not None:
        raise InvalidParamsError(
            "api_key is set and security.api_key_file as well: leave one of them out"
        )
    return read_api_key(file)


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


def _require_safe(file: Path) -> None:
    may = others_may(file)
    if may == "write":
        raise InvalidParamsError(
            f"{file}: other users may write to it, and so make keys: chmod 600"
        )
    if may == "read":
        _log.warning("%s: other users may read it: chmod 600 keeps names private", file)
