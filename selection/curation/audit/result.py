"""What an audit of a choice finds."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.curation.audit.coverage import CoverageCurve
from gleann.selection.curation.audit.tables import GroupTable


@dataclass(frozen=True, slots=True, kw_only=True)
class PartContribution:
    """What one part of the choice adds to its diversity.

    Attributes:
        part: its label.
        rows: chosen rows of it.
        gains: (q,) score of the choice over that without the part, less 1, for each
            order; infinity where nothing would be left.
    """

    part: Hashable
    rows: int
    gains: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audited:
    """One set of rows, measured.

    Attributes:
        name: "chosen", "random" (as many rows, drawn uniformly), "stratified" (drawn
            with the pool's shares of each group), or "pool".
        rows: how many.
        vendi: (q,) score of each order. Scores of different numbers of rows are not
            comparable: compare with "random".
        coverage: of the pool by these rows; None for the pool itself.
    """

    name: str
    rows: int
    vendi: tuple[float, ...]
    coverage: CoverageCurve | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audit(Tabular):
    """A choice beside random ones and the pool.

    As a table it has a line for each set of rows, with its Vendi scores and radii.

    Attributes:
        sets: "chosen", "random", "stratified" where there are labels, and "pool".
        orders: (q,) of the Vendi scores.
        parts: what each part of the choice adds; by the first column of labels.
        tables: of each column of labels, before and after.
        floor: eigenvalues below this share of the largest are dropped.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    sets: tuple[Audited, ...]
    orders: tuple[float, ...]
    parts: tuple[PartContribution, ...]
    tables: tuple[GroupTable, ...]
    floor: float
    provenance: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Audited:
        return next(one for one in self.sets if one.name == name)

    @property
    def vendi_shares(self) -> tuple[float, ...]:
        """(q,) score of the choice over that of as many random rows."""
        pairs = zip(self["chosen"].vendi, self["random"].vendi, strict=True)
        return tuple(ours / theirs for ours, theirs in pairs)

    def table(self) -> Table:
        """One line per set: its rows, Vendi scores, and the radii of all of it."""
        columns: dict[str, Any] = {
            "set": np.array([one.name for one in self.sets]),
            "rows": np.array([one.rows for one in self.sets]),
        }
        for number, order in enumerate(self.orders):
            scores = [one.vendi[number] for one in self.sets]
            columns[f"vendi_{order:g}"] = np.array(scores)
        curves = [one.coverage for one in self.sets]
        shares = next(curve for curve in curves if curve is not None).shares
        for number, share in enumerate(shares):
            radii = [np.nan if c is None else c.radii[-1, number] for c in curves]
            columns[f"radius_{share:g}"] = np.array(radii)
        summary = {"floor": self.floor}
        return Table(
            columns=columns, facts={"summary": summary, "provenance": self.provenance}
        )
