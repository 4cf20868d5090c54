"""The set of a promise that the service returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Mask
from gleann.index.tables.tabular import Table, Tabular
from gleann.service.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromisedItems(Tabular):
    """Vectors that keep a promise with a stated confidence.

    As a table it has the columns id, proxy and labelled.

    Attributes:
        ids: (m,) the vectors, highest proxies first.
        proxy: (m,) of each.
        labelled: (m,) True where it is labelled positive.
        summary: promise, target, confidence, rows, out_of, threshold, everything,
            labels_used, positives_labelled and note, as of
            `gleann.selection.promises.PromisedSet`.
        provenance: method, params, seed, data_hash, version.
    """

    ids: Ids
    proxy: NDArray[np.float64]
    labelled: Mask
    summary: JsonObject
    provenance: JsonObject

    def __len__(self) -> int:
        return len(self.ids)

    def table(self) -> Table:
        """One line per vector, highest proxies first."""
        return Table(
            columns={"id": self.ids, "proxy": self.proxy, "labelled": self.labelled},
            facts={"summary": self.summary, "provenance": self.provenance},
        )
