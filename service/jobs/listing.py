"""Conditions on operations, in the language of conditions on payload."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from sqlite3 import Row
from typing import TypeAlias

from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

SCHEMA = Schema.of(
    {
        "state": "string",
        "kind": "string",
        "index": "string",
        "owner": "string",
        "created": "timestamp",
    }
)
"""What a condition may name; `id` is the name of the operation."""

Passing: TypeAlias = Callable[[Sequence[Row]], Sequence[bool]]
"""Which rows of the table `operations` are listed."""


def passing(where: str) -> Passing:
    """Bind a condition such as "state = 'failed' AND kind = 'build'".

    Raises:
        InvalidFilterError: it does not follow the grammar, or names another column.
    """
    if not where:
        return lambda rows: [True] * len(rows)
    bound = Condition(where).bound(SCHEMA, id_type="string")

    def flags(rows: Sequence[Row]) -> Sequence[bool]:
        if not rows:
            return []
        payload = Payload.of(
            {
                "state": [row["state"] for row in rows],
                "kind": [row["kind"] for row in rows],
                "index": [row["index_name"] for row in rows],
                "owner": [row["owner"] for row in rows],
                "created": [_moment(row["created"]) for row in rows],
            },
            SCHEMA,
        )
        listed: list[bool] = bound.mask(
            payload, hold_id_array([row["name"] for row in rows])
        ).tolist()
        return listed

    return flags


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
