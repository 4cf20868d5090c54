"""The vectors that pass the filter of a request, looked up once."""

from datetime import datetime
from typing import Any

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.service.views.live_index import View


def passing_rows(view: View, condition: Condition | None) -> Rows:
    """The live rows (m,) of a view that pass a condition, ascending; all for None.

    Raises:
        InvalidFilterError: it does not fit the columns.
        InvalidInputError: no row passes.
    """
    if condition is None:
        return view.live_rows()
    rows = np.flatnonzero(view.passing(view.bind(condition)))
    if not len(rows):
        raise InvalidInputError(
            f"0 of {view.count} vectors of {view.name!r} pass the filter"
            f" {condition.where[:200]!r}"
        )
    return rows


def condition_as_json(condition: Condition) -> dict[str, Any]:
    """A condition and its parameters as JSON values, for a provenance."""
    return {
        "where": condition.where,
        "parameters": [_as_json(value) for value in condition.parameters],
    }


def _as_json(value: object) -> Any:
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
