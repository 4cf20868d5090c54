"""What an earlier answer spares near-duplicates."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.ids.held import take_ids
from gleann.selection.curation.duplicates.equal import vector_hashes
from gleann.selection.curation.forecast.joins import NOTHING_KNOWN, KnownPart
from gleann.service.jobs.curation.duplicates_tables import array_of, ids_of
from gleann.service.jobs.curation.work import Asked
from gleann.service.views.live_index import View

SAMPLED = 4096
"""Vectors that are compared with those of the earlier answer, of more."""


def known_part(asked: Asked, *, radius: float) -> KnownPart:
    """The vectors that take part whose pairs the answer named by `known` has.

    Vectors are told by their ids; how many of these are the same as then, a sample
    tells.

    Args:
        asked: near-duplicates, checked.
        radius: of the pairs.
    """
    name = asked.message.known
    if not name:
        return NOTHING_KNOWN
    rows = asked.shelf.state(name, "rows")
    before = np.flatnonzero(array_of(rows, "first") >= 0)
    places = asked.places_of(take_ids(ids_of(rows, "id"), before))
    there = np.flatnonzero(places >= 0)
    now = asked.passing[places[there]]
    hashes = array_of(rows, "hash").view(np.uint64)[before[there]]
    count = round(_share_unchanged(asked.view, now, hashes) * len(there))
    distances = array_of(asked.shelf.state(name, "pairs"), "distance", np.float32)
    near = int(np.count_nonzero(distances <= np.float32(radius)))
    # A pair is taken over where both of its vectors are.
    return KnownPart(rows=count, pairs=near * (count / max(1, len(before))) ** 2)


def _share_unchanged(view: View, rows: Rows, hashes: NDArray[np.uint64]) -> float:
    """The share of `rows` (m,) of a view whose vectors have the `hashes` (m,)."""
    if not len(rows):
        return 0.0
    some = np.arange(len(rows))
    if len(rows) > SAMPLED:
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLED])
    same = vector_hashes(view.vectors_at(rows[some])) == hashes[some]
    return float(same.mean())
