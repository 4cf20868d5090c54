"""Files in object stores (s3://, gs://, az://, http://), by the package obstore."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.fs

from gleann.index.data.byte_file import ByteFile
from gleann.index.data.files import (
    Files,
    fixed_folder,
    is_glob,
    kind_of_file,
    matching,
    of_one_kind,
)
from gleann.index.errors import (
    CorruptDataError,
    EngineUnavailableError,
    InvalidInputError,
    MissingFileError,
)

_URL = re.compile(r"[a-z][a-z0-9]+://.+", re.DOTALL)
_KNOWN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def stored_files(source: str, store: Any = None) -> Files:
    """The files that an URL, or a path within a store, names.

    Args:
        source: a file; a glob in its last parts; or a folder, without a suffix.
        store: of obstore; None makes the one of the URL, with the credentials of the
            environment, as obstore reads them.

    Raises:
        EngineUnavailableError: the package obstore is not installed.
        MissingFileError: nothing is there, or the store cannot be reached.
        InvalidInputError: no such kind of store, or files of several kinds.
    """
    obstore = _obstore(source)
    base, name = _split(source) if store is None else ("", source)
    place = StoredPlace(obstore, _store_of(obstore, base) if store is None else store)
    if name and not is_glob(name) and _KNOWN_SUFFIX.search(name):
        kind = kind_of_file(name)
        return Files(shown=source, names=(name,), kind=kind, place=place)
    if is_glob(name):
        names = place.names(fixed_folder(name))
        return of_one_kind(source, matching(names, name), place=place)
    folder = name.rstrip("/")
    names = place.names(folder)
    below = [
        one
        for one in names
        if not any(
            part.startswith((".", "_")) for part in one[len(folder) :].split("/")
        )
    ]
    return of_one_kind(source, below, place=place, root=folder)


class StoredPlace:
    """A `Place` in an object store.

    Attributes:
        filesystem: Arrow's view of it.
    """

    def __init__(self, obstore: Any, store: Any) -> None:
        self._obstore = obstore
        self._store = store
        self._versions: dict[str, Any] = {}
        self.filesystem = pa.fs.PyFileSystem(_Handler(self))

    def names(self, folder: str) -> list[str]:
        """All files below a folder.

        Raises:
            MissingFileError: the store cannot be reached, or does not list.
        """
        prefix = folder.strip("/") or None
        with _refusing(self._obstore, folder or "the store"):
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
        file = StoredFile(self._obstore, self._store, name)
        if self._versions.setdefault(name, file.version) != file.version:
            raise _replaced(name)
        return file


class StoredFile:
    """A `ByteFile` of an object store; each read is a request of a range.

    Attributes:
        version: differs from that of a file that replaces it, where the store tells.
    """

    def __init__(self, obstore: Any, store: Any, name: str) -> None:
        """Ask for the size.

        Raises:
            MissingFileError: it is not there, or the store cannot be reached.
        """
        self.name = name
        self._obstore = obstore
        self._store = store
        with _refusing(obstore, name):
            meta = obstore.head(store, name)
        self.size = int(meta["size"])
        tag = meta["e_tag"]
        self.version = self.size, tag, meta["last_modified"]
        # No weak tag matches: it is of any file that means the same.
        is_strong = tag is not None and not tag.startswith("W/")
        self._only = {"if_match": tag} if is_strong else {}

    def read_some(self, room: memoryview, at: int) -> int:
        """Read into `room` from offset `at`; the bytes that came."""
        stop = min(at + len(room), self.size)
        if stop <= at:
            return 0
        with _refusing(self._obstore, self.name):
            options = {"range": (at, stop), **self._only}
            got = self._obstore.get(self._store, self.name, options=options).bytes()
        part = memoryview(got)[: len(room)]
        room[: len(part)] = part
        return len(part)


class _Handler(pa.fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """What Arrow needs to read files of a store; it writes none."""

    def __init__(self, place: StoredPlace) -> None:
        self._place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Handler) and other._place is self._place

    def __hash__(self) -> int:
        return id(self._place)

    def get_type_name(self) -> str:
        """Name of the kind."""
        return "obstore"

    def normalize_path(self, path: str) -> str:
        """The path as it is."""
        return path

    def get_file_info(self, paths: list[str]) -> list[Any]:
        """Size of each file."""
        return [
            pa.fs.FileInfo(path, pa.fs.FileType.File, size=self._opened(path).size)
            for path in paths
        ]

    def open_input_file(self, path: str) -> Any:
        """A file that Arrow may seek in."""
        return pa.PythonFile(_SeekableFile(self._opened(path)), mode="r")

    def open_input_stream(self, path: str) -> Any:
        """A file that Arrow reads front to back."""
        return self.open_input_file(path)

    def get_file_info_selector(self, selector: Any) -> list[Any]:
        """Files below a folder."""
        return self.get_file_info(self._place.names(selector.base_dir))

    def _opened(self, path: str) -> ByteFile:
        return self._place.byte_file(path)

    def _refuse(self, *args: Any) -> None:
        raise NotImplementedError("object stores are read only")

    create_dir = delete_dir = delete_dir_contents = _refuse
    delete_root_dir_contents = delete_file = move = copy_file = _refuse
    open_output_stream = open_append_stream = _refuse


class _SeekableFile:
    """A `ByteFile` as Python's files are."""

    closed = False

    def __init__(self, file: ByteFile) -> None:
        self._file = file
        self._at = 0

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes, all of them for None or below 0."""
        left = max(0, self._file.size - self._at)
        count = left if count is None or count < 0 else min(count, left)
        room = bytearray(count)
        got = self._file.read_some(memoryview(room), self._at) if count else 0
        self._at += got
        return bytes(room[:got])

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; `whence` as of Python's files."""
        begin = (0, self._at, self._file.size)[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is not."""
        return False

    def flush(self) -> None:
        """Nothing is to be written."""

    def close(self) -> None:
        """The file is closed when nobody holds it."""
        self.closed = True


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
        has_file = len(parts) > 1 and _KNOWN_SUFFIX.search(parts[-1])
        fixed = len(parts) - 1 if has_file else len(parts)
    fixed = max(fixed, 1)
    return f"{scheme}://{'/'.join(parts[:fixed])}", "/".join(parts[fixed:])


def _store_of(obstore: Any, base: str) -> Any:
    # obstore refuses plain HTTP where nobody asks for it, as this URL does.
    is_plain = base.startswith("http://")
    options = {"client_options": {"allow_http": True}} if is_plain else {}
    try:
        return obstore.store.from_url(base, **options)
    except (obstore.exceptions.BaseError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"{base:.200} is no object store: {_first_line(error)}"
        ) from error
