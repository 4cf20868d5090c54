"""Near-duplicates of the vectors of an index, also beside another collection."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import as_scores
from gleann.selection.curation.duplicates import Duplicates, near_duplicates
from gleann.selection.curation.duplicates.known import require_covers
from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.duplicates_tables import METRIC, curated_of, stored
from gleann.service.jobs.curation.pairs import most_pairs, radius_in, require_near
from gleann.service.jobs.curation.pool import Pool
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.views.payload_values import numbers_at
from gleann.service.wire.curation.duplicates import keep_by_of, near_of
from gleann.service.wire.curation.scores import given_scores, scores_of
from gleann.v1 import curation_pb2, duplicates_pb2

OF_DUPLICATES = ("near_duplicates",)
"""Methods whose stored curations have the state of near-duplicates."""


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: no distance or one out of its range, an order that does not
            exist or lacks its scores, max_pairs below 0, the index as its own other
            collection, another index of another metric, or a known curation of a
            smaller radius.
        InvalidInputError: a score column that there is not, scores or vectors that
            cannot be read, or a known curation of another method or index.
        NotReadyError: the other index is empty.
        LimitError: more pairs than the limit of work allows.
    """
    message: duplicates_pb2.NearDuplicates = asked.message
    require_near(message, asked.view.metric)
    most_pairs(message, asked.limits, default=MAX_PAIRS)
    _check_order(asked, message)
    if message.WhichOneof("against") == "against_index":
        _check_other(asked, message.against_index)
    elif message.HasField("against_vectors"):
        asked.require_vectors(message.against_vectors, name="against_vectors")
    if message.known:
        _check_known(asked, message)


def inspect(asked: Asked) -> None:
    """Refuse scores that vectors lack.

    Raises:
        InvalidInputError: no vector passes the filter; a column of another type; or a
            vector without a number.
        NonFiniteError: NaN or infinity.
    """
    message: duplicates_pb2.NearDuplicates = asked.message
    source, passing = message.WhichOneof("scored_by"), asked.passing
    if source == "score_column":
        as_scores(numbers_at(asked.view, message.score_column, passing))
    elif source == "scores":
        scores_of(message.scores, asked.view.ids_at(passing), asked.places_of)


def run(work: Work) -> Curated:
    """Find them."""
    message: duplicates_pb2.NearDuplicates = work.message
    pool, near = work.pool, near_of(message)
    against: SoarIndex | NDArray[np.generic] | None = None
    if message.WhichOneof("against") == "against_index":
        against = work.other(message.against_index).index
    elif message.HasField("against_vectors"):
        against = work.require_vectors(message.against_vectors, name="against_vectors")
    found = near_duplicates(
        pool.index,
        radius=near.get("radius"),
        similarity=near.get("similarity"),
        keep_by=keep_by_of(message),
        scores=_scores(pool, message),
        among=pool.among,
        against=against,
        known=known_duplicates(work.shelf, message.known) if message.known else None,
        max_pairs=most_pairs(message, work.limits, default=MAX_PAIRS),
        threads=work.threads,
        progress=work.progress,
    )
    return curated_of(found, with_curve=message.curve)


def require_duplicates(shelf: Shelf, name: str, *, index: str) -> curation_pb2.Curation:
    """A stored curation of near-duplicates of an index.

    Raises:
        As `require_of_index`.
    """
    return require_of_index(shelf, name, index=index, methods=OF_DUPLICATES)


def require_of_index(
    shelf: Shelf, name: str, *, index: str, methods: Sequence[str]
) -> curation_pb2.Curation:
    """A stored curation of an index by one of some methods.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index.
    """
    described = shelf.get(name)
    if described.method not in methods:
        raise InvalidInputError(
            f"{name!r} is of {described.method}, not of {' or '.join(methods)}"
        )
    if described.index != index:
        raise InvalidInputError(f"{name!r} is of {described.index!r}, not of {index!r}")
    return described


def known_duplicates(shelf: Shelf, name: str) -> Duplicates:
    """The answer of a stored curation of near-duplicates."""
    provenance = json.loads(shelf.get(name).provenance_json)
    return stored(shelf, name, provenance=provenance)


def _check_other(asked: Asked, name: str) -> None:
    if name == asked.view.name:
        raise InvalidParamsError(
            f"against_index is {name!r} itself, for each of whose vectors it would be"
            " dropped: leave it out"
        )
    asked.like(name)


def _check_known(asked: Asked, message: duplicates_pb2.NearDuplicates) -> None:
    described = require_duplicates(asked.shelf, message.known, index=asked.view.name)
    known = json.loads(described.provenance_json)
    require_covers(
        metric=asked.view.metric,
        radius=radius_in(message, asked.view.metric),
        known_metric=known[METRIC],
        known_radius=float(known["params"]["radius"]),
    )


def _check_order(asked: Asked, message: duplicates_pb2.NearDuplicates) -> None:
    keep_by, source = keep_by_of(message), message.WhichOneof("scored_by")
    if source is not None and keep_by not in ("score", "newest"):
        raise InvalidParamsError(
            f"{source} is given, but keep_by={keep_by!r} does not read it: it must be"
            " 'score' or 'newest'"
        )
    if source is None and keep_by == "score":
        raise InvalidParamsError("keep_by='score' needs scores or score_column")
    if source == "score_column":
        asked.view.payload_at(np.empty(0, np.int64), [message.score_column])
    elif source == "scores":
        given_scores(message.scores)


def _scores(
    pool: Pool, message: duplicates_pb2.NearDuplicates
) -> NDArray[np.generic] | None:
    """The scores (n,) of all vectors of the pool; 0 for those that take no part."""
    source = message.WhichOneof("scored_by")
    needed = None if pool.among is None else pool.among.mask
    if source == "scores":
        find = pool.index.id_lookup.find
        return scores_of(message.scores, pool.ids, find, needed=needed)
    if source is None:
        return None
    rows = np.arange(len(pool)) if pool.among is None else pool.among.rows
    return column_scores(pool, message.score_column, rows)


def column_scores(pool: Pool, name: str, rows: Rows) -> NDArray[np.generic]:
    """A column of payload as numbers (n,) for all vectors; 0 outside `rows` (m,).

    Times are microseconds.

    Raises:
        InvalidInputError: a column of another type, or a null within `rows`.
    """
    values = numbers_at(pool.view, name, pool.rows[rows])
    scores = np.zeros(len(pool), values.dtype)
    scores[rows] = values
    return scores


def _named_index(message: duplicates_pb2.NearDuplicates) -> Sequence[str]:
    return [message.against_index] if message.against_index else ()


def _named_curation(message: duplicates_pb2.NearDuplicates) -> Sequence[str]:
    return [message.known] if message.known else ()


METHOD = Method(
    check=check,
    inspect=inspect,
    run=run,
    indexes=_named_index,
    curations=_named_curation,
    compares=True,
)
