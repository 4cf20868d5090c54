"""The files that the input of a build of shards names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gleann.index.data.dataset import Dataset
from gleann.index.data.files import Files, Kind, ThisMachine, is_folder, local_files
from gleann.index.data.open import ROW_NUMBERS, open_files
from gleann.index.data.tables import stored_columns
from gleann.index.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """One file of the input, which any machine opens.

    Attributes:
        source: the path, glob or URL that named it.
        name: of the file at its place.
        kind: of the file.
        root: the folder below which folders such as `lang=en` are columns.
        is_url: whether it is in an object store.
    """

    source: str
    name: str
    kind: Kind
    root: str | None
    is_url: bool

    def files(self) -> Files:
        """The file alone, as what reads files takes it."""
        place: Any = ThisMachine()
        if self.is_url:
            from gleann.index.data.stores import place_of_url

            place = place_of_url(self.source)
        return Files(
            shown=self.name,
            names=(self.name,),
            kind=self.kind,
            place=place,
            root=self.root,
        )

    def opened(self, vectors: str | None) -> Dataset:
        """Its vectors and its columns; ids are not looked at.

        Raises:
            As `gleann.data.open`.
        """
        return open_files(self.files(), vectors=vectors, ids=ROW_NUMBERS)

    def stamp(self) -> str:
        """What differs when the file was written to, as text.

        Raises:
            OSError, MissingFileError: it is not there.
        """
        if self.is_url:
            place = self.files().place
            return str(getattr(place.byte_file(self.name), "version", ""))
        return file_stamp(Path(self.name))


def list_files(sources: Sequence[str]) -> list[NamedFile]:
    """The files that paths, folders, globs and URLs name, in this order.

    Raises:
        MissingFileError: one names none.
        InvalidInputError: no names; files of no kind that is read, or of several; a
            folder of the package datasets with splits or chosen rows; a file twice.
    """
    found: list[NamedFile] = []
    for given in sources:
        is_url = "://" in given
        source = given if is_url else _absolute(given)
        files = _files_of_url(source) if is_url else _files_here(source)
        found += [
            NamedFile(
                source=source,
                name=name,
                kind=files.kind,
                root=files.root,
                is_url=is_url,
            )
            for name in files.names
        ]
    if not found:
        raise InvalidInputError("the input has no files: name at least one")
    names: set[tuple[str | Literal[False], str]] = set()
    for one in found:
        name = one.is_url and one.source, one.name
        if name in names:
            raise InvalidInputError(f"the input has {one.name} twice")
        names.add(name)
    return found


def _absolute(source: str) -> str:
    """A path that workers find, which may be in other folders."""
    if not source or "\0" in source:
        raise InvalidInputError("a path of the input is empty, or has a null character")
    return str(Path(source).absolute())


def _files_here(source: str) -> Files:
    if is_folder(Path(source)):
        stored_columns(Path(source), None)  # refuses splits and chosen rows
    return local_files(source)


def _files_of_url(source: str) -> Files:
    from gleann.index.data.stores import stored_files

    return stored_files(source)


def file_stamp(path: Path) -> str:
    """As `NamedFile.stamp`, of a file that all machines have: no inode is in it."""
    found = path.stat()
    return f"{path.name} {found.st_size} {found.st_mtime_ns}"
