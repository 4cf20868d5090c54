"""Files in object stores (s3://, gs://, az://, http://), by the package obstore."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.fs

from gleann.index.data.arrow_view import ArrowView
from gleann.index.data.byte_file import ByteFile
from gleann.index.data.files import Files, is_glob, is_named_as_file, listed_files
from gleann.index.errors import (
    CorruptDataError,
    EngineUnavailableError,
    InvalidInputError,
    MissingFileError,
)

_URL = re.compile(r"[a-z][a-z0-9]+://.+", re.DOTALL)

PATIENCE = 10.0
"""Seconds after which a request that failed is not sent again, and those that each may
take. obstore itself goes on for 180, of which a caller hears nothing."""
CONNECT_SECONDS = 5.0
"""Most that a connection may take."""
MOST_RETRIES = 5
"""Of a request. A port that refuses connections is known to be dead within a second."""
MOST_BYTES = 4 << 20
"""Of a request, so that one ends in time where a store sends 0.4 MB a second."""
_CLIENT = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "http1_only",
    "http2_keep_alive_interval",
    "http2_keep_alive_timeout",
    "http2_keep_alive_while_idle",
    "http2_max_frame_size",
    "http2_only",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "randomize_addresses",
    "read_timeout",
    "timeout",
    "user_agent",
)
"""Options of connections that obstore reads from AWS_ALLOW_HTTP, GOOGLE_ALLOW_HTTP and
the like, unless it is given any by its caller: so they are read here."""
_VARIABLES = {"s3": "AWS", "s3a": "AWS", "gs": "GOOGLE"} | dict.fromkeys(
    ("az", "adl", "azure", "abfs", "abfss"), "AZURE"
)
"""What the names of these variables begin with, by the scheme of the URL."""
_HOSTS = {
    "amazonaws.com": "AWS",
    "r2.cloudflarestorage.com": "AWS",
    "core.windows.net": "AZURE",
    "fabric.microsoft.com": "AZURE",
}
"""The same by the end of the host, of an URL that begins with https://."""


def stored_files(
    source: str, store: Any = None, *, patience: float = PATIENCE
) -> Files:
    """The files that an URL, or a path within a store, names.

    Args:
        source: a file, a glob in its last parts, or a folder, as `listed_files` tells
            them apart.
        store: of obstore; None makes the one of the URL, with the credentials of the
            environment, as obstore reads them.
        patience: seconds after which a request that failed is not sent again, of a
            store of an URL; a request may take as many. One of obstore has its own.

    Raises:
        EngineUnavailableError: the package obstore is not installed.
        MissingFileError: nothing is there, or the store cannot be reached.
        InvalidInputError: no such kind of store, or files of several kinds.
    """
    obstore = _obstore(source)
    if store is not None:
        return listed_files(source, source, StoredPlace(obstore, store))
    base, name = _split(source)
    store = _store_of(obstore, base, patience=patience)
    return listed_files(source, name, StoredPlace(obstore, store, shown=base))


def place_of_url(source: str) -> "StoredPlace":
    """The store that an URL is of, without a look into it.

    Raises:
        EngineUnavailableError: the package obstore is not installed.
        InvalidInputError: no such kind of store.
    """
    obstore = _obstore(source)
    base, _ = _split(source)
    store = _store_of(obstore, base, patience=PATIENCE)
    return StoredPlace(obstore, store, shown=base)


class StoredPlace:
    """A `Place` in an object store.

    Attributes:
        filesystem: Arrow's view of it.
    """

    def __init__(self, obstore: Any, store: Any, *, shown: str = "") -> None:
        """Take a store.

        Args:
            obstore: the package.
            store: of it.
            shown: the URL of the store, for messages.
        """
        self._obstore = obstore
        self._store = store
        self._shown = shown
        self._versions: dict[str, Any] = {}
        self.filesystem = pa.fs.PyFileSystem(ArrowView(self))

    def names(self, folder: str) -> list[str]:
        """All files below a folder.

        Raises:
            MissingFileError: the store cannot be reached, or does not list.
        """
        prefix = folder.strip("/") or None
        shown = _joined(self._shown, folder) or "the store"
        with _refusing(self._obstore, shown):
            return [
                meta["path"]
                for some in self._obstore.list(self._store, prefix)
                for meta in some
            ]

    def byte_file(self, name: str) -> ByteFile:
        """A file by its name; the one that it was before.

        Raises:
            CorruptDataError: it was replaced since it was opened first.
        """
        shown = _joined(self._shown, name)
        file = StoredFile(self._obstore, self._store, name, shown=shown)
        if self._versions.setdefault(name, file.version) != file.version:
            raise _replaced(shown)
        return file


class StoredFile:
    """A `ByteFile` of an object store; each read is a request of a range.

    Attributes:
        version: differs from that of a file that replaces it, where the store tells.
    """

    def __init__(self, obstore: Any, store: Any, name: str, *, shown: str) -> None:
        """Ask for the size.

        Raises:
            MissingFileError: it is not there, or the store cannot be reached.
        """
        self.name = name
        self._shown = shown
        self._obstore = obstore
        self._store = store
        with _refusing(obstore, shown):
            meta = obstore.head(store, name)
        self.size = int(meta["size"])
        tag = meta["e_tag"]
        self.version = self.size, tag, meta["last_modified"]
        # No weak tag matches: it is of any file that means the same.
        is_strong = tag is not None and not tag.startswith("W/")
        self._only = {"if_match": tag} if is_strong else {}

    def read_some(self, room: memoryview, at: int) -> int:
        """Read into `room` from offset `at`; the bytes that came."""
        stop = min(at + min(len(room), MOST_BYTES), self.size)
        if stop <= at:
            return 0
        with _refusing(self._obstore, self._shown):
            options = {"range": (at, stop), **self._only}
            got = self._obstore.get(self._store, self.name, options=options).bytes()
        part = memoryview(got)[: len(room)]
        room[: len(part)] = part
        return len(part)


@contextmanager
def _refusing(obstore: Any, shown: str) -> Iterator[None]:
    """Convert errors of a store.

    Raises:
        CorruptDataError: the file was replaced meanwhile.
        MissingFileError: for all others.
    """
    try:
        yield
    except obstore.exceptions.PreconditionError as error:
        raise _replaced(shown) from error
    except (obstore.exceptions.BaseError, OSError) as error:
        raise MissingFileError(f"{shown}: {_first_line(error)}") from error


def _replaced(shown: str) -> CorruptDataError:
    return CorruptDataError(f"{shown} was replaced while it was read")


def _joined(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name.lstrip('/')}" if base and name else base or name


def _first_line(error: Exception) -> str:
    """What a store says, without the chain of its causes."""
    lines = str(error).strip().splitlines()
    return f"{lines[0]:.300}" if lines else type(error).__name__


def _obstore(source: str) -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise EngineUnavailableError(
            f"{source:.200} needs the package obstore, which cannot be imported:"
            f" {error}; pip install obstore"
        ) from error
    return obstore


def _split(url: str) -> tuple[str, str]:
    """The URL of the folder that a store begins at, and the rest."""
    if not _URL.fullmatch(url):
        raise InvalidInputError(f"{url!r:.200} is no URL of an object store")
    scheme, rest = url.split("://", 1)
    parts = rest.split("/")
    fixed = next((n for n, part in enumerate(parts) if is_glob(part)), None)
    if fixed is None:
        has_file = len(parts) > 1 and is_named_as_file(parts[-1])
        fixed = len(parts) - 1 if has_file else len(parts)
    fixed = max(fixed, 1)
    return f"{scheme}://{'/'.join(parts[:fixed])}", "/".join(parts[fixed:])


def _store_of(obstore: Any, base: str, *, patience: float) -> Any:
    retries = {
        "max_retries": MOST_RETRIES,
        "retry_timeout": timedelta(seconds=patience),
    }
    client = _client_options(base, patience)
    try:
        return obstore.store.from_url(base, client_options=client, retry_config=retries)
    except (obstore.exceptions.BaseError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"{base:.200} is no object store: {_first_line(error)}"
        ) from error


def _client_options(base: str, patience: float) -> dict[str, Any]:
    """How the store of an URL is connected to; what the environment says goes first."""
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=min(patience, CONNECT_SECONDS)),
        "timeout": timedelta(seconds=max(patience, 0.001)),  # 0 would be without end
    }
    if base.startswith("http://"):
        # obstore refuses plain HTTP where nobody asks for it, as this URL does.
        options["allow_http"] = True
    if (begin := _begin_of_variables(base)) is not None:
        names = {key: f"{begin}_{key.upper()}" for key in _CLIENT}
        options |= {k: os.environ[v] for k, v in names.items() if v in os.environ}
    return options


def _begin_of_variables(base: str) -> str | None:
    """What the variables of a store begin with; None for one that has none."""
    scheme, _, rest = base.partition("://")
    if scheme != "https":
        return _VARIABLES.get(scheme)
    host = rest.partition("/")[0]
    return next((found for end, found in _HOSTS.items() if host.endswith(end)), None)
