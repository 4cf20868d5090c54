"""The rows that a session is limited to: those that passed a filter at its start."""

from typing import TYPE_CHECKING

from gleann.index.filters.condition import Condition
from gleann.service.views.live_index import View, sealed_index
from gleann.service.views.passing import condition_as_json, passing_rows

if TYPE_CHECKING:
    from gleann.selection.among import Among


def rows_among(view: View, condition: Condition | None) -> "Among | None":
    """The rows of the sealed version that pass a condition now; None without one.

    The session keeps them: later changes of payload do not move them.

    Raises:
        NotReadyError: the index has no sealed version, or has newer changes.
        InvalidFilterError: the condition does not fit the columns.
        InvalidInputError: no row passes.
    """
    from gleann.selection.among import Among

    index = sealed_index(view)
    if condition is None:
        return None
    rows = passing_rows(view, condition)
    return Among(rows=rows, n=len(index), by=condition_as_json(condition))
