"""An audit of leakage in a file, from which `rethreshold` goes on."""

from os import PathLike
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.index.tables.tabular import as_json
from gleann.selection.curation.leakage.result import Leakage, LeakedPairs
from gleann.selection.curation.stored_answer import (
    StoredAnswer,
    packed_ids,
    packed_pairs,
    write_answer,
)

FORMAT = "gleann leakage 1"

OF = "leakage"
"""What the file holds, for messages."""

_ROW_TYPES: dict[str, type[np.generic]] = {
    "nearest": np.int64,
    "distances": np.float32,
    "pair_counts": np.int64,
    "group_numbers": np.int64,
}


def save_leakage(found: Leakage, path: str | PathLike[str]) -> None:
    """Write an audit to a `.npz` file; an existing file is replaced.

    Raises:
        StorageError: the file cannot be written.
    """
    facts = {
        "format": FORMAT,
        "radius": found.radius,
        "metric": found.metric,
        "pairs_complete": found.pairs_complete,
        "groups": as_json(list(found.groups)),
        "provenance": as_json(found.provenance),
    }
    arrays: dict[str, NDArray[Any]] = {
        **packed_ids("ids", found.held_ids),
        "rows": found.rows,
        **{name: getattr(found, name) for name in _ROW_TYPES},
        "edges": found.edges,
        **packed_pairs(found.pairs),
    }
    if not found.one_index:
        arrays |= packed_ids("reference_ids", found.reference_ids)
    write_answer(path, facts, arrays)


def load_leakage(path: str | PathLike[str]) -> Leakage:
    """Read an audit that `save_leakage` wrote.

    Raises:
        MissingFileError: there is no such file, or it cannot be read.
        CorruptDataError: it is damaged, or another file.
    """
    return leakage_of(StoredAnswer.read(path, of=OF))


def leakage_of(stored: StoredAnswer) -> Leakage:
    """The audit of a file that is read.

    Raises:
        CorruptDataError: it is damaged, or another file.
    """
    facts = stored.facts(expected=FORMAT)
    groups, complete = facts.get("groups"), facts.get("pairs_complete")
    if not isinstance(groups, list) or not isinstance(complete, bool):
        stored.refuse("it has no groups, or does not say whether it has all pairs")
    ids = reference_ids = stored.ids("ids")
    if {"reference_ids", "reference_ids_text"} & set(stored.arrays):
        reference_ids = stored.ids("reference_ids")
    rows = stored.array("rows", np.int64)
    found = Leakage(
        radius=facts["radius"],
        metric=cast(Metric, facts["metric"]),
        rows=rows,
        held_ids=ids,
        reference_ids=reference_ids,
        pairs=LeakedPairs(**stored.pairs(np.int64)),
        pairs_complete=complete,
        groups=tuple(groups),
        edges=stored.array("edges", np.float64),
        provenance=facts["provenance"],
        **stored.row_arrays(_ROW_TYPES, n=len(rows)),
    )
    _require_fit(stored, found)
    return found


def _require_fit(stored: StoredAnswer, found: Leakage) -> None:
    last, last_reference = len(found.held_ids) - 1, len(found.reference_ids) - 1
    for name, values, low, high in (
        ("rows", found.rows, 0, last),
        ("nearest", found.nearest, -1, last_reference),
        ("pair_counts", found.pair_counts, 0, last_reference + 1),
        ("group_numbers", found.group_numbers, 0, len(found.groups) - 1),
        ("pair_others", found.pairs.others, 0, last_reference),
    ):
        stored.require_between(name, values, low, high)
    if (np.diff(found.rows) <= 0).any():
        stored.refuse("its rows do not ascend")
    if not np.isin(found.pairs.rows, found.rows).all():
        stored.refuse("its pair_rows are not all among its rows")
    if found.pairs_complete and found.pair_counts.sum() != len(found.pairs):
        stored.refuse(
            f"it has {number_of(len(found.pairs), 'pairs')}, and counts"
            f" {found.pair_counts.sum()}"
        )
    if len(found.edges) < 2 or (np.diff(found.edges) <= 0).any():
        stored.refuse("its edges do not rise")
