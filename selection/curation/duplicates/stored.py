"""Near-duplicates in a file, from which `rethreshold` and `known` go on."""

from os import PathLike
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.ids.held import take_ids
from gleann.index.join.block import JoinWork
from gleann.index.params import Metric
from gleann.selection.curation.duplicates.groups import Outside, PairTable
from gleann.selection.curation.duplicates.result import Duplicates
from gleann.selection.curation.stored_answer import (
    Arrays,
    StoredAnswer,
    packed_ids,
    packed_pairs,
    write_answer,
)

FORMAT = "gleann near-duplicates 1"

OF = "near-duplicates"
"""What the file holds, for messages."""

_ROW_TYPES: dict[str, type[np.generic]] = {
    "kept": np.bool_,
    "duplicate_of": np.int64,
    "distances": np.float32,
    "first": np.int64,
    "ranks": np.int64,
    "hashes": np.uint64,
    "from_outside": np.bool_,
}


def save_duplicates(found: Duplicates, path: str | PathLike[str]) -> None:
    """Write an answer to a `.npz` file; an existing file is replaced.

    It has all of the answer but the counts of the join's work, and of the other
    collection the ids of the rows that are the nearest of any row.

    Raises:
        StorageError: the file cannot be written.
    """
    facts = {
        "format": FORMAT,
        "radius": found.radius,
        "metric": found.metric,
        "provenance": found.provenance,
    }
    arrays: dict[str, NDArray[Any]] = {
        **packed_ids("ids", found.held_ids),
        **{name: getattr(found, name) for name in _ROW_TYPES},
        **packed_pairs(found.pairs),
    }
    if found.outside is not None and found.outside_held is not None:
        arrays["outside_distances"] = found.outside.distances
        near = take_ids(found.outside_held, found.outside.rows)
        arrays |= packed_ids("outside_ids", near)
    write_answer(path, facts, arrays)


def load_duplicates(path: str | PathLike[str]) -> Duplicates:
    """Read an answer that `save_duplicates` wrote.

    Raises:
        MissingFileError: there is no such file, or it cannot be read.
        CorruptDataError: it is damaged, or another file.
    """
    return duplicates_of(StoredAnswer.read(path, of=OF))


def duplicates_of(stored: StoredAnswer) -> Duplicates:
    """The answer of a file that is read.

    Raises:
        CorruptDataError: it is damaged, or another file.
    """
    facts = stored.facts(expected=FORMAT)
    ids = stored.ids("ids")
    n = len(ids)
    rows = stored.row_arrays(_ROW_TYPES, n=n)
    pairs = PairTable(**stored.pairs(np.int32))
    _require_fit(stored, rows, pairs, n=n)
    outside, outside_held = _outside(stored, n=n)
    return Duplicates(
        held_ids=ids,
        radius=facts["radius"],
        metric=cast(Metric, facts["metric"]),
        **rows,
        pairs=pairs,
        outside=outside,
        outside_held=outside_held,
        work=JoinWork(),
        provenance=facts["provenance"],
    )


def _require_fit(
    stored: StoredAnswer, rows: Arrays, pairs: PairTable, *, n: int
) -> None:
    for name, values, low, high in (
        ("duplicate_of", rows["duplicate_of"], -1, n - 1),
        ("first", rows["first"], -1, n - 1),
        ("ranks", rows["ranks"], 0, n),
        ("pair_rows", pairs.rows, 0, n - 1),
        ("pair_others", pairs.others, 0, n - 1),
    ):
        stored.require_between(name, values, low, high)


def _outside(stored: StoredAnswer, *, n: int) -> tuple[Outside | None, HeldIds | None]:
    """The nearest rows of the other collection, one a row, where there are any."""
    if "outside_distances" not in stored.arrays:
        return None, None
    near = stored.array("outside_distances", np.float32, n=n)
    held = stored.ids("outside_ids", n=n)
    rows = np.where(np.isfinite(near), np.arange(n), -1)
    return Outside(rows=rows, distances=near), held
