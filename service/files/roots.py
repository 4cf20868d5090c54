"""The directories to which a server's reads and writes of files are restricted."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from gleann.index.errors import (
    AlreadyExistsError,
    ForbiddenPathError,
    MissingFileError,
)


def allowed_path(path: str, roots: tuple[Path, ...]) -> Path:
    """The real path of a file under one of the import roots.

    Raises:
        ForbiddenPathError: no roots, or a path outside them (after links are followed).
        MissingFileError: it does not exist or is not a regular file.
    """
    real = _inside(path, roots, "import")
    with missing_as_error(path):
        if not stat.S_ISREG(real.stat().st_mode):
            raise MissingFileError(f"{path!r} is not a regular file")
    return real


def fence_around(path: Path, roots: tuple[Path, ...]) -> Path:
    """The widest of the roots that a path of `allowed_path` is under.

    Raises:
        ForbiddenPathError: none is; a root was moved meanwhile.
    """
    around = [root for root in roots if path.is_relative_to(root.resolve())]
    if not around:
        raise ForbiddenPathError(f"{str(path)!r:.200} is outside the import roots")
    return min(around, key=lambda root: len(root.resolve().parts))


def allowed_source(path: str, roots: tuple[Path, ...]) -> Path:
    """The real path of a file or directory under one of the import roots.

    Raises:
        ForbiddenPathError: as `allowed_path`.
        MissingFileError: it does not exist, or is neither.
    """
    real = _inside(path, roots, "import")
    with missing_as_error(path):
        mode = real.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise MissingFileError(f"{path!r} is neither a regular file nor a directory")
    return real


def is_url(path: str) -> bool:
    """Whether a path is an URL of an object store."""
    return "://" in path


def allowed_url(url: str, prefixes: tuple[str, ...]) -> str:
    """An URL under one of the prefixes that imports may read.

    Raises:
        ForbiddenPathError: no prefixes, or an URL outside them.
    """
    if not prefixes:
        raise ForbiddenPathError(
            "no URLs are allowed: set import_urls (GLEANN_IMPORT_URLS) to prefixes such"
            " as 's3://bucket/vectors/'"
        )
    parts = unquote(url.partition("://")[2]).split("/")
    # A store may join what such parts name, beyond the prefix. It leaves out tabs and
    # line feeds, and blanks at the ends, before it does.
    is_odd = bool({".", ".."} & set(parts) or set(url) & set("\\?#@"))
    is_odd = is_odd or url != url.strip() or not url.isprintable()
    if is_odd or not _prefixes_of(url, prefixes):
        raise ForbiddenPathError(f"{url!r:.200} is outside the import URLs")
    return url


def fence_of(url: str, prefixes: tuple[str, ...]) -> Path | None:
    """The folder of this machine that an allowed URL must not lead out of.

    Args:
        url: as `allowed_url` returns it.
        prefixes: as there; the widest that the URL is under counts.

    Returns:
        None for the URL of a store elsewhere.

    Raises:
        ForbiddenPathError: a file:// URL of another machine.
    """
    if not _is_of_file(url):
        return None
    return Path(path_of_url(min(_prefixes_of(url, prefixes), key=len)))


def path_of_url(url: str) -> str:
    """The path that a file:// URL names.

    Raises:
        ForbiddenPathError: it is of another machine.
    """
    path = unquote(url.partition("://")[2]) or "/"
    if not path.startswith("/"):
        raise ForbiddenPathError(
            f"{url!r:.200} names a file of another machine: write file:///path"
        )
    return path


def _prefixes_of(url: str, prefixes: tuple[str, ...]) -> list[str]:
    """The prefixes that an URL is under."""
    return [
        p
        for p in prefixes
        if url == p or url.startswith(p if p.endswith("/") else f"{p}/")
    ]


def _is_of_file(url: str) -> bool:
    return url.partition("://")[0].lower() == "file"


def allowed_target(path: str, roots: tuple[Path, ...]) -> Path:
    """The real path of a new file or directory under one of the export roots.

    Raises:
        ForbiddenPathError: no roots, or a path outside them (after links are followed).
        MissingFileError: the directory that it would be in does not exist.
        AlreadyExistsError: it exists.
    """
    real = _inside(path, roots, "export")
    if os.path.lexists(path):
        raise AlreadyExistsError(f"{path!r} exists already: name a new path")
    if not real.parent.is_dir():
        raise MissingFileError(f"{str(real.parent)!r} is not a directory")
    return real


def _inside(path: str, roots: tuple[Path, ...], kind: str) -> Path:
    if not roots:
        raise ForbiddenPathError(
            f"no {kind} roots are configured: set {kind}_roots"
            f" (GLEANN_{kind.upper()}_ROOTS) to the directories that files may be"
            f" {kind}ed {'from' if kind == 'import' else 'to'}"
        )
    try:
        real = Path(path).resolve(strict=False)
        inside = any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError, ValueError) as error:
        raise ForbiddenPathError(f"{path!r} cannot be resolved") from error
    if not path or not inside:
        # Do not reveal whether the path exists.
        raise ForbiddenPathError(f"{path!r} is outside the {kind} roots")
    return real


@contextmanager
def missing_as_error(path: str) -> Iterator[None]:
    """Convert an error of the operating system about `path`.

    Raises:
        MissingFileError: for it.
    """
    try:
        yield
    except OSError as error:
        raise MissingFileError(f"{path!r}: {error.strerror}") from error
