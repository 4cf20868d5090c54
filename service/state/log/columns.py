"""Changes of the columns of payload of an index."""

from collections.abc import Sequence

from gleann.index.errors import InvalidInputError
from gleann.index.payload.schema import Column, Schema
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.views.live_index import View


def missing_columns(schema: Schema, wanted: Sequence[Column]) -> tuple[Column, ...]:
    """The wanted columns that a schema does not have, or has without their index.

    Raises:
        InvalidInputError: one is there with another type, or cannot be added.
    """
    missing = []
    for column in Schema(wanted).columns:
        there = schema.get(column.name)
        if schema.lacks(column):
            missing.append(column)
        elif there is not None and there.type != column.type:
            raise InvalidInputError(
                f"there is a column {column.name!r} of type {there.type} already, so"
                f" none of type {column.type} can be added"
            )
    schema.with_columns(missing)  # refuses names that differ in case only
    return tuple(missing)


def log_columns(
    transaction: Transaction,
    view: View,
    *,
    add: Sequence[Column] = (),
    drop: Sequence[str] = (),
) -> View:
    """Log that columns are dropped, and then others added unless they are there.

    Returns:
        The view after that; `view` itself if there is nothing to change.

    Raises:
        UnknownColumnError: a column to drop that there is not.
        InvalidInputError: a column to add whose name is taken.
    """
    added = missing_columns(view.schema.without(drop), add)
    if not added and not drop:
        return view
    change = Change(kind="schema", dropped=tuple(drop), added=added)
    sequence = view.sequence + 1
    changes.log_change(transaction, view, change, sequence=sequence)
    following = change.applied(view, sequence=sequence)
    store_columns(transaction, following)
    return following


def store_columns(transaction: Transaction, view: View) -> None:
    """Store the columns of a view as those of its index."""
    transaction.run(
        "UPDATE indexes SET columns = ? WHERE number = ?",
        view.schema.to_json(),
        view.number,
    )
