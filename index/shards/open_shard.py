"""One shard, opened to answer questions."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from pathlib import Path
from threading import Lock

from gleann.index.arrays import Distances, Rows
from gleann.index.engines.contract import Scanned, Work
from gleann.index.errors import CorruptDataError
from gleann.index.ids.held import take_ids
from gleann.index.ids.order import id_order
from gleann.index.search.allowed import AllowedRows
from gleann.index.shards.manifest import Shard, ShardsManifest, require_shard
from gleann.index.shards.merge import Part
from gleann.index.soar_index import SoarIndex
from gleann.index.storage.files import Checks

KEPT_FILTERS = 16
"""Filters whose rows a shard keeps, counted and packed, for who asks again."""


class OpenShard:
    """A shard that answers questions; any number of threads may ask at once.

    Args:
        index: of its rows.

    Attributes:
        index: as given.
    """

    def __init__(self, index: SoarIndex) -> None:
        self.index = index
        self._filters: OrderedDict[Hashable, AllowedRows] = OrderedDict()
        self._guard = Lock()

    @classmethod
    def load(
        cls,
        path: Path,
        manifest: ShardsManifest,
        number: int,
        *,
        engine: str = "auto",
        threads: int = 0,
        checks: Checks = "before",
    ) -> "OpenShard":
        """Open a shard of the index in shards at `path`.

        Args:
            path: where the manifest was read.
            manifest: what is there.
            number: of the shard, which has rows.
            engine: as in `SoarIndex.load`.
            threads: as in `SoarIndex.load`.
            checks: as in `SoarIndex.load`.

        Raises:
            MissingFileError: it is not there.
            CorruptDataError: it is damaged, or of another build.
            EngineUnavailableError: the engine is not installed.
        """
        shard = manifest.shards[number]
        require_shard(path, shard)
        folder = path / shard.directory
        index = SoarIndex.load(folder, engine=engine, threads=threads, checks=checks)
        _require_described(folder, index, manifest, shard)
        return cls(index)

    @cached_property
    def id_order(self) -> Rows:
        """(n,) the rows in the order of their ids."""
        return id_order(self.index.held_ids)

    def kept(self, key: Hashable, make: Callable[[], AllowedRows]) -> AllowedRows:
        """The rows that a filter allows, made once and kept for who asks again."""
        with self._guard:
            allowed = self._filters.get(key)
            if allowed is not None:
                self._filters.move_to_end(key)
                return allowed
        allowed = make()
        with self._guard:
            self._filters[key] = allowed
            if len(self._filters) > KEPT_FILTERS:
                self._filters.popitem(last=False)
        return allowed

    def part(self, scanned: Scanned) -> Part:
        """What an engine found, with the ids of the rows."""
        return self.part_of(
            scanned.rows,
            scanned.distances,
            work=scanned.work,
            engine=scanned.engine or self.index.engine_name,
        )

    def part_of(
        self, rows: Rows, distances: Distances, *, work: Work, engine: str
    ) -> Part:
        """Rows (nq, k) and distances of any search, with their ids."""
        return Part(
            rows=rows,
            distances=distances,
            ids=take_ids(self.index.held_ids, rows.ravel()),
            work=work,
            engine=engine,
        )


def _require_described(
    folder: Path, index: SoarIndex, manifest: ShardsManifest, shard: Shard
) -> None:
    """Refuse a shard that is whole, but not what the manifest says of it."""
    if len(index) != shard.n or index.dim != manifest.dim:
        raise CorruptDataError(
            f"{folder} has {len(index)} rows of {index.dim} dimensions, and the"
            f" manifest of the shards names {shard.n} of {manifest.dim}"
        )
