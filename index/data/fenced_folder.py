"""Files of this machine that stay within a folder, wherever links below it lead."""

import os
from pathlib import Path
from typing import Any

import pyarrow.fs

from gleann.index.data.arrow_view import ArrowView
from gleann.index.data.byte_file import ByteFile, LocalFile
from gleann.index.data.files import Files, fixed_folder, is_glob, listed_files
from gleann.index.errors import CorruptDataError, ForbiddenPathError
from gleann.index.storage.regular_file import open_without_links


def fenced_files(path: str, fence: Path) -> Files:
    """The files that a path names, of which none is opened outside a folder.

    Args:
        path: absolute; a file, a folder, or a glob in its last parts.
        fence: the folder, or a single file. A link below it that leads out of it is
            refused; one to a folder is not followed when files are listed.

    Raises:
        ForbiddenPathError: the path leads out of the fence.
        MissingFileError: nothing is there.
        InvalidInputError: files of no kind that is read, or of several.
    """
    place = FencedFolder(fence)
    place.real(fixed_folder(path) if is_glob(path) else path)
    return listed_files(path, path, place)


class FencedFolder:
    """A `Place`: the files of a folder, by their absolute paths.

    Attributes:
        filesystem: Arrow's view of it.
    """

    def __init__(self, fence: Path) -> None:
        self._fence = Path(os.path.realpath(fence))
        self._versions: dict[str, Any] = {}
        self.filesystem: Any = pyarrow.fs.PyFileSystem(ArrowView(self))

    def real(self, name: str) -> Path:
        """Where links lead that are in a path.

        Raises:
            ForbiddenPathError: out of the fence; says nothing of what is there.
        """
        try:
            found = Path(os.path.realpath(name))
        except (OSError, ValueError) as error:
            raise ForbiddenPathError(f"{name!r:.200} cannot be resolved") from error
        if not found.is_relative_to(self._fence):
            raise ForbiddenPathError(f"{name!r:.200} leads out of what may be read")
        return found

    def names(self, folder: str) -> list[str]:
        """All files below a folder; links to folders are not followed."""
        self.real(folder)
        return [
            os.path.join(base, name)  # noqa: PTH118  a name as it was given
            for base, _, names in os.walk(folder.rstrip("/") or "/")
            for name in names
        ]

    def byte_file(self, name: str) -> ByteFile:
        """A file by its path; the one that it was before.

        Raises:
            ForbiddenPathError: it is outside the fence.
            MissingFileError: it cannot be read, or is no regular file.
            CorruptDataError: it was changed since it was opened first.
        """
        file = LocalFile(
            Path(name), descriptor=open_without_links(self.real(name), name)
        )
        if self._versions.setdefault(name, file.version) != file.version:
            raise CorruptDataError(f"{Path(name).name} was changed while it was read")
        return file
