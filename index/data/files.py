"""The files that a path, a folder or a glob names: one kind, in natural order."""

import fnmatch
import glob
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, Protocol

from gleann.index.data.benchmark_files import BINS, HDF5, VECS
from gleann.index.data.byte_file import ByteFile, LocalFile
from gleann.index.errors import InvalidInputError, MissingFileError
from gleann.index.storage.manifest import DATA_DIR, MANIFEST

Kind = Literal["npy", "npz", "vecs", "bins", "hdf5", "parquet", "arrow"]

KINDS: dict[str, Kind] = {
    ".npy": "npy",
    ".npz": "npz",
    **dict.fromkeys(VECS, "vecs"),
    **dict.fromkeys(BINS, "bins"),
    **dict.fromkeys(HDF5, "hdf5"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc", ".arrows"), "arrow"),
}
"""Formats by the suffixes of files, in lower case."""
TABLES: tuple[Kind, ...] = ("parquet", "arrow")
"""Kinds that have columns."""
_URL = re.compile(r"^([a-z][a-z0-9]+):/+(?=.)")
_WILD = re.compile(r"[*?\[]")
MAYBE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
"""What may be the suffix of a file of no kind."""


class Place(Protocol):
    """Where files are.

    Attributes:
        filesystem: Arrow's view of it; None on this machine.
    """

    filesystem: Any

    def byte_file(self, name: str) -> ByteFile:
        """A file of the place, opened."""


class ListedPlace(Place, Protocol):
    """A `Place` that lists its files."""

    def names(self, folder: str) -> list[str]:
        """All files below a folder."""


class ThisMachine:
    """A `Place`."""

    filesystem: Any = None

    def byte_file(self, name: str) -> ByteFile:
        """A file by its path."""
        return LocalFile(Path(name))


THIS_MACHINE = ThisMachine()


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files of one kind.

    Attributes:
        shown: what messages call them together.
        names: of each at its place; at least one.
        kind: of all of them.
        place: where they are.
        root: the folder that was named, below which folders such as `lang=en` are
            columns; None where files or a glob were named.
    """

    shown: str
    names: tuple[str, ...]
    kind: Kind
    place: Place
    root: str | None = None

    def shown_name(self, name: str) -> str:
        """What messages call one of them."""
        if len(self.names) == 1:
            return self.shown
        base = self.root or fixed_folder(self.shown)
        return name[len(base) :].lstrip("/") if base and name.startswith(base) else name


def local_files(source: str | Path) -> Files:
    """The files of a path of this machine.

    Args:
        source: a file, a folder, of which files below that begin with "." or "_" are
            left out, or a glob, in which "**" is any number of folders.

    Raises:
        MissingFileError: there is none.
        InvalidInputError: files of no kind that is read, or of several; says how many.
    """
    text, place = str(source), THIS_MACHINE
    path = Path(source)
    if is_glob(text) and not _is(path.exists):
        names = glob.glob(text, recursive=True)  # noqa: PTH207  it takes whole paths
        return of_one_kind(text, [n for n in names if Path(n).is_file()], place=place)
    if not is_folder(path):
        kind = kind_of_file(text)
        return Files(shown=text, names=(text,), kind=kind, place=place)
    if (path / MANIFEST).is_file():
        raise InvalidInputError(f"{text} is a saved index, which SoarIndex.load opens")
    below = [
        file
        for file in path.rglob("*")
        if not _hidden(file.relative_to(path)) and file.is_file()
    ]
    return of_one_kind(text, map(str, below), place=place, root=text)


def listed_files(shown: str, name: str, place: ListedPlace) -> Files:
    """The files that a name within a place means.

    Args:
        shown: what messages call them.
        name: a file, which ends as one of a kind does; a glob in its last parts; or a
            folder, of which files below that begin with "." or "_" are left out. One
            that ends as a file does is a folder with a "/" behind it.
        place: where they are.

    Raises:
        MissingFileError: there is none.
        InvalidInputError: files of no kind that is read, or of several.
    """
    if not is_glob(name) and is_named_as_file(name):
        return Files(shown=shown, names=(name,), kind=kind_of_file(name), place=place)
    if is_glob(name):
        names = place.names(fixed_folder(name))
        return of_one_kind(shown, matching(names, name), place=place)
    folder = name.rstrip("/")
    below = [
        one
        for one in place.names(folder)
        if not _hidden(PurePath(one[len(folder) :].lstrip("/")))
    ]
    if not below and MAYBE_SUFFIX.search(shown):
        kind_of_file(shown)  # says which kinds there are
    return of_one_kind(shown, below, place=place, root=folder)


def is_named_as_file(name: str) -> bool:
    """Whether a name, without a "/" at its end, ends as files of a kind do."""
    return not name.endswith("/") and _suffix(name) in KINDS


def is_folder(path: Path) -> bool:
    """Whether it is a folder; False for what cannot be a path, such as a long text."""
    return _is(path.is_dir)


def is_folder_of_vectors(path: Path) -> bool:
    """Whether a folder has files of vectors, and is no saved index."""
    if not path.is_dir() or (path / MANIFEST).exists():
        return False
    if any(DATA_DIR.fullmatch(child.name) for child in path.iterdir()):
        return False  # an index without its manifest
    return any(_suffix(file.name) in KINDS for file in path.rglob("*"))


def files_below(source: Path) -> list[Path]:
    """All files that a path names: itself, those of a folder, or those of a glob."""
    if source.is_dir():
        found = [file for file in source.rglob("*") if file.is_file()]
    elif not source.exists() and is_glob(str(source)):
        names = glob.glob(str(source), recursive=True)  # noqa: PTH207
        found = [Path(name) for name in names if Path(name).is_file()]
    else:
        found = [source]
    return sorted(found, key=lambda file: natural(str(file)))


def source_text(path: Path) -> str:
    """A path as text; an URL, of whose slashes `Path` keeps one, as it was."""
    found = _URL.match(text := str(path))
    if found is None:
        return text
    host = "/" if found[1] == "file" else ""  # an URL of this machine has no host
    return f"{found[1]}://{host}{text[found.end() :]}"


def of_one_kind(
    shown: str, names: Iterable[str], *, place: Place, root: str | None = None
) -> Files:
    """Files of the only kind that is among `names`; others are left out.

    Raises:
        MissingFileError: there is none of any kind.
        InvalidInputError: there are several kinds; says how many of each.
    """
    listed = list(names)
    known = [name for name in listed if _suffix(name) in KINDS]
    if not known:
        raise MissingFileError(
            f"{shown}: none of {len(listed)} files is of a kind that is read:"
            f" {', '.join(KINDS)}"
        )
    kinds = {KINDS[_suffix(name)] for name in known}
    if len(kinds) > 1:
        counts = Counter(map(_suffix, known))
        told = ", ".join(f"{n} {suffix}" for suffix, n in sorted(counts.items()))
        raise InvalidInputError(
            f"{shown} has files of {len(kinds)} kinds ({told}): name those with the"
            " vectors by a glob"
        )
    return Files(
        shown=shown,
        names=tuple(sorted(known, key=natural)),
        kind=kinds.pop(),
        place=place,
        root=root,
    )


def kind_of_file(name: str) -> Kind:
    """The kind of a file by its suffix.

    Raises:
        InvalidInputError: another suffix.
    """
    suffix = _suffix(name)
    if suffix not in KINDS:
        raise InvalidInputError(
            f"{name}: vectors are read from {', '.join(KINDS)}, not {suffix!r}"
        )
    return KINDS[suffix]


def natural(name: str) -> list[tuple[int, int, str]]:
    """The key by which `part-2` comes before `part-10`."""
    parts = re.split(r"([0-9]+)", name)  # every second one is digits
    return [(0, int(p), p) if at % 2 else (1, 0, p) for at, p in enumerate(parts)]


def is_glob(text: str) -> bool:
    """Whether a text has one of the signs of a glob."""
    return _WILD.search(text) is not None


def matching(names: Sequence[str], pattern: str) -> list[str]:
    """Those of `names`, with "/" between folders, that a glob matches.

    Its work is the number of parts of a name times those of the glob: one regular
    expression would try all ways to share the parts of a name out among many "**".
    """
    forms = [
        None if part == "**" else re.compile(fnmatch.translate(part))
        for part in pattern.split("/")
    ]
    return [name for name in names if _matches(name.split("/"), forms)]


def _matches(parts: Sequence[str], forms: Sequence[re.Pattern[str] | None]) -> bool:
    """Whether parts of a name have these forms; None is any number of any parts."""
    at = _beyond({0}, forms)  # forms that may come next
    for part in parts:
        following = set()
        for place in at - {len(forms)}:
            form = forms[place]
            if form is None:
                following.add(place)
            elif form.match(part):
                following.add(place + 1)
        at = _beyond(following, forms)
    return len(forms) in at


def _beyond(at: set[int], forms: Sequence[re.Pattern[str] | None]) -> set[int]:
    """These places, and those behind forms that may be of no parts."""
    found = set(at)
    for place, form in enumerate(forms):
        if place in found and form is None:
            found.add(place + 1)
    return found


def fixed_folder(pattern: str) -> str:
    """The folders of a glob before its first sign."""
    before = _WILD.split(pattern)[0]
    return before[: before.rfind("/") + 1]


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # too long a name, for one
        return False


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _hidden(path: PurePath) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
