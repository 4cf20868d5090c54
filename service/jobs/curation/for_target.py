"""Vectors chosen for targets, beside plain draws of the same size."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.errors import DimensionMismatchError
from gleann.index.ids.checks import hold_distinct
from gleann.index.nouns import number_of
from gleann.selection import Selection
from gleann.selection.checks import require_count
from gleann.selection.curation.target import (
    BestRankRequest,
    Comparison,
    Distilled,
    DistilRequest,
    Limits,
    Mode,
    ResampleRequest,
    RoundRobinRequest,
    Targets,
    compare,
    distil,
    for_target,
)
from gleann.selection.curation.target.distil import SAMPLE_SIZE, require_sample
from gleann.selection.curation.target.pool import room_of
from gleann.selection.curation.target.resample import rows_of_tasks
from gleann.selection.curation.target.targets import NO_TASK
from gleann.selection.groups import Groups
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.pool import Pool
from gleann.service.jobs.curation.words import (
    column_words,
    require_words,
    words_taking_part,
)
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.wire.arrays import optional_ids_of
from gleann.service.wire.curation.queries import count_queries
from gleann.service.wire.curation.target import (
    caps_of,
    mode_of,
    options_of,
    targets_of,
)
from gleann.v1 import target_pb2

NEIGHBOUR_BYTES = 12
"""A row and a distance, of each target and each row that is ranked for it."""

_REQUESTS = {
    "round_robin": RoundRobinRequest,
    "best_rank": BestRankRequest,
    "resample": ResampleRequest,
    "distil": DistilRequest,
}


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: a parameter out of its range, or of another mode; or shares
            that are not of the tasks.
        InvalidInputError: targets or a group column that cannot be used.
        DimensionMismatchError: targets of another dimension, or not a task for each.
        UnknownIdError: a target or an excluded id that no vector has.
        LimitError: ranks of more vectors than the limit of work allows.
    """
    message: target_pb2.ForTarget = asked.message
    targets, options = targets_of(message), options_of(message)
    request = _REQUESTS[mode_of(message)](
        targets=targets, budget=message.budget, **options
    )
    if isinstance(request, ResampleRequest):
        named = [NO_TASK] if targets.tasks is None else Groups.of(targets.tasks).labels
        rows_of_tasks(request, list(named))
    require_count("seed", message.seed, at_least=0)
    _check_targets(asked, targets)
    if (excluded := optional_ids_of(message, "excluded_ids")) is not None:
        asked.view.require(hold_distinct(excluded, name="excluded_ids"))
    if caps_of(message) is not None:
        require_words(asked, message.group_column)
    _check_limit(asked)


def _check_targets(asked: Asked, targets: Targets) -> None:
    message: target_pb2.ForTarget = asked.message
    count = asked.require_queries("target")
    if targets.tasks is not None and len(message.tasks) != count:
        raise DimensionMismatchError(
            f"tasks has {number_of(len(message.tasks), 'entries')} for"
            f" {number_of(count, 'targets')}"
        )


def inspect(asked: Asked) -> None:
    """Refuse caps of groups that there are not, and a probe of too few vectors.

    Raises:
        InvalidInputError: no vector passes the filter; one has no group; or fewer than
            two may be in the sample of a probe.
        InvalidParamsError: a cap of a group that no vector has.
    """
    message: target_pb2.ForTarget = asked.message
    passing = asked.passing
    if (caps := caps_of(message)) is not None:
        room_of(Groups.of(words_taking_part(asked, message.group_column)), caps)
    if mode_of(message) == "distil":
        require_sample(len(passing) - _barred(asked))


def _barred(asked: Asked) -> int:
    """Vectors that pass the filter and must not be chosen."""
    message: target_pb2.ForTarget = asked.message
    barred = np.zeros(len(asked.passing), np.bool_)
    for name in ("excluded_ids", "target_ids"):
        ids = optional_ids_of(message, name)
        if ids is not None and not (name == "target_ids" and message.allow_targets):
            places = asked.places_of(ids)
            barred[places[places >= 0]] = True
    return int(barred.sum())


def _check_limit(asked: Asked) -> None:
    """Ranks that all targets may need in the worst case, where they are equal."""
    message: target_pb2.ForTarget = asked.message
    mode, most = mode_of(message), message.budget
    if mode == "resample":
        return
    if mode == "distil":
        most = message.sample_size if message.HasField("sample_size") else SAMPLE_SIZE
    depth = min(most, asked.view.count)
    count = count_queries(message, "target")
    targets, ranks = number_of(count, "targets"), number_of(depth, "ranks")
    name = f"bytes of {targets} and {ranks} of each"
    require_within(NEIGHBOUR_BYTES * count * depth, asked.limits.work_bytes, name)


def run(work: Work) -> Curated:
    """Choose, and compare with draws."""
    message: target_pb2.ForTarget = work.message
    pool, targets = work.pool, targets_of(message)
    limits = _limits(pool, message)
    chosen, distilled = _chosen(work, targets, limits)
    compared = None
    if len(chosen):
        compared = compare(
            pool.index, chosen, targets, limits=limits, seed=message.seed
        )
    tables: dict[str, Columns] = {
        "chosen": chosen_columns(chosen, targets),
        "compared": _compared(compared),
    }
    if distilled is not None:
        tables["scores"] = {"id": pool.ids, "score": distilled.scores}
    numbers = {} if compared is None else compared.summary()
    return Curated(
        summary={**chosen.summary, "chosen": len(chosen), **numbers},
        provenance=chosen.provenance,
        tables=tables,
    )


def chosen_columns(chosen: Selection, targets: Targets) -> dict[str, NDArray[Any]]:
    """One line per chosen vector; targets by their ids, or their numbers."""
    why = chosen.why
    if "target" in why and targets.ids is not None:
        why = {**why, "target": _ids(targets)[why["target"]]}
    return {
        "id": chosen.ids,
        "rank": np.arange(len(chosen)),
        "weight": chosen.weights,
        **why,
    }


def _ids(targets: Targets) -> Ids:
    assert targets.ids is not None
    held = hold_distinct(targets.ids, name="target_ids")
    return held if isinstance(held, np.ndarray) else held.to_numpy()


def _chosen(
    work: Work, targets: Targets, limits: Limits
) -> tuple[Selection, Distilled | None]:
    message: target_pb2.ForTarget = work.message
    index, mode, options = work.pool.index, mode_of(message), options_of(message)
    if mode != "distil":
        chosen = for_target(
            index,
            targets,
            budget=message.budget,
            mode=cast(Mode, mode),
            limits=limits,
            options=options,
            progress=work.progress,
        )
        return chosen, None
    request = DistilRequest(
        targets=targets, budget=message.budget, limits=limits, **options
    )
    distilled = distil(index, request, progress=work.progress)
    return distilled.chosen, distilled


def _limits(pool: Pool, message: target_pb2.ForTarget) -> Limits:
    excluded = optional_ids_of(message, "excluded_ids")
    caps = caps_of(message)
    if caps is None:
        return Limits(among=pool.among, excluded=excluded)
    return Limits(
        among=pool.among,
        excluded=excluded,
        groups=column_words(pool, message.group_column),
        caps=caps,
    )


def _compared(compared: Comparison | None) -> Columns:
    names = ["chosen", "random", "stratified"] if compared is not None else []
    sets = [getattr(compared, name) for name in names]
    return {
        "selection": np.array(names, np.str_),
        "rows": np.array([one.rows for one in sets], np.int64),
        "mean_distance": np.array([one.mean_distance for one in sets], np.float64),
        "divergence": np.array([one.divergence for one in sets], np.float64),
    }


METHOD = Method(check=check, inspect=inspect, run=run)
