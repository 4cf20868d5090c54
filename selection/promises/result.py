"""A promised set."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Mask, Rows
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.promises.params import Promise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromisedSet(Tabular):
    """Rows that keep a promise with a stated confidence.

    All rows at or above the threshold but those labelled negative, and all that are
    labelled positive. As a table it has the columns id, row, proxy and labelled.

    Attributes:
        rows: int64 (m,), highest proxies first.
        ids: (m,) the caller's ids of `rows`.
        proxy: (m,) of `rows`.
        labelled: (m,) True for rows that are labelled positive.
        threshold: the lowest proxy of the rows kept for their proxies; None where only
            labelled positives are in the set. Rows with this very proxy may be left
            out: `rows` decides.
        promise: "recall" or "precision".
        target: the share promised.
        confidence: of the promise.
        everything: whether a recall promise found no threshold that keeps it, so that
            no row is left out but those labelled negative.
        labelled_rows: (b,) all rows that were labelled, in the order of the rounds.
        labels: bool (b,) their labels.
        out_of: rows of the population.
        note: what to know of the set; "" for nothing.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    rows: Rows
    ids: Ids
    proxy: NDArray[np.float64]
    labelled: Mask
    threshold: float | None
    promise: Promise
    target: float
    confidence: float
    everything: bool
    labelled_rows: Rows
    labels: Mask
    out_of: int
    note: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def summary(self) -> dict[str, float | int | str | bool | None]:
        """Facts about the set."""
        return {
            "promise": self.promise,
            "target": self.target,
            "confidence": self.confidence,
            "rows": len(self),
            "out_of": self.out_of,
            "threshold": self.threshold,
            "everything": self.everything,
            "labels_used": len(self.labels),
            "positives_labelled": int(self.labels.sum()),
            "note": self.note,
        }

    def table(self) -> Table:
        """One line per row of the set, highest proxies first."""
        return Table(
            columns={
                "id": self.ids,
                "row": self.rows,
                "proxy": self.proxy,
                "labelled": self.labelled,
            },
            facts={"summary": self.summary, "provenance": self.provenance},
        )
