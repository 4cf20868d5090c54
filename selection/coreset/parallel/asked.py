"""Tasks of one shard of a traversal, which goes on where the last task left it.

A worker keeps the covering of a shard between tasks, under the number of centres that
it has. A task that finds another one, or none (its worker was lost, or the task went to
another), says so, and is given all centres again: so what a worker holds only saves
work, and the answer does not depend on it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from gleann.index.arrays import Rows, Vectors
from gleann.index.shards.places import ShardPlace
from gleann.selection.coreset.distance.contract import Squares, foremost
from gleann.selection.coreset.parallel.covering import ShardCovering
from gleann.selection.coreset.problem import require_measurable

HELD = 64
"""Shards whose covering a process keeps, at 16 bytes a row: the last one of each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covered:
    """A question about a shard, some more centres covered.

    Attributes:
        place: of the shard.
        run: name of the covering, which no other has.
        before: centres that the shard was given before.
        centres: (m, d), those after them.
        count: foremost rows to tell; 0 where none are asked for.
    """

    place: ShardPlace
    run: str
    before: int
    centres: Vectors
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foremost:
    """The rows of a shard that are farthest from the centres.

    Attributes:
        rows: int64 (m,), among all rows, ascending.
        squared: (m,), squared distances.
        bar, last: as `foremost` of `distance.contract` has them, `last` among all rows.
    """

    rows: Rows
    squared: Squares
    bar: float
    last: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """What the rows of a shard are covered by.

    Attributes:
        squared: (n,), squared distances to the nearest centre.
        nearest: int64 (n,), its position among all centres; -1 without any.
    """

    squared: Squares
    nearest: Rows


def foremost_of(question: Covered) -> Foremost | None:
    """The rows farthest from all centres; None if centres before are not held."""
    covering = _covering(question)
    if covering is None:
        return None
    keys = np.sqrt(covering.squared)
    rows, bar, last = foremost(keys, count=question.count)
    first = question.place.first
    return Foremost(
        rows=rows + first, squared=covering.squared[rows], bar=bar, last=last + first
    )


def state_of(question: Covered) -> State | None:
    """What all rows are covered by; None if centres before are not held."""
    covering = _covering(question)
    if covering is None:
        return None
    return State(squared=covering.squared, nearest=covering.nearest)


def examined(place: ShardPlace) -> str:
    """The hash of the vectors of a shard, which are short enough to be measured.

    Raises:
        InvalidInputError: a row is so long that distances would be beyond float32.
    """
    index = place.open()
    require_measurable(index.stored_rows)
    return index.data_hash


def forget() -> None:
    """Drop the coverings that this process keeps, 16 bytes a row."""
    with _guard:
        _held.clear()


_held: OrderedDict[tuple[str, str], tuple[str, ShardCovering]] = OrderedDict()
_guard = Lock()


def _covering(question: Covered) -> ShardCovering | None:
    """The covering with all centres of the question; None if it has to be told all.

    It is taken out while centres are added, so that work that is broken off leaves
    none.
    """
    place = question.place
    key = (place.folder, place.shard.manifest)
    with _guard:
        run, covering = _held.pop(key, ("", None))
    if covering is None or (run, covering.count) != (question.run, question.before):
        if question.before:
            return None
        covering = ShardCovering(place.open().stored_rows)
    covering.cover(question.centres)
    with _guard:
        _held[key] = (question.run, covering)
        while len(_held) > HELD:
            _held.popitem(last=False)
    return covering
