"""The key ring of a server, from its settings."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.service.config import Config
from gleann.service.security.headers import read_api_key
from gleann.service.security.key_ring import KeyRing, OpenRing
from gleann.service.security.keys_file import others_may, read_keys

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


def _require_safe(file: Path) -> None:
    may = others_may(file)
    if may == "write":
        raise InvalidParamsError(
            f"{file}: other users may write to it, and so make keys: chmod 600"
        )
    if may == "read":
        _log.warning("%s: other users may read it: chmod 600 keeps names private", file)
