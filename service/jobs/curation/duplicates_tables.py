"""Near-duplicates as stored tables, and back."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.ids.held import take_ids
from gleann.index.join.block import JoinWork
from gleann.index.params import Metric
from gleann.index.tables.tabular import table_of_records
from gleann.index.texts import Texts
from gleann.selection.curation.duplicates import (
    Duplicates,
    curve,
    examples,
    group_size_counts,
)
from gleann.selection.curation.duplicates.groups import Outside, PairTable
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.shelf import Shelf

METRIC = "metric"
"""Key of the provenance of a stored curation."""


def curated_of(found: Duplicates, *, with_curve: bool) -> Curated:
    """The tables of an answer, and the state from which `stored` restores it."""
    lines = found.table()
    tables: dict[str, Columns] = {
        "rows": {k: x for k, x in lines.columns.items() if k != "row"},
        "pairs": _pairs(found),
        "sizes": _sizes(found),
        "examples": _examples(found),
    }
    if with_curve:
        tables["curve"] = table_of_records(curve(found))
    return Curated(
        summary=found.summary(),
        provenance={**found.provenance, METRIC: found.metric},
        tables=tables,
        state={"rows": _row_state(found), "pairs": _pair_state(found)},
    )


def stored(shelf: Shelf, name: str, *, provenance: dict[str, object]) -> Duplicates:
    """The answer of a stored curation; ids and rows are those of then.

    Args:
        shelf: the stored curations.
        name: of one whose tables `curated_of` made.
        provenance: of it.
    """
    rows, pairs = shelf.state(name, "rows"), shelf.state(name, "pairs")
    first = array_of(rows, "first")
    distances = array_of(rows, "distance", np.float32)
    outside = outside_held = None
    if "outside_distance" in rows.column_names:
        near = array_of(rows, "outside_distance", np.float32)
        there = np.isfinite(near)
        outside = Outside(
            rows=np.where(there, np.arange(len(near)), -1), distances=near
        )
        outside_held = ids_of(rows, "outside_id")
    params: dict[str, float] = provenance["params"]  # type: ignore[assignment]
    metric: Metric = provenance[METRIC]  # type: ignore[assignment]
    return Duplicates(
        held_ids=ids_of(rows, "id"),
        radius=float(params["radius"]),
        metric=metric,
        kept=array_of(rows, "kept", np.bool_),
        duplicate_of=array_of(rows, "duplicate_of"),
        distances=distances,
        from_outside=array_of(rows, "from_outside", np.bool_),
        first=first,
        ranks=array_of(rows, "rank"),
        pairs=PairTable(
            rows=array_of(pairs, "row", np.int32),
            others=array_of(pairs, "other", np.int32),
            distances=array_of(pairs, "distance", np.float32),
        ),
        hashes=array_of(rows, "hash").view(np.uint64),
        outside=outside,
        outside_held=outside_held,
        work=JoinWork(),
        provenance={k: x for k, x in provenance.items() if k != METRIC},
    )


def _pairs(found: Duplicates) -> Columns:
    pairs = found.pairs
    return {
        "id": take_ids(found.held_ids, pairs.rows.astype(np.int64)),
        "other_id": take_ids(found.held_ids, pairs.others.astype(np.int64)),
        "distance": pairs.distances,
    }


def _sizes(found: Duplicates) -> Columns:
    counts = group_size_counts(found)
    return {
        "size": np.array(list(counts), np.int64),
        "groups": np.array(list(counts.values()), np.int64),
    }


def _examples(found: Duplicates) -> Columns:
    """One line per dropped row of an example."""
    shown = examples(found)
    kinds = np.int64 if not isinstance(found.held_ids, Texts) else np.str_
    kept = [one.kept for one in shown for _ in one.dropped]
    dropped = [row for one in shown for row in one.dropped.tolist()]
    distances = [x for one in shown for x in one.distances.tolist()]
    sizes = [one.size for one in shown for _ in one.dropped]
    return {
        "kept": np.array(kept, kinds),
        "id": np.array(dropped, kinds),
        "distance": np.array(distances, np.float32),
        "size": np.array(sizes, np.int64),
    }


def _row_state(found: Duplicates) -> Columns:
    columns: dict[str, NDArray[np.generic] | Texts] = {
        "id": found.held_ids,
        "kept": found.kept,
        "duplicate_of": found.duplicate_of,
        "distance": found.distances,
        "from_outside": found.from_outside,
        "first": found.first,
        "rank": found.ranks,
        "hash": found.hashes.view(np.int64),
    }
    if found.outside is not None and found.outside_held is not None:
        columns["outside_distance"] = found.outside.distances
        columns["outside_id"] = take_ids(found.outside_held, found.outside.rows)
    return columns


def _pair_state(found: Duplicates) -> Columns:
    pairs = found.pairs
    return {"row": pairs.rows, "other": pairs.others, "distance": pairs.distances}


def ids_of(table: pa.Table, name: str) -> HeldIds:
    """A column of ids."""
    column = table.column(name).combine_chunks()
    if pa.types.is_int64(column.type):
        return np.array(column)
    return Texts.of_arrow(column)


def array_of(table: pa.Table, name: str, dtype: type = np.int64) -> NDArray[Any]:
    """A column as a new array; null, of floats alone, is NaN."""
    values: NDArray[Any] = table.column(name).to_numpy().astype(dtype)
    return values
