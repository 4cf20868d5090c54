"""An estimate over the rows of all shards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.ids.held import take_ids
from gleann.index.ids.order import id_order
from gleann.index.shards.places import ShardPlaces


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProxyInShards:
    """A proxy of all rows of an index in shards, in the order of their ids.

    So a session over it (`EstimateSession.start`) draws the same items, and estimates
    the same, for any number of shards: of strata, draws and sums none depends on where
    a row is.

    Attributes:
        proxy: float64 (n,).
        ids: (n,), integers ascending, strings in the order of their UTF-8.
        rows: int64 (n,), numbers of these rows among all.
    """

    proxy: NDArray[np.float64]
    ids: HeldIds
    rows: Rows

    def __len__(self) -> int:
        return len(self.proxy)

    def placed(self, mask: Mask) -> Mask:
        """A mask (n,) of all rows, in the order of these."""
        ordered: Mask = mask[self.rows]
        return ordered


def proxy_in_shards(places: ShardPlaces, column: str) -> ProxyInShards:
    """Read a proxy from a payload column of all shards.

    8 bytes a row travel, and the ids: as much as a session holds several times over, as
    exact strata and draws need all proxies in one order (`selection/DECISIONS.md` 65).

    Args:
        places: of the shards.
        column: with one number a row.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: it has no numbers, or a row has none.
    """
    proxy = places.numbers(column)
    ids = places.held_ids()
    rows = id_order(ids)
    return ProxyInShards(proxy=proxy[rows], ids=take_ids(ids, rows), rows=rows)
