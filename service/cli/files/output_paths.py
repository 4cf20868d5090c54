"""Refuse output paths that cannot be written, before any work."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gleann.index.errors import AlreadyExistsError, InvalidInputError, StorageError
from gleann.service.cli.files.manifest import manifest_path
from gleann.service.cli.files.outputs import TABLE_SUFFIXES, temporary_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPath:
    """A file that a command will write.

    Attributes:
        flag: option or argument that names it.
        path: the file.
        suffixes: allowed ones; empty for any.
        replaces: whether an existing file is replaced without --overwrite.
        is_folder: whether a folder is written.
        makes_parents: whether missing parent folders are made.
    """

    flag: str
    path: Path
    suffixes: tuple[str, ...] = ()
    replaces: bool = False
    is_folder: bool = False
    makes_parents: bool = False

    @property
    def shown(self) -> str:
        """Flag and path, for messages."""
        return f"{self.flag} {self.path}"


def table(flag: str, path: Path, *, replaces: bool = False) -> OutputPath:
    """A table, in the format of its suffix."""
    return OutputPath(flag=flag, path=path, suffixes=TABLE_SUFFIXES, replaces=replaces)


def folder(flag: str, path: Path) -> OutputPath:
    """A folder, which is made with its parents."""
    return OutputPath(flag=flag, path=path, is_folder=True, makes_parents=True)


def manifest(out: OutputPath) -> OutputPath:
    """The record that is written next to the output of a job."""
    return OutputPath(
        flag="the record",
        path=manifest_path(out.path),
        makes_parents=out.makes_parents,
    )


def require_writable(
    *outputs: OutputPath, inputs: Iterable[Path | None] = (), overwrite: bool
) -> None:
    """Refuse output paths that cannot be written; nothing is left on disk.

    Args:
        outputs: all files of the command.
        inputs: files that it reads, which must not be replaced; None is left out.
        overwrite: whether existing files may be replaced.

    Raises:
        InvalidInputError: a suffix of no format, a path that is also another output or
            an input.
        AlreadyExistsError: a file exists, or a folder is there.
        StorageError: the folder is missing, or cannot be written to.
    """
    for output in outputs:
        _require_suffix(output)
    _require_distinct(outputs, inputs)
    for output in outputs:
        _require_free(output, overwrite=overwrite or output.replaces)
    for output in outputs:
        _try_to_write(output)


def _require_suffix(output: OutputPath) -> None:
    if output.suffixes and output.path.suffix.lower() not in output.suffixes:
        raise InvalidInputError(
            f"{output.shown}: the suffix decides the format and must be one of"
            f" {', '.join(output.suffixes)}"
        )


def _require_distinct(
    outputs: tuple[OutputPath, ...], inputs: Iterable[Path | None]
) -> None:
    known = {_real(path): "an input" for path in inputs if path is not None}
    for output in outputs:
        real = _real(output.path)
        if real in known:
            raise InvalidInputError(
                f"{output.shown} is also {known[real]}: give another path"
            )
        known[real] = output.shown


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _require_free(output: OutputPath, *, overwrite: bool) -> None:
    try:
        mode = output.path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(output, error) from error
    if stat.S_ISLNK(mode) and output.path.exists():
        mode = output.path.stat().st_mode
    if stat.S_ISDIR(mode) != output.is_folder:
        kinds = "a file, not a folder", "a folder, not a file"
        raise AlreadyExistsError(f"{output.shown} is {kinds[stat.S_ISDIR(mode)]}")
    if not (output.is_folder or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise AlreadyExistsError(f"{output.shown} is not a regular file")
    if not overwrite:
        raise AlreadyExistsError(
            f"{output.shown} exists already; add --overwrite to replace it"
        )


def _try_to_write(output: OutputPath) -> None:
    """Create and remove the temporary file of the output."""
    path = output.path
    if output.makes_parents:
        while not path.parent.exists() and path.parent != path:
            path = path.parent
    temporary = temporary_of(path)
    try:
        temporary.open("wb").close()
        temporary.unlink()
    except OSError as error:
        raise _refused(output, error) from error


def _refused(output: OutputPath, error: OSError) -> StorageError:
    folder = output.path.parent
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return StorageError(f"{output.shown}: there is no folder {folder}")
    if isinstance(error, NotADirectoryError):
        return StorageError(f"{output.shown}: {folder} is not a folder")
    return StorageError(f"{output.shown} cannot be written: {error.strerror}")
