"""What each method of curation would do and take."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.selection.curation.forecast.choices import (
    forecast_audit,
    forecast_epochs,
    forecast_rethreshold,
    forecast_split,
)
from gleann.selection.curation.forecast.graphs import (
    forecast_allocation,
    forecast_propagation,
)
from gleann.selection.curation.forecast.joins import forecast_duplicates, forecast_join
from gleann.selection.curation.forecast.searches import (
    forecast_distil,
    forecast_nearest,
    forecast_negatives,
    forecast_ranks,
    forecast_resample,
)
from gleann.selection.curation.forecast.value import Forecast
from gleann.selection.curation.leakage.audit import MAX_PAIRS as LEAKED_PAIRS
from gleann.selection.curation.leakage.audit import TARGET_RECALL, training_rows
from gleann.selection.curation.radius import radius_of
from gleann.selection.curation.target.distil import POSITIVE_FRACTION, SAMPLE_SIZE
from gleann.selection.groups import Groups
from gleann.selection.heads import TARGET_RECALL as HEADS_RECALL
from gleann.service.jobs.curation import allocate_labels, audit, epoch_plan, leakage
from gleann.service.jobs.curation.pairs import most_pairs
from gleann.service.jobs.curation.propagate import request_of
from gleann.service.jobs.curation.similarity_split import folds_of
from gleann.service.jobs.curation.work import Asked
from gleann.service.plans.pairs import Pairs, own_pairs, sent_pairs
from gleann.service.plans.reading import Reading, shares_of
from gleann.service.views.live_index import View
from gleann.service.views.passing import passing_rows
from gleann.service.views.payload_values import words_at
from gleann.service.wire.curation.duplicates import near_of
from gleann.service.wire.curation.negatives import negatives_request_of
from gleann.service.wire.curation.queries import count_queries
from gleann.service.wire.curation.target import mode_of, options_of
from gleann.service.wire.filter_messages import condition_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """What a method would do.

    Attributes:
        rows: vectors that take part.
        forecast: of its work.
        steps: one sentence each.
        opened: indexes whose vectors it reads as an index of the library.
    """

    rows: int
    forecast: Forecast
    steps: tuple[str, ...]
    opened: tuple[View, ...] = ()


def _taking_part(asked: Asked) -> Reading:
    """The vectors that pass the filter."""
    rows = passing_rows(asked.view, condition_of(asked.request))
    return Reading(view=asked.view, rows=rows)


def _all_of(asked: Asked, name: str) -> Reading:
    """All vectors of another index."""
    view = asked.view if name == asked.view.name else asked.like(name)
    return Reading(view=view, rows=view.live_rows())


def _radius(asked: Asked) -> float:
    near = near_of(asked.message)
    return radius_of(
        asked.view.metric,
        radius=near.get("radius"),
        similarity=near.get("similarity"),
    )


def _near_duplicates(asked: Asked) -> Planned:
    message, reading, radius = asked.message, _taking_part(asked), _radius(asked)
    n = len(reading)
    own = own_pairs(reading, radius, equal_as_one=True)
    most = most_pairs(message, asked.limits, default=MAX_PAIRS)
    steps = [*own.steps("pairs"), *own.above(most)]
    opened, others, across = [asked.view], 0, None
    if message.WhichOneof("against") == "against_index":
        other = _all_of(asked, message.against_index)
        opened.append(other.view)
        others = len(other)
        shares = shares_of(reading, other, radius=radius, equal_as_one=True)
        across = Pairs.of(n * others, shares)
    elif message.HasField("against_vectors"):
        sent, others = message.against_vectors, message.against_vectors.count
        across = sent_pairs(reading, sent, radius, equal_as_one=True)
    forecast = forecast_duplicates(
        n,
        0,
        asked.view.dim,
        nlist=reading.nlist,
        compared=own.compared,
        found=own.at_most(most).found,
    )
    if across is not None:
        steps += across.steps(f"pairs with the {others:,} vectors of the other side")
        beside = _joined(reading, others, across)
        forecast = _without_answer(beside).then(forecast)
    if message.known:
        steps.append(f"Pairs that {message.known} has are not compared again.")
    steps.append("It keeps the first of each group of near-duplicates.")
    return Planned(
        rows=n + others, forecast=forecast, steps=tuple(steps), opened=tuple(opened)
    )


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


def _join(asked: Asked) -> Planned:
    message, reading, near = asked.message, _taking_part(asked), near_of(asked.message)
    if "k" in near:
        return _nearest(asked, reading)
    radius, n = _radius(asked), len(reading)
    opened, others, pairs, what = [asked.view], 0, None, "pairs"
    if message.other_index:
        other = _all_of(asked, message.other_index)
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
        what = f"pairs with the {others:,} vectors of the other side"
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
    other = _all_of(asked, message.other_index)
    recall = {}
    if message.HasField("target_recall"):
        recall = {"target_recall": message.target_recall}
    return Planned(
        rows=len(reading) + len(other),
        forecast=forecast_nearest(
            other.searched(**recall), rows=len(reading), k=message.k
        ),
        steps=(
            f"It searches the {len(other):,} vectors of {other.view.name!r} for the"
            f" {message.k:,} nearest of each of {len(reading):,}.",
        ),
        opened=(asked.view, other.view),
    )


def _leakage(asked: Asked) -> Planned:
    message, reading, radius = asked.message, _taking_part(asked), _radius(asked)
    opened = [asked.view]
    if message.WhichOneof("trained_on") == "splits":
        words = words_at(asked.view, message.splits.column, reading.rows)
        trained = training_rows(
            Groups.of(words, name="splits"),
            list(message.splits.trained_on) or list(leakage.TRAIN),
            np.ones(len(words), np.bool_),
        )
        audited = reading.among(np.flatnonzero(~trained))
        training = reading.among(np.flatnonzero(trained))
    else:
        audited, training = reading, _all_of(asked, message.reference_index)
        opened.append(training.view)
    m, others = len(audited), len(training)
    pairs = Pairs.of(m * others, shares_of(audited, training, radius=radius))
    searched = training.searched(target_recall=TARGET_RECALL)
    nearest = forecast_nearest(searched, rows=m, k=1)
    # Of too many pairs the nearest of each vector are listed, which `nearest` stores.
    work = _joined(audited, others, pairs)
    if pairs.found > most_pairs(message, asked.limits, default=LEAKED_PAIRS):
        work = _without_answer(work)
    return Planned(
        rows=m + others,
        forecast=work.then(nearest),
        steps=(
            *pairs.steps(f"pairs of {m:,} vectors and {others:,} training vectors"),
            "It searches for the nearest training vector of those without a pair.",
        ),
        opened=tuple(opened),
    )


def _similarity_split(asked: Asked) -> Planned:
    reading, folds = _taking_part(asked), folds_of(asked.message)
    n = len(reading)
    steps = [f"It puts {n:,} vectors into {folds:,} folds by their lists."]
    if folds > (lists := min(n, reading.nlist)):
        steps.append(f"There are {lists:,} lists for {folds:,} folds: it would fail.")
    return Planned(
        rows=n,
        forecast=forecast_split(n),
        steps=tuple(steps),
        opened=(asked.view,),
    )


def _mine_negatives(asked: Asked) -> Planned:
    message, reading = asked.message, _taking_part(asked)
    request = negatives_request_of(message, None)
    queries = count_queries(message, "query")
    end_rank = min(request.window[1], len(reading))
    return Planned(
        rows=len(reading),
        forecast=forecast_negatives(
            reading.searched(target_recall=request.target_recall),
            queries=queries,
            per_query=message.per_query,
            end_rank=end_rank,
            positives=sum(message.positive_counts),
        ),
        steps=(
            f"It searches {len(reading):,} vectors for the first {end_rank:,} ranks of"
            f" each of {queries:,} queries.",
            f"It takes {message.per_query:,} negatives of each.",
        ),
        opened=(asked.view,),
    )


def _for_target(asked: Asked) -> Planned:
    message, reading = asked.message, _taking_part(asked)
    mode, count = mode_of(message), count_queries(message, "target")
    recall = options_of(message).get("target_recall", HEADS_RECALL)
    searched = reading.searched(target_recall=recall)
    budget = min(message.budget, len(reading))
    if mode == "resample":
        forecast = forecast_resample(searched, targets=count, budget=budget)
        how = "draws vectors by the lists of"
    elif mode == "distil":
        sample = SAMPLE_SIZE
        if message.HasField("sample_size"):
            sample = message.sample_size
        fraction = POSITIVE_FRACTION
        if message.HasField("positive_fraction"):
            fraction = message.positive_fraction
        forecast = forecast_distil(
            searched,
            targets=count,
            budget=budget,
            sample_size=sample,
            positive_fraction=fraction,
        )
        how = f"learns best ranks from {min(sample, len(reading)):,} vectors, for"
    else:
        takers = len(set(message.tasks)) or count
        if mode == "best_rank":
            takers = count
        forecast = forecast_ranks(searched, targets=count, takers=takers, budget=budget)
        how = "ranks vectors for"
    return Planned(
        rows=len(reading),
        forecast=forecast,
        steps=(
            f"It {how} {count:,} targets.",
            f"It chooses {budget:,} of {len(reading):,} vectors by {mode}, and"
            " compares them with two plain draws.",
        ),
        opened=(asked.view,),
    )


def _propagate(asked: Asked) -> Planned:
    message, n = asked.message, len(_taking_part(asked))
    request = request_of(message, among=None)
    classes = len(request.labelled(np.arange(len(np.asarray(request.ids)))).classes)
    k = min(request.k, max(1, n - 1))
    return Planned(
        rows=n,
        forecast=forecast_propagation(
            n,
            asked.view.dim,
            k=k,
            classes=classes,
            uncertain=min(message.uncertain, n),
        ),
        steps=(
            f"It finds the {k:,} nearest neighbours of {n:,} vectors.",
            f"It spreads labels of {classes:,} classes over {n * k:,} edges.",
        ),
        opened=(asked.view,),
    )


def _allocate_labels(asked: Asked) -> Planned:
    rows, classes = allocate_labels.probabilities_in(asked)
    return Planned(
        rows=rows,
        forecast=forecast_allocation(rows, classes=len(classes)),
        steps=(
            f"It shares {rows:,} vectors among {len(classes):,} classes by"
            f" {rows * len(classes):,} probabilities.",
        ),
    )


def _audit(asked: Asked) -> Planned:
    message, n = asked.message, len(_taking_part(asked))
    chosen, groups = len(audit.chosen_ids(asked)), len(message.group_columns)
    sets = audit.MEASURED if groups else audit.MEASURED - 1
    return Planned(
        rows=n,
        forecast=forecast_audit(
            n, asked.view.dim, chosen=chosen, sets=sets, groups=groups
        ),
        steps=(
            f"It measures {sets * n * chosen:,} distances of {n:,} vectors to {sets}"
            f" sets of {chosen:,}.",
            "It takes the Vendi scores of these sets and of all vectors.",
        ),
    )


def _epoch_plan(asked: Asked) -> Planned:
    message, n = asked.message, len(_taking_part(asked))
    lines = epoch_plan.most_lines(message, n)
    return Planned(
        rows=n,
        forecast=forecast_epochs(
            n, lines=lines, strata=message.WhichOneof("strata") is not None
        ),
        steps=(f"It plans {lines:,} lines of epochs over {n:,} vectors.",),
        opened=(asked.view,) if message.by_lists else (),
    )


def _rethreshold(asked: Asked) -> Planned:
    described = asked.shelf.get(asked.message.curation)
    rows = {table.name: table.rows for table in described.tables}
    pairs = rows.get("pairs", 0)
    count = int(json.loads(described.summary_json).get("rows", rows.get("rows", 0)))
    return Planned(
        rows=count,
        forecast=forecast_rethreshold(count, pairs=pairs),
        steps=(
            f"It reads {pairs:,} pairs of {described.name}, and compares no vector.",
        ),
    )


PLANNED: Mapping[str, Callable[[Asked], Planned]] = {
    "allocate_labels": _allocate_labels,
    "audit": _audit,
    "epoch_plan": _epoch_plan,
    "for_target": _for_target,
    "join": _join,
    "leakage": _leakage,
    "mine_negatives": _mine_negatives,
    "near_duplicates": _near_duplicates,
    "propagate": _propagate,
    "rethreshold": _rethreshold,
    "similarity_split": _similarity_split,
}
"""The plan of each method, as `service/jobs/curation/methods.py` has its work."""
