"""What each method of curation would do and take; joins have a module of their own."""

import json
from collections.abc import Callable, Mapping

import numpy as np

from gleann.index.nouns import counted
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
from gleann.selection.curation.forecast.searches import (
    forecast_distil,
    forecast_negatives,
    forecast_ranks,
    forecast_resample,
)
from gleann.selection.curation.target.distil import POSITIVE_FRACTION, SAMPLE_SIZE
from gleann.selection.heads import TARGET_RECALL as HEADS_RECALL
from gleann.service.jobs.curation import allocate_labels, audit, epoch_plan
from gleann.service.jobs.curation.propagate import request_of
from gleann.service.jobs.curation.similarity_split import folds_of
from gleann.service.jobs.curation.work import Asked
from gleann.service.plans.joins import plan_join, plan_leakage, plan_near_duplicates
from gleann.service.plans.planned import Planned, taking_part
from gleann.service.wire.curation.negatives import negatives_request_of
from gleann.service.wire.curation.queries import count_queries
from gleann.service.wire.curation.target import mode_of, options_of


def _similarity_split(asked: Asked) -> Planned:
    n, folds = len(taking_part(asked)), folds_of(asked.message)
    return Planned(
        rows=n,
        forecast=forecast_split(n),
        steps=(
            f"It puts {counted(n, 'vectors')} into {folds:,} folds by their lists.",
        ),
        opened=(asked.view,),
    )


def _mine_negatives(asked: Asked) -> Planned:
    message, reading = asked.message, taking_part(asked)
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
            f"It searches {counted(len(reading), 'vectors')} for the first"
            f" {counted(end_rank, 'ranks')} of each of {counted(queries, 'queries')}.",
            f"It takes {counted(message.per_query, 'negatives')} of each.",
        ),
        opened=(asked.view,),
    )


def _for_target(asked: Asked) -> Planned:
    message, reading = asked.message, taking_part(asked)
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
        sampled = counted(min(sample, len(reading)), "vectors")
        how = f"learns best ranks from {sampled}, for"
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
            f"It {how} {counted(count, 'targets')}.",
            f"It chooses {budget:,} of {counted(len(reading), 'vectors')} by {mode},"
            " and compares them with two plain draws.",
        ),
        opened=(asked.view,),
    )


def _propagate(asked: Asked) -> Planned:
    message, n = asked.message, len(taking_part(asked))
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
            f"It finds the {counted(k, 'nearest neighbours')} of"
            f" {counted(n, 'vectors')}.",
            f"It spreads labels of {classes:,} classes over {counted(n * k, 'edges')}.",
        ),
        opened=(asked.view,),
    )


def _allocate_labels(asked: Asked) -> Planned:
    rows, classes = allocate_labels.probabilities_in(asked)
    return Planned(
        rows=rows,
        forecast=forecast_allocation(rows, classes=len(classes)),
        steps=(
            f"It shares {counted(rows, 'vectors')} among {len(classes):,} classes by"
            f" {rows * len(classes):,} probabilities.",
        ),
    )


def _audit(asked: Asked) -> Planned:
    message, n = asked.message, len(taking_part(asked))
    chosen, groups = len(audit.chosen_ids(asked)), len(message.group_columns)
    sets = audit.MEASURED if groups else audit.MEASURED - 1
    return Planned(
        rows=n,
        forecast=forecast_audit(
            n, asked.view.dim, chosen=chosen, sets=sets, groups=groups
        ),
        steps=(
            f"It measures {counted(sets * n * chosen, 'distances')} of"
            f" {counted(n, 'vectors')} to {sets} sets of {chosen:,}.",
            "It takes the Vendi scores of these sets and of all vectors.",
        ),
    )


def _epoch_plan(asked: Asked) -> Planned:
    message, n = asked.message, len(taking_part(asked))
    lines = epoch_plan.most_lines(message, n)
    return Planned(
        rows=n,
        forecast=forecast_epochs(
            n, lines=lines, strata=message.WhichOneof("strata") is not None
        ),
        steps=(
            f"It plans {counted(lines, 'lines')} of epochs over"
            f" {counted(n, 'vectors')}.",
        ),
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
            f"It reads {counted(pairs, 'pairs')} of {described.name}, and compares no"
            " vector.",
        ),
    )


PLANNED: Mapping[str, Callable[[Asked], Planned]] = {
    "allocate_labels": _allocate_labels,
    "audit": _audit,
    "epoch_plan": _epoch_plan,
    "for_target": _for_target,
    "join": plan_join,
    "leakage": plan_leakage,
    "mine_negatives": _mine_negatives,
    "near_duplicates": plan_near_duplicates,
    "propagate": _propagate,
    "rethreshold": _rethreshold,
    "similarity_split": _similarity_split,
}
"""The plan of each method, as `service/jobs/curation/methods.py` has its work."""
