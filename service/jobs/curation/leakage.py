"""Vectors whose near-duplicates are training data."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidParamsError
from gleann.index.nouns import number_of
from gleann.selection.curation.leakage import leakage
from gleann.selection.curation.leakage.audit import BINS, MAX_PAIRS, training_rows
from gleann.selection.groups import Groups
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.leakage_tables import curated_of
from gleann.service.jobs.curation.pairs import most_pairs, require_near
from gleann.service.jobs.curation.words import (
    column_words,
    require_words,
    words_taking_part,
)
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.views.payload_values import words_at
from gleann.service.wire.curation.duplicates import near_of
from gleann.v1 import leakage_pb2

MOST_BINS = 1000

LINE_BYTES = 160
"""Of the table of histograms while it is made, about."""

TRAIN = ("train",)
"""The training splits of a request that names none."""


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: no cut or one out of its range, no training data, the index
            as its own reference, or another index of another metric.
        InvalidInputError, UnknownColumnError: a column that names no groups.
        NotReadyError: the reference index is empty.
        LimitError: more bins or pairs than the limits allow.
    """
    message: leakage_pb2.Leakage = asked.message
    require_near(message, asked.view.metric)
    most_pairs(message, asked.limits, default=MAX_PAIRS)
    if message.HasField("bins"):
        require_within(message.bins, MOST_BINS, "bins")
        if message.bins < 1:
            raise InvalidParamsError(f"bins must be at least 1, got {message.bins}")
    source = message.WhichOneof("trained_on")
    if source is None:
        raise InvalidParamsError(
            "give reference_index or splits, one of them: got neither"
        )
    if source == "splits":
        require_words(asked, message.splits.column)
    elif message.reference_index == asked.view.name:
        raise InvalidParamsError(
            f"reference_index is {message.reference_index!r} itself, each of whose"
            " vectors would be found for itself: give splits"
        )
    else:
        asked.like(message.reference_index)
    if message.group_column:
        require_words(asked, message.group_column)


def inspect(asked: Asked) -> None:
    """Refuse splits and groups that vectors lack, and splits of one kind.

    Raises:
        InvalidInputError: no vector passes the filter; one without a split or group; no
            training vector, or none to audit; or a split that no vector has.
        LimitError: more groups and bins than the limit of work allows.
    """
    message: leakage_pb2.Leakage = asked.message
    groups: NDArray[np.object_] | None = None
    if message.WhichOneof("trained_on") == "splits":
        words = words_taking_part(asked, message.splits.column)
        mask = np.arange(len(words)) < len(asked.passing)
        training_rows(Groups.of(words, name="splits"), trained_on(message), mask)
        groups = words[mask]
    if message.group_column:
        groups = words_at(asked.view, message.group_column, asked.passing)
    _require_few_lines(asked, groups, bins_of(message))


def trained_on(message: leakage_pb2.Leakage) -> list[str]:
    """The training splits that a request names."""
    return list(message.splits.trained_on) or list(TRAIN)


def bins_of(message: leakage_pb2.Leakage) -> int:
    """Bins of the histograms of a request."""
    return message.bins if message.HasField("bins") else BINS


def run(work: Work) -> Curated:
    """Audit the vectors."""
    message: leakage_pb2.Leakage = work.message
    pool, near = work.pool, near_of(message)
    splits = reference = None
    if message.WhichOneof("trained_on") == "splits":
        splits = column_words(pool, message.splits.column)
    else:
        reference = work.other(message.reference_index).index
    groups = None
    if message.group_column:
        groups = column_words(pool, message.group_column)
    words = groups if groups is not None else splits
    if words is not None and pool.among is not None:
        words = words[pool.among.rows]
    _require_few_lines(work, words, bins_of(message))
    found = leakage(
        pool.index,
        reference,
        splits=splits,
        trained_on=trained_on(message),
        radius=near.get("radius"),
        similarity=near.get("similarity"),
        groups=groups,
        among=pool.among,
        bins=bins_of(message),
        max_pairs=most_pairs(message, work.limits, default=MAX_PAIRS),
        threads=work.threads,
        progress=work.progress,
    )
    return curated_of(found)


def _require_few_lines(
    asked: Asked, groups: NDArray[np.object_] | None, bins: int
) -> None:
    """Refuse a table of histograms, a line per group and bin, that is large.

    Args:
        asked: the request.
        groups: (m,) of the vectors that take part; None for one group.
        bins: of a histogram.

    Raises:
        LimitError: with both numbers.
    """
    count = 1 if groups is None else len(set(groups.tolist()))
    name = f"bytes of {number_of(count, 'groups')} with {number_of(bins, 'bins')} each"
    require_within(LINE_BYTES * count * bins, asked.limits.work_bytes, name)


def _named(message: leakage_pb2.Leakage) -> Sequence[str]:
    return [message.reference_index] if message.reference_index else ()


METHOD = Method(check=check, inspect=inspect, run=run, indexes=_named)
