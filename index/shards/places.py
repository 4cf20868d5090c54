"""Where shards are: what a task is given, and what is asked of all of them.

A worker opens the shard of a `ShardPlace`, and keeps it open for the tasks that follow.
`ShardPlaces` are all of them, as the process that gives out the tasks sees them: it
holds no rows, and asks the shards for those that it needs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Ids, Mask, Rows, Vectors
from gleann.index.errors import InvalidInputError, UnknownIdError
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import (
    id_at,
    joined_ids,
    kind_of,
    shown_id,
    take_ids,
    to_numpy,
)
from gleann.index.ids.table import require_found
from gleann.index.params import Metric
from gleann.index.shards.manifest import Shard, ShardsManifest, read, require_shard
from gleann.index.shards.placing import shards_of
from gleann.index.shards.runner import Result, Runner, Task
from gleann.index.soar_index import SoarIndex

NUMBERS = ("int64", "float64", "bool")
"""Types of the payload columns that are read as numbers."""

OPENED = 64
"""Shards that a process keeps open; they are mapped, so their ids take most memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlace:
    """Where a shard with rows is.

    Attributes:
        folder: the index in shards, by a path that every machine has.
        number: of the shard, from 0.
        shard: as the manifest describes it.
        first: number of its first row among all rows.
    """

    folder: str
    number: int
    shard: Shard
    first: int

    def __len__(self) -> int:
        return self.shard.n

    def open(self) -> SoarIndex:
        """The shard, checked; open already where a task before opened it.

        Raises:
            MissingFileError: it is not there.
            CorruptDataError: it is damaged, or of another build.
        """
        return _opened(self.folder, self.shard)

    def own(self, rows: Rows) -> Rows:
        """Those of `rows` (m,), numbered among all and ascending, by their own number.

        In the order of `rows`; those of other shards are left out.
        """
        here = rows[(rows >= self.first) & (rows < self.first + len(self))]
        return here - self.first


@lru_cache(maxsize=OPENED)
def _opened(folder: str, shard: Shard) -> SoarIndex:
    require_shard(Path(folder), shard)
    return SoarIndex.load(Path(folder) / shard.directory)


def close_all() -> None:
    """Drop the shards that this process has open; the next task opens its own anew."""
    _opened.cache_clear()


class RowsElsewhere:
    """Rows (n, d) of all shards, read where they are when they are indexed.

    Each call asks the shards for the rows that it names, and for no row twice in
    succession: rows of the last call are kept.

    Args:
        places: of the shards with rows.
        dim: d.
        runner: asks them.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, places: Sequence[ShardPlace], *, dim: int, runner: Runner
    ) -> None:
        self._places = places
        self._runner = runner
        self.shape: tuple[int, ...] = (sum(map(len, places)), dim)
        self._last: tuple[Rows, Vectors] = (
            np.empty(0, np.int64),
            np.empty((0, dim), np.float32),
        )

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows as float32, wherever they are."""
        return 4 * self.shape[0] * self.shape[1]

    def __getitem__(self, rows: NDArray[np.integer], /) -> Vectors:
        """Float32 (m, d) of row numbers (m,).

        Raises:
            InvalidInputError: the runner lost the rows of a shard.
        """
        wanted = np.unique(rows)
        held, vectors = self._last
        if not np.isin(wanted, held).all():
            held, vectors = self._last = wanted, self._read(wanted)
        return vectors[np.searchsorted(held, rows)]

    def __array__(self) -> NDArray[Any]:
        return self[np.arange(len(self))]

    def _read(self, rows: Rows) -> Vectors:
        # All are asked, for no row perhaps, so that the tasks of a shard are always at
        # the same place and can go to the worker that has it open.
        asked = [(place, place.own(rows)) for place in self._places]
        read = list(self._runner(read_rows, asked))
        _require_all(read, self._places)
        return np.concatenate(read)


class ShardPlaces:
    """All shards of an index, which tasks work on where they are.

    What is asked of them is in the order of the shards: row r of shard s is number
    `offsets[s] + r` among all.

    Args:
        path: the directory with `shards.json`, by a path that every machine has.
        runner: runs the tasks, one for each shard with rows.

    Raises:
        MissingFileError: no index in shards at `path`.
        CorruptDataError: its manifest cannot be trusted.
        InvalidInputError: no shard has a row.
    """

    def __init__(self, path: str | PathLike[str], *, runner: Runner = map) -> None:
        folder = Path(path).absolute()
        self.path = folder
        self.manifest: ShardsManifest = read(folder)
        self.runner = runner
        self.places = tuple(
            ShardPlace(folder=str(folder), number=number, shard=shard, first=first)
            for number, (shard, first) in enumerate(
                zip(self.manifest.shards, self.manifest.offsets, strict=False)
            )
            if shard.n
        )
        if not self.places:
            raise InvalidInputError(f"{folder} has 0 rows")
        self.rows = RowsElsewhere(self.places, dim=self.manifest.dim, runner=runner)

    def __len__(self) -> int:
        return self.manifest.n

    @property
    def metric(self) -> Metric:
        """Of all shards."""
        return self.manifest.unpacked().params.metric

    def ask(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> list[Result]:
        """The answers of one task a shard.

        Raises:
            InvalidInputError: the runner lost some.
        """
        answers = list(self.runner(function, tasks))
        _require_all(answers, self.places)
        return answers

    def held_ids(self) -> HeldIds:
        """The ids (n,) of all rows: 8 bytes a row travel, or the strings."""
        return joined_ids(self.ask(ids_of_shard, self.places))

    def ids_at(self, rows: Rows) -> Ids:
        """The ids of some rows (m,)."""
        distinct, places = np.unique(rows, return_inverse=True)
        tasks = [(place, place.own(distinct)) for place in self.places]
        return to_numpy(joined_ids(self.ask(some_ids, tasks)))[places]

    def rows_of(self, ids: ArrayLike, *, name: str = "ids") -> Rows:
        """Rows (m,) of distinct ids (m,), each looked for in its shard.

        Raises:
            InvalidInputError: not ids.
            DuplicateIdError: one id twice.
            UnknownIdError: an id that no row has.
        """
        held = hold_distinct(ids, name=name)
        if len(held) and kind_of(held) != self.manifest.id_kind:
            raise UnknownIdError(
                f"{name} are {kind_of(held)}, but those of {self.path} are"
                f" {self.manifest.id_kind}"
            )
        rows = np.full(len(held), -1, np.int64)
        shards = shards_of(held, len(self.manifest.shards))
        asked = [np.flatnonzero(shards == place.number) for place in self.places]
        tasks = [
            (place, take_ids(held, at))
            for place, at in zip(self.places, asked, strict=True)
        ]
        for at, found in zip(asked, self.ask(find_ids, tasks), strict=True):
            rows[at] = found
        return require_found(rows, held, where=str(self.path))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """The numbers (n,) of a payload column: 8 bytes a row travel.

        Raises:
            UnknownColumnError: there is no such column.
            InvalidInputError: it has no numbers, or a row has none.
        """
        return np.concatenate(
            self.ask(numbers_of, [(place, column) for place in self.places])
        )

    def where(self, where: str, parameters: Sequence[object] = ()) -> Mask:
        """Which rows (n,) pass a condition; see `SoarIndex.where`."""
        tasks = [(place, where, tuple(parameters)) for place in self.places]
        return np.concatenate(self.ask(passing, tasks))

    def data_hash(self) -> str:
        """SHA-256 of the vectors of one shard; of several, of their hashes.

        Each shard reads all its rows once.
        """
        hashes = self.ask(data_hash_of, self.places)
        if len(hashes) == 1:
            return hashes[0]
        return sha256("".join(hashes).encode()).hexdigest()


def _require_all(answers: Sequence[object], places: Sequence[ShardPlace]) -> None:
    if len(answers) != len(places):
        raise InvalidInputError(
            f"the runner gave {len(answers)} results for {len(places)} shards"
        )


def read_rows(asked: tuple[ShardPlace, Rows]) -> Vectors:
    """A copy (m, d) of rows of one shard, by their numbers there."""
    place, rows = asked
    return np.ascontiguousarray(place.open().stored_rows[rows], np.float32)


def ids_of_shard(place: ShardPlace) -> HeldIds:
    """The ids of a shard."""
    return place.open().held_ids


def some_ids(asked: tuple[ShardPlace, Rows]) -> HeldIds:
    """The ids of rows of one shard."""
    place, rows = asked
    return take_ids(place.open().held_ids, rows)


def find_ids(asked: tuple[ShardPlace, HeldIds]) -> Rows:
    """The row among all of each id (m,) of one shard; -1 where it has none."""
    place, ids = asked
    rows = place.open().id_lookup.find(ids)
    return np.where(rows < 0, -1, rows + place.first)


def numbers_of(asked: tuple[ShardPlace, str]) -> NDArray[np.float64]:
    """The numbers (n,) of a payload column of one shard.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: it has no numbers, or a row has none.
    """
    place, name = asked
    index = place.open()
    kind = index.schema.column(name).type
    if index.payload is None or kind not in NUMBERS:
        raise InvalidInputError(
            f"column {name!r} is of type {kind}, but must have numbers:"
            f" {' or '.join(NUMBERS)}"
        )
    column = index.payload.column(name)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise InvalidInputError(
            f"column {name!r} has no value for {column.null_count} of"
            f" {len(index)} rows of {place.shard.directory}, such as that of id"
            f" {shown_id(id_at(index.held_ids, row))}"
        )
    return np.asarray(column.to_numpy(), np.float64)


def passing(asked: tuple[ShardPlace, str, tuple[object, ...]]) -> Mask:
    """Which rows (n,) of one shard pass a condition."""
    place, where, parameters = asked
    return place.open().where(where, parameters)


def data_hash_of(place: ShardPlace) -> str:
    """The hash of the vectors of one shard."""
    return place.open().data_hash
