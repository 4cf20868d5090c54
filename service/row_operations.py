"""The operations on the rows of indexes: changes, fetches, counts and scrolls."""

from abc import ABC
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.checks import as_vectors, require_measurable
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    LimitError,
)
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_distinct, hold_ids
from gleann.index.metric import prepare
from gleann.index.payload.payload import Payload
from gleann.service.limits import require_values, require_within
from gleann.service.state.registry import Registry
from gleann.service.state.row_writer import Targets, require_fitting
from gleann.service.values import IndexVersion, Limits
from gleann.service.views.scrolling import require_kind, scrolled
from gleann.service.views.sharded_view import Readable, ShardedView
from gleann.service.wire.payload_messages import payload_sizes

Counted: TypeAlias = tuple[int, IndexVersion]
"""Vectors that a change applied to, and the first state with it."""


class RowOperations(ABC):
    """The part of `Application` that reads and changes rows.

    Attributes:
        registry: the indexes.
        limits: the caps on single requests.
    """

    registry: Registry
    limits: Limits

    def upsert(
        self,
        name: str,
        ids: HeldIds,
        vectors: NDArray[np.generic],
        payload: Payload | None = None,
    ) -> IndexVersion:
        """Store vectors (m, dim) and their payload under ids (m,).

        It replaces whole rows: columns that `payload` lacks become null.

        Returns:
            The first state with them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: vectors, ids or values that are invalid.
            LimitError: too many.
        """
        return self.upserting(name, ids, vectors, payload)()

    def upserting(
        self,
        name: str,
        ids: HeldIds,
        vectors: NDArray[np.generic],
        payload: Payload | None = None,
    ) -> Callable[[], IndexVersion]:
        """Check and prepare an `upsert`; return the function that performs it."""
        view = self.registry.view(name)
        require_within(len(vectors), self.limits.rows, "vectors")
        require_fitting(payload, view.schema)
        rows = as_vectors(vectors, dim=view.dim)
        names = hold_ids(ids, n=len(rows))
        require_rows(payload, len(rows))
        if view.metric == "cosine":
            prepared = prepare(rows, view.metric)
        else:
            # All that `prepare` does for these, but for the id in the message.
            require_measurable(rows, ids=names)
            prepared = rows
        view.require_kept(prepared)
        return self.registry.upserting(name, names, prepared, payload)

    def delete_vectors(
        self, name: str, targets: Targets, *, missing_ok: bool = False
    ) -> tuple[int, IndexVersion]:
        """Remove the vectors of ids or of a condition.

        Returns:
            Their number, and the first state without them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id without `missing_ok`; nothing is removed.
            InvalidFilterError: a condition that does not fit the index.
            LimitError: too many ids.
        """
        return self.deleting(name, targets, missing_ok=missing_ok)()

    def deleting(
        self, name: str, targets: Targets, *, missing_ok: bool
    ) -> Callable[[], Counted]:
        """Check a `delete_vectors`; return the function that performs it."""
        checked = self._checked(name, targets)
        return lambda: self.registry.delete_vectors(
            name, checked, missing_ok=missing_ok
        )

    def update_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> tuple[int, IndexVersion]:
        """Set values of payload: a row for each id, or one row for a condition.

        Returns:
            The number of vectors, and the first state with the values.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id; nothing is changed.
            UnknownColumnError: a column that the index does not have.
            InvalidFilterError: a condition that does not fit the index.
            InvalidInputError: no column, or one of another type.
            DimensionMismatchError: another number of rows.
            LimitError: too many ids.
        """
        return self.updating_payload(name, targets, payload)()

    def updating_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> Callable[[], Counted]:
        """Check an `update_payload`; return the function that performs it."""
        checked = self._checked(name, targets)
        require_rows(payload, 1 if isinstance(checked, Condition) else len(checked))
        require_fitting(payload, self.registry.view(name).schema)
        if not len(payload.schema):
            raise InvalidInputError("payload has no columns to set")
        if isinstance(checked, Condition):
            self._require_values(name, checked, payload)
        return lambda: self.registry.update_payload(name, checked, payload)

    def _require_values(
        self, name: str, condition: Condition, payload: Payload
    ) -> None:
        """Refuse one row of payload that is too large for all that pass a condition."""
        view, row_bytes = self.registry.view(name), int(payload_sizes(payload)[0])
        try:
            require_values(self.limits, rows=view.count, row_bytes=row_bytes)
        except LimitError:
            # Fewer may pass; they are not counted before there is a doubt.
            rows = int(np.count_nonzero(view.passing(view.bind(condition))))
            require_values(self.limits, rows=rows, row_bytes=row_bytes)

    def delete_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> tuple[int, IndexVersion]:
        """Remove the values of the columns `names`.

        Returns:
            The number of vectors, and the first state without the values.

        Raises:
            As `update_payload`.
        """
        return self.deleting_payload(name, targets, names)()

    def deleting_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> Callable[[], Counted]:
        """Check a `delete_payload`; return the function that performs it."""
        checked = self._checked(name, targets)
        if not names:
            raise InvalidInputError("there are no columns to remove values of")
        self.registry.view(name).schema.select(names)
        return lambda: self.registry.delete_payload(name, checked, names)

    def _checked(self, name: str, targets: Targets) -> Targets:
        """Targets of a change of an index, checked.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            DuplicateIdError: one id twice.
            LimitError: too many ids.
        """
        view = self.registry.view(name)
        if isinstance(targets, Condition):
            view.bind(targets)
            return targets
        require_within(len(targets), self.limits.rows, "ids")
        return hold_distinct(targets)

    def count(
        self, name: str, condition: Condition | None = None
    ) -> tuple[int, IndexVersion]:
        """Count the vectors of a condition, or all; and the state that was counted.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
        """
        view = self.registry.readable(name)
        if isinstance(view, ShardedView):
            return view.count_of(condition), view.state
        if condition is None:
            return view.count, view.state
        passing = view.passing(view.bind(condition))
        return int(np.count_nonzero(passing)), view.state

    def scroll(
        self,
        name: str,
        condition: Condition | None = None,
        *,
        after_id: int | str | None = None,
        size: int,
    ) -> tuple[Rows, Readable]:
        """The next vectors of a condition in the order of their ids.

        Args:
            name: of the index.
            condition: None for all vectors.
            after_id: the last id before; None starts.
            size: most vectors.

        Returns:
            Rows of the view that answered, and that view.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            InvalidParamsError: `after_id` of the other kind of ids.
        """
        view = self.registry.readable(name)
        if isinstance(view, ShardedView):
            require_kind(view, after_id)
            return view.rows_after(after_id, size=size, condition=condition), view
        bound = None if condition is None else view.bind(condition)
        return scrolled(view, bound, after_id=after_id, size=size), view


def require_rows(payload: Payload | None, count: int) -> None:
    """Refuse a payload with another number of rows than there are vectors.

    Raises:
        DimensionMismatchError: with both numbers.
    """
    if payload is not None and len(payload) != count:
        raise DimensionMismatchError(
            f"payload has {len(payload)} rows, expected {count}"
        )
