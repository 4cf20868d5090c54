"""What near-duplicates, joins and audits of leakage would do and take."""

from dataclasses import replace

import numpy as np

from gleann.index.nouns import counted
from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.selection.curation.forecast.joins import (
    KnownPart,
    forecast_duplicates,
    forecast_join,
)
from gleann.selection.curation.forecast.searches import forecast_nearest
from gleann.selection.curation.forecast.value import Forecast
from gleann.selection.curation.leakage.audit import MAX_PAIRS as LEAKED_PAIRS
from gleann.selection.curation.leakage.audit import TARGET_RECALL, training_rows
from gleann.selection.groups import Groups
from gleann.service.jobs.curation.leakage import trained_on
from gleann.service.jobs.curation.pairs import most_pairs, radius_in
from gleann.service.jobs.curation.work import Asked
from gleann.service.plans.known import known_part
from gleann.service.plans.pairs import Pairs, own_pairs, sent_pairs
from gleann.service.plans.planned import Planned, all_of, taking_part
from gleann.service.plans.reading import Reading, shares_of
from gleann.service.views.live_index import View
from gleann.service.views.payload_values import words_at
from gleann.service.wire.curation.duplicates import near_of


def plan_near_duplicates(asked: Asked) -> Planned:
    """The plan of `near_duplicates`."""
    reading, radius = taking_part(asked), radius_in(asked.message, asked.view.metric)
    known = known_part(asked, radius=radius)
    own = _own(reading, radius, known)
    most = most_pairs(asked.message, asked.limits, default=MAX_PAIRS)
    all_found = replace(own, found=own.found + known.pairs)
    forecast = forecast_duplicates(
        len(reading),
        asked.view.dim,
        nlist=reading.nlist,
        compared=own.compared,
        found=own.at_most(most).found,
        known=replace(known, pairs=min(known.pairs, most)),
    )
    steps = [*_of_known(asked, known)]
    if own.all:
        steps += own.steps("pairs")
    steps += all_found.above(most)
    opened, others = [asked.view], 0
    if (beside := _beside(asked, reading, radius)) is not None:
        across, others, view = beside
        opened += [] if view is None else [view]
        steps += across.steps(_with_others(others))
        forecast = _without_answer(_joined(reading, others, across)).then(forecast)
    return Planned(
        rows=len(reading) + others,
        forecast=forecast,
        steps=(*steps, "It keeps the first of each group of near-duplicates."),
        opened=tuple(opened),
    )


def _own(reading: Reading, radius: float, known: KnownPart) -> Pairs:
    """The pairs that are looked for, as if those of known vectors lay as all do."""
    n, k = len(reading), known.rows
    left = n * (n - 1) // 2 - k * (k - 1) // 2
    if not left:
        return Pairs(all=0, compared=0.0, found=0.0, drawn=0)
    return own_pairs(reading, radius, equal_as_one=True).part(left)


def _of_known(asked: Asked, known: KnownPart) -> list[str]:
    name = asked.message.known
    if not name:
        return []
    return [
        f"It takes about {counted(round(known.pairs), 'pairs')} of"
        f" {counted(known.rows, 'vectors')} from {name}, and looks for no others of"
        " these."
    ]


def _beside(
    asked: Asked, reading: Reading, radius: float
) -> tuple[Pairs, int, View | None] | None:
    """Pairs with the other collection, its vectors, and its index; None without one."""
    message = asked.message
    if message.WhichOneof("against") == "against_index":
        other = all_of(asked, message.against_index)
        shares = shares_of(reading, other, radius=radius, equal_as_one=True)
        pairs = Pairs.of(len(reading) * len(other), shares)
        return pairs, len(other), other.view
    if message.HasField("against_vectors"):
        sent = message.against_vectors
        pairs = sent_pairs(reading, sent, radius, equal_as_one=True)
        return pairs, sent.count, None
    return None


def _with_others(others: int) -> str:
    return f"pairs with the {counted(others, 'vectors')} of the other side"


def _joined(reading: Reading, others: int, pairs: Pairs) -> Forecast:
    return forecast_join(
        len(reading),
        others,
        reading.view.dim,
        nlist=reading.nlist,
        compared=pairs.compared,
        found=pairs.found,
    )


def _without_answer(forecast: Forecast) -> Forecast:
    """Work whose pairs are not listed."""
    return Forecast(
        parallel=forecast.parallel,
        serial=forecast.serial,
        memory_bytes=forecast.memory_bytes,
    )


def plan_join(asked: Asked) -> Planned:
    """The plan of `join`."""
    message, reading = asked.message, taking_part(asked)
    if "k" in near_of(message):
        return _nearest(asked, reading)
    radius, n = radius_in(message, asked.view.metric), len(reading)
    opened, others, pairs, what = [asked.view], 0, None, "pairs"
    if message.other_index:
        other = all_of(asked, message.other_index)
        opened.append(other.view)
        others = len(other)
        shares = shares_of(reading, other, radius=radius)
        pairs = Pairs.of(n * others, shares)
    elif message.HasField("other_vectors"):
        others = message.other_vectors.count
        pairs = sent_pairs(reading, message.other_vectors, radius)
    if pairs is None:
        pairs = own_pairs(reading, radius)
    else:
        what = _with_others(others)
    most = most_pairs(message, asked.limits)
    steps = [*pairs.steps(what), *pairs.above(most)]
    return Planned(
        rows=n + others,
        forecast=_joined(reading, others, pairs.at_most(most)),
        steps=(*steps, "It stores the pairs as they are found."),
        opened=tuple(opened),
    )


def _nearest(asked: Asked, reading: Reading) -> Planned:
    message = asked.message
    other = all_of(asked, message.other_index)
    recall = {}
    if message.HasField("target_recall"):
        recall = {"target_recall": message.target_recall}
    return Planned(
        rows=len(reading) + len(other),
        forecast=forecast_nearest(
            other.searched(**recall), rows=len(reading), k=message.k
        ),
        steps=(
            f"It searches the {counted(len(other), 'vectors')} of {other.view.name!r}"
            f" for the {message.k:,} nearest of each of {len(reading):,}.",
        ),
        opened=(asked.view, other.view),
    )


def plan_leakage(asked: Asked) -> Planned:
    """The plan of `leakage`."""
    message, reading = asked.message, taking_part(asked)
    opened = [asked.view]
    if message.WhichOneof("trained_on") == "splits":
        words = words_at(asked.view, message.splits.column, reading.rows)
        named = Groups.of(words, name="splits")
        everyone = np.ones(len(words), np.bool_)
        trained = training_rows(named, trained_on(message), everyone)
        audited = reading.among(np.flatnonzero(~trained))
        training = reading.among(np.flatnonzero(trained))
    else:
        audited, training = reading, all_of(asked, message.reference_index)
        opened.append(training.view)
    m, others = len(audited), len(training)
    radius = radius_in(message, asked.view.metric)
    pairs = Pairs.of(m * others, shares_of(audited, training, radius=radius))
    searched = training.searched(target_recall=TARGET_RECALL)
    nearest = forecast_nearest(searched, rows=m, k=1)
    # Of too many pairs the nearest of each vector are listed, which `nearest` stores.
    work = _joined(audited, others, pairs)
    if pairs.found > most_pairs(message, asked.limits, default=LEAKED_PAIRS):
        work = _without_answer(work)
    both = f"{counted(m, 'vectors')} and {counted(others, 'training vectors')}"
    return Planned(
        rows=m + others,
        forecast=work.then(nearest),
        steps=(
            *pairs.steps(f"pairs of {both}"),
            "It searches for the nearest training vector of those without a pair.",
        ),
        opened=tuple(opened),
    )
