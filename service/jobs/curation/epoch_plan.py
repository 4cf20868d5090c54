"""The vectors of epochs of training, planned over the ids that take part."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.held import take_ids
from gleann.index.ids.order import id_order
from gleann.index.nouns import number_of
from gleann.selection.checks import require_between, require_count
from gleann.selection.curation.plans import (
    EpochPlan,
    drawn_again,
    epoch_rows,
    in_turns,
    list_strata,
)
from gleann.selection.provenance import provenance
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.words import require_words
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.views.passing import condition_as_json, passing_rows
from gleann.service.views.payload_values import words_at
from gleann.service.wire.fields import enum_text
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import plans_pb2

LINE_BYTES = 28
"""Of the table: an epoch, a place, an id and a weight."""

MOST_EPOCH = 2**63 - 1
"""The last epoch that has a number of 64 bits."""

_PLANS = {"in_turns": in_turns, "drawn_again": drawn_again}


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: a fraction, an epoch or a seed out of its range.
        InvalidInputError: a stratum column of another type.
        LimitError: a table larger than the limit of work allows.
    """
    message: plans_pb2.EpochPlan = asked.message
    require_between("fraction", message.fraction, low=0, high=1)
    if not message.fraction:
        raise InvalidParamsError("fraction must be above 0, got 0")
    require_count("first_epoch", message.first_epoch, at_least=0)
    require_count("epochs", _epochs(message))
    last = message.first_epoch + _epochs(message) - 1
    require_between("last epoch", last, low=0, high=MOST_EPOCH)
    _PLANS[_mode(message)](1, fraction=message.fraction, seed=message.seed)
    if message.stratum_column:
        require_words(asked, message.stratum_column)
    lines = most_lines(message, asked.view.count)
    epochs = number_of(_epochs(message), "epochs")
    name = f"bytes of {number_of(lines, 'lines')} of {epochs}"
    require_within(LINE_BYTES * lines, asked.limits.work_bytes, name)


def inspect(asked: Asked) -> None:
    """Refuse vectors without a stratum.

    Raises:
        InvalidInputError: no vector passes the filter, or one without a value.
    """
    message: plans_pb2.EpochPlan = asked.message
    if message.stratum_column:
        words_at(asked.view, message.stratum_column, asked.passing)


def most_lines(message: plans_pb2.EpochPlan, count: int) -> int:
    """Lines that all epochs over `count` vectors have at most."""
    return _epochs(message) * (int(count * message.fraction) + 1)


def run(work: Work) -> Curated:
    """Plan, and store the epochs as they are made."""
    message: plans_pb2.EpochPlan = work.message
    ids, strata, origin = _planned(work)
    plan = _PLANS[_mode(message)](
        len(ids), fraction=message.fraction, seed=message.seed, strata=strata
    )
    known = provenance(
        "epoch_plan",
        params={
            "fraction": float(plan.fraction),
            "mode": _mode(message),
            "first_epoch": message.first_epoch,
            "epochs": _epochs(message),
            "epochs_a_pass": plan.epochs_a_pass,
            "strata": _strata_name(message),
        },
        seed=message.seed,
        data_hash=None,
    )
    return Curated(
        summary={
            "rows": len(ids),
            "epochs_a_pass": plan.epochs_a_pass,
            "strata": 0 if plan.strata is None else len(plan.strata.labels),
            "weights": "inverse_probability",
        },
        provenance={**known, **origin},
        tables={"epochs": _lines(work, plan, ids, strata)},
    )


def _planned(work: Work) -> tuple[HeldIds, NDArray[Any] | None, dict[str, Any]]:
    """Ids (m,) in their order, the stratum of each, and which of all they are.

    In the order of ids a plan outlives builds, which store vectors in another order.
    """
    message: plans_pb2.EpochPlan = work.message
    strata: NDArray[Any] | None
    if message.by_lists:
        pool = work.pool
        rows = np.arange(len(pool)) if pool.among is None else pool.among.rows
        ids, strata = take_ids(pool.ids, rows), list_strata(pool.index)[rows]
    else:
        held, view = passing_rows(work.view, condition_of(work.request)), work.view
        ids, strata = view.ids_at(held), None
        if message.stratum_column:
            strata = words_at(view, message.stratum_column, held)
    order = id_order(ids)
    return (
        take_ids(ids, order),
        None if strata is None else strata[order],
        _origin(work, len(order)),
    )


def _origin(work: Work, count: int) -> dict[str, Any]:
    condition = condition_of(work.request)
    if condition is None:
        return {}
    counts = {"rows": count, "of": work.view.count}
    return {"among": {**counts, **condition_as_json(condition)}}


def _lines(
    work: Work, plan: EpochPlan, ids: HeldIds, strata: NDArray[Any] | None
) -> Iterator[Columns]:
    message: plans_pb2.EpochPlan = work.message
    count = _epochs(message)
    for number in range(count):
        work.progress(Progress(phase="plan", done=number, total=count))
        epoch = message.first_epoch + number
        rows = epoch_rows(plan, epoch)
        yield {
            "epoch": np.full(len(rows), epoch, np.int64),
            "place": np.arange(len(rows)),
            "id": take_ids(ids, rows),
            "weight": np.full(len(rows), 1 / float(plan.fraction), np.float32),
            **({} if strata is None else {"stratum": strata[rows]}),
        }


def _epochs(message: plans_pb2.EpochPlan) -> int:
    return int(message.epochs) if message.HasField("epochs") else 1


def _mode(message: plans_pb2.EpochPlan) -> str:
    number = message.mode or plans_pb2.PLAN_MODE_IN_TURNS
    return str(enum_text(plans_pb2.PlanMode.DESCRIPTOR, number))


def _strata_name(message: plans_pb2.EpochPlan) -> str:
    return message.stratum_column or ("lists" if message.by_lists else "")


METHOD = Method(check=check, inspect=inspect, run=run)
