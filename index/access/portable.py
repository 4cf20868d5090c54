"""Pickling and copying an index: by the path it was loaded from, or else by value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from warnings import warn

from gleann.index.engines.choose import ENGINES, make_engine
from gleann.index.engines.contract import IndexData
from gleann.index.errors import CorruptDataError
from gleann.index.manifest import manifest_checksum, read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an index was loaded from.

    Attributes:
        path: absolute.
        checksum: of the manifest at that time.
    """

    path: Path
    checksum: str

    @classmethod
    def of(cls, path: Path) -> "Origin":
        """The index that is at `path` now."""
        checksum = manifest_checksum(read_manifest(path))
        return cls(path=path.absolute(), checksum=checksum)


class Portable:
    """Copies and pickles of a `SoarIndex`.

    An index is immutable, so `copy` and `deepcopy` return it as it is. A pickle of an
    index that was loaded holds its path, and is opened from there: the files must be
    there, and be the same. A pickle of one that was built and not loaded holds all its
    arrays, with a warning that says how many bytes. Either is served again by the same
    kind of engine, on all cores.
    """

    _data: IndexData
    _origin: Origin | None = None

    def _loaded(self, origin: Origin | None) -> Self:
        self._origin = origin
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:
            return _opened, (type(self), self._origin, _engine_kind(self))
        data = self._data
        held = data.vectors.nbytes + data.codes.values.nbytes
        warn(
            f"pickling an index of {len(data.vectors)} rows by value, some"
            f" {held / 1e6:,.0f} MB: save it, and pickle what `load` returns, which"
            " holds only the path",
            stacklevel=2,
        )
        return by_value(self)


def by_value(index: Any) -> tuple[Any, tuple[Any, ...]]:
    """A function and its arguments that make an equal index, for who pickles one.

    They hold all its arrays, without the warning of a pickle.
    """
    return _restored, (type(index), _parts_of(index), _engine_kind(index))


def _parts_of(index: Any) -> dict[str, Any]:
    return {
        "data": index.data,
        "ids": index.held_ids,
        "header": index._header,
        "payload": index.payload,
    }


def _engine_kind(index: Any) -> str:
    """The name by which `make_engine` makes this kind of engine."""
    kind: str = index.engine_name.partition("/")[0]
    return kind if kind in ENGINES else "auto"


def _opened(kind: Any, origin: Origin, engine: str) -> Any:
    """Open an index by its path.

    Raises:
        MissingFileError: no index is there.
        CorruptDataError: it is another one by now.
    """
    there = Origin.of(origin.path)
    if there != origin:
        raise CorruptDataError(
            f"{origin.path} was replaced since the index was pickled: its manifest is"
            f" {there.checksum[:12]}, was {origin.checksum[:12]}"
        )
    return kind.load(origin.path, engine=engine)


def _restored(kind: Any, parts: dict[str, Any], engine: str) -> Any:
    return kind(**parts, engine=make_engine(parts["data"], name=engine))
