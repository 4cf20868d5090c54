"""Buckets of similar vectors, to test near to training data and far from it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.ids.held import take_ids
from gleann.index.lists import assignment
from gleann.selection.checks import require_between, require_count
from gleann.selection.curation.leakage import SimilaritySplit, similarity_split
from gleann.selection.curation.leakage.split import FOLDS, HELD_OUT, require_lists
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.near_duplicates import (
    known_duplicates,
    require_duplicates,
)
from gleann.service.jobs.curation.pool import Pool, lists_of
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.jobs.curation.words import column_words, require_words
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.views.payload_values import words_at
from gleann.v1 import leakage_pb2


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: fewer than two folds, or a share outside 0..1.
        InvalidInputError: a column that names no groups, or a curation of another
            method or index.
        UnknownJobError: no such curation.
        UnknownColumnError: no such column.
    """
    message: leakage_pb2.SimilaritySplit = asked.message
    require_count("folds", folds_of(message), at_least=2)
    require_between("held_out", _held_out(message), low=0, high=1)
    require_count("seed", message.seed, at_least=0)
    if message.together_column:
        require_words(asked, message.together_column)
    if message.together_curation:
        name = message.together_curation
        require_duplicates(asked.shelf, name, index=asked.view.name)


def inspect(asked: Asked) -> None:
    """Refuse more folds than lists, and vectors without a value of `together_column`.

    Raises:
        InvalidParamsError: more folds than lists can have vectors.
        InvalidInputError: no vector passes the filter, or one without a value.
    """
    message: leakage_pb2.SimilaritySplit = asked.message
    if message.together_column:
        words_at(asked.view, message.together_column, asked.passing)
    require_lists(folds_of(message), _most_lists(asked))


def _most_lists(asked: Asked) -> int:
    """Lists that can have vectors that take part; exact where none is newer."""
    view, rows = asked.view, asked.passing
    sealed, nlist = view.sealed, lists_of(view)
    if sealed is None or view.count < sealed.index.nlist:
        return min(nlist, len(rows))
    first, _ = assignment(sealed.index.data.lists, n=len(sealed))
    old = rows[rows < len(sealed)]
    return min(nlist, len(np.unique(first[old])) + len(rows) - len(old))


def run(work: Work) -> Curated:
    """Split the vectors that take part."""
    message: leakage_pb2.SimilaritySplit = work.message
    pool = work.pool
    together: NDArray[np.generic] | None = None
    if message.together_column:
        together = column_words(pool, message.together_column)
    elif message.together_curation:
        together = _groups_of(work.shelf, message.together_curation, pool)
    split = similarity_split(
        pool.index,
        folds=folds_of(message),
        held_out=_held_out(message),
        together=together,
        among=pool.among,
        seed=message.seed,
    )
    lines = split.table()
    return Curated(
        summary={
            **lines.facts["summary"],
            "rows": len(pool) if pool.among is None else len(pool.among.rows),
            "held_out": int(split.held_out.sum()),
        },
        provenance=split.provenance,
        tables={"rows": lines.columns, "folds": _fold_lines(split)},
    )


def folds_of(message: leakage_pb2.SimilaritySplit) -> int:
    """How many folds a request asks for."""
    return message.folds if message.HasField("folds") else FOLDS


def _held_out(message: leakage_pb2.SimilaritySplit) -> float:
    return message.held_out if message.HasField("held_out") else HELD_OUT


def _groups_of(shelf: Shelf, name: str, pool: Pool) -> NDArray[np.int64]:
    """The group (n,) of each vector in a stored curation; -1 for one of no group."""
    known = known_duplicates(shelf, name)
    grouped = np.flatnonzero(known.duplicate_of >= 0)
    places = pool.index.id_lookup.find(take_ids(known.held_ids, grouped))
    groups = np.full(len(pool), -1, np.int64)
    there = places >= 0
    groups[places[there]] = known.duplicate_of[grouped[there]]
    return groups


def _fold_lines(split: SimilaritySplit) -> Columns:
    folds = [split.fold(bucket) for bucket in range(split.folds)]
    return {
        "bucket": np.arange(split.folds),
        "train": np.array([len(one.train) for one in folds]),
        "interpolation": np.array([len(one.interpolation) for one in folds]),
        "extrapolation": np.array([len(one.extrapolation) for one in folds]),
    }


def _named(message: leakage_pb2.SimilaritySplit) -> Sequence[str]:
    return [message.together_curation] if message.together_curation else ()


METHOD = Method(check=check, inspect=inspect, run=run, curations=_named)
